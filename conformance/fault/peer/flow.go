package peer

import "time"

// A pause is a time in which the reader read nothing.
type pause struct{ from, to time.Time }

// pauseFor stops the reader while the queue of c is full (section 12): 5 s
// without progress end c (FLOW-002), 10 s of pauses within 15 s the open
// connection with most queued octets (FLOW-003). Time counts only while
// there are others. mu is held.
func (t *tunnel) pauseFor(c *conn) {
	if t.phase == up { // HELLO-009: the reader never waits; memory is what bounds
		t.spare()
		return
	}
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
	case t.odd("half"):
		full = 500_000
	case t.odd("small"):
		full = 64 << 10
	}
	if t.bug("FLOW-007") && c.queued >= full && c.state == open {
		c.fail()
		return
	}
	alone, start := true, time.Now() // start: since when it counts
	count := func() {
		if !alone {
			t.pauses = append(t.pauses, pause{start, time.Now()})
		}
	}
	for c.state == open && c.queued >= full && !c.gone && !t.lost {
		sign := t.showLife(c)
		if now := t.isAlone(c); now != alone {
			count()
			alone, start = now, time.Now()
		}
		if alone {
			t.waitUntil(sign)
			continue
		}
		stalled := limit - time.Since(later(start, c.took))
		left := budget - t.pausedFor(start)
		switch {
		case stalled <= 0:
			c.fail() // FLOW-002
		case left <= 0:
			t.fullest().fail() // FLOW-003
		default:
			t.waitUntil(earlier(sign, time.Now().Add(min(stalled, left)+time.Millisecond)))
		}
	}
	count()
}

// isAlone reports whether no other connection wants something from the tunnel.
func (t *tunnel) isAlone(c *conn) bool {
	if t.bug("FLOW-007-alone") {
		return false
	}
	for _, other := range t.conns {
		if other != c && (other.state == requested || other.state == dialing || other.state == open) {
			return false
		}
	}
	return true
}

// showLife sends Data with no octets when a server that pauses has sent nothing for pause-sign (FLOW-008), and
// says when to look again.
func (t *tunnel) showLife(c *conn) time.Time {
	if t.role == Client || t.bug("FLOW-008") {
		return time.Now().Add(time.Hour)
	}
	if time.Since(t.sentAt) >= pauseSign {
		t.send(withID(typeData, c.id))
	}
	return t.sentAt.Add(pauseSign)
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
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

// fullest is the open connection with most queued octets.
func (t *tunnel) fullest() *conn {
	var most *conn
	for _, c := range t.conns {
		if c.state == open && !c.gone && c.local != nil && (most == nil || c.queued > most.queued) {
			most = c
		}
	}
	return most
}
