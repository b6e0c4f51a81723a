package session

import (
	"slices"

	"github.com/adit-tunnel/adit/reference/sock"
	"github.com/adit-tunnel/adit/spec/wire"
)

const (
	// maxUnsent is how much may wait to be written before senders of Data wait.
	maxUnsent = 512 << 10
	// copyLimit is the largest frame that is copied next to others rather than written from its own buffer.
	copyLimit = 8 << 10
)

// maxOwed is how much that the peer's frames ask for may wait (FLOW-006).
var maxOwed = size("owed")

// outbox is a queue of frames to write. Empty it holds no buffer.
type outbox struct {
	vecs  []piece     // the bytes, in order; the writer shortens them from the front
	first int         // vecs before it are written
	begun bool        // some of the first was
	ahead int         // vecs before it were put before all others
	bufs  []*sock.Buf // what vecs points into
	conns []*conn     // one entry for each frame that counts in outHalf.frames
	tail  *sock.Buf   // last of bufs, when small frames can still be copied into it
	grows bool        // the last vec ends where tail does, and grows with it
	size  int         // bytes in vecs
	owed  int         // bytes of them that the peer's frames ask for
}

// piece is some of the bytes: of a buffer, or those of a Buf that is piped, which a header is before.
type piece struct {
	bytes []byte
	piped *sock.Buf
}

func (p *piece) len() int {
	if p.piped != nil {
		return p.piped.Len()
	}
	return len(p.bytes)
}

func (p *piece) consume(n int) {
	if p.piped != nil {
		p.piped.Consume(n)
		return
	}
	p.bytes = p.bytes[n:]
}

// copy copies a small frame behind the last one.
func (o *outbox) copy(frame []byte) {
	if o.tail == nil || o.tail.Room() < len(frame) {
		o.tail = sendPool.Get(small)
		o.bufs = append(o.bufs, o.tail)
		o.grows = false
	}
	from := o.tail.Len()
	n := o.tail.Add(frame)
	o.size += n
	if o.grows {
		last := &o.vecs[len(o.vecs)-1].bytes
		*last = (*last)[:len(*last)+n]
		return
	}
	o.vecs = append(o.vecs, piece{bytes: o.tail.Bytes()[from:]})
	o.grows = true
}

// control queues a frame other than Data.
func (o *outbox) control(frame []byte, owed bool) {
	o.copy(frame)
	if owed {
		o.owed += len(frame)
	}
}

// last queues a frame of c that ends what c sends, behind its Data.
func (o *outbox) last(c *conn, frame []byte) {
	o.conns = append(o.conns, c)
	o.copy(frame)
}

// join moves the frames of other behind those of o.
func (o *outbox) join(other *outbox) {
	o.vecs = append(o.vecs, other.vecs...)
	o.bufs = append(o.bufs, other.bufs...)
	o.conns = append(o.conns, other.conns...)
	o.size += other.size
	o.owed += other.owed
	o.tail, o.grows = nil, false
	clear(other.bufs)
	other.bufs = other.bufs[:0]
	other.reset()
}

// interject puts the frames of other before those that no byte was written of, behind those that were put there before.
func (o *outbox) interject(other *outbox) {
	next := o.first
	if o.begun {
		next++
	}
	if next < len(o.vecs) && o.vecs[next].piped != nil {
		next++ // its header is gone
	}
	next = max(next, o.ahead)
	o.vecs = slices.Insert(o.vecs, next, other.vecs...)
	o.ahead = next + len(other.vecs)
	clear(other.vecs)
	other.vecs = other.vecs[:0]
	o.join(other)
}

// data queues the bytes in b, which it takes, as a Data frame of c.
func (o *outbox) data(c *conn, b *sock.Buf) {
	o.conns = append(o.conns, c)
	payload := b.Len()
	if b.Piped() {
		var header [headRoom]byte
		wire.PutData(header[:], c.id, payload)
		o.copy(header[:])
		o.vecs = append(o.vecs, piece{piped: b})
		o.bufs = append(o.bufs, b)
		o.tail, o.grows = nil, false
		o.size += payload
		return
	}
	wire.PutData(b.Prepend(headRoom), c.id, payload)
	frame := b.Bytes()
	if len(frame) <= copyLimit {
		o.copy(frame)
		b.Release()
		return
	}
	o.vecs = append(o.vecs, piece{bytes: frame})
	o.bufs = append(o.bufs, b)
	o.size += len(frame)
	o.grows = false
}

// written forgets n bytes from the front, and reports whether any are left.
func (o *outbox) written(n int) bool {
	for n > 0 {
		v := &o.vecs[o.first]
		if n < v.len() {
			v.consume(n)
			o.begun = true
			return true
		}
		n -= v.len()
		o.first, o.begun = o.first+1, false
	}
	return o.first < len(o.vecs)
}

// reset gives every buffer back.
func (o *outbox) reset() {
	for i, b := range o.bufs {
		b.Release()
		o.bufs[i] = nil
	}
	clear(o.vecs)
	clear(o.conns)
	*o = outbox{vecs: o.vecs[:0], bufs: o.bufs[:0], conns: o.conns[:0]}
}

// queueDataLocked queues the bytes in b, which it takes, as a Data frame of c. Somebody has to write before long.
func (s *Session) queueDataLocked(c *conn, b *sock.Buf) {
	s.stats.PayloadOut += int64(b.Len())
	c.out.sent += uint64(b.Len())
	n := headRoom + b.Len()
	s.countLocked(c, 1)
	s.queued.data(c, b)
	if s.phase == up {
		c.out.sentAt = s.now()
		s.sentDataLocked(n) // behind it
	}
}

// hasRoomLocked reports whether a sender of Data may queue a frame.
func (s *Session) hasRoomLocked() bool {
	return s.queued.size < maxUnsent && (s.phase != up || !s.ping.full(s.now()))
}

// signalRoomLocked wakes the sender whose turn it is, if there is room.
func (s *Session) signalRoomLocked() {
	switch {
	case !s.hasRoomLocked():
	case s.waitingFirst > 0:
		s.roomFirst.Signal()
	default:
		s.room.Signal()
	}
}

// waitRoomLocked waits for room. On an extended tunnel who sent nothing of late goes before those that did.
func (s *Session) waitRoomLocked(first bool) {
	s.ping.meter.limited = true
	if s.phase == up && len(s.ping.marks) == 0 {
		s.markLocked(s.now()) // the bound has fallen below what is on its way: somebody has to ask
		s.startWriteLocked()
		if s.hasRoomLocked() {
			return
		}
	}
	if first {
		s.waitingFirst++
		s.roomFirst.Wait()
		s.waitingFirst--
		return
	}
	s.waiting++
	s.room.Wait()
	s.waiting--
}

// hasFramesLocked reports whether something is to be written.
func (s *Session) hasFramesLocked() bool {
	return s.queued.size > 0 || s.urgent.size > 0 || len(s.grants) > 0
}

// countLocked keeps the number of connections that have bytes waiting to be sent.
func (s *Session) countLocked(c *conn, n int) {
	before := c.out.frames > 0
	c.out.frames += n
	switch after := c.out.frames > 0; {
	case after && !before:
		s.busy++
	case before && !after:
		s.busy--
		if c.leaving {
			c.leaving = false
			s.leaving--
		}
	}
}

// sendCloseLocked queues a Close. It is owed when the peer's frame asked for it directly.
func (s *Session) sendCloseLocked(id uint32, owed bool) {
	s.queueLocked(wire.AppendClose(s.frame[:0], id), owed)
}

// sendKeepAliveLocked queues a KeepAlive, which is owed when it is an answer.
func (s *Session) sendKeepAliveLocked(owed bool) {
	s.queueFirstLocked(wire.AppendKeepAlive(s.frame[:0]), owed)
}

// sendResponseLocked queues the answer to a request.
func (s *Session) sendResponseLocked(id uint32, status wire.Status) {
	s.queueLocked(wire.AppendConnectResponse(s.frame[:0], id, status), true)
}

// queueLocked queues a frame that does not wait for room. Somebody has to call startWriteLocked before long.
func (s *Session) queueLocked(frame []byte, owed bool) { s.queueInLocked(&s.queued, frame, owed) }

// queueFirstLocked queues a frame that on an extended tunnel goes before all Data.
func (s *Session) queueFirstLocked(frame []byte, owed bool) {
	if s.split {
		s.queueInLocked(&s.urgent, frame, owed)
		return
	}
	s.queueInLocked(&s.queued, frame, owed)
}

func (s *Session) queueInLocked(box *outbox, frame []byte, owed bool) {
	if s.ended {
		return
	}
	box.control(frame, owed)
	// FLOW-006: a peer that asks and never reads.
	if s.urgent.owed+s.queued.owed+s.inFlight.owed > maxOwed {
		s.violateLocked("FLOW-006", "more than 256 KiB owed to a peer that does not read")
	}
}

// startWriteLocked sees to it that queued frames are written, without waiting: one write that cannot block, and
// a goroutine for the rest. The lock is released meanwhile.
func (s *Session) startWriteLocked() {
	if s.writing || s.shut || !s.hasFramesLocked() {
		return
	}
	s.writing = true
	s.launchLocked()
	s.unlock()
	n, err := s.tryWrite()
	s.mu.Lock()
	s.sentLocked(n)
	left := s.inFlight.written(n)
	switch {
	case err != nil:
		s.endLocked(err)
	case left && !s.shut:
		s.wg.Go(s.flush)
		return
	}
	s.landedLocked()
	if s.hasFramesLocked() && !s.shut {
		s.wg.Go(s.flush)
		return
	}
	s.idleLocked()
}

// idleLocked notes that everything is written.
func (s *Session) idleLocked() {
	s.writing = false
	s.checkFinishedLocked()
	if s.parting && !s.shut && s.hasFramesLocked() {
		s.writing = true
		s.wg.Go(s.flush)
		return
	}
	s.shutWhenWrittenLocked()
}

// sentLocked notes that n bytes were written.
func (s *Session) sentLocked(n int) {
	if n > 0 {
		s.lastWrite = s.now()
	}
}

// tryWrite writes what the tunnel takes at once. Called by the writer, without the lock.
func (s *Session) tryWrite() (total int, err error) {
	for _, v := range s.inFlight.vecs {
		var n int
		if v.piped != nil {
			n, err = s.splicer.SpliceWrite(v.piped, false)
		} else {
			n, err = s.tunnel.TryWrite(v.bytes)
		}
		total += n
		if err != nil || n < v.len() {
			return total, err
		}
	}
	return total, nil
}

// writeSome writes some of what is in flight. Called by the writer, without the lock.
func (s *Session) writeSome() (int, error) {
	left := s.inFlight.vecs[s.inFlight.first:]
	if left[0].piped != nil {
		return s.splicer.SpliceWrite(left[0].piped, true)
	}
	defer func() { clear(s.vecs) }()
	s.vecs = s.vecs[:0]
	for _, v := range left {
		if v.piped != nil {
			return s.splicer.WriteMore(s.vecs)
		}
		s.vecs = append(s.vecs, v.bytes)
	}
	return s.tunnel.WriteSome(s.vecs)
}

// flush writes until nothing is queued. It is started by whoever leaves the writing to it, and ends with
// the queue or the tunnel.
func (s *Session) flush() {
	s.mu.Lock()
	defer s.unlock()
	s.writeLocked(-1)
}

// writeLocked writes what is queued, for that many rounds (negative: until the queue is empty), and leaves the
// rest to flush. Called by the writer; the lock is released meanwhile.
func (s *Session) writeLocked(rounds int) {
	for !s.shut && (s.inFlight.size > 0 || s.hasFramesLocked()) {
		if rounds == 0 {
			s.wg.Go(s.flush)
			return
		}
		rounds--
		if s.inFlight.size == 0 {
			s.launchLocked()
		}
		for left := s.inFlight.size > 0; left && !s.shut; {
			s.interjectLocked()
			s.unlock()
			n, err := s.writeSome()
			s.mu.Lock()
			s.sentLocked(n)
			left = s.inFlight.written(n)
			s.ping.meter.limited = s.ping.meter.limited || left
			if err != nil {
				s.endLocked(err)
			}
		}
		s.landedLocked()
	}
	s.idleLocked()
}

// interjectLocked has what is urgent wait for no more than the rest of a frame.
func (s *Session) interjectLocked() {
	if !s.follows { // HELLO may be among them
		return
	}
	s.grantLocked()
	if s.urgent.size > 0 {
		s.inFlight.interject(&s.urgent)
	}
}

// launchLocked makes the queued frames those in flight.
func (s *Session) launchLocked() {
	s.grantLocked()
	if s.urgent.size > 0 {
		s.urgent.ahead = len(s.urgent.vecs)
		s.urgent.join(&s.queued)
		s.urgent, s.inFlight = s.inFlight, s.urgent
	} else {
		s.queued, s.inFlight = s.inFlight, s.queued
	}
	s.follows = s.split
	s.split = s.phase == up // the HELLO is on its way: nothing overtakes it
	s.signalRoomLocked()
}

// landedLocked forgets the frames in flight.
func (s *Session) landedLocked() {
	for _, c := range s.inFlight.conns {
		s.countLocked(c, -1)
	}
	s.inFlight.reset()
}
