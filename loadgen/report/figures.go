package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/adit-tunnel/adit/loadgen/analyse"
	"github.com/adit-tunnel/adit/loadgen/metric"
	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/report/plot"
	"github.com/adit-tunnel/adit/loadgen/scenario"
)

// A figure is one plot of a report.
type figure struct {
	file string // its path beside the record: the first one in sight, the others in a folder
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

// partOf is the part of each kind.
var partOf = map[string]string{
	scenario.ShowLines: partCurves, scenario.ShowDots: partCurves, scenario.ShowMap: partHeat, scenario.ShowPercentiles: partPercentiles,
	scenario.ShowCourse: partTime, scenario.ShowPoints: partAnswer, scenario.ShowSearch: partAnswer,
}

// mostRows is how many rows a figure of dots has, so that it stays readable; CSV has everything.
const mostRows = 12

// drawing makes the figures of a record.
type drawing struct {
	*record.Record
	sheet  *Sheet
	axes   []axis
	routes []record.Route
	names  map[string]int // of figures
	show   *scenario.Show // what is drawn
	out    []figure
}

// figures are the plots that the scenario shows, the most telling one first.
func figures(r *record.Record, s *Sheet) []figure {
	d := &drawing{Record: r, sheet: s, axes: axesOf(r.Scenario), routes: r.Routes(), names: map[string]int{}}
	draw := map[string]func(y string){
		scenario.ShowLines: d.lines, scenario.ShowDots: d.dots, scenario.ShowMap: d.heat, scenario.ShowCourse: d.course, scenario.ShowPoints: d.points,
	}
	for i := range r.Scenario.Show {
		d.show = &r.Scenario.Show[i]
		switch d.show.Kind {
		case scenario.ShowSearch:
			d.search()
		case scenario.ShowPercentiles:
			d.percentiles()
		default:
			for _, y := range d.show.Y {
				if one := draw[d.show.Kind]; one != nil {
					one(y)
				}
			}
		}
	}
	d.unsteady()
	return d.out
}

// route is a route with its colour: the same in every figure.
func (d *drawing) route(of record.Route) plot.Route {
	return plot.Route{Index: slices.Index(d.routes, of), Name: of.String()}
}

// add takes a figure over; its name says what it shows.
func (d *drawing) add(name string, svg func(bool) string) {
	name = slug(name)
	if d.names[name]++; d.names[name] > 1 {
		name = fmt.Sprintf("%s-%d", name, d.names[name])
	}
	if len(d.out) > 0 {
		name = plotFolder + "/" + name
	}
	d.out = append(d.out, figure{name + ".svg", partOf[d.show.Kind], svg})
}

// slug is a name for a file.
func slug(s string) string {
	s = strings.ReplaceAll(s, "÷", "by")
	words := strings.FieldsFunc(strings.ToLower(s), func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '.' })
	return strings.Join(words, "-")
}

// cells are those that are shown.
func (d *drawing) cells() (out []*scenario.Cell) {
	for i := range d.Scenario.Cells {
		if c := &d.Scenario.Cells[i]; d.show.Has(c) {
			out = append(out, c)
		}
	}
	return out
}

// groups are those that are shown, by name; one alone for what is one number for all of them.
func (d *drawing) groups(path bool) (out []string) {
	for _, g := range d.Scenario.Cells[0].Groups {
		if d.show.Group == "" || d.show.Group == g.Name {
			out = append(out, g.Name)
		}
	}
	if path {
		return out[:1]
	}
	return out
}

// row is that of a group of a cell on a route; nil when it was not measured.
func (d *drawing) row(cell *scenario.Cell, group string, route record.Route) *Row {
	i := slices.IndexFunc(d.sheet.Rows, func(r *Row) bool {
		return r.Is() && r.name == cell.Name && (r.load == group || group == "") && r.Route == route
	})
	if i < 0 {
		return nil
	}
	return d.sheet.Rows[i]
}

// axis is the one of a name; nil where the cells do not differ in it.
func (d *drawing) axis(name string) *axis {
	i := slices.IndexFunc(d.axes, func(a axis) bool { return a.name == name })
	if i < 0 {
		return nil
	}
	return &d.axes[i]
}

// A quantity is a metric as it is drawn.
type quantity struct {
	name, title, unit string
	scale             float64
	path              bool
}

// drawn is a metric as it is drawn.
func drawn(y string) quantity {
	m, to, err := metric.Shown(y)
	p, ok := m.At("", to)
	switch {
	case y == "loaded": // three metrics, a row each
		return quantity{name: y, title: "Loaded ÷ idle latency", unit: "times", scale: 1}
	case err != nil || !ok:
		return quantity{name: y, title: y, unit: "times", scale: 1}
	}
	unit := p.Head
	switch {
	case m.Event:
		unit = "seconds after the fault began; no dot: not in the block"
	case m.Unit == metric.Nanoseconds:
		unit = "ms"
	case m.Unit == metric.PerKiB:
		unit = metric.PerKiB
	}
	title := m.OfFigure()
	if to != "" { // a part of another path's
		title = m.Title
	}
	return quantity{y, title, unit, p.Scale, m.Path}
}

// point is a number at a place.
func (d *drawing) point(x float64, v analyse.Number, q quantity, who string) plot.Point {
	v = v.Times(q.scale)
	tip := fmt.Sprintf("%s: %s", who, spread(v, figures3))
	if q.unit != "times" {
		unit, _, _ := strings.Cut(q.unit, ";")
		tip = fmt.Sprintf("%s %s", tip, strings.TrimPrefix(unit, "seconds after the fault began"))
	}
	return plot.Point{X: x, Y: v.Median, Low: v.Low, High: v.High, Tip: strings.TrimSpace(tip)}
}

// alike is what all cells that are shown have alike and others do not, apart from what is drawn along.
func (d *drawing) alike(but ...string) string {
	cells := d.cells()
	var parts []string
	for i := range d.axes {
		a := &d.axes[i]
		same := !slices.ContainsFunc(cells, func(c *scenario.Cell) bool { return a.of[c.Name] != a.of[cells[0].Name] })
		if same && !slices.Contains(but, a.name) {
			parts = append(parts, a.say(cells[0].Name))
		}
	}
	return strings.Join(parts, ", ")
}

// lines draws y over x, a line for each route.
func (d *drawing) lines(y string) {
	q, x := drawn(y), d.axis(d.show.X)
	if x == nil {
		return
	}
	ticks, at, log := x.ticks(d.cells())
	for _, group := range d.groups(q.path) {
		var lines []plot.Line
		for _, route := range d.routes {
			line := plot.Line{Route: d.route(route)}
			for _, c := range d.cells() {
				if row := d.row(c, cmpOr(q.path, "", group), route); row != nil && row.Of(y).Median > 0 {
					line.Points = append(line.Points, d.point(at(c), row.Of(y), q, fmt.Sprintf("%v, %s", route, labelOf(d.axes, c.Name))))
				}
			}
			slices.SortFunc(line.Points, func(a, b plot.Point) int { return cmp.Compare(a.X, b.X) })
			if len(line.Points) > 0 {
				lines = append(lines, line)
			}
		}
		if len(lines) == 0 {
			continue
		}
		title := q.title
		if len(d.Scenario.Cells[0].Groups) > 1 && !q.path {
			title = group + ": " + title
		}
		f := plot.Lines{Title: title, Sub: strings.TrimSuffix(q.unit+", "+d.alike(x.name), ", "), X: ticks, XLabel: x.title, XLog: log, Lines: lines}
		d.add(title+" by "+x.name+" "+d.alike(x.name), f.SVG)
	}
}

// dots draws y of each cell, or event, a dot for each route. Of what a load
// does to its neighbours each percentile has a row.
func (d *drawing) dots(y string) {
	q := drawn(y)
	numbers := []string{y}
	if y == "loaded" {
		numbers = []string{"loaded.p50", "loaded.p90", "loaded.p99"}
	}
	groups := d.groups(q.path)
	if y == "loaded" || strings.HasPrefix(y, "fault.") {
		groups = []string{""}
	}
	for _, group := range groups {
		f := plot.Dots{Title: q.title, Sub: q.unit}
		if y == "loaded" {
			f.Sub = "times; 1 is undisturbed; hollow is invalid"
		}
		if len(d.Scenario.Cells[0].Groups) > 1 && !q.path && group != "" {
			f.Title = group + ": " + f.Title
		}
		of := map[record.Route]*plot.Line{}
		for _, row := range d.sheet.Rows {
			cell := slices.IndexFunc(d.Scenario.Cells, func(c scenario.Cell) bool { return c.Name == row.name })
			if cell < 0 || !d.show.Has(&d.Scenario.Cells[cell]) || !q.path && group != "" && row.load != group {
				continue
			}
			for _, number := range numbers {
				v, name := row.Of(number), row.Cell
				if row.Event != "" {
					name = cmpOr(len(d.axes) > 0, row.Cell, row.Event)
				}
				if y == "loaded" {
					name += ": " + strings.TrimPrefix(number, "loaded.")
				}
				at := slices.Index(f.Rows, name)
				if at < 0 && v.N > 0 && len(f.Rows) < mostRows {
					f.Rows, at = append(f.Rows, name), len(f.Rows)
				}
				// A fault that has no place on a path did nothing there.
				if v.Median == 0 || at < 0 || row.Event != "" && !slices.Contains(d.Scenario.Paths, row.Path) {
					continue
				}
				if of[row.Route] == nil {
					of[row.Route] = &plot.Line{Route: d.route(row.Route)}
				}
				p := d.point(float64(at), v, q, fmt.Sprintf("%v, %s", row.Route, name))
				p.Hollow = y == "loaded" && row.Verdict == record.Invalid
				if n := len(of[row.Route].Points); n == 0 || of[row.Route].Points[n-1].X != p.X {
					of[row.Route].Points = append(of[row.Route].Points, p)
				}
			}
		}
		for _, route := range d.routes {
			if of[route] != nil {
				f.Lines = append(f.Lines, *of[route])
			}
		}
		if len(f.Lines) > 0 {
			d.add(f.Title+" "+d.alike(), f.SVG)
		}
	}
}

// heat draws y over x and by, a map for each subject.
func (d *drawing) heat(y string) {
	x, by := d.axis(d.show.X), d.axis(d.show.By)
	if x == nil || by == nil {
		return
	}
	q, group := drawn(y), d.groups(false)[0]
	columns, rows := held(x, d.cells()), held(by, d.cells())
	for _, subject := range d.Subjects {
		route := record.Route{Path: scenario.Tunnel, Subject: subject.Name}
		h := plot.Heat{
			Title: subject.Name, Sub: strings.TrimSuffix("throughput, "+q.unit+", "+d.alike(x.name, by.name), ", "), Route: d.route(route).Index,
			XLabel: x.title, YLabel: by.title, Values: map[[2]int]plot.Shade{},
		}
		if !strings.HasPrefix(y, "goodput/") {
			h.Sub = strings.TrimSuffix(q.title+", "+q.unit+", "+d.alike(x.name, by.name), ", ")
		}
		for _, v := range columns {
			h.Columns = append(h.Columns, v.label)
		}
		for _, v := range rows {
			h.Rows = append(h.Rows, v.label)
		}
		for _, c := range d.cells() {
			row := d.row(c, group, route)
			if row == nil || row.Of(y).N == 0 {
				continue
			}
			v := row.Of(y)
			h.Values[[2]int{slices.Index(columns, x.of[c.Name]), slices.Index(rows, by.of[c.Name])}] = plot.Shade{
				Dark: v.Median, Text: fmt.Sprintf("%.0f %%", 100*v.Median),
				Tip: fmt.Sprintf("%s, %s: %s %s", subject.Name, labelOf(d.axes, c.Name), percent(v), q.unit),
			}
		}
		if len(h.Values) > 0 {
			d.add("map "+subject.Name+" "+d.alike(x.name, by.name), h.SVG)
		}
	}
}

// held are the values of an axis that some cells have, in order.
func held(a *axis, cells []*scenario.Cell) (out []value) {
	for _, v := range a.values {
		if slices.ContainsFunc(cells, func(c *scenario.Cell) bool { return a.of[c.Name] == v }) {
			out = append(out, v)
		}
	}
	return out
}

// search draws what each search tried: filled where the goal was kept, and the knee it came to.
func (d *drawing) search() {
	if d.Scenario.Search == nil {
		return
	}
	goal, unit := d.Scenario.Search.Goal(), d.Scenario.Search.Unit()
	for _, cell := range d.cells() {
		where := cmpOr(len(d.axes) > 0, labelOf(d.axes, cell.Name), "")
		f := plot.Lines{
			Title: "Search", Sub: strings.TrimSuffix(fmt.Sprintf("%s.%s, ms, %s", goal.Of, goal.At, where), ", "),
			XLabel: cmpOr(unit == "/s", "offered, a second", "connections"), XLog: true, Scatter: true,
			Levels: []plot.Level{{At: float64(goal.Below) / 1e6, Label: "goal: below " + goal.Below.String()}},
		}
		for _, route := range d.routes {
			line, found := plot.Line{Route: d.route(route)}, []float64(nil)
			for _, s := range d.Searches {
				if s.Cell != cell.Name || s.Route != route {
					continue
				}
				found = append(found, s.Knee)
				for _, p := range s.Probes {
					if p.Late || p.Value == 0 {
						continue // it says nothing about the route
					}
					ms := float64(p.Value) / 1e6
					line.Points = append(line.Points, plot.Point{
						X: p.At, Y: ms, Low: ms, High: ms, Hollow: !p.Kept,
						Tip: strings.TrimSuffix(fmt.Sprintf("%v, repetition %d: %.4g%s, %s ms; %s", route, s.Repetition, p.At, unit, figures3(ms), cmpOr(p.Kept, "kept", p.Reason)), "; "),
					})
				}
			}
			if knee := analyse.Spread(found); knee.Median > 0 { // its number stands in the key: knees are close to each other
				line.Name += " " + plot.Number(knee.Median) + unit
				f.Stops = append(f.Stops, plot.Stop{Route: line.Route, At: knee.Median})
			}
			if len(line.Points) > 0 {
				f.Lines = append(f.Lines, line)
			}
		}
		if len(f.Lines) > 0 {
			d.add("knee "+where, f.SVG)
		}
	}
}

// plays reports whether a process stands where a role does: a relay where a server would.
func plays(role, process string) bool {
	return process == role || role == "server" && process == "relay"
}

// points draws the memory of processes of each block over x, and the line through it.
func (d *drawing) points(y string) {
	role, x := strings.TrimPrefix(y, "rss."), d.axis(d.show.X)
	if x == nil {
		return
	}
	f := plot.Lines{Title: "Memory of the " + role, Sub: "MiB", XLabel: map[bool]string{true: "idle "}[d.Scenario.Cells[0].Groups[0].Mode == scenario.Idle] + x.title, FromZero: true, Scatter: true}
	for _, s := range d.Slopes {
		if s.Per != record.PerIdle && s.Per != record.PerStalled || s.What != "rss" || !plays(role, s.Role) {
			continue
		}
		line, most := plot.Line{Route: d.route(s.Route)}, 0.0
		for _, b := range d.Blocks {
			at, known := x.of[b.Cell]
			if !known || b.Route != s.Route {
				continue
			}
			rss := 0.0
			for _, u := range b.Processes {
				if u.Role == s.Role {
					rss += float64(u.RSS) / (1 << 20)
				}
			}
			line.Points = append(line.Points, plot.Point{X: at.at, Y: rss, Low: rss, High: rss, Tip: fmt.Sprintf("%v, %s connections: %.1f MiB", s.Route, at.label, rss)})
			most = max(most, at.at)
		}
		line.Name = fmt.Sprintf("%v: %s KiB each", s.Route, spread(analyse.Known(s.Estimate).Times(1.0/1024), figures3))
		f.Lines = append(f.Lines, line)
		f.Fits = append(f.Fits, plot.Line{Route: line.Route, Points: []plot.Point{
			{X: 0, Y: s.Zero / (1 << 20)}, {X: most, Y: (s.Zero + s.Median*most) / (1 << 20)},
		}})
	}
	if len(f.Lines) > 0 {
		d.add("memory of the "+role+" by idle "+x.name, f.SVG)
	}
}
