package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/adit-tunnel/adit/loadgen/plot"
	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/sample"
	"github.com/adit-tunnel/adit/loadgen/scenario"
	"github.com/adit-tunnel/adit/loadgen/stats"
	"github.com/adit-tunnel/adit/loadgen/summary"
)

// A sheet is a table whose rows are no cells: what was concluded of them.
type sheet struct {
	title, note string
	head        []string
	rows        [][]string
}

// sheets are them; one without rows is left out.
func sheets(r *record.Record) (out []sheet) {
	add := func(s sheet) {
		if len(s.rows) > 0 {
			out = append(out, s)
		}
	}
	name := map[string]string{}
	axes := axesOf(r.Scenario)
	for _, c := range r.Scenario.Cells {
		name[c.Name] = labelOf(axes, c.Name)
	}

	s := sheet{"Thresholds", "What the scenario expects.", []string{"cell", "path", "expected", "found", "verdict"}, nil}
	for _, t := range r.Thresholds {
		s.rows = append(s.rows, []string{name[t.Cell], t.Route.String(), t.Expect, t.Is(), t.Verdict})
	}
	add(s)

	add(knees(r, name))

	s = sheet{"Comparison", "Of the subjects with the first.", []string{"cell", "path", "metric", "old", "new", "change %", "p (Holm)", "verdict"}, nil}
	for _, c := range r.Comparison {
		s.rows = append(s.rows, []string{
			name[c.Cell], c.Route.String(), c.Metric, fmt.Sprintf("%.4g %s", c.OldMedian, c.Unit), fmt.Sprintf("%.4g %s", c.NewMedian, c.Unit),
			estimate(c.Change, 100), fmt.Sprintf("%.3f", c.Holm), c.Verdict,
		})
	}
	add(s)

	s = sheet{"Growth", "By how much a process grows: for each connection over all blocks, or an hour within long ones; in brackets the interval of 95 %.", []string{"process", "path", "what", "for each", "slope"}, nil}
	for _, g := range r.Slopes {
		s.rows = append(s.rows, []string{g.Role, g.Route.String(), g.What, g.Per, slope(g)})
	}
	add(s)

	s = sheet{"Beside a load", "What a cell has as a multiple of what it has without the load, or the stalled readers, beside it: loaded ÷ idle, in the same repetition.", []string{"cell", "path", "group", "metric", "times"}, nil}
	for _, a := range r.Apart {
		s.rows = append(s.rows, []string{name[a.Cell], a.Route.String(), a.Group, a.Metric, estimate(a.Estimate, 1)})
	}
	add(s)

	add(generators(r))

	s = sheet{"Noise floor", "The smallest change that this run could show: so far apart two measurements of the same were.", []string{"metric", "group", "pairs", "change %"}, nil}
	for _, f := range r.Floor {
		s.rows = append(s.rows, []string{f.Metric, f.Group, fmt.Sprint(f.N), fmt.Sprintf("%.1f", 100*f.Change)})
	}
	add(s)
	return out
}

// knees are what the searches came to: of each route one row, and what ended the repetitions.
func knees(r *record.Record, name map[string]string) sheet {
	s := sheet{"Knee", "The highest value that kept the goal: the median of the repetitions, and what they reach.", []string{"cell", "path", "knee", "of direct %", "of relay %", "limited by", "probes"}, nil}
	if r.Scenario.Search == nil {
		return s
	}
	t := summary.Make(r, r.Blocks)
	for i := range r.Scenario.Cells {
		cell := &r.Scenario.Cells[i]
		for _, route := range routesOf(r) {
			var found []float64
			limits, probes := map[string]int{}, 0
			for _, k := range r.Searches {
				if k.Cell == cell.Name && k.Route == route {
					found, probes = append(found, k.Knee), probes+len(k.Probes)
					limits[k.Limit]++
				}
			}
			if len(found) == 0 {
				continue
			}
			var by []string
			for _, limit := range slices.Sorted(maps.Keys(limits)) {
				by = append(by, fmt.Sprintf("%s %d ×", limit, limits[limit]))
			}
			n := numbers{t, cell, r.Scenario.Search.Group(cell), route}
			s.rows = append(s.rows, []string{
				name[cell.Name], route.String(), spread(found).write(plot.Number) + r.Scenario.Search.Unit(), n.ratio(scenario.Direct, "knee").percent(), n.ratio(scenario.Relay, "knee").percent(),
				strings.Join(by, ", "), fmt.Sprint(probes),
			})
		}
	}
	return s
}

// generators are how those that measured did themselves, at their worst.
func generators(r *record.Record) sheet {
	s := sheet{"Generators", "As they saw themselves, each in its worst block: CPU time, how long the garbage collector stopped them, and how long one goroutine in a hundred waited for a thread.", []string{"generator", "address", "CPU %", "longest pause ms", "wait for a thread, p99 ms"}, nil}
	var worst []sample.Runtime
	for _, b := range r.Blocks {
		seconds := 0.0
		for _, g := range b.Groups {
			seconds = max(seconds, g.Seconds)
		}
		for i, g := range b.Generators {
			if i == len(worst) {
				worst = append(worst, sample.Runtime{})
			}
			w := &worst[i]
			w.CPUSeconds, w.PauseMost, w.SchedP99 = max(w.CPUSeconds, g.CPUSeconds/max(seconds, 1e-9)), max(w.PauseMost, g.PauseMost), max(w.SchedP99, g.SchedP99)
		}
	}
	for i, w := range worst {
		at := "–"
		if i < len(r.Workers) {
			at = r.Workers[i].Address
		}
		s.rows = append(s.rows, []string{fmt.Sprint(i + 1), at, fmt.Sprintf("%.0f", 100*w.CPUSeconds), figures3(1e3 * w.PauseMost), figures3(1e3 * w.SchedP99)})
	}
	return s
}

// slope writes how a process grows in a unit that people read.
func slope(g record.Slope) string {
	switch {
	case g.What == "rss" && g.Per == record.PerHour:
		return estimate(g.Estimate, 1.0/(1<<20)) + " MiB"
	case g.What == "rss":
		return estimate(g.Estimate, 1.0/1024) + " KiB"
	}
	return estimate(g.Estimate, 1)
}

// estimate writes a number and its interval.
func estimate(e stats.Estimate, scale float64) string {
	if low, high, ok := e.Interval(); ok {
		return fmt.Sprintf("%.4g (%.4g to %.4g)", scale*e.Median, scale*low, scale*high)
	}
	return fmt.Sprintf("%.4g", scale*e.Median)
}

func (s sheet) markdown() string {
	t := table.NewWriter()
	row := func(fields []string) (out table.Row) {
		for _, f := range fields {
			out = append(out, f)
		}
		return out
	}
	t.AppendHeader(row(s.head))
	for _, r := range s.rows {
		t.AppendRow(row(r))
	}
	return t.RenderMarkdown()
}
