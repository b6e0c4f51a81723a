package analyse

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/adit-tunnel/adit/loadgen/record"
)

// over is so many windows of a speed, in MB/s.
func over(windows int, mbps float64) []int64 {
	return slices.Repeat([]int64{int64(mbps * 1e5)}, windows)
}

func TestASpeedThatChangesIsFound(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	noisy := func(v []int64, sd float64) []int64 {
		for i := range v {
			v[i] = int64(float64(v[i]) * math.Exp(sd*random.NormFloat64()))
		}
		return v
	}
	for _, tt := range []struct {
		name string
		s    record.Series
		want shift // zero: none
	}{
		{"a throttle after 2 s", record.Series{Down: slices.Concat(over(20, 274), over(20, 0.2))}, shift{274e6, 0.2e6, 2 * time.Second}},
		{"the same the other way", record.Series{Up: slices.Concat(over(20, 274), over(20, 0.2))}, shift{274e6, 0.2e6, 2 * time.Second}},
		{"it gets faster", record.Series{Down: slices.Concat(over(5, 10), over(5, 30))}, shift{10e6, 30e6, 500 * time.Millisecond}},
		{"nothing comes any more", record.Series{Down: slices.Concat(over(3, 10), over(5, 0))}, shift{10e6, 0, 300 * time.Millisecond}},
		{"up falls as down rises", record.Series{Up: slices.Concat(over(5, 10), over(5, 30)), Down: slices.Concat(over(5, 30), over(5, 10))}, shift{}},
		{"through noise", record.Series{Down: slices.Concat(noisy(over(10, 100), 0.1), noisy(over(10, 20), 0.1))}, shift{100e6, 20e6, time.Second}},
		{"not for all the noise", record.Series{Down: slices.Concat(noisy(over(10, 100), 1), noisy(over(10, 60), 1))}, shift{}},
		{"one slow window", record.Series{Down: slices.Concat(over(5, 100), over(1, 1), over(5, 100))}, shift{}},
		{"a slow last window", record.Series{Down: slices.Concat(over(9, 100), over(1, 1))}, shift{}},
		{"steady", record.Series{Down: over(10, 100)}, shift{}},
		{"nothing at all", record.Series{Down: over(10, 0)}, shift{}},
		{"three windows", record.Series{Down: slices.Concat(over(2, 100), over(1, 1))}, shift{}},
		{"by turns", record.Series{Down: slices.Repeat([]int64{1e7, 1e6}, 8)}, shift{}},
	} {
		tt.s.Window = 0.1
		got, ok := changed(&tt.s)
		switch {
		case ok != (tt.want != shift{}):
			t.Errorf("%s: %+v, %v; want %+v", tt.name, got, ok, tt.want)
		case ok && (math.Abs(got.from/max(tt.want.from, 1)-1) > 0.2 || math.Abs(got.to-tt.want.to) > 0.2*tt.want.to || (got.at-tt.want.at).Abs() > 100*time.Millisecond):
			t.Errorf("%s: %+v; want %+v", tt.name, got, tt.want)
		}
	}
	found := 0
	for range 1000 {
		c, ok := changed(&record.Series{Window: 0.1, Down: noisy(over(10, 100), 0.3)})
		if ok && c.times() >= twofold {
			found++
		}
	}
	if found > 10 {
		t.Errorf("%d of 1000 series that are noise alone are said to change", found)
	}
}

// A row is marked when half of its repetitions change, or one does so much that its number means nothing.
func TestARowThatIsNotStationaryIsMarked(t *testing.T) {
	spoil := func(least int, part float64) func(*record.Block, *record.Group) {
		return each(func(b *record.Block, g *record.Group) {
			g.Series = &record.Series{Window: 0.1, Down: over(10, 100)}
			if b.Repetition >= least {
				g.Series.Down = slices.Concat(over(4, 100), over(6, 100*part))
			}
		})
	}
	for _, tt := range []struct {
		name, text string
		change     func(*record.Block, *record.Group)
		repetition int // 0: not marked
		detail     string
	}{
		{"a throttle", upload, spoil(1, 0.001), 1, "100 MB/s until 0.4 s, then 0.1, in repetition 1; 8 of 8 change like this: the number is neither; measure for longer, and see the course over time"},
		{"in half of the repetitions", upload, spoil(5, 0.4), 5, "100 MB/s until 0.4 s, then 40, in repetition 5; 4 of 8 change like this: the number is neither; measure for longer, and see the course over time"},
		{"in fewer", upload, spoil(6, 0.4), 0, ""},
		{"in one, by very much", upload, spoil(8, 0.09), 8, "100 MB/s until 0.4 s, then 9, in repetition 8; 1 of 8 change like this: the number is neither; measure for longer, and see the course over time"},
		{"by little", upload, spoil(1, 0.6), 0, ""},
		{"by the time line", "timeline: [{do: link.freeze, at: 0.4s, for: 0.1s}]\nlink: {rtt: 1ms}\n" + upload, spoil(1, 0.001), 0, ""},
	} {
		r := judgeable(t, tt.text, tt.change)
		Complete(r)
		var got record.Reason
		for _, v := range r.Validity.Reasons {
			if v.Code == record.NotStationary {
				got = v
			}
		}
		if got.Repetition != tt.repetition || got.Detail != tt.detail || tt.repetition > 0 && (got.Verdict != record.Noisy || got.Group != "load" || got.Route != tunnel) {
			t.Errorf("%s: %s, repetition %d; want repetition %d, %s", tt.name, got.Detail, got.Repetition, tt.repetition, tt.detail)
		}
	}
}
