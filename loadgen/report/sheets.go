package report

import (
	"fmt"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/stats"
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

	s = sheet{"Knee", "The highest value that kept the goal, in each repetition.", []string{"cell", "path", "repetition", "knee", "of", "limited by"}, nil}
	for _, k := range r.Searches {
		s.rows = append(s.rows, []string{name[k.Cell], k.Route.String(), fmt.Sprint(k.Repetition), fmt.Sprintf("%.4g", k.Knee), k.Of, k.Limit})
	}
	add(s)

	s = sheet{"Comparison", "Of the subjects with the first.", []string{"cell", "path", "metric", "old", "new", "change %", "p (Holm)", "verdict"}, nil}
	for _, c := range r.Comparison {
		s.rows = append(s.rows, []string{
			name[c.Cell], c.Route.String(), c.Metric, fmt.Sprintf("%.4g %s", c.OldMedian, c.Unit), fmt.Sprintf("%.4g %s", c.NewMedian, c.Unit),
			estimate(c.Change, 100), fmt.Sprintf("%.3f", c.Holm), c.Verdict,
		})
	}
	add(s)

	s = sheet{"Growth", "Over all cells: by how much a process grows.", []string{"process", "path", "what", "for each", "slope"}, nil}
	for _, g := range r.Slopes {
		s.rows = append(s.rows, []string{g.Role, g.Route.String(), g.What, g.Per, estimate(g.Estimate, 1)})
	}
	add(s)

	s = sheet{"Isolation", "What a cell has as part of what it has without the load beside it.", []string{"cell", "path", "group", "metric", "part"}, nil}
	for _, a := range r.Apart {
		s.rows = append(s.rows, []string{name[a.Cell], a.Route.String(), a.Group, a.Metric, estimate(a.Estimate, 1)})
	}
	add(s)

	s = sheet{"Noise floor", "The smallest change that this run could show: so far apart two measurements of the same were.", []string{"metric", "group", "pairs", "change %"}, nil}
	for _, f := range r.Floor {
		s.rows = append(s.rows, []string{f.Metric, f.Group, fmt.Sprint(f.N), fmt.Sprintf("%.1f", 100*f.Change)})
	}
	add(s)
	return out
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
