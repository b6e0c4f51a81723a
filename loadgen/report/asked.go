package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/adit-tunnel/adit/loadgen/plot"
	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/scenario"
	"github.com/adit-tunnel/adit/loadgen/stats"
)

// Some questions have an answer of their own, as a sentence and as a figure:
// where the knee is, how long faults last, what a load does to those beside
// it, what an idle connection costs, how a process grows.

// knees draws what each search tried: filled where the goal was kept, and the knee it came to.
func (d *drawing) knees() {
	if d.Scenario.Search == nil {
		return
	}
	goal, unit := d.Scenario.Search.Goal(), cmpOr(d.Scenario.Search.Unit() == "/s", "offered, a second", "connections")
	for i := range d.Scenario.Cells {
		cell := &d.Scenario.Cells[i]
		f := plot.Lines{
			Title: "Search", Sub: strings.TrimSuffix(fmt.Sprintf("%s.%s, ms, %s", goal.Of, goal.At, labelIf(d.axes, cell.Name)), ", "),
			XLabel: unit, XLog: true, Scatter: true, Levels: []plot.Level{{At: float64(goal.Below) / 1e6, Label: "goal: below " + goal.Below.String()}},
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
						Tip: strings.TrimSuffix(fmt.Sprintf("%v, repetition %d: %.4g%s, %s ms; %s", route, s.Repetition, p.At, d.Scenario.Search.Unit(), figures3(ms), cmpOr(p.Kept, "kept", p.Reason)), "; "),
					})
				}
			}
			if knee := spread(found); knee.Median > 0 { // its number stands in the key: knees are close to each other
				line.Name += " " + plot.Number(knee.Median) + d.Scenario.Search.Unit()
				f.Stops = append(f.Stops, plot.Stop{Route: line.Route, At: knee.Median})
			}
			if len(line.Points) > 0 {
				f.Lines = append(f.Lines, line)
			}
		}
		if len(f.Lines) > 0 {
			d.add(partAnswer, "knee "+labelIf(d.axes, cell.Name), f.SVG)
		}
	}
}

// labelIf is a cell by what it differs in; empty where nothing does.
func labelIf(axes []axis, cell string) string {
	if len(axes) == 0 {
		return ""
	}
	return labelOf(axes, cell)
}

// recovery draws how long after each fault octets flow again.
func (d *drawing) recovery() {
	var rows []string
	lines := map[record.Route]*plot.Line{}
	for _, row := range outages(d.Record) {
		if row.outage.do == scenario.ReaderStall {
			continue
		}
		name := row.outage.do
		if row.Label != name && len(d.axes) > 0 {
			name = row.Label
		}
		if !slices.Contains(rows, name) {
			rows = append(rows, name)
		}
		if len(row.outage.first) == 0 || row.Path == scenario.Direct && !slices.Contains(d.Scenario.Paths, scenario.Direct) {
			continue
		}
		if lines[row.Route] == nil {
			lines[row.Route] = &plot.Line{Route: d.route(row.Route)}
		}
		s := spread(row.outage.first)
		lines[row.Route].Points = append(lines[row.Route].Points, plot.Point{
			X: float64(slices.Index(rows, name)), Y: s.Median, Low: s.Low, High: s.High, Tip: fmt.Sprintf("%v, %s: %v s", row.Route, name, s),
		})
	}
	var drawn []plot.Line
	for _, route := range d.routes {
		if l := lines[route]; l != nil {
			drawn = append(drawn, *l)
		}
	}
	if len(drawn) > 0 {
		f := plot.Dots{Title: "Until octets flow again", Sub: "seconds after the fault began; no dot: not in the block", Rows: rows[:min(len(rows), mostRows)], Lines: drawn}
		d.add(partAnswer, "recovery", f.SVG)
	}
}

// beside draws what a load, or stalled readers, do to the latency of those beside them.
func (d *drawing) beside() {
	var rows []string
	lines := map[record.Route]*plot.Line{}
	for _, a := range worstApart(d.Record) {
		_, percentile, _ := strings.Cut(a.Metric, ".")
		name := labelOf(d.axes, a.Cell) + ": " + percentile
		if !slices.Contains(rows, name) {
			if len(rows) == mostRows {
				continue
			}
			rows = append(rows, name)
		}
		if lines[a.Route] == nil {
			lines[a.Route] = &plot.Line{Route: d.route(a.Route)}
		}
		s := Spread{a.Median, a.Median, a.Median}
		if low, high, ok := a.Interval(); ok {
			s.Low, s.High = low, high
		}
		lines[a.Route].Points = append(lines[a.Route].Points, plot.Point{
			X: float64(slices.Index(rows, name)), Y: s.Median, Low: s.Low, High: s.High, Hollow: untrusted(d.Record, a), Tip: fmt.Sprintf("%v, %s: %v ×", a.Route, name, s),
		})
	}
	var drawn []plot.Line
	for _, route := range d.routes {
		if l := lines[route]; l != nil {
			drawn = append(drawn, *l)
		}
	}
	if len(drawn) > 0 {
		f := plot.Dots{Title: "Loaded ÷ idle latency", Sub: "times; 1 is undisturbed; hollow is invalid", Rows: rows, Lines: drawn}
		d.add(partAnswer, "loaded by idle latency", f.SVG)
	}
}

// worstApart are the comparisons with the cell without the load that are shown first: of the highest percentile that there is.
func worstApart(r *record.Record) (out []record.Apart) {
	has := func(a record.Apart, metric string) bool {
		return slices.ContainsFunc(r.Apart, func(o record.Apart) bool {
			return o.Cell == a.Cell && o.Group == a.Group && o.Metric == metric && o.Route == a.Route
		})
	}
	for _, a := range r.Apart {
		name, percentile, _ := strings.Cut(a.Metric, ".")
		if name == "service" && has(a, "response.p50") {
			continue // with a rate the response time counts
		}
		switch percentile {
		case "p99", "p50":
			out = append(out, a)
		case "p90":
			if !has(a, name+".p99") {
				out = append(out, a)
			}
		}
	}
	return out
}

// idle draws the memory of processes over idle connections, and the line through it.
func (d *drawing) idle() {
	for _, role := range []string{"server", "client"} {
		f := plot.Lines{Title: "Memory of the " + role, Sub: "MiB", XLabel: "idle connections", FromZero: true, Scatter: true}
		for _, s := range d.Slopes {
			if s.Per != record.PerIdle || s.What != "rss" || s.Role != role && !(role == "server" && s.Role == "relay") {
				continue
			}
			line, most := plot.Line{Route: d.route(s.Route)}, 0.0
			for _, b := range d.Blocks {
				cell, err := d.Scenario.Cell(b.Cell)
				if err != nil || b.Route != s.Route {
					continue
				}
				rss := 0.0
				for _, u := range b.Processes {
					if u.Role == s.Role {
						rss += float64(u.RSS) / (1 << 20)
					}
				}
				at := float64(cell.Connections())
				line.Points, most = append(line.Points, plot.Point{X: at, Y: rss, Low: rss, High: rss, Tip: fmt.Sprintf("%v, %.0f connections: %.1f MiB", s.Route, at, rss)}), max(most, at)
			}
			line.Name = fmt.Sprintf("%v: %s KiB each", s.Route, spreadOf(s.Estimate).times(1.0/1024))
			f.Lines = append(f.Lines, line)
			f.Fits = append(f.Fits, plot.Line{Route: line.Route, Points: []plot.Point{
				{X: 0, Y: s.Zero / (1 << 20)}, {X: most, Y: (s.Zero + s.Median*most) / (1 << 20)},
			}})
		}
		if len(f.Lines) > 0 {
			d.add(partAnswer, "memory of the "+role+" by idle connections", f.SVG)
		}
	}
}

// spreadOf is an estimate as it is shown.
func spreadOf(e stats.Estimate) Spread {
	if low, high, ok := e.Interval(); ok {
		return Spread{e.Median, low, high}
	}
	return Spread{e.Median, e.Median, e.Median}
}

// asked is the answer to such a question; empty when the scenario asks something else.
func asked(r *record.Record) []string {
	for _, of := range []func(*record.Record) []string{atKnee, afterFaults, whenShared, besideLoad, whenIdle} {
		if out := of(r); len(out) > 0 {
			return append(out, growing(r)...)
		}
	}
	return nil
}

// atKnee says how much each tunnel takes.
func atKnee(r *record.Record) (out []string) {
	if r.Scenario.Search == nil {
		return nil
	}
	drawing, unit := newDrawing(r), r.Scenario.Search.Unit()
	for i := range r.Scenario.Cells {
		cell := &r.Scenario.Cells[i]
		group := r.Scenario.Search.Group(cell)
		for _, route := range drawing.routes {
			n := numbers{drawing.table, cell, group, route}
			if route.Path != scenario.Tunnel || n.series([]string{"knee"}) == nil {
				continue
			}
			where := cmpOr(len(drawing.axes) > 0, " ("+labelOf(drawing.axes, cell.Name)+")", "")
			knee := n.value("knee")
			if knee.Median == 0 {
				out = append(out, fmt.Sprintf("Through %s%s not even %s keeps %s.", route.Subject, where, r.Scenario.Search.From, r.Scenario.Search.Keep))
				continue
			}
			text := fmt.Sprintf("Through %s%s up to %s%s keep %s", route.Subject, where, knee.write(plot.Number), unit, r.Scenario.Search.Keep)
			var of []string
			for _, path := range []string{scenario.Direct, scenario.Relay} {
				if part := n.ratio(path, "knee"); part.Median > 0 {
					of = append(of, fmt.Sprintf("%.0f %% of %s", 100*part.Median, inWords[path]))
				}
			}
			if len(of) > 0 {
				text += ": " + strings.Join(of, ", ")
			}
			text += "."
			ended, all := map[string]int{}, 0
			for _, s := range r.Searches {
				if s.Cell == cell.Name && s.Route == route {
					ended[s.Limit]++
					all++
				}
			}
			if n := ended[record.LimitedByGenerator]; n > 0 {
				text += fmt.Sprintf(" In %d of %d repetitions the generator gave up first: the knee lies higher.", n, all)
			}
			if n := ended[record.LimitedByRange]; n > 0 {
				text += fmt.Sprintf(" In %d of %d repetitions even %s kept it: the knee lies higher.", n, all, r.Scenario.Search.To)
			}
			out = append(out, text)
		}
	}
	return out
}

// whenShared says how evenly connections share, where the scenario expects something of that.
func whenShared(r *record.Record) (out []string) {
	if !slices.ContainsFunc(r.Thresholds, func(t record.Threshold) bool { return strings.HasPrefix(t.Metric, "jain") }) {
		return nil
	}
	rows := Rows(r)
	for _, route := range routesOf(r) {
		var all []float64
		least, silence := 1.0, 0.0
		for _, row := range rows {
			if row.Route == route && row.Jain != (Spread{}) {
				all = append(all, row.Jain.Median)
				least, silence = min(least, row.JainLeast), max(silence, row.Silence)
			}
		}
		if len(all) > 0 {
			out = append(out, fmt.Sprintf("Over %v connections share with a Jain's index of %v, in the least even 100 ms %.2f; the longest silence of one is %.1f s.", route, reach(all), least, silence))
		}
	}
	return out
}

// inWords is what the paths are called in sentences.
var inWords = map[string]string{scenario.Direct: "a direct connection", scenario.Relay: "one plain hop"}

// besideLoad says how much later packets come back beside a load than without it: loaded ÷ idle.
func besideLoad(r *record.Record) (out []string) {
	of := map[record.Route]map[string][]float64{}
	left := false
	for _, a := range worstApart(r) {
		_, percentile, _ := strings.Cut(a.Metric, ".")
		if untrusted(r, a) {
			left = true
			continue
		}
		if of[a.Route] == nil {
			of[a.Route] = map[string][]float64{}
		}
		of[a.Route][percentile] = append(of[a.Route][percentile], a.Median)
	}
	for _, route := range routesOf(r) {
		var parts []string
		for _, percentile := range slices.Sorted(maps.Keys(of[route])) {
			v := reach(of[route][percentile])
			parts = append(parts, fmt.Sprintf("%s is %s × that without it", percentile, cmpOr(v.Low < v.High, v.write(figures3), figures3(v.Median))))
		}
		if len(parts) > 0 {
			out = append(out, fmt.Sprintf("Beside the load the latency of %v: %s.", route, strings.Join(parts, ", ")))
		}
	}
	for _, row := range outages(r) {
		if row.Path == scenario.Tunnel && len(row.outage.held) > 0 {
			out = append(out, fmt.Sprintf("With %s each stalled reader of %s holds %.0f KiB.", row.Label, row.Subject, median(slices.Clone(row.outage.held))/1024))
		}
	}
	switch {
	case left && len(out) == 0:
		return []string{"What the load does to the latency of those beside it cannot be told: the rows are invalid."}
	case left:
		out = append(out, "What is invalid is left out.")
	}
	return out
}

// untrusted reports whether the numbers beside the load are not what they seem to be.
func untrusted(r *record.Record, a record.Apart) bool {
	return r.Validity != nil && r.Validity.Of(a.Cell, a.Group, a.Route) == record.Invalid
}

// whenIdle says what an idle connection costs.
func whenIdle(r *record.Record) (out []string) {
	of := map[record.Route][]string{}
	for _, s := range r.Slopes {
		if s.Per == record.PerIdle && s.What == "rss" {
			of[s.Route] = append(of[s.Route], fmt.Sprintf("%s KiB in the %s", spreadOf(s.Estimate).times(1.0/1024), s.Role))
		}
	}
	for _, route := range routesOf(r) {
		if len(of[route]) > 0 {
			out = append(out, fmt.Sprintf("An idle connection through %v takes %s.", route, strings.Join(of[route], " and ")))
		}
	}
	return out
}

// growing says how the memory of processes changed within a long block.
func growing(r *record.Record) (out []string) {
	for _, s := range r.Slopes {
		if s.Per != record.PerHour || s.What != "rss" || s.Path != scenario.Tunnel {
			continue
		}
		text := fmt.Sprintf("In %v the %s of %s grew by %s MiB", r.Scenario.Measure, s.Role, s.Subject, grew(r, s))
		if low, high, ok := s.Interval(); ok && low <= 0 && high >= 0 {
			text += ", which cannot be told from none"
		}
		out = append(out, text+".")
	}
	return out
}

// grew is a slope an hour as MiB over the measured time: nobody knows how it went on.
func grew(r *record.Record, s record.Slope) Spread {
	return spreadOf(s.Estimate).times(time.Duration(r.Scenario.Measure).Hours() / (1 << 20))
}
