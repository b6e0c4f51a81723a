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
