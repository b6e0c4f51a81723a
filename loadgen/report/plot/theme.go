package plot

import (
	"fmt"
	"strings"

	"golang.org/x/image/font"
	gfont "gonum.org/v1/plot/font"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// What is drawn in which colour: light, dark. The colours of routes are told
// apart by people who see few colours (Okabe and Ito), and each route has a
// shape of its own as well.
var colours = []struct{ class, light, dark string }{
	{"paper", "#ffffff", "#14181d"},
	{"text", "#1f2328", "#e3e7ec"},
	{"soft", "#5b6570", "#9aa5b1"},
	{"grid", "#e3e7eb", "#2b323a"},
	{"fault", "#b3261e", "#ff8a80"},
	{"r0", "#6b7580", "#a8b3be"},
	{"r1", "#d98200", "#f0b13c"},
	{"r2", "#0068b3", "#5ab4f0"},
	{"r3", "#c2185b", "#f48fb1"},
	{"r4", "#00876c", "#4cc9a4"},
	{"r5", "#6a4fb0", "#b9a3f2"},
	{"r6", "#8a5a00", "#d9b36c"},
	{"r7", "#c44a00", "#ff9e66"},
}

// Routes is how many routes have colours of their own.
const Routes = 8

// Class is the CSS class of a route: 0 direct, 1 relay, 2 and more tunnels.
func Class(route int) string {
	if route >= Routes {
		route = 2 + (route-2)%(Routes-2)
	}
	return fmt.Sprintf("r%d", route)
}

const shapes = `.plot{font:12px "Liberation Sans",Arial,Helvetica,sans-serif}.plot .s{fill:none;stroke:currentColor;stroke-linejoin:round}.plot .f{fill:currentColor}.plot .tip{pointer-events:all}`

// rules are the colours, light or dark, below a selector.
func rules(below string, dark bool) string {
	var b strings.Builder
	for _, c := range colours {
		hex := c.light
		if dark {
			hex = c.dark
		}
		fmt.Fprintf(&b, "%s .%s{color:%s}", below, c.class, hex)
	}
	return b.String()
}

// alone styles a drawing that is a file of its own.
var alone = shapes + rules("", false) + "@media(prefers-color-scheme:dark){" + rules("", true) + "}"

// Style is what a page needs for drawings without styles of their own:
// dark where the system is dark, unless the root element says data-theme="light", or "dark".
var Style = shapes + rules("", false) +
	"@media(prefers-color-scheme:dark){" + rules(":root:not([data-theme=light])", true) + "}" + rules(":root[data-theme=dark]", true)

// Sizes in pixels.
const (
	wide     = vg.Length(460)
	high     = vg.Length(290)
	textSize = vg.Length(12)
	edge     = vg.Length(8)
)

// label is a style of text.
func label(class string, weight font.Weight) text.Style {
	return text.Style{
		Color: ink{class: class}, Handler: text.Plain{Fonts: gfont.DefaultCache},
		Font: gfont.Font{Typeface: "Liberation", Variant: "Sans", Weight: weight, Size: textSize},
	}
}

// stroke is a style of lines; dashes are pairs of ink and gap.
func stroke(class string, width vg.Length, dash ...vg.Length) draw.LineStyle {
	return draw.LineStyle{Color: ink{class: class}, Width: width, Dashes: dash}
}

// mark draws the shape of a route.
func (c *canvas) mark(at vg.Point, route int, tip string) {
	const r = vg.Length(3.6)
	c.SetColor(ink{class: Class(route)})
	c.tip = tip
	var p vg.Path
	polygon := func(corners ...vg.Point) {
		for i, d := range corners {
			if pt := (vg.Point{X: at.X + d.X*r, Y: at.Y + d.Y*r}); i == 0 {
				p.Move(pt)
			} else {
				p.Line(pt)
			}
		}
		p.Close()
	}
	switch route % 4 {
	case 0:
		p.Arc(at, r, 0, 0)
	case 1:
		polygon(vg.Point{X: -.9, Y: -.9}, vg.Point{X: .9, Y: -.9}, vg.Point{X: .9, Y: .9}, vg.Point{X: -.9, Y: .9})
	case 2:
		polygon(vg.Point{X: 0, Y: -1.3}, vg.Point{X: 1.3, Y: 0}, vg.Point{X: 0, Y: 1.3}, vg.Point{X: -1.3, Y: 0})
	case 3:
		polygon(vg.Point{X: -1.1, Y: -.8}, vg.Point{X: 1.1, Y: -.8}, vg.Point{X: 0, Y: 1.2})
	}
	if c.hollow {
		c.SetLineWidth(1.3)
		c.SetLineDash(nil, 0)
		c.Stroke(p)
		return
	}
	c.Fill(p)
}

// header writes title, what the axis shows, and the key; it returns the room that is left.
func header(c *canvas, area draw.Canvas, title, sub string, routes []Route) draw.Canvas {
	bold := label("text", font.WeightBold)
	soft := label("soft", font.WeightNormal)
	y := area.Max.Y - edge - textSize
	area.FillText(bold, vg.Point{X: edge, Y: y}, title)
	area.FillText(soft, vg.Point{X: edge + bold.Width(title) + 8, Y: y}, sub)
	y -= textSize + 7
	x := edge
	for _, r := range routes {
		w := soft.Width(r.Name) + 26
		if x > edge && x+w > area.Max.X {
			x, y = edge, y-textSize-5
		}
		c.mark(vg.Point{X: x + 4, Y: y + 4}, r.Index, "")
		area.FillText(soft, vg.Point{X: x + 13, Y: y}, r.Name)
		x += w
	}
	return draw.Crop(area, edge/2, -edge, edge/2, y-8-area.Max.Y)
}
