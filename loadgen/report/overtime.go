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

// overTime draws how the groups did in the measured time: in cells with
// faults, or when that time is long in the last cell.
func (d *drawing) overTime() {
	var cells []*scenario.Cell
	for i := range d.Scenario.Cells {
		if c := &d.Scenario.Cells[i]; len(c.Timeline) > 0 && len(cells) < mostRows/2 {
			cells = append(cells, c)
		}
	}
	if n := len(d.Scenario.Cells); len(cells) == 0 && time.Duration(d.Scenario.Measure) >= long {
		cells = []*scenario.Cell{&d.Scenario.Cells[n-1]}
	}
	for _, c := range cells {
		var marks []plot.Mark
		for _, e := range c.Timeline {
			marks = append(marks, plot.Mark{
				At: time.Duration(e.At).Seconds(), Until: time.Duration(e.At + e.For).Seconds(), Label: e.Do,
			})
		}
		for g := range c.Groups {
			d.course(c, g, marks, "Speed over time", "MB/s", func(s *record.Series, i int) (float64, bool) {
				var sum int64
				for _, way := range [][]int64{s.Up, s.Down} {
					if i < len(way) {
						sum += way[i]
					}
				}
				return float64(sum) / s.Window / 1e6, s.Window > 0 && (i < len(s.Up) || i < len(s.Down))
			})
			d.course(c, g, marks, "Longest latency", "ms", func(s *record.Series, i int) (float64, bool) {
				if i >= len(s.Worst) {
					return 0, false
				}
				return float64(s.Worst[i]) / 1e6, s.Worst[i] > 0
			})
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
			for i := range max(len(s.Up), len(s.Down), len(s.Worst)) {
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
	for _, row := range outages(r) {
		if row.Path != scenario.Tunnel {
			continue
		}
		o, first := row.outage, "no octet comes again"
		if len(o.first) > 0 {
			first = fmt.Sprintf("octets flow %.2f s later", median(slices.Clone(o.first)))
		}
		out = append(out, fmt.Sprintf("After %s through %s %s; of %d streams %d are kept, %d reset, %d hung.",
			o.do, row.Subject, first, o.streams.Kept+o.streams.Reset+o.streams.Hung, o.streams.Kept, o.streams.Reset, o.streams.Hung))
	}
	return out
}
