package analyse

import (
	"math"
	"slices"

	"github.com/adit-tunnel/adit/loadgen/metric"
	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/scenario"
)

// A Point is a metric in one repetition.
type Point struct {
	Repetition int
	Value      float64
	weight     float64 // in a mean
}

// A Series is a metric over the repetitions, as they came.
type Series struct {
	record.Of
	Kind   metric.Metric
	Points []Point
}

// Values are those of the points.
func (s *Series) Values() (out []float64) {
	for _, p := range s.Points {
		out = append(out, p.Value)
	}
	return out
}

// over divides each value by the other series' value of the same repetition,
// where both exist.
func (s *Series) over(o *Series) (out []float64) {
	at := map[int]float64{}
	for _, p := range o.Points {
		at[p.Repetition] = p.Value
	}
	for _, p := range s.Points {
		if base := at[p.Repetition]; base > 0 {
			out = append(out, p.Value/base)
		}
	}
	return out
}

// A Table is all series of some blocks, in the order of cells, routes, groups and metrics.
type Table struct {
	Series []*Series
	by     map[record.Of]*Series
}

// At is the series of a number; nil when there is none.
func (t *Table) At(of record.Of) *Series { return t.by[of] }

// Tabulate sorts what blocks hold into series.
func Tabulate(r *record.Record, blocks []record.Block) *Table {
	t := &Table{by: map[record.Of]*Series{}}
	for i := range r.Scenario.Cells {
		cell := &r.Scenario.Cells[i]
		for _, route := range r.Routes() {
			here := Blocks(blocks, cell, route)
			if len(here) > 0 {
				t.add(cell, route, here)
			}
		}
	}
	return t
}

// Blocks are those of a cell on a route.
func Blocks(blocks []record.Block, cell *scenario.Cell, route record.Route) (out []*record.Block) {
	for i := range blocks {
		if b := &blocks[i]; b.Cell == cell.Name && b.Route == route {
			out = append(out, b)
		}
	}
	return out
}

// add makes the series of a cell on a route.
func (t *Table) add(cell *scenario.Cell, route record.Route, blocks []*record.Block) {
	for _, m := range metric.All {
		if m.Event || m.Derived {
			continue
		}
		groups := []int{0}
		for g := 1; g < len(cell.Groups) && !m.Path; g++ {
			groups = append(groups, g)
		}
		for _, g := range groups {
			s := &Series{Of: record.Of{Metric: m.Name, Cell: cell.Name, Route: route}, Kind: m}
			if !m.Path {
				s.Group = cell.Groups[g].Name
			}
			for _, b := range blocks {
				if v, weight, ok := value(&m, source{b, cell, g}); ok {
					s.Points = append(s.Points, Point{b.Repetition, v, weight})
				}
			}
			if len(s.Points) > 0 {
				t.Series, t.by[s.Of] = append(t.Series, s), s
			}
		}
	}
}

// Ratio is a series as part of the same on another path.
func (t *Table) Ratio(of record.Of, to record.Route) record.Estimate {
	mine, base := t.by[of], t.by[record.Of{Metric: of.Metric, Cell: of.Cell, Group: of.Group, Route: to}]
	if mine == nil || base == nil {
		return record.Estimate{}
	}
	return Estimate(mine.over(base))
}

// floor sets the blocks that were measured twice in relation: nothing changed
// between them, so whatever they differ by is noise. A change is found
// reliably when it is as large as the interval of theirs is wide.
func floor(t, again *Table) (out []record.Floor) {
	for _, b := range again.Series {
		a := t.by[b.Of]
		if a == nil || b.Kind.Use&metric.Judge == 0 {
			continue
		}
		e, _ := Change(a, b)
		if e.N == 0 {
			continue
		}
		low, high, ok := e.Interval()
		if !ok {
			low, high = farthest(a, b)
		}
		out = append(out, record.Floor{Metric: b.Metric, Group: b.Group, N: e.N, Change: high - low})
	}
	return out
}

// farthest are the least and the greatest change of a pair, none among them.
func farthest(a, b *Series) (low, high float64) {
	c := changes(a, b)
	low, high = min(slices.Min(c), 0), max(slices.Max(c), 0)
	if b.Kind.Unit != metric.Share {
		low, high = math.Expm1(low), math.Expm1(high)
	}
	return low, high
}

// Change is by how much b is more than a, pair by pair within the repetitions
// that both have, as a part of a or of shares the difference, and the p of
// there being none.
func Change(a, b *Series) (e record.Estimate, p float64) {
	changes := changes(a, b)
	p = SignedRank(changes)
	if e = Centre(changes); b.Kind.Unit != metric.Share {
		e = e.Expm1()
	}
	return e, p
}

// changes is what b is more than a in each repetition that both have: the
// logarithm of their ratio, so that twice as much and half as much are as far
// from the same, or of shares the difference.
func changes(a, b *Series) (out []float64) {
	at := map[int]float64{}
	for _, p := range a.Points {
		at[p.Repetition] = p.Value
	}
	for _, p := range b.Points {
		base, ok := at[p.Repetition]
		switch {
		case !ok:
		case b.Kind.Unit == metric.Share:
			out = append(out, p.Value-base)
		default:
			out = append(out, logOf(p.Value)-logOf(base))
		}
	}
	return out
}
