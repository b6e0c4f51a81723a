package stats

import (
	"math"

	"github.com/aclements/go-moremath/stats"
)

// A Fit is the straight line that is nearest to some points, by least squares.
// Slope is per unit of x; its interval needs three points.
type Fit struct {
	Slope     Estimate
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
	out := Fit{Estimate{N: len(x), Median: slope}, my - slope*mx}
	if len(x) < 3 {
		return out
	}
	off := math.Sqrt(max(syy-slope*sxy, 0) / (n - 2) / sxx)
	t := stats.InvCDF(stats.TDist{V: n - 2})(1 - Alpha/2)
	out.Slope = bounded(len(x), slope, slope-t*off, slope+t*off)
	return out
}

// Growth is by how much y grows for each of x, of points in the order in which
// they were measured: the median of the growth from each point to the next.
// What grows and keeps its size, as memory does, wanders: its deviations from a
// line depend on each other, so that the interval of the line's slope is far
// too narrow. The steps do not.
func Growth(x, y []float64) Estimate {
	var steps []float64
	for i := range x {
		if i > 0 && x[i] > x[i-1] {
			steps = append(steps, (y[i]-y[i-1])/(x[i]-x[i-1]))
		}
	}
	return Of(steps)
}
