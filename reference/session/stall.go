package session

import "time"

// meterParts is how many parts a stall window is counted in.
const meterParts = 60

// stallMeter adds up the reader's pauses within a sliding window, to 1/60 of the window.
type stallMeter struct {
	part time.Duration // length of one part
	last int64         // number of the newest part
	sums [meterParts + 1]time.Duration
}

func newStallMeter(window time.Duration) stallMeter {
	return stallMeter{part: max(window/meterParts, 1)}
}

// add counts a pause from one instant to another.
func (m *stallMeter) add(from, to instant) {
	for from < to {
		end := min(to, (from/m.part+1)*m.part)
		m.advance(from)
		m.sums[m.last%int64(len(m.sums))] += end - from
		from = end
	}
}

// sum is how long the pauses of the window that ends now were.
func (m *stallMeter) sum(now instant) time.Duration {
	m.advance(now)
	var total time.Duration
	for _, d := range m.sums {
		total += d
	}
	return total
}

func (m *stallMeter) reset() { clear(m.sums[:]) }

// advance forgets the parts that have left the window.
func (m *stallMeter) advance(now instant) {
	n := int64(now / m.part)
	for range min(n-m.last, int64(len(m.sums))) {
		m.last++
		m.sums[m.last%int64(len(m.sums))] = 0
	}
	m.last = max(m.last, n)
}

// pause makes the reader wait until c has room for octets or is over. Called by the reader with the lock
// held; the lock is released meanwhile.
func (s *Session) pause(c *conn) {
	began := s.now()
	s.paused, s.pausedAt = c, began
	s.kick() // what is owed does not wait for the pause to end
	mark := began
	for s.wants(c) {
		now := s.now()
		s.meter.add(mark, now)
		mark = now
		left := s.cfg.StallBudget - s.meter.sum(now)
		limit := max(c.took, began) + s.cfg.StallLimit - now
		switch {
		case limit <= 0:
			// FLOW-002: it took no octet for 5 s of the pause.
			c.fail("FLOW-002", "local socket took no octet while the tunnel waited for it")
			continue
		case left <= 0:
			// FLOW-003: the connection with most queued octets has to go. Each excess is paid once.
			s.meter.reset()
			if full := s.fullest(); full != nil {
				full.fail("FLOW-003", "most queued octets when pauses exceeded their budget")
			}
			continue
		}
		s.waitRoom(min(limit, left))
	}
	now := s.now()
	s.meter.add(mark, now)
	s.paused = nil
	s.stats.Paused += now - began
	// ALIVE-007: time in which this side did not read is no silence of the peer.
	s.lastRead += now - began
	s.frameSince += now - began
}

// wants reports whether the reader still has to wait before it can hand octets to c. It goes on when there
// is room for more than a few, so that a slow local socket does not cost a wake-up for each.
func (s *Session) wants(c *conn) bool {
	room := min(fair, s.cfg.MaxQueue/4)
	return !s.dead && c.takes() && c.queue.size > 0 && c.queue.size > s.cfg.MaxQueue-max(room, 1)
}

// waitRoom releases the lock until a connection took octets, the session ended, or d has passed.
func (s *Session) waitRoom(d time.Duration) {
	s.unlock()
	if s.stall == nil {
		s.stall = time.NewTimer(d)
	} else {
		s.stall.Reset(d)
	}
	select {
	case <-s.resume:
	case <-s.stall.C:
	case <-s.done:
	}
	s.stall.Stop()
	s.mu.Lock()
}

// fullest is the connection with most queued octets, or nil.
func (s *Session) fullest() *conn {
	var full *conn
	for c := range s.live {
		if c.queue.size > 0 && (full == nil || c.queue.size > full.queue.size) {
			full = c
		}
	}
	return full
}

// wake lets a paused reader look again at c.
func (s *Session) wake(c *conn) {
	if s.paused == c {
		select {
		case s.resume <- struct{}{}:
		default:
		}
	}
}
