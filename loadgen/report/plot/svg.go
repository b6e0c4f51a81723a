package plot

import (
	"fmt"
	"image"
	"image/color"
	"math"
	"strconv"
	"strings"

	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// canvas writes SVG. Colours are classes, so that one drawing suits a light
// and a dark page, and text stays text. Coordinates have one decimal.
type canvas struct {
	b     strings.Builder
	high  vg.Length
	now   state
	stack []state
	tip   string // of the next shape: what a reader sees who points at it

	hollow bool // shapes of routes are outlines
}

type state struct {
	width vg.Length
	dash  []vg.Length
	ink   ink
	turn  matrix
}

// matrix maps (x, y) to (a·x + c·y + e, b·x + d·y + f), y upwards.
type matrix struct{ a, b, c, d, e, f float64 }

func (m matrix) times(n matrix) matrix {
	return matrix{
		m.a*n.a + m.c*n.b, m.b*n.a + m.d*n.b, m.a*n.c + m.c*n.d, m.b*n.c + m.d*n.d,
		m.a*n.e + m.c*n.f + m.e, m.b*n.e + m.d*n.f + m.f,
	}
}

// ink is a colour by what it is for; see theme.go.
type ink struct {
	class string
	alpha float64 // 0: opaque
}

// RGBA is black: only the class is ever used.
func (ink) RGBA() (r, g, b, a uint32) { return color.Black.RGBA() }

func newCanvas(high vg.Length) *canvas {
	return &canvas{high: high, now: state{turn: matrix{a: 1, d: 1}}}
}

// document is the whole file. With styles it stands alone; without, the page has them.
func (c *canvas) document(wide vg.Length, title string, styles bool) string {
	style, paper := "", ""
	if styles {
		style, paper = "<style>"+alone+"</style>", fmt.Sprintf(`<rect class="f paper" width="%s" height="%s"/>`, number(wide), number(c.high))
	}
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" class="plot" viewBox="0 0 %s %s" role="img" aria-label="%s">%s%s%s%s</svg>`+"\n",
		number(wide), number(c.high), escape(title), style, paper, "\n", c.b.String())
}

func (c *canvas) SetLineWidth(w vg.Length)               { c.now.width = w }
func (c *canvas) SetLineDash(d []vg.Length, _ vg.Length) { c.now.dash = d }
func (c *canvas) Push()                                  { c.stack = append(c.stack, c.now) }
func (c *canvas) Pop()                                   { c.now, c.stack = c.stack[len(c.stack)-1], c.stack[:len(c.stack)-1] }

func (c *canvas) Scale(x, y float64)                  { c.now.turn = c.now.turn.times(matrix{a: x, d: y}) }
func (c *canvas) DrawImage(vg.Rectangle, image.Image) { panic("plot: no drawing has images") }
func (c *canvas) Translate(pt vg.Point) {
	c.now.turn = c.now.turn.times(matrix{1, 0, 0, 1, float64(pt.X), float64(pt.Y)})
}

func (c *canvas) Rotate(rad float64) {
	sin, cos := math.Sincos(rad)
	c.now.turn = c.now.turn.times(matrix{a: cos, b: sin, c: -sin, d: cos})
}

func (c *canvas) SetColor(k color.Color) {
	i, ok := k.(ink)
	if !ok {
		panic(fmt.Sprintf("plot: colour %v has no class", k))
	}
	c.now.ink = i
}

// at is where a point is in the file.
func (c *canvas) at(p vg.Point) (x, y string) {
	m := c.now.turn
	return number(vg.Length(m.a*float64(p.X) + m.c*float64(p.Y) + m.e)), number(c.high - vg.Length(m.b*float64(p.X)+m.d*float64(p.Y)+m.f))
}

func (c *canvas) Stroke(p vg.Path) {
	if c.now.width <= 0 {
		return
	}
	extra := fmt.Sprintf(` stroke-width="%s"`, number(c.now.width))
	if len(c.now.dash) > 0 {
		var d []string
		for _, l := range c.now.dash {
			d = append(d, number(l))
		}
		extra += fmt.Sprintf(` stroke-dasharray="%s"`, strings.Join(d, " "))
	}
	c.shape("s", p, extra)
}

func (c *canvas) Fill(p vg.Path) {
	extra := ""
	if c.now.ink.alpha > 0 {
		extra = ` fill-opacity="` + strconv.FormatFloat(c.now.ink.alpha, 'f', 2, 64) + `"`
	}
	c.shape("f", p, extra)
}

func (c *canvas) shape(how string, p vg.Path, extra string) {
	end := "/>"
	if c.tip != "" {
		how, end, c.tip = how+" tip", "><title>"+escape(c.tip)+"</title></path>", ""
	}
	fmt.Fprintf(&c.b, `<path class="%s %s" d="%s"%s%s`+"\n", how, c.now.ink.class, c.path(p), extra, end)
}

func (c *canvas) path(p vg.Path) string {
	var b strings.Builder
	for _, s := range p {
		x, y := c.at(s.Pos)
		switch s.Type {
		case vg.MoveComp:
			fmt.Fprintf(&b, "M%s %s", x, y)
		case vg.LineComp:
			fmt.Fprintf(&b, "L%s %s", x, y)
		case vg.ArcComp: // only whole circles are drawn
			r := number(s.Radius)
			left, _ := c.at(vg.Point{X: s.Pos.X - s.Radius, Y: s.Pos.Y})
			right, _ := c.at(vg.Point{X: s.Pos.X + s.Radius, Y: s.Pos.Y})
			fmt.Fprintf(&b, "M%s %sA%s %s 0 1 1 %s %sA%s %s 0 1 1 %s %s", left, y, r, r, right, y, r, r, left, y)
		case vg.CloseComp:
			b.WriteString("Z")
		default:
			panic(fmt.Sprintf("plot: path component %d", s.Type))
		}
	}
	return b.String()
}

func (c *canvas) FillString(f font.Face, pt vg.Point, text string) {
	x, y := c.at(pt)
	extra := ""
	if m := c.now.turn; m.b != 0 {
		extra = fmt.Sprintf(` transform="rotate(%s %s %s)"`, number(vg.Length(-math.Atan2(m.b, m.a)*180/math.Pi)), x, y)
	}
	if f.Font.Weight > 0 {
		extra += ` font-weight="600"`
	}
	if f.Font.Size != textSize {
		extra += fmt.Sprintf(` font-size="%s"`, number(f.Font.Size))
	}
	// The font that the reader has may be wider than ours: the place for the text stays the same.
	fmt.Fprintf(&c.b, `<text class="f %s" x="%s" y="%s" textLength="%s" lengthAdjust="spacingAndGlyphs"%s>%s</text>`+"\n",
		c.now.ink.class, x, y, number(f.Width(text)), extra, escape(text))
}

// number has one decimal at most, and no minus before a zero.
func number(l vg.Length) string {
	v := math.Round(float64(l)*10) / 10
	return strconv.FormatFloat(v+0, 'f', -1, 64) // -0 + 0 is 0
}

var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;")

func escape(s string) string { return escaper.Replace(s) }

// under is the canvas below a part of it.
func under(area vg.Canvas) *canvas {
	for {
		switch a := area.(type) {
		case *canvas:
			return a
		case draw.Canvas:
			area = a.Canvas
		default:
			panic(fmt.Sprintf("plot: drawing on a %T", area))
		}
	}
}
