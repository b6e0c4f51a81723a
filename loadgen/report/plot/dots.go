package plot

import (
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Dots is a figure with a row for each name and a dot in it for each route; X of a point is its row.
type Dots struct {
	Title, Sub string
	Rows       []string
	Lines      []Line
}

const rowHigh = vg.Length(34)

// SVG draws the figure; one that stands alone has its own styles.
func (d Dots) SVG(standsAlone bool) string {
	tall := vg.Length(len(d.Rows))*rowHigh + 84
	c := newCanvas(tall)
	area := header(c, draw.NewCanvas(c, wide, tall), d.Title, d.Sub, routes(d.Lines))
	p := axes()
	x := scaleOf(values(d.Lines, func(p Point) []float64 { return []float64{p.Y, p.Low, p.High} }))
	x.apply(&p.X)
	p.X.Tick.Marker = constant(thin(x.ticks, func(at float64) float64 { return p.X.Norm(at) * float64(wide-160) }, p.X.Tick.Label.Width))
	p.X.LineStyle.Width = 0
	p.Y.Padding = 6 // a dot at the lower end does not touch the names
	var rows []Tick
	for i, name := range d.Rows {
		rows = append(rows, Tick{float64(len(d.Rows) - 1 - i), name})
	}
	p.Y.Min, p.Y.Max, p.Y.Tick.Marker = -0.5, float64(len(d.Rows))-0.5, constant(rows)
	p.Add(grid{x.ticks, true}, d)
	p.Draw(area)
	return c.document(wide, d.Title, standsAlone)
}

// Plot draws the interval and the dot of each route.
func (d Dots) Plot(area draw.Canvas, p *plot.Plot) {
	tx, ty := p.Transforms(&area)
	x := func(v float64) vg.Length { return tx(min(max(v, p.X.Min), p.X.Max)) }
	c := under(area)
	for i, line := range d.Lines {
		for _, pt := range line.Points {
			y := ty(float64(len(d.Rows))-1-pt.X) + vg.Length(float64(len(d.Lines)-1)/2-float64(i))*8
			if pt.Low < pt.High {
				area.StrokeLine2(stroke(Class(line.Index), 1.6), x(pt.Low), y, x(pt.High), y)
			}
			c.hollow = pt.Hollow
			c.mark(vg.Point{X: x(pt.Y), Y: y}, line.Index, pt.Tip)
		}
	}
	c.hollow = false
}
