package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/adit-tunnel/adit/loadgen/plot"
	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/scenario"
)

// long is how long a load without faults must be measured for its course to be worth a plot.
const long = 5 * time.Second

// mostCourses is of how many cells with faults the course is drawn.
const mostCourses = 8

// overTime draws how the groups did in the measured time: in cells with
// faults, or when that time is long in the last cell.
func (d *drawing) overTime() {
	var cells []*scenario.Cell
	for i := range d.Scenario.Cells {
		if c := &d.Scenario.Cells[i]; len(c.Timeline) > 0 && len(cells) < mostCourses {
			cells = append(cells, c)
		}
	}
	if n := len(d.Scenario.Cells); len(cells) == 0 && time.Duration(d.Scenario.Measure) >= long {
		cells = []*scenario.Cell{&d.Scenario.Cells[n-1]}
	}
	for _, c := range cells {
		marks := marksOf(c)
		for g := range c.Groups {
			load := &c.Groups[g]
			if load.Connections == 0 || load.Mode == scenario.Idle || len(cells) > 1 && g > 0 && load.Rate > 0 {
				continue
			}
			if load.Rate == 0 { // else it is given
				d.course(c, g, marks, "Speed over time", "MB/s", func(s *record.Series, i int) (float64, bool) {
					var sum int64
					for _, way := range [][]int64{s.Up, s.Down} {
						if i < len(way) {
							sum += way[i]
						}
					}
					return float64(sum) / s.Window / 1e6, s.Window > 0 && (i < len(s.Up) || i < len(s.Down))
				})
			}
			if load.Rate > 0 || len(cells) == 1 {
				d.course(c, g, marks, "Longest latency", "ms", func(s *record.Series, i int) (float64, bool) {
					if i >= len(s.Worst) {
						return 0, false
					}
					return float64(s.Worst[i]) / 1e6, s.Worst[i] > 0
				})
			}
		}
	}
	d.fairness()
	d.growth()
}

// marksOf are the faults of a cell.
func marksOf(c *scenario.Cell) (marks []plot.Mark) {
	for _, e := range c.Timeline {
		marks = append(marks, plot.Mark{At: time.Duration(e.At).Seconds(), Until: time.Duration(e.At + e.For).Seconds(), Label: e.Do})
	}
	return marks
}

// fairness draws how evenly connections shared in each window, where the load was measured for long enough to have a course.
func (d *drawing) fairness() {
	if time.Duration(d.Scenario.Measure) < long {
		return
	}
	drawn := 0
	for i := range d.Scenario.Cells {
		c := &d.Scenario.Cells[i]
		for g := range c.Groups {
			before := len(d.out)
			if drawn < mostRows/2 {
				d.course(c, g, marksOf(c), "Fairness over time", "Jain's index", func(s *record.Series, i int) (float64, bool) {
					if i >= len(s.Jain) {
						return 0, false
					}
					return s.Jain[i], true
				})
			}
			drawn += len(d.out) - before
		}
	}
}

// growth draws the memory of processes over a long block.
func (d *drawing) growth() {
	for _, role := range []string{"server", "client"} {
		f := plot.Lines{Title: "Memory of the " + role + " over time", Sub: "MiB", XLabel: "seconds", Plain: true, FromZero: true}
		for _, route := range d.routes {
			line := plot.Line{Route: d.route(route)}
			for _, b := range d.Blocks {
				for _, u := range b.Processes {
					if len(line.Points) > 0 || b.Route != route || u.Course == nil || u.Role != role && !(role == "server" && u.Role == "relay") {
						continue
					}
					for i, rss := range u.Course.RSS {
						mib := float64(rss) / (1 << 20)
						line.Points = append(line.Points, plot.Point{X: u.Course.At(i).Seconds(), Y: mib, Low: mib, High: mib})
					}
				}
			}
			if len(line.Points) == 0 {
				continue
			}
			for _, s := range d.Slopes {
				if s.Per == record.PerHour && s.What == "rss" && s.Route == route && (s.Role == role || s.Role == "relay") {
					line.Name += fmt.Sprintf(": grew by %s MiB", grew(d.Record, s))
					if len(d.Scenario.Cells) == 1 && s.Zero > 0 {
						last := line.Points[len(line.Points)-1].X
						f.Fits = append(f.Fits, plot.Line{Route: line.Route, Points: []plot.Point{{X: 0, Y: s.Zero / (1 << 20)}, {X: last, Y: (s.Zero + s.Median*last/3600) / (1 << 20)}}})
					}
				}
			}
			f.Lines = append(f.Lines, line)
		}
		if len(f.Lines) > 0 {
			d.add(partTime, f.Title, f.SVG)
		}
	}
}

// course adds a figure of one number of each window, the median of the repetitions.
func (d *drawing) course(c *scenario.Cell, group int, marks []plot.Mark, title, unit string, of func(*record.Series, int) (float64, bool)) {
	var lines []plot.Line
	for _, route := range d.routes {
		windows := map[int][]float64{}
		at, last := 0.0, -1
		for _, b := range blocks(d.Record, c.Name, route) {
			s := b.Groups[group].Series
			if s == nil {
				continue
			}
			at = s.Window
			for i := range max(len(s.Up), len(s.Down), len(s.Worst), len(s.Jain)) {
				if v, ok := of(s, i); ok {
					windows[i], last = append(windows[i], v), max(last, i)
				}
			}
		}
		line := plot.Line{Route: d.route(route)}
		for i := range last + 1 {
			if v := windows[i]; len(v) > 0 {
				r := spread(v)
				line.Points = append(line.Points, plot.Point{X: (float64(i) + 0.5) * at, Y: r.Median, Low: r.Low, High: r.High, Gap: len(windows[i-1]) == 0})
			}
		}
		if len(line.Points) > 1 {
			lines = append(lines, line)
		}
	}
	if len(lines) == 0 {
		return
	}
	sub := unit
	if len(c.Groups) > 1 {
		sub += ", " + c.Groups[group].Name
	}
	if len(d.axes) > 0 {
		sub += ", " + labelOf(d.axes, c.Name)
	}
	f := plot.Lines{Title: title, Sub: sub, XLabel: "seconds", Lines: lines, Marks: marks, Plain: true, FromZero: true}
	d.add(partTime, strings.Join([]string{title, c.Groups[group].Name, labelOf(d.axes, c.Name)}, " "), f.SVG)
}

// An outage is what an event of the time line did, in all repetitions of a cell on a route.
type outage struct {
	do                         string
	seen, again, first         []float64 // seconds, of the repetitions in which it came to that
	n                          int       // repetitions
	streams                    record.Streams
	lost, doubled, undelivered int64
	held                       []float64 // octets
}

// outages are the rows of the table of faults.
func outages(r *record.Record) (out []Row) {
	axes := axesOf(r.Scenario)
	for i := range r.Scenario.Cells {
		c := &r.Scenario.Cells[i]
		for _, route := range routesOf(r) {
			var of []*outage
			for _, b := range blocks(r, c.Name, route) {
				for k, e := range b.Events {
					if k == len(of) {
						of = append(of, &outage{do: e.Do})
					}
					of[k].add(&e)
				}
			}
			for _, o := range of {
				out = append(out, Row{Cell: c.Name, Label: labelOf(axes, c.Name), Route: route, outage: o})
			}
		}
	}
	return out
}

func (o *outage) add(e *record.Event) {
	o.n++
	for _, t := range []struct {
		list *[]float64
		at   *float64
	}{{&o.seen, e.Seen}, {&o.again, e.Reconnected}, {&o.first, e.First}} {
		if t.at != nil {
			*t.list = append(*t.list, *t.at)
		}
	}
	o.streams.Kept, o.streams.Reset, o.streams.Hung = o.streams.Kept+e.Streams.Kept, o.streams.Reset+e.Streams.Reset, o.streams.Hung+e.Streams.Hung
	o.lost, o.doubled, o.undelivered = o.lost+e.Lost, o.doubled+e.Doubled, o.undelivered+e.Undelivered
	if e.Held != nil {
		o.held = append(o.held, float64(*e.Held))
	}
}

// when is the median of some times; how many of how many when not all repetitions have one.
func (o *outage) when(times []float64) string {
	switch len(times) {
	case 0:
		return "never"
	case o.n:
		return fmt.Sprintf("%.3f", median(slices.Clone(times)))
	}
	return fmt.Sprintf("%.3f (%d of %d)", median(slices.Clone(times)), len(times), o.n)
}

// Columns of faults. Streams and octets are the sums of the repetitions.
var faultColumns = []column{
	{"fault", func(r Row) string { return r.outage.do }},
	{"seen s", func(r Row) string { return r.outage.when(r.outage.seen) }},
	{"reconnected s", func(r Row) string { return r.outage.when(r.outage.again) }},
	{"first octet s", func(r Row) string { return r.outage.when(r.outage.first) }},
	{"kept", func(r Row) string { return fmt.Sprint(r.outage.streams.Kept) }},
	{"reset", func(r Row) string { return fmt.Sprint(r.outage.streams.Reset) }},
	{"hung", func(r Row) string { return fmt.Sprint(r.outage.streams.Hung) }},
	{"lost", func(r Row) string { return fmt.Sprint(r.outage.lost) }},
	{"doubled", func(r Row) string { return fmt.Sprint(r.outage.doubled) }},
	{"undelivered", func(r Row) string { return fmt.Sprint(r.outage.undelivered) }},
	{"held KiB", func(r Row) string {
		if len(r.outage.held) == 0 {
			return "–"
		}
		return fmt.Sprintf("%.0f", median(slices.Clone(r.outage.held))/1024)
	}},
}

// Columns of fairness.
var fairColumns = []column{
	{"Jain", func(r Row) string { return r.Jain.String() }},
	{"Jain, worst 100 ms", func(r Row) string { return share3(r.JainLeast) }},
	{"longest silence s", func(r Row) string { return fmt.Sprintf("%.1f", r.Silence) }},
}

func share3(v float64) string {
	if v == 0 {
		return "–"
	}
	return fmt.Sprintf("%.3f", v)
}

// afterFaults says what became of the tunnels' streams, and when octets flowed again.
func afterFaults(r *record.Record) (out []string) {
	for _, s := range r.Subjects {
		var back, never []string
		var again []float64
		var streams record.Streams
		for _, row := range outages(r) {
			if row.Path != scenario.Tunnel || row.Subject != s.Name || row.outage.do == scenario.ReaderStall {
				continue // a reader that stalls breaks nothing: what it does to its neighbours is asked
			}
			o := row.outage
			if what := o.do + cmpOr(len(o.first) > 0, "", cmpOr(row.Label == o.do || len(r.Scenario.Cells) == 1, "", " ("+row.Label+")")); len(o.first) > 0 {
				again = append(again, median(slices.Clone(o.first)))
				back = append(back, what)
			} else {
				never = append(never, what)
			}
			streams.Kept, streams.Reset, streams.Hung = streams.Kept+o.streams.Kept, streams.Reset+o.streams.Reset, streams.Hung+o.streams.Hung
		}
		if len(back)+len(never) == 0 {
			continue
		}
		var parts []string
		if v := reach(again); len(back) > 0 {
			parts = append(parts, fmt.Sprintf("octets flow again %s s after %s", v.write(func(v float64) string { return fmt.Sprintf("%.2f", v) }), list(back)))
		}
		if len(never) > 0 {
			parts = append(parts, fmt.Sprintf("no octet comes again after %s within the block of %v", list(never), r.Scenario.Measure))
		}
		out = append(out, fmt.Sprintf("Through %s %s; of %d streams %d are kept, %d reset, %d hung.",
			s.Name, strings.Join(parts, ", and "), streams.Kept+streams.Reset+streams.Hung, streams.Kept, streams.Reset, streams.Hung))
	}
	return out
}

// list is some names, each once; many are a number.
func list(names []string) string {
	names = slices.Compact(names)
	if len(names) > 4 {
		return fmt.Sprintf("%d kinds of fault", len(names))
	}
	return strings.Join(names, ", ")
}
