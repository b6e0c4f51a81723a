package record

import "math"

// An Estimate is the median of N values and its interval of 95 %. The interval
// is made of order statistics, so it needs six values: with fewer Low and High are nil.
type Estimate struct {
	N      int      `json:"n"`
	Median float64  `json:"median"`
	Low    *float64 `json:"ci_low,omitempty"`
	High   *float64 `json:"ci_high,omitempty"`
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
