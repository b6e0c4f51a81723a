package session

import (
	"time"

	"github.com/adit-tunnel/adit/reference/sock"
	"github.com/adit-tunnel/adit/spec/wire"
)

// inHalf carries bytes from the tunnel to the local socket: what the socket takes at once directly, the rest
// through a queue.
type inHalf struct {
	flow    flow       // how much may be queued: see pause
	ended   bool       // no more bytes are taken from the tunnel
	queue   sock.Queue // received, not yet taken by the local socket
	held    int        // memory of queue, as the session counts it
	lost    int        // bytes received that it will never get, besides those in queue
	writing bool       // deliver or writeQueue writes to the socket; when not, queue is empty
	took    instant    // when writeQueue began or last wrote
	vec     [1][]byte  // owned by writeQueue
}

// takesLocked reports whether bytes from the tunnel may be handed to the local socket.
func (c *conn) takesLocked() bool { return !c.s.ended && !c.in.ended && c.local.takes() }

// deliver hands bytes of a Data frame to the local socket. Called by the reader only.
func (c *conn) deliver(p []byte) {
	s := c.s
	s.mu.Lock()
	defer s.unlock()
	for len(p) > 0 && c.takesLocked() {
		if c.in.writing {
			if p = c.enqueueLocked(p); len(p) > 0 {
				c.in.flow.waitLocked()
			}
			continue
		}
		c.in.writing = true
		s.unlock()
		n, err := c.local.sock.TryWrite(p)
		s.mu.Lock()
		c.in.writing = false
		s.stats.PayloadIn += int64(n)
		c.wroteLocked(n, err)
		if p = p[n:]; len(p) > 0 && c.takesLocked() {
			p = c.enqueueLocked(p)
			c.in.writing = true
			c.in.took = s.now()
			s.wg.Go(c.writeQueue)
		}
		c.checkWrittenLocked()
	}
	c.in.lost += len(p)
}

// deliverPiped is deliver for bytes that are piped, which it takes. It returns a copy of those that it left; nil: there are
// none. Called by the reader only.
func (c *conn) deliverPiped(b *sock.Buf) (rest *sock.Buf, err error) {
	s := c.s
	s.mu.Lock()
	defer s.unlock()
	if c.takesLocked() && !c.in.writing {
		c.in.writing = true
		local := c.splicer()
		s.unlock()
		n, err := local.SpliceWrite(b, false)
		b.Consume(n)
		s.mu.Lock()
		c.in.writing = false
		s.stats.PayloadIn += int64(n)
		c.wroteLocked(n, err)
		c.checkWrittenLocked()
	}
	switch {
	case b.Len() == 0:
		b.Release()
		return nil, nil
	case b.Len() >= leastSpliced && c.takesLocked() && c.in.flow.allowLocked(b.Len()) == b.Len():
		s.stats.PayloadIn += int64(b.Len())
		c.in.queue.AddBuf(b)
		c.countHeldLocked()
		s.fitLocked()
		if !c.in.writing {
			c.in.writing = true
			c.in.took = s.now()
			s.wg.Go(c.writeQueue)
		}
		return nil, nil
	}
	return b.Copied(tunnelPool)
}

// enqueueLocked queues what the flow allows of p, and returns the rest.
func (c *conn) enqueueLocked(p []byte) []byte {
	n := c.in.flow.allowLocked(len(p))
	c.in.queue.Add(queuePool, p[:n])
	c.s.stats.PayloadIn += int64(n)
	c.countHeldLocked()
	c.s.fitLocked()
	return p[n:]
}

// pause is the flow of an in half without credit (section 12): its queue is bounded, and the reader waits when
// it is full.
type pause struct{ c *conn }

// allowLocked is what FLOW-001 leaves room for. On an extended tunnel nobody waits for a connection of Core's either
// (HELLO-009): what comes for it is kept, and counted by WIN-008.
func (p pause) allowLocked(n int) int {
	if p.c.s.phase == up {
		return n
	}
	return min(n, p.c.s.cfg.MaxQueue-p.c.in.queue.Len())
}

func (p pause) waitLocked() { p.c.s.pauseLocked(p.c) }

func (p pause) wakeLocked() { p.c.s.wakeReaderLocked() }

// pauseLocked makes the reader wait until c has room for bytes or is over. Called by the reader; the lock is
// released meanwhile. What the pause costs others is counted only while there are others.
func (s *Session) pauseLocked(c *conn) {
	began := s.now()
	s.paused, s.pausedAt = c, began
	s.startWriteLocked() // what is owed does not wait for the pause to end
	counted, mark, alone := began, began, true
	for s.mustPauseLocked(c) {
		now := s.now()
		if alone {
			counted = now
		} else {
			s.meter.add(mark, now)
		}
		mark, alone = now, !s.othersLocked(c)
		sign := s.signOfLifeLocked(c, now)
		if alone {
			s.waitTakenLocked(sign)
			continue
		}
		left := s.cfg.StallBudget - s.meter.sum(now)
		limit := max(c.in.took, counted) + s.cfg.StallLimit - now
		switch {
		case limit <= 0:
			// FLOW-002: it took no byte for 5 s of the pause.
			c.kind.failLocked("FLOW-002", "local socket took no byte while the tunnel waited for it")
			continue
		case left <= 0:
			// FLOW-003: the connection with most queued bytes has to go. Each excess is paid once.
			s.meter.reset()
			if full := s.fullestLocked(); full != nil {
				full.kind.failLocked("FLOW-003", "most queued bytes when pauses exceeded their budget")
			}
			continue
		}
		s.waitTakenLocked(min(limit, left, sign))
	}
	now := s.now()
	if !alone {
		s.meter.add(mark, now)
	}
	s.paused = nil
	s.stats.Paused += now - began
	// ALIVE-007: time in which this side did not read is no silence of the peer.
	s.lastRead += now - began
	s.frameSince += now - began
}

// othersLocked reports whether another connection wants something from the tunnel.
func (s *Session) othersLocked(c *conn) bool {
	for _, other := range s.ids.conns {
		if other != c && !other.in.ended {
			return true
		}
	}
	return false
}

// signOfLifeLocked sends something when this side has been silent for long, since the reader that waits for c reads no
// KeepAlive that could be answered (FLOW-008). It returns when to look again.
func (s *Session) signOfLifeLocked(c *conn, now instant) time.Duration {
	if s.cfg.Role == Client {
		return s.cfg.PauseSign // its KeepAlives do not wait for the reader
	}
	if now-s.lastWrite >= s.cfg.PauseSign {
		s.lastWrite = now // even if the tunnel takes nothing
		s.queueLocked(wire.AppendData(s.frame[:0], c.id, nil), false)
		s.startWriteLocked()
	}
	return s.lastWrite + s.cfg.PauseSign - now
}

// mustPauseLocked reports whether the reader still has to wait before it can hand bytes to c. It goes on when there
// is room for more than a few, so that a slow local socket does not cost a wake-up for each.
func (s *Session) mustPauseLocked(c *conn) bool {
	room := min(fair, s.cfg.MaxQueue/4)
	queued := c.in.queue.Len()
	return c.takesLocked() && queued > 0 && queued > s.cfg.MaxQueue-room
}

// waitTakenLocked waits, with the lock released, until a connection took bytes, the session ended, or d has passed.
func (s *Session) waitTakenLocked(d time.Duration) {
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

// fullestLocked is the open connection with most queued bytes, or nil.
func (s *Session) fullestLocked() *conn {
	var full *conn
	for c := range s.live {
		if c.takesLocked() && c.in.queue.Len() > 0 && (full == nil || c.in.queue.Len() > full.in.queue.Len()) {
			full = c
		}
	}
	return full
}

// writeQueue writes queued bytes to the local socket. deliver starts it when the socket does not take all; it
// ends when the queue is empty or the socket gone.
func (c *conn) writeQueue() {
	s, in := c.s, &c.in
	s.mu.Lock()
	defer s.unlock()
	for b := in.queue.Take(); b != nil; b = in.queue.Take() {
		for b.Len() > 0 && c.local.takes() {
			s.unlock()
			n, err := c.writeSome(b)
			s.mu.Lock()
			b.Consume(n)
			in.queue.Done(n)
			in.took = s.now()
			c.wroteLocked(n, err)
			if s.phase == up {
				s.startWriteLocked() // credit does not wait for the queue to be empty
			}
		}
		in.lost += b.Len()
		in.queue.Done(b.Len())
		in.queue.Release(b)
		c.countHeldLocked()
	}
	in.vec[0] = nil
	in.writing = false
	c.checkWrittenLocked()
	s.startWriteLocked()
}

// writeSome writes some of b to the local socket. Called by writeQueue, without the lock.
func (c *conn) writeSome(b *sock.Buf) (int, error) {
	if b.Piped() {
		return c.splicer().SpliceWrite(b, true)
	}
	c.in.vec[0] = b.Bytes()
	return c.local.sock.WriteSome(c.in.vec[:])
}

// wroteLocked acts on a write of n bytes to the local socket that returned err.
func (c *conn) wroteLocked(n int, err error) {
	if c.local.counts != nil {
		c.local.counts.ToVisitor.Add(int64(n))
	}
	if err != nil && !c.local.closed {
		c.local.write, c.local.why = writeClosed, err
		c.in.lost += c.in.queue.Drop()
		c.countHeldLocked()
		c.kind.writeFailedLocked()
	}
	c.kind.tookLocked(n)
}

// wakeReaderLocked lets a paused reader look again.
func (s *Session) wakeReaderLocked() {
	if s.paused != nil {
		select {
		case s.resume <- struct{}{}:
		default:
		}
	}
}

// checkWrittenLocked tells the kind when all is written of a half that has ended.
func (c *conn) checkWrittenLocked() {
	if c.in.ended && !c.in.writing && c.in.queue.Len() == 0 && !c.local.closed && c.local.write != writeShut {
		c.kind.writtenLocked()
	}
}

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
