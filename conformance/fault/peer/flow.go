package peer

import "time"

// A pause is a time in which the reader read nothing.
type pause struct{ from, to time.Time }

// pauseFor stops the reader while the queue of c is full (section 12): 5 s
// without progress end c (FLOW-002), 10 s of pauses within 15 s the
// connection with most queued octets (FLOW-003). mu is held.
func (t *tunnel) pauseFor(c *conn) {
	limit, budget, full := stallLimit, stallBudget, queueMax
	const never = 1000 * time.Hour
	switch {
	case t.bug("FLOW-001"):
		return
	case t.bug("FLOW-002"):
		limit, budget = never, never
	case t.bug("FLOW-003"):
		budget = never
	case t.bug("FLOW-004"):
		limit, budget = 38*time.Second, never
	case t.bug("CLOSE-006"):
		full = 14 << 20
	case t.odd("large"):
		full = 16<<20 - maxPayload
	}
	start := time.Now()
	paused := false
	for c.state == open && c.queued >= full && !c.gone && !t.lost {
		paused = true
		stalled := limit - time.Since(later(start, c.took))
		left := budget - t.pausedFor(start)
		switch {
		case stalled <= 0:
			c.fail() // FLOW-002
		case left <= 0:
			t.fullest().fail() // FLOW-003
		default:
			t.waitUntil(time.Now().Add(min(stalled, left) + time.Millisecond))
		}
	}
	if paused {
		t.pauses = append(t.pauses, pause{start, time.Now()})
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// pausedFor is how long the reader has paused within the last stall-window,
// the pause that began at start included.
func (t *tunnel) pausedFor(start time.Time) time.Duration {
	now := time.Now()
	window := now.Add(-stallWindow)
	for len(t.pauses) > 0 && t.pauses[0].to.Before(window) {
		t.pauses = t.pauses[1:]
	}
	sum := now.Sub(later(start, window))
	for _, p := range t.pauses {
		sum += p.to.Sub(later(p.from, window))
	}
	return sum
}

// fullest is the connection with most queued octets.
func (t *tunnel) fullest() *conn {
	var most *conn
	for _, c := range t.conns {
		if !c.gone && c.local != nil && (most == nil || c.queued > most.queued) {
			most = c
		}
	}
	return most
}
