package load

import (
	"math"
	"math/rand/v2"
	"time"
)

// turn waits until the next packet may be sent: at once, or with a rate at the
// instant at which it is due. It returns false when the packet was not due in
// the measured time; what was due is sent even when it is late.
func (w *visitor) turn() (due time.Duration, ok bool) {
	if w.Group.Rate == 0 {
		return 0, w.phase.Load() != draining
	}
	due = w.due(w.slot.Load())
	w.sleep(due)
	if over := time.Duration(w.over.Load()); over > 0 && due >= over || w.isGone() {
		return 0, false
	}
	w.slot.Add(1)
	w.asked = due
	return due, true
}

// sleep waits for an instant, but not beyond the measured time.
func (g *Visitors) sleep(at time.Duration) {
	if d := at - g.now() - Coarse; d > 0 {
		_ = Sleep(g.busy, d)
	}
	for g.busy.Err() == nil {
		d := at - g.now()
		if d <= 0 {
			break
		}
		SleepFinely(d)
	}
}

// wakeEvery is how often the generator looks how late it wakes up.
const wakeEvery = 5 * time.Millisecond

// wakes waits for instants as packets do, without any: how late it is then is
// the generator's own lateness, whatever the connections wait for.
func (g *Visitors) wakes(from, to time.Duration) {
	for at := from; at < to; at += wakeEvery {
		g.sleep(at)
		if late := g.now() - at; late >= 0 {
			g.times[Wake].Record(0, late)
		}
	}
}

// due is when a packet of the schedule is due.
func (w *visitor) due(slot int64) time.Duration {
	return w.began + w.schedule.Due(w.id, int(slot))
}

// overdue is how many packets were due in the measured time and have not been sent.
func (w *visitor) overdue() (n int64) {
	if w.Group.Rate == 0 {
		return 0
	}
	for slot := w.slot.Load(); w.due(slot) < time.Duration(w.over.Load()); slot++ {
		n++
	}
	return n
}

// A Schedule has Rate packets per second, dealt out to Of connections in turn.
type Schedule struct {
	Rate    float64 // packets per second of all connections; 0: no schedule
	Of      int     // connections
	Poisson bool    // random gaps, as from very many independent senders; else all alike
	Seed    uint64  // of the random gaps
}

// Due is when packet i of connection conn is due, counted from the start of the schedule.
func (s Schedule) Due(conn, i int) time.Duration {
	slot := float64(i)*float64(s.Of) + float64(conn)
	if s.Poisson {
		slot = s.gamma(conn, i)
	}
	return time.Duration(slot / s.Rate * float64(time.Second))
}

// stretch is how many packets of a connection share one fixed point in time.
const stretch = 64

// gamma is where packet i of a connection falls, in mean gaps of all
// connections. Each connection is a Poisson process of its own. So that any
// packet can be found without those before it, and a long run never drifts,
// every stretch of packets begins at its mean place; within it gaps are random
// and scaled to fill it.
func (s Schedule) gamma(conn, i int) float64 {
	r := rand.New(rand.NewPCG(s.Seed^uint64(conn)*0x9e3779b97f4a7c15, uint64(i/stretch)))
	var at, here float64
	for k := range stretch {
		if k == i%stretch {
			here = at + r.ExpFloat64()
			at = here
			continue
		}
		at += r.ExpFloat64()
	}
	return float64(s.Of) * (float64(i/stretch*stretch) + stretch*here/math.Max(at, 1e-12))
}
