package analyse

import (
	"cmp"
	"slices"
	"time"

	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/rig/sample"
)

const (
	segments = 12  // of a block, whose means the line is laid through: neighbouring samples are not independent
	settling = 0.1 // of the measured time, in which a process grows to its size
)

// hourly says how processes grow within blocks that were measured for long:
// with one block its line and interval, with several the median of their lines.
func hourly(r *record.Record) (out []record.Slope) {
	fits, order := map[grower][]Fit{}, []grower(nil)
	for i := range r.Blocks {
		b := &r.Blocks[i]
		for g, y := range courses(b) {
			if fits[g] == nil {
				order = append(order, g)
			}
			fits[g] = append(fits[g], Line(y.x, y.y))
		}
	}
	slices.SortFunc(order, func(a, b grower) int {
		return cmp.Or(cmp.Compare(a.route.String(), b.route.String()), cmp.Compare(a.role, b.role), cmp.Compare(a.what, b.what))
	})
	for _, g := range order {
		s := record.Slope{Route: g.route, Role: g.role, What: g.what, Per: record.PerHour}
		if of := fits[g]; len(of) == 1 {
			s.Estimate, s.Zero = of[0].Slope, of[0].Intercept
		} else {
			var slopes []float64
			for _, f := range of {
				slopes = append(slopes, f.Slope.Median)
			}
			s.Estimate = Estimate(slopes)
		}
		out = append(out, s)
	}
	return out
}

// courses are the means of the segments of a block, over hours; several relays count as one.
func courses(b *record.Block) map[grower]points {
	sums := map[grower][]float64{}
	every := map[grower]float64{}
	for _, u := range b.Processes {
		c := u.Course
		if c == nil || !slices.Contains([]string{"server", "client", "relay"}, u.Role) {
			continue
		}
		for what, of := range map[string]func(*sample.Course, int) float64{
			"rss":   func(c *sample.Course, i int) float64 { return float64(c.RSS[i]) },
			"files": func(c *sample.Course, i int) float64 { return float64(c.Files[i]) },
		} {
			g := grower{b.Route, u.Role, what}
			if sums[g] == nil {
				sums[g], every[g] = make([]float64, len(c.RSS)), c.Every
			}
			for i := range min(len(c.RSS), len(sums[g])) {
				sums[g][i] += of(c, i)
			}
		}
	}
	out := map[grower]points{}
	for g, y := range sums {
		first := int(settling * float64(len(y)))
		if len(y)-first < segments {
			continue
		}
		var p points
		for s := range segments {
			from, to := first+s*(len(y)-first)/segments, first+(s+1)*(len(y)-first)/segments
			sum := 0.0
			for _, v := range y[from:to] {
				sum += v
			}
			at := (float64(from+to+1) / 2) * every[g] // points are at the ends of their distances
			p.x, p.y = append(p.x, at/time.Hour.Seconds()), append(p.y, sum/float64(to-from))
		}
		out[g] = p
	}
	return out
}
