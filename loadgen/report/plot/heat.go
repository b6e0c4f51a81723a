package plot

import (
	"golang.org/x/image/font"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Heat is a table of values, the larger the darker.
type Heat struct {
	Title, Sub     string
	Route          int
	Columns, Rows  []string
	XLabel, YLabel string
	Values         map[[2]int]Shade // by column and row; what is not there was not measured
}

// A Shade is one value of a Heat: how dark, from 0 to 1, and what it says.
type Shade struct {
	Dark      float64
	Text, Tip string
}

// SVG draws the figure; one that stands alone has its own styles.
func (h Heat) SVG(standsAlone bool) string {
	soft, plain := label("soft", font.WeightNormal), label("text", font.WeightNormal)
	tall := vg.Length(len(h.Rows))*rowHigh + 92
	c := newCanvas(tall)
	area := draw.NewCanvas(c, wide, tall)
	left := soft.Width(h.YLabel)
	for _, r := range h.Rows {
		left = max(left, soft.Width(r))
	}
	header(c, area, h.Title, h.Sub, nil)
	left += edge + 8
	top, step := tall-62, (wide-left-edge)/vg.Length(len(h.Columns))
	centre := func(style draw.TextStyle, x, y vg.Length, text string) {
		area.FillText(style, vg.Point{X: x - style.Width(text)/2, Y: y}, text)
	}
	area.FillText(soft, vg.Point{X: edge, Y: top + 8}, h.YLabel)
	for i, name := range h.Columns {
		centre(soft, left+step*(vg.Length(i)+0.5), top+8, name)
	}
	for r, name := range h.Rows {
		y := top - rowHigh*vg.Length(r+1)
		area.FillText(soft, vg.Point{X: edge, Y: y + rowHigh/2 - 4}, name)
		for i := range h.Columns {
			x := left + step*vg.Length(i)
			shade, ok := h.Values[[2]int{i, r}]
			box := []vg.Point{{X: x + 1, Y: y + 1}, {X: x + step - 1, Y: y + 1}, {X: x + step - 1, Y: y + rowHigh - 1}, {X: x + 1, Y: y + rowHigh - 1}}
			if !ok {
				area.FillPolygon(ink{"grid", 0.35}, box)
				continue
			}
			c.tip = shade.Tip
			area.FillPolygon(ink{Class(h.Route), 0.08 + 0.5*min(max(shade.Dark, 0), 1)}, box)
			centre(plain, x+step/2, y+rowHigh/2-4, shade.Text)
		}
	}
	centre(soft, left+step*vg.Length(len(h.Columns))/2, edge+2, h.XLabel)
	return c.document(wide, h.Title, standsAlone)
}
