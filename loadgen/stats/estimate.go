package stats

import (
	"math"
	"slices"

	"golang.org/x/perf/benchmath"
)

// confidence of all intervals.
const confidence = 0.95

// An Estimate is the median of N values and its interval. The interval is made
// of order statistics, so it needs six values: with fewer Low and High are nil.
type Estimate struct {
	N      int      `json:"n"`
	Median float64  `json:"median"`
	Low    *float64 `json:"ci_low,omitempty"`
	High   *float64 `json:"ci_high,omitempty"`
}

// Of is the estimate of some values; the zero Estimate without any.
func Of(values []float64) Estimate {
	if len(values) == 0 {
		return Estimate{}
	}
	s := benchmath.AssumeNothing.Summary(benchmath.NewSample(slices.Clone(values), &benchmath.DefaultThresholds), confidence)
	return bounded(len(values), s.Center, s.Lo, s.Hi)
}

// bounded is an estimate whose interval is left out where it has no end.
func bounded(n int, middle, low, high float64) Estimate {
	e := Estimate{N: n, Median: middle}
	if !math.IsInf(low, 0) && !math.IsInf(high, 0) && !math.IsNaN(low) && !math.IsNaN(high) {
		e.Low, e.High = new(low), new(high)
	}
	return e
}

// Interval is the interval, if there is one.
func (e Estimate) Interval() (low, high float64, ok bool) {
	if e.Low == nil || e.High == nil {
		return 0, 0, false
	}
	return *e.Low, *e.High, true
}

// Width is how far the farther end of the interval is from the median, as part of it; infinite without an interval.
func (e Estimate) Width() float64 {
	low, high, ok := e.Interval()
	if !ok || e.Median == 0 {
		return math.Inf(1)
	}
	return max(high-e.Median, e.Median-low) / math.Abs(e.Median)
}

// Expm1 makes an estimate of a logarithm of a ratio one of the ratio less 1.
func (e Estimate) Expm1() Estimate {
	out := Estimate{N: e.N, Median: math.Expm1(e.Median)}
	if low, high, ok := e.Interval(); ok {
		out.Low, out.High = new(math.Expm1(low)), new(math.Expm1(high))
	}
	return out
}

// Jain is Jain's index of fairness: 1 when all have the same, 1/n when one has all; 1 when nobody has anything.
func Jain(values []float64) float64 {
	var sum, squares float64
	for _, v := range values {
		sum, squares = sum+v, squares+v*v
	}
	if squares == 0 {
		return 1
	}
	return sum * sum / (float64(len(values)) * squares)
}
