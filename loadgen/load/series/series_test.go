package series

import (
	"math"
	"testing"
	"time"
)

// grow records ticks in each of which connections get so much.
func grow(got ...[]int64) *Recorder {
	now := make([]int64, len(got[0]))
	r := NewRecorder(make([]int64, len(now)))
	for _, g := range got {
		for i, v := range g {
			now[i] += v
		}
		r.Tick(now, Point{OK: 1, Worst: time.Duration(g[0])})
	}
	return r
}

func TestSharesSilenceAndWindows(t *testing.T) {
	p := grow([]int64{10, 10}, []int64{10, 0}, []int64{20, 0}, []int64{0, 0}, []int64{0, 30}).Part()
	if len(p.Points) != 5 || p.Points[2].Octets != 20 || p.Points[2].OK != 1 || p.Points[2].Worst != 20 {
		t.Errorf("points %+v", p.Points)
	}
	if p.Silence != 3*Window || p.Totals.Jain() != 1 || p.Least() != 0.5 {
		t.Errorf("silence %v, overall %v, least %v; want 300ms, 1 and 0.5", p.Silence, p.Totals.Jain(), p.Least())
	}
	if !math.IsNaN(p.Points[3].Shares.Jain()) {
		t.Error("a window in which nobody got anything has an index")
	}
}

// Two processes' halves of a group are as even, or not, as the group.
func TestPartsJoinExactly(t *testing.T) {
	a, b := grow([]int64{30, 30}, []int64{5, 5}).Part(), grow([]int64{10, 10}, []int64{5, 5}).Part()
	p := Join(a, b)
	if want := 6400.0 / (4 * 2000); p.Least() != want || p.Points[0].Octets != 80 || p.Points[0].OK != 2 || p.Totals.N != 4 {
		t.Errorf("joined %+v, least %v; want %v", p, p.Least(), want)
	}
}

func TestMemoryIsBounded(t *testing.T) {
	now := []int64{0, 0}
	r := NewRecorder([]int64{0, 0})
	const ticks = 10 * Most
	for i := range ticks {
		now[0]++
		if now[1]++; i == 7 {
			now[0] += 98
		}
		r.Tick(now, Point{OK: 1})
	}
	p := r.Part()
	var octets, ok int64
	for _, x := range p.Points {
		octets, ok = octets+x.Octets, ok+x.OK
	}
	width := int(p.Every / Window)
	if len(p.Points) >= Most || ok < ticks-int64(width) || octets < ok || width < 8 {
		t.Errorf("%d windows of %v with %d of %d ticks", len(p.Points), p.Every, ok, ticks)
	}
	if want := 10000.0 / (2 * 9802); math.Abs(p.Least()-want) > 1e-3 {
		t.Errorf("least %v; want that of the one odd 100 ms, %v", p.Least(), want)
	}
	short := grow([]int64{1, 1}, []int64{1, 1}).Part()
	if j := Join(p, short); j.Every != p.Every || j.Points[0].Octets != p.Points[0].Octets+4 {
		t.Errorf("a short part joins a long one: %v, %+v", j.Every, j.Points[0])
	}
}
