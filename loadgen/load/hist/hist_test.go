package hist

import (
	"testing"
	"time"
)

func dist(t *testing.T, h Timing) *Dist {
	t.Helper()
	p, err := h.Part()
	if err != nil {
		t.Fatal(err)
	}
	d, err := Join(p)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestPercentilesNeedEnoughSamples(t *testing.T) {
	for _, tt := range []struct {
		n             int
		p50, p90, p99 bool
	}{{19, false, false, false}, {20, true, false, false}, {99, true, false, false}, {100, true, true, false}, {999, true, true, false}, {1000, true, true, true}} {
		h := New(2)
		for i := range tt.n {
			h.Record(i, time.Duration(i+1)*time.Microsecond)
		}
		d := dist(t, h)
		if d.N != int64(tt.n) || d.Min != 1000 || d.Max != int64(tt.n)*1000 || (d.P50 > 0) != tt.p50 || (d.P90 > 0) != tt.p90 || (d.P99 > 0) != tt.p99 {
			t.Errorf("%d samples: %+v", tt.n, d)
		}
		if d.P90 > 0 && (d.P90 < int64(tt.n)*890 || d.P90 > int64(tt.n)*910) {
			t.Errorf("%d samples: p90 = %d ns", tt.n, d.P90)
		}
	}
	if d := dist(t, New(1)); d != nil {
		t.Errorf("dist without samples = %+v; want nil", d)
	}
	h := New(1)
	h.Record(0, 2*time.Minute)
	if d := dist(t, h); d.Clipped != 1 || d.Max != int64(2*time.Minute) {
		t.Errorf("two minutes: %+v; want one clipped sample", d)
	}
}

// What several processes recorded comes to exactly what one would have recorded.
func TestPartsJoinExactly(t *testing.T) {
	all, parts := New(3), []Part{}
	for worker := range 4 {
		h := New(2)
		for i := range 5000 {
			d := time.Duration((i*7919+worker*104729)%3_000_000) * time.Nanosecond
			h.Record(i, d)
			all.Record(i, d)
		}
		p, err := h.Part()
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, p)
	}
	got, err := Join(parts...)
	if want := dist(t, all); err != nil || *got != *want {
		t.Errorf("Join = %+v, %v; want %+v", got, err, want)
	}
	parts[0].N++
	if _, err := Join(parts...); err == nil {
		t.Error("a part whose count is wrong is taken")
	}
	bars, err := got.Bars()
	n := int64(0)
	for _, b := range bars {
		n += b.Count
	}
	if err != nil || n != got.N {
		t.Errorf("Bars hold %d samples, %v; want %d", n, err, got.N)
	}
}

// Up to 2 µs the histogram has a step for each nanosecond, so what comes out is exact.
func TestPercentilesAreExact(t *testing.T) {
	h := New(1)
	for i := range 10_000 {
		h.Record(0, time.Duration(i/10+1))
	}
	d := dist(t, h)
	if d.P50 != 500 || d.P90 != 900 || d.P99 != 990 || d.P999 != 999 || d.Mean != 500 || d.Min != 1 || d.Max != 1000 {
		t.Errorf("1 to 1000 ns, ten times each: %+v", d)
	}
}

// A percentile is the first sample with that share of all up to it, whatever the
// number of samples: of 166 ninety percent are 150, and 149 are not enough.
func TestAPercentileCoversItsShare(t *testing.T) {
	for _, tt := range []struct{ n, p50, p90, p99, p999, p9999 int64 }{
		{20, 10, 0, 0, 0, 0},
		{21, 11, 0, 0, 0, 0},
		{100, 50, 90, 0, 0, 0},
		{101, 51, 91, 0, 0, 0},
		{166, 83, 150, 0, 0, 0},
		{1000, 500, 900, 990, 0, 0},
		{1001, 501, 901, 991, 0, 0},
		{10_000, 5000, 9000, 9900, 9990, 0},
		{10_001, 5001, 9001, 9901, 9991, 0},
		{100_001, 50_001, 90_001, 99_001, 99_901, 99_991},
	} {
		var bars []Bar
		for i := range tt.n {
			bars = append(bars, Bar{time.Duration(i + 1), 1})
		}
		for share, want := range map[float64]int64{0.5: tt.p50, 0.9: tt.p90, 0.99: tt.p99, 0.999: tt.p999, 0.9999: tt.p9999, 1: tt.n} {
			if got := int64(Within(bars, share)); want > 0 && got != want {
				t.Errorf("%v of %d samples: the one at %d; want %d", share, tt.n, got, want)
			}
		}
		if tt.n > 2000 { // a histogram keeps what is up to 2 µs exactly
			continue
		}
		h := New(1)
		for i := range tt.n {
			h.Record(0, time.Duration(i+1))
		}
		if d := dist(t, h); d.P50 != tt.p50 || d.P90 != tt.p90 || d.P99 != tt.p99 {
			t.Errorf("%d samples: %+v; want %+v", tt.n, d, tt)
		}
	}
	if got := Within(nil, 0.5); got != 0 {
		t.Errorf("of no samples: %v", got)
	}
}

// What a record keeps has steps of 64 ns at first; a sample is in the one that it lies in.
func TestBarsHoldTheirSamples(t *testing.T) {
	h := New(1)
	for i := range 100 {
		h.Record(0, time.Duration(64*i))
	}
	bars, err := dist(t, h).Bars()
	if err != nil || len(bars) != 100 {
		t.Fatalf("%d bars, %v; want 100", len(bars), err)
	}
	for i, b := range bars {
		if b != (Bar{time.Duration(64*i + 63), 1}) {
			t.Errorf("bar %d = %+v; want one sample of %d ns", i, b, 64*i)
		}
	}
}
