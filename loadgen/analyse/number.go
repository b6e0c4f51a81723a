package analyse

import (
	"slices"

	"github.com/adit-tunnel/adit/loadgen/metric"
	"github.com/adit-tunnel/adit/loadgen/record"
)

// A Number is what the repetitions of a metric come to. Of a median Low and
// High are its interval of 95 %, or with fewer than six repetitions the lowest
// and the highest; else they are the number itself.
type Number struct {
	N                 int // repetitions that have one; 0: there is none
	Median, Low, High float64
}

// Times is the number in another unit.
func (n Number) Times(f float64) Number { return Number{n.N, n.Median * f, n.Low * f, n.High * f} }

// exactly is a number without an interval.
func exactly(n int, v float64) Number { return Number{n, v, v, v} }

// Spread is what values come to: the median and its interval, or what they reach.
func Spread(values []float64) Number {
	if low, high, ok := Estimate(values).Interval(); ok {
		return Number{len(values), Estimate(values).Median, low, high}
	}
	return Reach(values)
}

// Reach is the median, the lowest and the highest of some values.
func Reach(values []float64) Number {
	n := len(values)
	if n == 0 {
		return Number{}
	}
	v := slices.Sorted(slices.Values(values))
	return Number{n, (v[(n-1)/2] + v[n/2]) / 2, v[0], v[n-1]}
}

// Known is an estimate as a number.
func Known(e record.Estimate) Number {
	if low, high, ok := e.Interval(); ok {
		return Number{e.N, e.Median, low, high}
	}
	return exactly(e.N, e.Median)
}

// Number is what the series comes to.
func (s *Series) Number() Number {
	v := s.Values()
	switch s.Kind.Over {
	case metric.Sum:
		return exactly(len(v), sum(v))
	case metric.Least:
		return exactly(len(v), slices.Min(v))
	case metric.Most:
		return exactly(len(v), slices.Max(v))
	case metric.Mean:
		var total, weight float64
		for _, p := range s.Points {
			total, weight = total+p.Value*p.weight, weight+p.weight
		}
		return exactly(len(v), total/weight)
	}
	return Spread(v)
}

// Part is what a number is as part of the same on another path, in the same
// repetition; there is none of the path itself, nor of direct.
func (t *Table) Part(of record.Of, to string) Number {
	mine, base := t.by[of], t.by[record.Of{Metric: of.Metric, Cell: of.Cell, Group: of.Group, Route: record.Route{Path: to}}]
	if mine == nil || base == nil || !slices.Contains(bases(of.Path), to) {
		return Number{}
	}
	return Spread(mine.over(base))
}

func sum(values []float64) (out float64) {
	for _, v := range values {
		out += v
	}
	return out
}

// Outage is what an event of the time line did, in all repetitions of a cell on a route.
func Outage(m *metric.Metric, blocks []*record.Block, event int) Number {
	v := outages(m, blocks, func(i int) bool { return i == event })
	switch {
	case len(v) == 0:
		return Number{}
	case m.Over == metric.Sum:
		return exactly(len(v), sum(v))
	}
	return Spread(v)
}

// outages are a metric of the wanted events of some blocks.
func outages(m *metric.Metric, blocks []*record.Block, wanted func(event int) bool) (v []float64) {
	_, detail := m.Family()
	for _, b := range blocks {
		for i := range b.Events {
			if !wanted(i) {
				continue
			}
			if x, ok := eventMakers[detail](&b.Events[i]); ok {
				v = append(v, x)
			}
		}
	}
	return v
}
