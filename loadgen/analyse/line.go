package analyse

import (
	"math"

	"github.com/aclements/go-moremath/stats"

	"github.com/adit-tunnel/adit/loadgen/record"
)

// A Fit is the straight line that is nearest to some points, by least squares.
// Slope is per unit of x; its interval needs three points.
type Fit struct {
	Slope     record.Estimate
	Intercept float64
}

// Line fits y = Intercept + Slope × x; the zero Fit when all x are the same.
func Line(x, y []float64) Fit {
	n := float64(len(x))
	var mx, my, sxx, sxy, syy float64
	for i := range x {
		mx, my = mx+x[i]/n, my+y[i]/n
	}
	for i := range x {
		sxx, sxy, syy = sxx+(x[i]-mx)*(x[i]-mx), sxy+(x[i]-mx)*(y[i]-my), syy+(y[i]-my)*(y[i]-my)
	}
	if sxx == 0 {
		return Fit{}
	}
	slope := sxy / sxx
	out := Fit{record.Estimate{N: len(x), Median: slope}, my - slope*mx}
	if len(x) < 3 {
		return out
	}
	off := student(n-2) * math.Sqrt(max(syy-slope*sxy, 0)/(n-2)/sxx)
	out.Slope = bounded(len(x), slope, slope-off, slope+off)
	return out
}

// student is how many standard errors either way of a mean hold it, with so many degrees of freedom.
func student(freedom float64) float64 {
	return stats.InvCDF(stats.TDist{V: freedom})(1 - Alpha/2)
}

// Growth is by how much y grows for each of x, of points in the order in which
// they were measured: the median of the growth from each point to the next.
// What grows and keeps its size, as memory does, wanders: its deviations from a
// line depend on each other, so that the interval of the line's slope is far
// too narrow. The steps do not. Of three to five steps, which are too few for
// the interval of a median, it is the mean.
func Growth(x, y []float64) record.Estimate {
	var steps []float64
	for i := range x {
		if i > 0 && x[i] > x[i-1] {
			steps = append(steps, (y[i]-y[i-1])/(x[i]-x[i-1]))
		}
	}
	e := Estimate(steps)
	if n := len(steps); n >= 3 && e.Low == nil {
		s := stats.Sample{Xs: steps}
		off := student(float64(n-1)) * s.StdDev() / math.Sqrt(float64(n))
		return bounded(n, s.Mean(), s.Mean()-off, s.Mean()+off)
	}
	return e
}
