package report

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/adit-tunnel/adit/loadgen/analyse"
	"github.com/adit-tunnel/adit/loadgen/metric"
	"github.com/adit-tunnel/adit/loadgen/scenario"
)

// A column of a table.
type column struct {
	head string
	of   func(*Row) string
}

// numberColumn shows a metric at one of its places.
func numberColumn(m *metric.Metric, p metric.Place) column {
	name := strings.TrimSuffix(m.Name+"/"+p.Of, "/")
	return column{p.Head, func(r *Row) string { return written(r.Of(name), r.N, p) }}
}

// columnsOf are the columns of a standard table, in the order of the metrics.
func columnsOf(title string) (out []column) {
	for _, m := range metric.All {
		for _, p := range m.Places {
			if p.Table == title {
				if p.Scale == 0 {
					p.Scale = 1
				}
				out = append(out, numberColumn(&m, p))
			}
		}
	}
	return out
}

// named are the columns of some metrics: goodput, goodput/direct.
func named(names []string) (out []column) {
	for _, name := range names {
		m, to, err := metric.Shown(name)
		p, ok := m.At("", to)
		if err != nil || !ok {
			panic("report: no column shows " + name) // scenarios are checked, and else the names are ours
		}
		out = append(out, numberColumn(&m, p))
	}
	return out
}

// written writes a number of a row that was measured n times.
func written(v analyse.Number, n int, p metric.Place) string {
	none := v.Median == 0 && v.Low == 0 && v.High == 0
	switch s := v.Times(p.Scale); {
	case p.As == metric.When && v.N == 0:
		return "never"
	case v.N == 0:
		return "–"
	case p.As == metric.When && v.N < n:
		return fmt.Sprintf("%.3f (%d of %d)", s.Median, v.N, n)
	case p.As == metric.When:
		return fmt.Sprintf("%.3f", s.Median)
	case p.As == metric.Spread && !none:
		return spread(s, figures3)
	case p.As == metric.Middle && !none:
		return figures3(s.Median)
	case p.As == metric.Percent && !none:
		return percent(v)
	case none && (p.As == metric.Spread || p.As == metric.Middle || p.As == metric.Percent):
		return "–"
	default:
		return fmt.Sprintf(p.As, s.Median)
	}
}

// spread writes the median, and in brackets what the repetitions reach.
func spread(v analyse.Number, number func(float64) string) string {
	switch low, high := number(v.Low), number(v.High); {
	case v.Low == v.High:
		return number(v.Median)
	case v.Low < 0:
		return fmt.Sprintf("%s (%s to %s)", number(v.Median), low, high)
	default:
		return fmt.Sprintf("%s (%s–%s)", number(v.Median), low, high)
	}
}

// percent writes a part as such.
func percent(v analyse.Number) string {
	v = v.Times(100)
	_, brackets, _ := strings.Cut(spread(v, func(v float64) string { return fmt.Sprintf("%.0f", v) }), " ")
	return strings.TrimSpace(fmt.Sprintf("%.1f %s", v.Median, brackets))
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
	return strings.Replace(fmt.Sprintf("%.3f", v), "-0.000", "0.000", 1)
}

// grid is the table of some rows; it leaves out columns in which no row says anything.
func (s *Sheet) grid(title, note string, rows []*Row, marked bool, columns []column) grid {
	route := column{"path", func(r *Row) string { return r.Route.String() }} // of counts, against which nothing speaks
	if marked {
		route.of = (*Row).marked
	}
	all := []column{{s.CellHead, (*Row).label}, route}
	for _, c := range columns {
		if slices.ContainsFunc(rows, func(r *Row) bool { return c.of(r) != "–" }) {
			all = append(all, c)
		}
	}
	out := grid{Title: title, Note: note, words: 2}
	for _, c := range all {
		out.Head = append(out.Head, c.head)
	}
	for i, row := range rows {
		one := line{Tip: strings.TrimSpace(row.details), verdict: row.Verdict, begins: i > 0 && row.Cell != rows[i-1].Cell}
		for _, c := range all {
			one.Fields = append(one.Fields, c.of(row))
		}
		out.Rows = append(out.Rows, one)
	}
	return out
}

// grids are the standard tables, which hold all numbers; one without rows is left out.
func (s *Sheet) grids() []grid {
	var rows, faults []*Row
	for _, row := range s.Rows {
		switch {
		case row.Is():
			rows = append(rows, row)
		case row.Event != "":
			faults = append(faults, row)
		}
	}
	with := func(names ...string) []*Row {
		return slices.DeleteFunc(slices.Clone(rows), func(r *Row) bool {
			return !slices.ContainsFunc(names, func(n string) bool { return r.Of(n).N > 0 })
		})
	}
	of := func(title, note string, rows []*Row) grid {
		columns := columnsOf(title)
		if title == metric.Faults {
			columns = slices.Insert(columns, 0, column{"fault", func(r *Row) string { return r.Event }})
		}
		return s.grid(title, note, rows, title != metric.Transfer && title != metric.Faults, columns)
	}
	result := of(metric.Result, s.Reading, rows)
	result.notes = s.notesOf(rows)
	all := []grid{
		result,
		of(metric.Overhead, "Speed and latency as parts and multiples of those of another path, in the same repetition.", rows),
		of(metric.Latency, "Milliseconds.", with("latency.mean")),
		of(metric.Knee, "The highest value"+cmpOr(s.Search.Unit == "", "", ", a second,")+" that kept the goal, and how many repetitions ended because it was no longer kept, the generator gave up, or the range ended.", with("knee")),
		of(metric.Cost, "", with("rss.most.server", "rss.most.client")),
		of(metric.Faults, "Seconds after the fault began, the median of the repetitions; streams and octets are sums.", faults),
		of(metric.Fairness, "Jain's index: 1 when all connections have the same.", with("jain")),
		of(metric.Transfer, "Sums of the repetitions.", rows),
	}
	return slices.DeleteFunc(all, func(g grid) bool {
		// At their knees routes carry loads of different rates: their times cannot be compared.
		return len(g.Rows) == 0 || len(g.Head) < 3 || g.Title == metric.Overhead && s.Search.Keep != ""
	})
}

// usual are the columns of the first table where the scenario names none.
var usual = []string{"goodput", "goodput/direct", "goodput/relay", "latency.p50", "latency.p99", "not_ok"}

// withMax puts the longest latency behind its percentiles: what they leave out a
// user of the path has waited for, too.
func withMax(names []string) []string {
	if len(names) == 0 {
		names = usual
	}
	out := slices.Clone(names)
	for i, name := range slices.Backward(out) {
		if strings.HasPrefix(name, "latency.p") && !strings.Contains(name, "/") && !slices.Contains(out, "latency.max") {
			return slices.Insert(out, i+1, "latency.max")
		}
	}
	return out
}

// few is up to how many rows a terminal shows all paths; beyond it the tunnels alone, which are compared with the others.
const few = 30

// first is the table that a reader wants first, with some metrics as columns; of more rows than most those of the tunnels alone.
func (s *Sheet) first(most int, names []string) grid {
	var rows, tunnels []*Row
	for _, row := range s.Rows {
		if row.Is() {
			rows = append(rows, row)
			if row.Path == scenario.Tunnel {
				tunnels = append(tunnels, row)
			}
		}
	}
	if len(rows) > most && len(tunnels) > 0 {
		rows = tunnels
	}
	if len(names) == 0 {
		names = usual
	}
	out := s.grid("", "", rows, true, named(names))
	out.notes = s.notesOf(rows)
	return out
}
