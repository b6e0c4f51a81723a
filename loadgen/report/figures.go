package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/adit-tunnel/adit/loadgen/hist"
	"github.com/adit-tunnel/adit/loadgen/plot"
	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/scenario"
	"github.com/adit-tunnel/adit/loadgen/summary"
)

// A figure is one plot of a report.
type figure struct {
	file string // its name beside the record
	part string // of the report that it belongs to
	svg  func(standsAlone bool) string
}

// Parts of a report that have figures.
const (
	partAnswer      = "The answer"
	partCurves      = "Curves"
	partHeat        = "Maps"
	partPercentiles = "Percentiles"
	partTime        = "Over time"
)

// What keeps a report readable; CSV has everything.
const (
	mostMaps  = 3   // of two axes, where there are more
	mostRows  = 12  // of a figure of dots
	mostCells = 2   // whose percentiles are drawn
	flat      = 1.5 // how far memory has to reach, so that its curve says more than its table
)

// drawing makes the figures of a record.
type drawing struct {
	*record.Record
	table  *summary.Table
	axes   []axis
	routes []record.Route
	names  map[string]int // of figures
	out    []figure
}

// figures are all plots of a record, the most telling one first.
func figures(r *record.Record) []figure {
	d := newDrawing(r)
	d.knees()
	d.recovery()
	if len(whenShared(d.Record)) == 0 {
		d.beside()
	}
	d.idle()
	if own := len(d.out) > 0; !own { // else they have answered what was asked
		d.curves()
	}
	d.overTime()
	d.maps()
	if len(d.Scenario.Cells[0].Timeline) == 0 && d.Scenario.Search == nil {
		d.percentiles()
	}
	return d.out
}

func newDrawing(r *record.Record) *drawing {
	return &drawing{Record: r, table: summary.Make(r, r.Blocks), axes: axesOf(r.Scenario), routes: routesOf(r), names: map[string]int{}}
}

// routesOf are the routes that were measured, in the order direct, relay, tunnels.
func routesOf(r *record.Record) []record.Route {
	var names []string
	for _, s := range r.Subjects {
		names = append(names, s.Name)
	}
	return record.Routes(scenario.Paths, names)
}

// routeIndex is a route's colour: the same in every figure.
func (d *drawing) route(of record.Route) plot.Route {
	i := slices.Index(d.routes, of)
	return plot.Route{Index: i, Name: of.String()}
}

func (d *drawing) add(part, name string, svg func(bool) string) {
	name = slug(name)
	if d.names[name]++; d.names[name] > 1 {
		name = fmt.Sprintf("%s-%d", name, d.names[name])
	}
	d.out = append(d.out, figure{name + ".svg", part, svg})
}

// slug is a name for a file.
func slug(s string) string {
	words := strings.FieldsFunc(strings.ToLower(s), func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '.' })
	return strings.Join(words, "-")
}

// A slice is cells that differ in one axis alone.
type slice struct {
	axis  *axis
	rest  string
	cells []*scenario.Cell
}

// slices are the longest rows of cells along each numeric axis, three cells
// or more, and the cells in none of them.
func (d *drawing) slices() (out []slice, left []*scenario.Cell) {
	in := map[string]bool{}
	for i := range d.axes {
		a := &d.axes[i]
		if !a.number() {
			continue
		}
		var of []slice
		for j := range d.Scenario.Cells {
			c := &d.Scenario.Cells[j]
			what := rest(d.axes, c.Name, a.name)
			at := slices.IndexFunc(of, func(s slice) bool { return s.rest == what })
			if at < 0 {
				of, at = append(of, slice{a, what, nil}), len(of)
			}
			of[at].cells = append(of[at].cells, c)
		}
		of = slices.DeleteFunc(of, func(s slice) bool { return len(s.cells) < 3 })
		slices.SortStableFunc(of, func(a, b slice) int { return cmp.Compare(len(b.cells), len(a.cells)) })
		for _, s := range of {
			for _, c := range s.cells {
				in[c.Name] = true
			}
		}
		out = append(out, of[:min(len(of), 1)]...) // the others are in the map and the tables
	}
	for i := range d.Scenario.Cells {
		if c := &d.Scenario.Cells[i]; !in[c.Name] {
			left = append(left, c)
		}
	}
	return out, left[:min(len(left), mostRows)]
}

// curves draws the headline metrics: lines along axes, dots for the other cells.
func (d *drawing) curves() {
	along, left := d.slices()
	for i, m := range d.headlines() {
		for g, group := range d.Scenario.Cells[0].Groups {
			if m.path() && g > 0 || m.title == headlines[speed].title && group.Rate > 0 {
				continue
			}
			title := m.title
			if len(d.Scenario.Cells[0].Groups) > 1 && !m.path() {
				title = group.Name + ": " + title
			}
			for n, s := range along {
				if n > 0 && i > 0 {
					continue // the other metrics are drawn along the first axis alone
				}
				ticks, at, log := s.axis.ticks(s.cells)
				lines := d.lines(m, g, s.cells, at)
				if len(lines) == 0 || m.flat(lines) {
					continue
				}
				f := plot.Lines{Title: title, Sub: sub(m, s.rest), X: ticks, XLabel: s.axis.title, XLog: log, Lines: lines}
				d.add(partCurves, title+" by "+s.axis.name+" "+s.rest, f.SVG)
			}
			if i > 0 && (len(along) > 0 || len(left) == 1) {
				continue // cells beside the curves have their speed drawn; of one cell the table says the rest
			}
			row := map[string]float64{}
			var rows []string
			for _, c := range left {
				if d.has(m, g, c) {
					row[c.Name] = float64(len(rows))
					rows = append(rows, labelOf(d.axes, c.Name))
				}
			}
			if lines := d.lines(m, g, left, func(c *scenario.Cell) float64 { return row[c.Name] }); len(lines) > 0 && !m.flat(lines) {
				d.add(partCurves, title, plot.Dots{Title: title, Sub: sub(m, ""), Rows: rows, Lines: lines}.SVG)
			}
		}
	}
}

// has reports whether a cell has a metric on some route.
func (d *drawing) has(m headline, group int, c *scenario.Cell) bool {
	return c.Groups[group].Connections > 0 && slices.ContainsFunc(d.routes, func(r record.Route) bool {
		return (numbers{d.table, c, group, r}).series(m.names) != nil
	})
}

// headlines are the metrics that are drawn. With a rate the speed is given; packets
// are the speed once more unless their size varies.
func (d *drawing) headlines() (out []headline) {
	given := speedGiven(d.Record)
	sized := slices.ContainsFunc(d.axes, func(a axis) bool { return a.field() == "size" && len(a.values) > 2 }) && len(d.axes) == 1
	for i, m := range headlines {
		if i == packetsPer && (given || !sized) {
			continue
		}
		out = append(out, m)
	}
	return out
}

// flat reports whether memory stays as it is: a line that says nothing.
func (h headline) flat(lines []plot.Line) bool {
	if h.title != headlines[memoryPeak].title {
		return false
	}
	for _, l := range lines {
		least, most := math.Inf(1), 0.0
		for _, p := range l.Points {
			least, most = min(least, p.Y), max(most, p.Y)
		}
		if most > flat*least {
			return false
		}
	}
	return true
}

func sub(m headline, rest string) string {
	out := m.shown
	if rest != "" {
		out += ", " + rest
	}
	return out
}

// lines are a metric of some cells, one line for each route that has values.
func (d *drawing) lines(m headline, group int, cells []*scenario.Cell, at func(*scenario.Cell) float64) (out []plot.Line) {
	for _, route := range d.routes {
		line := plot.Line{Route: d.route(route)}
		for _, c := range cells {
			if c.Groups[group].Connections == 0 {
				continue
			}
			if v := (numbers{d.table, c, group, route}).value(m.names...).times(m.scale); v != (Spread{}) {
				tip := fmt.Sprintf("%v, %s: %s %s", route, labelOf(d.axes, c.Name), figures3(v.Median), m.shown)
				if v.Low < v.High {
					tip += fmt.Sprintf(" (%s–%s)", figures3(v.Low), figures3(v.High))
				}
				line.Points = append(line.Points, plot.Point{X: at(c), Y: v.Median, Low: v.Low, High: v.High, Tip: tip})
			}
		}
		slices.SortFunc(line.Points, func(a, b plot.Point) int { return cmp.Compare(a.X, b.X) })
		if len(line.Points) > 0 {
			out = append(out, line)
		}
	}
	return out
}

// figures3 writes a number with three figures that count, more before the point when it is large.
func figures3(v float64) string {
	switch a := math.Abs(v); {
	case a >= 100:
		return fmt.Sprintf("%.0f", v)
	case a >= 10:
		return fmt.Sprintf("%.1f", v)
	case a >= 1:
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.3f", v)
}

// maps draws each tunnel's part of the speed of direct over two axes.
func (d *drawing) maps() {
	var numbers []*axis
	for i := range d.axes {
		if d.axes[i].number() {
			numbers = append(numbers, &d.axes[i])
		}
	}
	if len(numbers) < 2 {
		return
	}
	x, y := numbers[0], numbers[1]
	byCell := map[string][]Row{}
	for _, row := range Rows(d.Record) {
		if row.Path == scenario.Tunnel && row.ToDirect.Median > 0 {
			byCell[row.Cell] = append(byCell[row.Cell], row)
		}
	}
	var rests []string
	cells := map[string][]string{}
	for _, c := range d.Scenario.Cells {
		what := rest(d.axes, c.Name, x.name, y.name)
		if !slices.Contains(rests, what) {
			rests = append(rests, what)
		}
		cells[what] = append(cells[what], c.Name)
	}
	drawn := 0
	for _, what := range rests {
		if len(cells[what]) < 4 || drawn >= mostMaps {
			continue
		}
		for _, s := range d.Subjects {
			h := plot.Heat{
				Title: s.Name, Sub: strings.Trim("part of the speed of direct, "+what, ", "), Route: d.route(record.Route{Path: scenario.Tunnel, Subject: s.Name}).Index,
				XLabel: x.title, YLabel: y.title, Values: map[[2]int]plot.Shade{},
			}
			columns, rows := held(x, cells[what]), held(y, cells[what])
			for _, v := range columns {
				h.Columns = append(h.Columns, v.label)
			}
			for _, v := range rows {
				h.Rows = append(h.Rows, v.label)
			}
			for _, c := range cells[what] {
				for _, row := range byCell[c] {
					if row.Subject != s.Name || row.Group != "" && row.Group != d.Scenario.Cells[0].Groups[0].Name {
						continue
					}
					v := row.ToDirect
					h.Values[[2]int{slices.Index(columns, x.of[c]), slices.Index(rows, y.of[c])}] = plot.Shade{
						Dark: v.Median, Text: fmt.Sprintf("%.0f %%", 100*v.Median),
						Tip: fmt.Sprintf("%s, %s: %s %% of direct", s.Name, labelOf(d.axes, c), v.percent()),
					}
				}
			}
			if len(columns) > 1 && len(rows) > 1 && len(h.Values) > 3 {
				d.add(partHeat, "map "+s.Name+" "+what, h.SVG)
				drawn++
			}
		}
	}
}

// held are the values of an axis that some cells have, in order.
func held(a *axis, cells []string) (out []value) {
	for _, v := range a.values {
		if slices.ContainsFunc(cells, func(c string) bool { return a.of[c] == v }) {
			out = append(out, v)
		}
	}
	return out
}

// percentiles draws whole distributions of the first and the last cell that has them.
func (d *drawing) percentiles() {
	for g, group := range d.Scenario.Cells[0].Groups {
		var timed []*scenario.Cell
		for i := range d.Scenario.Cells {
			c := &d.Scenario.Cells[i]
			if d.timed(c, g) {
				timed = append(timed, c)
			}
		}
		if n := len(timed); n > mostCells {
			timed = []*scenario.Cell{timed[0], timed[n-1]}
		}
		for _, c := range timed {
			what := labelOf(d.axes, c.Name)
			if len(d.Scenario.Cells[0].Groups) > 1 {
				what = group.Name + ", " + what
			}
			d.add(partPercentiles, "percentiles "+what, func(standsAlone bool) string { // made when it is asked for: decoding takes its time
				lines := d.distributions(c, g)
				f := plot.Lines{Title: "Latency", Sub: "ms, " + what, XLabel: "share of the packets that took no longer", XLog: true, Plain: true, Lines: lines}
				longest := 0.0
				for _, l := range lines {
					longest = max(longest, l.Points[len(l.Points)-1].X)
				}
				for _, t := range shares {
					if t.At <= longest {
						f.X = append(f.X, t)
					}
				}
				return f.SVG(standsAlone)
			})
		}
	}
}

// shares are the ticks of 1/(1−p).
var shares = []plot.Tick{{At: 1, Label: "0"}, {At: 2, Label: "50 %"}, {At: 10, Label: "90 %"}, {At: 100, Label: "99 %"}, {At: 1e3, Label: "99.9 %"}, {At: 1e4, Label: "99.99 %"}, {At: 1e5, Label: "99.999 %"}}

// timed reports whether there is a distribution to draw.
func (d *drawing) timed(c *scenario.Cell, group int) bool {
	return slices.ContainsFunc(d.Blocks, func(b record.Block) bool {
		dist := latency(&b.Groups[group])
		return b.Cell == c.Name && dist != nil && dist.HDR != "" && dist.P50 > 0
	})
}

// distributions are the latencies of a cell: for each route, along 1/(1−p), the
// median of the repetitions; as far as ten samples lie beyond.
func (d *drawing) distributions(c *scenario.Cell, group int) (out []plot.Line) {
	for _, route := range d.routes {
		var all [][]hist.Bar
		n := int64(math.MaxInt64)
		for _, b := range blocks(d.Record, c.Name, route) {
			dist := latency(&b.Groups[group])
			if dist == nil || dist.HDR == "" || dist.P50 == 0 { // not even a median
				continue
			}
			bars, err := dist.Bars()
			if err != nil { // a record that somebody changed: what is in its tables is shown
				continue
			}
			all, n = append(all, bars), min(n, dist.N)
		}
		line := plot.Line{Route: d.route(route)}
		for x := 1.0; len(all) > 0 && x <= float64(n)/10; x *= math.Pow(10, 1.0/12) {
			var at []float64
			for _, bars := range all {
				at = append(at, float64(quantile(bars, 1-1/x))/1e6)
			}
			s := spread(at)
			line.Points = append(line.Points, plot.Point{X: x, Y: s.Median, Low: s.Low, High: s.High})
		}
		if len(line.Points) > 1 {
			out = append(out, line)
		}
	}
	return out
}

// quantile is the time within which the share q of all samples was done.
func quantile(bars []hist.Bar, q float64) int64 {
	var n, sum int64
	for _, b := range bars {
		n += b.Count
	}
	for _, b := range bars {
		if sum += b.Count; float64(sum) >= q*float64(n) {
			return int64(b.To)
		}
	}
	return 0
}
