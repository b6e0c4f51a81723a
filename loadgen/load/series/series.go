// Package series keeps how a load went over time, in windows of 100 ms, and how
// evenly its connections shared what there was. Its memory is bounded: a long
// measured time has wider windows.
package series

import (
	"math"
	"time"
)

const (
	// Window is the width of the narrowest window.
	Window = 100 * time.Millisecond
	// Most is how many windows there can be; then two become one.
	Most = 600
	// Compared is the most connections whose shares are compared in each window.
	Compared = 512
)

// Shares are what some connections got, in a form that joins with others'.
type Shares struct {
	N       int     `json:"n"`
	Sum     float64 `json:"sum"`
	Squares float64 `json:"squares"`
}

// Add counts one more connection.
func (s *Shares) Add(v float64) { s.N, s.Sum, s.Squares = s.N+1, s.Sum+v, s.Squares+v*v }

func (s *Shares) join(o Shares) {
	s.N, s.Sum, s.Squares = s.N+o.N, s.Sum+o.Sum, s.Squares+o.Squares
}

// Jain is Jain's index of fairness: 1 when all have the same, 1/n when one has all; NaN when nobody has anything.
func (s Shares) Jain() float64 { return min(s.Sum*s.Sum/(float64(s.N)*s.Squares), 1) }

// A Point is one window.
type Point struct {
	Octets int64         `json:"octets"`
	OK     int64         `json:"ok,omitempty"`     // packets
	Worst  time.Duration `json:"worst,omitempty"`  // of them
	Shares Shares        `json:"shares,omitempty"` // of a wider window: those of its least even 100 ms
}

func (p *Point) join(o Point) {
	p.Octets, p.OK, p.Worst = p.Octets+o.Octets, p.OK+o.OK, max(p.Worst, o.Worst)
}

// Part is what one process saw.
type Part struct {
	Every   time.Duration `json:"every"` // width of a window
	Points  []Point       `json:"points,omitempty"`
	Totals  Shares        `json:"totals"`  // of the whole time
	Silence time.Duration `json:"silence"` // the longest in which some connection got nothing, in whole windows
}

// A Recorder makes a Part, from counters that only grow. One goroutine uses it.
type Recorder struct {
	part   Part
	open   Point // the window that is not full
	ticks  int   // in it
	begin  []int64
	before []int64
	silent []time.Duration
}

// NewRecorder begins with the present state of each connection's counter.
func NewRecorder(now []int64) *Recorder {
	return &Recorder{part: Part{Every: Window}, begin: now, before: append([]int64(nil), now...), silent: make([]time.Duration, len(now))}
}

// Tick ends 100 ms. now is each connection's counter, those of new ones at the end; p is the packets in it.
func (r *Recorder) Tick(now []int64, p Point) {
	for range len(now) - len(r.before) {
		r.begin, r.before, r.silent = append(r.begin, 0), append(r.before, 0), append(r.silent, 0)
	}
	for i, v := range now {
		got := v - r.before[i]
		p.Octets += got
		if len(now) <= Compared {
			p.Shares.Add(float64(got))
		}
		if r.silent[i] += Window; got > 0 {
			r.silent[i] = 0
		}
		r.part.Silence, r.before[i] = max(r.part.Silence, r.silent[i]), v
	}
	r.add(p)
}

// add puts 100 ms into the open window.
func (r *Recorder) add(p Point) {
	shares := lessEven(r.open.Shares, p.Shares)
	r.open.join(p)
	r.open.Shares = shares
	if r.ticks++; time.Duration(r.ticks)*Window < r.part.Every {
		return
	}
	r.part.Points, r.open, r.ticks = append(r.part.Points, r.open), Point{}, 0
	if len(r.part.Points) == Most {
		r.part.widen()
	}
}

func lessEven(a, b Shares) Shares {
	if a.N == 0 || b.Squares > 0 && !(a.Jain() <= b.Jain()) {
		return b
	}
	return a
}

// widen makes one window of two.
func (p *Part) widen() {
	var out []Point
	for i := 0; i < len(p.Points); i += 2 {
		one := p.Points[i]
		if i+1 < len(p.Points) {
			two := p.Points[i+1]
			one.join(two)
			one.Shares = lessEven(one.Shares, two.Shares)
		}
		out = append(out, one)
	}
	p.Points, p.Every = out, 2*p.Every
}

// Part ends the record.
func (r *Recorder) Part() Part {
	for i, v := range r.before {
		r.part.Totals.Add(float64(v - r.begin[i]))
	}
	return r.part
}

// Join brings together what several processes saw of one group.
func Join(parts ...Part) (out Part) {
	for _, p := range parts {
		for p.Every != 0 && p.Every < out.Every {
			p.widen()
		}
		for out.Every != 0 && out.Every < p.Every {
			out.widen()
		}
		out.Every, out.Silence = max(out.Every, p.Every), max(out.Silence, p.Silence)
		out.Totals.join(p.Totals)
		for i, x := range p.Points {
			if i == len(out.Points) {
				out.Points = append(out.Points, Point{})
			}
			out.Points[i].join(x)
			out.Points[i].Shares.join(x.Shares)
		}
	}
	return out
}

// Least is the lowest index of fairness of a window in which anybody got anything; NaN without one.
func (p *Part) Least() float64 {
	least := math.NaN()
	for _, x := range p.Points {
		if j := x.Shares.Jain(); !(j >= least) && !math.IsNaN(j) {
			least = j
		}
	}
	return least
}
