// Package plot draws figures as SVG: lines with bands, dots, heat maps. It
// knows nothing of records. The same figure always gives the same text.
//
//	plot.go   Lines: curves, percentiles, time series
//	dots.go   Dots: a value for each name
//	heat.go   Heat: a value for each pair
//	scale.go  ticks and numbers on axes
//	theme.go  colours, shapes, fonts
//	svg.go    the canvas
package plot

import (
	"math"
	"slices"

	"golang.org/x/image/font"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// A Route is what a colour and a shape stand for.
type Route struct {
	Index int // 0 direct, 1 relay, 2 and more tunnels
	Name  string
}

// A Point of a line, or a dot: a value, and the interval around it.
type Point struct {
	X, Y, Low, High float64
	Tip             string // shown to a reader who points at it
	Gap             bool   // not joined with the point before
	Hollow          bool   // drawn as an outline
}

// A Line joins points, in the order of X.
type Line struct {
	Route
	Points []Point
}

// A Tick is a labelled place on an axis.
type Tick struct {
	At    float64
	Label string
}

// A Mark is an event on the X axis, from At to Until; one instant when they are the same.
type Mark struct {
	At, Until float64
	Label     string
}

// A Level is a horizontal line at a value that matters.
type Level struct {
	At    float64
	Label string
}

// A Stop is a place on the X axis that matters for one route.
type Stop struct {
	Route
	At float64
}

// Lines is a figure of lines over one axis. Y has a logarithmic scale when the values ask for it.
type Lines struct {
	Title, Sub string
	X          []Tick // nil: numbers
	XLabel     string
	XLog       bool // all X are over 0
	Lines      []Line
	Marks      []Mark
	Plain      bool // no shapes at the points: there are many
	FromZero   bool // both axes begin at zero, and Y is linear
	Scatter    bool // points are not joined
	Levels     []Level
	Stops      []Stop
	Fits       []Line // straight lines, from end to end, that belong to the points
}

// SVG draws the figure; one that stands alone has its own styles.
func (l Lines) SVG(standsAlone bool) string {
	c := newCanvas(high)
	area := header(c, draw.NewCanvas(c, wide, high), l.Title, l.Sub, routes(l.Lines))
	p := axes()
	p.X.Label.Text = l.XLabel
	over := values(l.Lines, func(p Point) []float64 { return []float64{p.Y, p.Low, p.High} })
	for _, level := range l.Levels {
		over = append(over, level.At)
	}
	y := scaleOf(append(over, values(l.Fits, func(p Point) []float64 { return []float64{p.Y} })...))
	y.log = y.log && !l.FromZero
	y.apply(&p.Y)
	x := scaleOf(append(values(l.Lines, func(p Point) []float64 { return []float64{p.X} }), ends(l.X)...))
	p.X.Min, p.X.Max = x.least, x.most
	if l.FromZero {
		p.X.Min = 0
	}
	if l.XLog {
		p.X.Scale = plot.LogScale{}
	}
	if p.X.Min >= p.X.Max {
		p.X.Min, p.X.Max = p.X.Min-0.5, p.X.Max+0.5
		p.X.Scale = plot.LinearScale{}
	}
	p.X.Padding, p.Y.Padding = 5, 7
	ticks := l.X
	if ticks == nil {
		if ticks = linear(p.X.Min, p.X.Max, 6); l.XLog {
			ticks = logarithmic(p.X.Min, p.X.Max)
		}
	}
	p.X.Tick.Marker = constant(thin(ticks, func(at float64) float64 { return p.X.Norm(at) * float64(wide-60) }, p.X.Tick.Label.Width))
	p.Add(grid{y.ticks, false}, l)
	p.Draw(area)
	return c.document(wide, l.Title, standsAlone)
}

// Plot draws bands, lines, and points, in this order.
func (l Lines) Plot(area draw.Canvas, p *plot.Plot) {
	c := under(area)
	tx, ty := p.Transforms(&area)
	y := func(v float64) vg.Length { return ty(min(max(v, p.Y.Min), p.Y.Max)) }
	for _, m := range l.Marks {
		if m.Until > m.At {
			area.FillPolygon(ink{"fault", 0.12}, []vg.Point{
				{X: tx(m.At), Y: area.Min.Y}, {X: tx(m.Until), Y: area.Min.Y}, {X: tx(m.Until), Y: area.Max.Y}, {X: tx(m.At), Y: area.Max.Y},
			})
		}
		area.StrokeLine2(stroke("fault", 1, 3, 3), tx(m.At), area.Min.Y, tx(m.At), area.Max.Y)
		beside(area, label("fault", font.WeightNormal), tx(m.At), area.Max.Y-textSize, m.Label)
	}
	l.matters(area, p)
	for _, line := range l.Lines {
		for _, part := range joined(line.Points) {
			if l.Scatter {
				break
			}
			var up, down, mid []vg.Point
			for _, pt := range part {
				up, down = append(up, vg.Point{X: tx(pt.X), Y: y(pt.High)}), append(down, vg.Point{X: tx(pt.X), Y: y(pt.Low)})
				mid = append(mid, vg.Point{X: tx(pt.X), Y: y(pt.Y)})
			}
			slices.Reverse(down)
			if !slices.Equal(up, mid) {
				area.FillPolygon(ink{Class(line.Index), 0.15}, append(up, down...))
			}
			if len(mid) > 1 {
				area.StrokeLines(stroke(Class(line.Index), 1.8), mid)
			} else if l.Plain {
				c.mark(mid[0], line.Index, part[0].Tip)
			}
		}
	}
	for _, line := range l.Lines {
		for _, pt := range line.Points {
			if !l.Plain {
				c.hollow = pt.Hollow
				c.mark(vg.Point{X: tx(pt.X), Y: y(pt.Y)}, line.Index, pt.Tip)
			}
		}
	}
	c.hollow = false
}

// matters draws what is not measured itself: levels, stops and fits.
func (l Lines) matters(area draw.Canvas, p *plot.Plot) {
	tx, ty := p.Transforms(&area)
	for _, level := range l.Levels {
		y := ty(level.At)
		area.StrokeLine2(stroke("fault", 1, 5, 3), area.Min.X, y, area.Max.X, y)
		style := label("fault", font.WeightNormal)
		area.FillText(style, vg.Point{X: area.Min.X + 4, Y: y + 4}, level.Label)
	}
	for _, s := range l.Stops {
		x := tx(min(max(s.At, p.X.Min), p.X.Max))
		area.StrokeLine2(stroke(Class(s.Index), 1.4, 2, 2), x, area.Min.Y, x, area.Max.Y)
	}
	for _, f := range l.Fits {
		var way []vg.Point
		for _, pt := range f.Points {
			way = append(way, vg.Point{X: tx(pt.X), Y: ty(min(max(pt.Y, p.Y.Min), p.Y.Max))})
		}
		area.StrokeLines(stroke(Class(f.Index), 1.6), way)
	}
}

// beside writes a text to the right of a place, or to its left where it would leave the figure.
func beside(area draw.Canvas, style text.Style, x, y vg.Length, words string) {
	at := x + 3
	if w := style.Width(words); at+w > area.Max.X {
		at = max(x-3-w, area.Min.X)
	}
	area.FillText(style, vg.Point{X: at, Y: y}, words)
}

// joined cuts points at their gaps.
func joined(points []Point) (out [][]Point) {
	for i, pt := range points {
		if i == 0 || pt.Gap {
			out = append(out, nil)
		}
		out[len(out)-1] = append(out[len(out)-1], pt)
	}
	return out
}

func routes(lines []Line) (out []Route) {
	for _, l := range lines {
		out = append(out, l.Route)
	}
	return out
}

func values(lines []Line, of func(Point) []float64) (out []float64) {
	for _, l := range lines {
		for _, p := range l.Points {
			out = append(out, of(p)...)
		}
	}
	return out
}

func ends(ticks []Tick) (out []float64) {
	for _, t := range ticks {
		out = append(out, t.At)
	}
	return out
}

// axes is a plot without data: quiet axes, no background.
func axes() *plot.Plot {
	p := plot.New()
	p.BackgroundColor = nil
	p.Title.TextStyle = label("text", font.WeightBold)
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		soft := label("soft", font.WeightNormal)
		soft.XAlign, soft.YAlign = a.Tick.Label.XAlign, a.Tick.Label.YAlign
		a.Tick.Label = soft
		middle := label("soft", font.WeightNormal)
		middle.XAlign, middle.YAlign = a.Label.TextStyle.XAlign, a.Label.TextStyle.YAlign
		a.Label.TextStyle = middle
		a.Tick.LineStyle = stroke("grid", 1)
		a.Tick.Length = 4
		a.LineStyle = stroke("grid", 1)
		a.Padding = 0
	}
	p.Y.LineStyle.Width, p.Y.Tick.LineStyle.Width, p.Y.Tick.Length = 0, 0, 3
	return p
}

// grid draws a thin line at each tick of Y, or of X.
type grid struct {
	ticks []Tick
	ofX   bool
}

// Plot draws it.
func (g grid) Plot(area draw.Canvas, p *plot.Plot) {
	tx, ty := p.Transforms(&area)
	for _, t := range g.ticks {
		if g.ofX {
			area.StrokeLine2(stroke("grid", 1), tx(t.At), area.Min.Y, tx(t.At), area.Max.Y)
		} else {
			area.StrokeLine2(stroke("grid", 1), area.Min.X, ty(t.At), area.Max.X, ty(t.At))
		}
	}
}

// finite reports whether a value can be drawn.
func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
