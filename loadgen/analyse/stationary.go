package analyse

import (
	"math"
	"time"

	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/scenario"
)

const (
	edge      = 2   // windows on either side of a change at least
	faintest  = 100 // of the highest window, one part: less is as good as nothing
	beyond    = 3   // standard deviations of the windows on either side
	twofold   = 2   // a change that counts where half of the repetitions have it
	manyTimes = 10  // one that counts in a single repetition
)

// A shift is where the speed of a block changed most.
type shift struct {
	from, to float64       // octets per second, means of the windows before and after
	at       time.Duration // of the measured time
}

// times is how many times as fast one side is.
func (s shift) times() float64 { return max(s.from, s.to) / max(min(s.from, s.to), 1) }

// changed finds the place at which a series is best taken for two speeds
// instead of one; ok says that they differ by more than the windows on either
// side do among themselves. They are compared by their logarithms, since noise
// is a part of what it disturbs. The window in which it happens is neither's.
func changed(s *record.Series) (out shift, ok bool) {
	n := max(len(s.Up), len(s.Down))
	v, high := make([]float64, n), 0.0
	for i := range n {
		for _, of := range [][]int64{s.Up, s.Down} {
			if i < len(of) {
				v[i] += float64(of[i])
			}
		}
		high = max(high, v[i])
	}
	if high == 0 {
		return out, false
	}
	x := make([]float64, n)
	for i := range v {
		x[i] = math.Log(max(v[i], high/faintest))
	}
	best := 0.0
	for k := edge; k+edge < n; k++ {
		left, right := meanOf(x[:k]), meanOf(x[k+1:])
		inside := 0.0
		for i := range x {
			switch {
			case i < k:
				inside += (x[i] - left) * (x[i] - left)
			case i > k:
				inside += (x[i] - right) * (x[i] - right)
			}
		}
		off := math.Abs(left-right) / max(math.Sqrt(inside/float64(max(n-3, 1))), 1e-3)
		if off >= best*(1-1e-9) { // of equal places the last: the window behind it is whole
			best = off
			out = shift{meanOf(v[:k]) / s.Window, meanOf(v[k+1:]) / s.Window, time.Duration(float64(k) * s.Window * float64(time.Second))}
		}
	}
	return out, best > beyond
}

func meanOf(values []float64) float64 { return sum(values) / float64(len(values)) }

// stationary judges whether the speed of a group stayed what it was: the mean of
// two speeds is neither.
func (j *judge) stationary(cell *scenario.Cell, group int, blocks []*record.Block, at record.Reason) {
	if len(cell.Timeline) > 0 || cell.Groups[group].Mode == scenario.Idle {
		return
	}
	n, first := 0, shift{}
	for _, b := range blocks {
		s := b.Groups[group].Series
		if s == nil {
			continue
		}
		c, ok := changed(s)
		if !ok || c.times() < twofold {
			continue
		}
		if n++; c.times() > first.times() {
			first, at.Repetition = c, b.Repetition
		}
	}
	if n > 0 && (2*n >= len(blocks) || first.times() >= manyTimes) {
		j.add(record.NotStationary, record.Noisy, at, "%.3g MB/s until %.1f s, then %.3g, in repetition %d; %d of %d change like this: the number is neither; measure for longer, and see the course over time",
			first.from/1e6, first.at.Seconds(), first.to/1e6, at.Repetition, n, len(blocks))
	}
}
