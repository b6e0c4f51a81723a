package session

import "github.com/adit-tunnel/adit/spec/wire"

const (
	// maxUnsent is how much may wait to be written before senders of Data wait.
	maxUnsent = 512 << 10
	// maxOwed is how much that the peer's frames ask for may wait (FLOW-006).
	maxOwed = 256 << 10
	// copyLimit is the largest frame that is copied next to others rather than written from its own buffer.
	copyLimit = 8 << 10
)

// outbox is a queue of frames to write. Empty it holds no buffer.
type outbox struct {
	vecs  [][]byte  // the octets, in order; the writer shortens them from the front
	first int       // vecs before it are written
	bufs  []*buffer // what vecs points into
	conns []*conn   // one entry for each Data frame
	tail  *buffer   // last of bufs, when small frames can still be copied into it
	open  bool      // the last vec ends where tail does
	size  int       // octets in vecs
	owed  int       // octets of them that the peer's frames ask for
}

// copy copies a small frame behind the last one.
func (o *outbox) copy(frame []byte) {
	if o.tail == nil || len(o.tail.b)-o.tail.w < len(frame) {
		o.tail = borrow(small)
		o.bufs = append(o.bufs, o.tail)
		o.open = false
	}
	from := o.tail.w
	n := o.tail.add(frame)
	o.size += n
	if o.open {
		last := &o.vecs[len(o.vecs)-1]
		*last = (*last)[:len(*last)+n]
		return
	}
	o.vecs = append(o.vecs, o.tail.b[from:o.tail.w])
	o.open = true
}

// control queues a frame other than Data.
func (o *outbox) control(frame []byte, owed bool) {
	o.copy(frame)
	if owed {
		o.owed += len(frame)
	}
}

// data queues the octets in b as a Data frame of c. It returns b when they were copied, else nil.
func (o *outbox) data(c *conn, b *buffer) *buffer {
	c.s.count(c, 1)
	o.conns = append(o.conns, c)
	frame := b.b[b.r-headRoom : b.w]
	wire.PutData(frame, c.id, b.w-b.r)
	if len(frame) <= copyLimit {
		o.copy(frame)
		return b
	}
	o.vecs = append(o.vecs, frame)
	o.bufs = append(o.bufs, b)
	o.size += len(frame)
	o.open = false
	return nil
}

// written forgets n octets from the front, and reports whether any are left.
func (o *outbox) written(n int) bool {
	for n > 0 {
		v := &o.vecs[o.first]
		if n < len(*v) {
			*v = (*v)[n:]
			return true
		}
		n -= len(*v)
		o.first++
	}
	return o.first < len(o.vecs)
}

// reset gives every buffer back.
func (o *outbox) reset() {
	for i, b := range o.bufs {
		b.release()
		o.bufs[i] = nil
	}
	clear(o.vecs)
	clear(o.conns)
	*o = outbox{vecs: o.vecs[:0], bufs: o.bufs[:0], conns: o.conns[:0]}
}

// sendClose queues a Close. It is owed when the peer's frame asked for it directly.
func (s *Session) sendClose(id uint32, owed bool) {
	s.queue(wire.AppendClose(s.frame[:0], id), owed)
}

// sendKeepAlive queues a KeepAlive, which is owed when it is an answer.
func (s *Session) sendKeepAlive(owed bool) {
	s.queue(wire.AppendKeepAlive(s.frame[:0]), owed)
}

// sendResponse queues the answer to a request.
func (s *Session) sendResponse(id uint32, status wire.Status) {
	s.queue(wire.AppendConnectResponse(s.frame[:0], id, status), true)
}

// queue queues a frame that does not wait for room. Somebody has to call kick before long. The lock is held.
func (s *Session) queue(frame []byte, owed bool) {
	if s.dead {
		return
	}
	s.out.control(frame, owed)
	// FLOW-006: a peer that asks and never reads.
	if s.out.owed+s.flying.owed > maxOwed {
		s.violate("FLOW-006", "more than 256 KiB owed to a peer that does not read")
	}
}

// kick sees to it that queued frames are written, without waiting: one write that cannot block, and a
// goroutine for the rest. Called with the lock held, which it releases meanwhile.
func (s *Session) kick() {
	if s.writing || s.dead || s.out.size == 0 {
		return
	}
	s.writing = true
	s.swap()
	s.unlock()
	n, err := s.tryWrite()
	s.mu.Lock()
	s.stats.OctetsOut += int64(n)
	switch left := s.flying.written(n); {
	case s.dead:
		s.landed()
		s.writing = false
	case err != nil:
		s.landed()
		s.writing = false
		s.end(err)
	case left:
		s.wg.Go(s.flush)
	default:
		s.landed()
		if s.out.size > 0 {
			s.wg.Go(s.flush)
			return
		}
		s.writing = false
		s.checkIdle()
	}
}

// tryWrite writes what the tunnel takes at once. Called by the writer, without the lock.
func (s *Session) tryWrite() (total int, err error) {
	for _, v := range s.flying.vecs {
		n, err := s.tunnel.TryWrite(v)
		total += n
		if err != nil || n < len(v) {
			return total, err
		}
	}
	return total, nil
}

// flush writes until nothing is queued. It is started by whoever leaves the writing to it, and ends with
// the queue or the tunnel.
func (s *Session) flush() {
	s.mu.Lock()
	defer s.unlock()
	s.write(-1)
}

// write writes what is queued, that many rounds (negative: until the queue is empty), and leaves the rest
// to flush, so that no sender serves all others for long. Called by the writer with the lock held, which
// it releases meanwhile.
func (s *Session) write(rounds int) {
	for !s.dead && (s.flying.size > 0 || s.out.size > 0) {
		if rounds == 0 {
			s.wg.Go(s.flush)
			return
		}
		rounds--
		if s.flying.size == 0 {
			s.swap()
		}
		for left := true; left && !s.dead; {
			s.unlock()
			n, err := s.tunnel.WriteSome(s.flying.vecs[s.flying.first:])
			s.mu.Lock()
			s.stats.OctetsOut += int64(n)
			if left = s.flying.written(n); err != nil {
				s.end(err)
			}
		}
		s.landed()
	}
	s.writing = false
	s.checkIdle()
}

// swap makes the queued frames those in flight. The lock is held.
func (s *Session) swap() {
	s.out, s.flying = s.flying, s.out
	s.room.Signal()
}

// landed forgets the frames in flight. The lock is held.
func (s *Session) landed() {
	for _, c := range s.flying.conns {
		s.count(c, -1)
	}
	s.flying.reset()
}
