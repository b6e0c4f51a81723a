// Package pace says when packets are due. A schedule is pure arithmetic on the
// packet's number: whoever wakes up late sends all that is due, and nothing
// that happens on the way moves what comes later.
package pace

import (
	"math"
	"math/rand/v2"
	"time"
)

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

// block is how many packets of a connection share one fixed point in time.
const block = 64

// gamma is where packet i of a connection falls, in mean gaps of all
// connections. Each connection is a Poisson process of its own. So that any
// packet can be found without those before it, and a long run never drifts,
// every block of packets begins at its mean place; within it gaps are random
// and scaled to fill it.
func (s Schedule) gamma(conn, i int) float64 {
	r := rand.New(rand.NewPCG(s.Seed^uint64(conn)*0x9e3779b97f4a7c15, uint64(i/block)))
	var at, here float64
	for k := range block {
		if k == i%block {
			here = at + r.ExpFloat64()
			at = here
			continue
		}
		at += r.ExpFloat64()
	}
	return float64(s.Of) * (float64(i/block*block) + block*here/math.Max(at, 1e-12))
}
