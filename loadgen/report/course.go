package report

import (
	"fmt"
	"strings"
	"time"

	"github.com/adit-tunnel/adit/loadgen/analyse"
	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/report/plot"
	"github.com/adit-tunnel/adit/loadgen/scenario"
)

// windows are how a group did in each window of the measured time: what is drawn, and one number of it.
var windows = map[string]struct {
	title, unit string
	of          func(s *record.Series, i int) (float64, bool)
}{
	"goodput": {"Speed over time", "MB/s", func(s *record.Series, i int) (float64, bool) {
		var sum int64
		for _, way := range [][]int64{s.Up, s.Down} {
			if i < len(way) {
				sum += way[i]
			}
		}
		return float64(sum) / s.Window / 1e6, s.Window > 0 && (i < len(s.Up) || i < len(s.Down))
	}},
	"latency.max": {"Longest latency", "ms", func(s *record.Series, i int) (float64, bool) {
		if i >= len(s.Worst) {
			return 0, false
		}
		return float64(s.Worst[i]) / 1e6, s.Worst[i] > 0
	}},
	"jain": {"Fairness over time", "Jain's index", func(s *record.Series, i int) (float64, bool) {
		if i >= len(s.Jain) {
			return 0, false
		}
		return s.Jain[i], true
	}},
}

// course draws y over the measured time.
func (d *drawing) course(y string) {
	if role, ok := strings.CutPrefix(y, "rss."); ok {
		d.growth(role)
		return
	}
	for _, c := range d.cells() {
		for g := range c.Groups {
			if load := &c.Groups[g]; load.Connections > 0 && (d.show.Group == "" || d.show.Group == load.Name) {
				d.windows(c, g, y, nil)
			}
		}
	}
}

// mostUnsteady is how many rows that are not stationary have a picture.
const mostUnsteady = 4

// unsteady draws the rows that are not stationary, each in the repetition that shows it best: that is what speaks against them.
func (d *drawing) unsteady() {
	if d.Validity == nil {
		return
	}
	drawn := 0
	d.show = &scenario.Show{Kind: scenario.ShowCourse}
	for i := range d.Validity.Reasons {
		v := &d.Validity.Reasons[i]
		c, err := d.Scenario.Cell(v.Cell)
		if v.Code != record.NotStationary || err != nil || drawn == mostUnsteady {
			continue
		}
		for g := range c.Groups {
			if c.Groups[g].Name == v.Group {
				d.windows(c, g, "goodput", v)
				drawn++
			}
		}
	}
}

// windows draws one number of each window, the median of the repetitions; with a reason, of its route and repetition alone.
func (d *drawing) windows(c *scenario.Cell, group int, y string, only *record.Reason) {
	what := windows[y]
	if only != nil {
		what.title = "Not stationary: " + only.Route.String()
	}
	f := plot.Lines{Title: what.title, Sub: what.unit, XLabel: "seconds", Plain: true, FromZero: true}
	for _, e := range c.Timeline {
		f.Marks = append(f.Marks, plot.Mark{At: time.Duration(e.At).Seconds(), Until: time.Duration(e.At + e.For).Seconds(), Label: e.Do})
	}
	for _, route := range d.routes {
		at, last, values := 0.0, -1, map[int][]float64{}
		for _, b := range analyse.Blocks(d.Blocks, c, route) {
			s := b.Groups[group].Series
			if s == nil || only != nil && (only.Route != route || only.Repetition > 0 && only.Repetition != b.Repetition) {
				continue
			}
			at = s.Window
			for i := range max(len(s.Up), len(s.Down), len(s.Worst), len(s.Jain)) {
				if v, ok := what.of(s, i); ok {
					values[i], last = append(values[i], v), max(last, i)
				}
			}
		}
		line := plot.Line{Route: d.route(route)}
		for i := range last + 1 {
			if v := values[i]; len(v) > 0 {
				n := analyse.Spread(v)
				line.Points = append(line.Points, plot.Point{X: (float64(i) + 0.5) * at, Y: n.Median, Low: n.Low, High: n.High, Gap: len(values[i-1]) == 0})
			}
		}
		if len(line.Points) > 1 {
			f.Lines = append(f.Lines, line)
		}
	}
	if len(f.Lines) == 0 {
		return
	}
	if len(c.Groups) > 1 {
		f.Sub += ", " + c.Groups[group].Name
	}
	if len(d.axes) > 0 {
		f.Sub += ", " + labelOf(d.axes, c.Name)
	}
	d.add(strings.Join([]string{what.title, c.Groups[group].Name, labelOf(d.axes, c.Name)}, " "), f.SVG)
}

// growth draws the memory of a role's processes over a long block.
func (d *drawing) growth(role string) {
	f := plot.Lines{Title: "Memory of the " + role + " over time", Sub: "MiB", XLabel: "seconds", Plain: true, FromZero: true}
	for _, route := range d.routes {
		line := plot.Line{Route: d.route(route)}
		for _, b := range d.Blocks {
			for _, u := range b.Processes {
				if len(line.Points) > 0 || b.Route != route || u.Course == nil || !plays(role, u.Role) {
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
			if s.Per == record.PerHour && s.What == "rss" && s.Route == route && plays(role, s.Role) {
				times := time.Duration(d.Scenario.Measure).Hours() / (1 << 20)
				line.Name += fmt.Sprintf(": grew by %s MiB", spread(analyse.Known(s.Estimate).Times(times), figures3))
				if len(d.Scenario.Cells) == 1 && s.Zero > 0 {
					last := line.Points[len(line.Points)-1].X
					f.Fits = append(f.Fits, plot.Line{Route: line.Route, Points: []plot.Point{{X: 0, Y: s.Zero / (1 << 20)}, {X: last, Y: (s.Zero + s.Median*last/3600) / (1 << 20)}}})
				}
			}
		}
		f.Lines = append(f.Lines, line)
	}
	if len(f.Lines) > 0 {
		d.add(f.Title, f.SVG)
	}
}
