package analyse

import (
	"math"
	"slices"

	"golang.org/x/perf/benchmath"

	"github.com/adit-tunnel/adit/loadgen/record"
)

// confidence of all intervals.
const confidence = 0.95

// Estimate is that of some values; the zero Estimate without any.
func Estimate(values []float64) record.Estimate {
	if len(values) == 0 {
		return record.Estimate{}
	}
	s := benchmath.AssumeNothing.Summary(benchmath.NewSample(slices.Clone(values), &benchmath.DefaultThresholds), confidence)
	return bounded(len(values), s.Center, s.Lo, s.Hi)
}

// bounded is an estimate whose interval is left out where it has no end.
func bounded(n int, middle, low, high float64) record.Estimate {
	e := record.Estimate{N: n, Median: middle}
	if !math.IsInf(low, 0) && !math.IsInf(high, 0) && !math.IsNaN(low) && !math.IsNaN(high) {
		e.Low, e.High = new(low), new(high)
	}
	return e
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
