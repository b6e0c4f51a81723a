package session

import (
	"errors"
	"io"
	"time"

	"github.com/adit-tunnel/adit/reference/sock"
	"github.com/adit-tunnel/adit/spec/wire"
)

// headRoom is the room in front of a buffer's payload for the header and ID of a Data frame.
const headRoom = wire.HeaderLen + wire.IDLen

// Payload sizes of borrowed buffers. The largest is also the largest Data payload this side sends, fair
// the largest while another connection has bytes waiting (FRAME-010).
const (
	small = 16 << 10
	large = 256 << 10
)

// quiet is how long a connection has sent nothing to go before those that did.
const quiet = 100 * time.Millisecond

// senderRounds is how many writes a sender makes before flush goes on, so that none serves all others for long.
const senderRounds = 4

var fair = size("fair-payload")

// The pools are the only state that sessions share: memory that nobody holds.
var (
	sendPool  = sock.NewPool(headRoom, small, fair, large) // bytes on their way to the tunnel
	queuePool = sock.NewPool(0, small, fair)               // bytes that wait for a local socket
)

// outHalf carries bytes from the local socket into Data frames.
type outHalf struct {
	flow      flow      // how much may be sent: see answered
	ended     bool      // no more bytes are sent
	holds     bool      // what is read before the flow allows it is kept in held, so that the end is seen
	held      *sock.Buf // read before the flow allowed it
	frames    int       // frames in line or in flight that end with its bytes: Data, and their FIN or RESET
	sent      uint64    // bytes queued as Data
	sentAt    instant   // when they were, on an extended tunnel
	want      int       // how much the next read should have room for; owned by readLocal
	discarded int       // bytes read and not sent; owned by readLocal
}

// answered is the flow of an out half: nothing before the response (OPEN-017), then everything.
type answered struct{ c *coreConn }

func (a answered) allowLocked(n int) int {
	if a.c.state == requested {
		return 0
	}
	return n
}

func (a answered) waitLocked() { a.c.s.allowed.Wait() }

func (a answered) wakeLocked() { a.c.s.allowed.Broadcast() }

func (o *outHalf) dropHeld() {
	if o.held != nil {
		o.held.Release()
		o.held = nil
	}
}

// maxDiscard is how much is read from a local socket to be discarded. Whoever sends on after Close for ever would
// cost a processor; the socket stays open all the same (CLOSE-005).
var maxDiscard = size("close-discard")

const (
	// leastSpliced is how much it takes for moving bytes through a pipe to cost less than copying them.
	leastSpliced = 64 << 10
	// spliced is how many are moved at once.
	spliced = 512 << 10
)

// readLocal reads the local socket until its stream ends, or it has sent enough for nothing, and sends what it
// reads. One goroutine per connection: Open starts it on a server, a successful dial on a client.
func (c *conn) readLocal() {
	for c.out.discarded < maxDiscard {
		b, err := c.readSome(c.s.readSize(c))
		if err != nil {
			c.localEnded(err)
			return
		}
		c.out.resize(b.Len(), b.Size())
		if c.local.counts != nil {
			c.local.counts.ToService.Add(int64(b.Len()))
		}
		for b != nil {
			b = c.s.send(c, b)
		}
	}
}

// readSome reads up to size bytes of the local socket. Where much is likely to come, and may be sent at once, it is not copied.
func (c *conn) readSome(size int, sendable bool) (*sock.Buf, error) {
	if local := c.splicer(); local != nil && sendable && size >= leastSpliced && c.out.want >= large {
		b, err := local.SpliceRead(size)
		switch {
		case errors.Is(err, sock.ErrNoPipe):
		case err == nil && b.Len() < leastSpliced:
			c.out.want = fair
			return b.Copied(sendPool)
		default:
			return b, err
		}
	}
	return c.local.sock.Read(sendPool, size)
}

// splicer is the local socket if the system can move bytes between it and the tunnel, else nil.
func (c *conn) splicer() sock.Splicer {
	if c.s.splicer == nil {
		return nil
	}
	local, _ := c.local.sock.(sock.Splicer)
	return local
}

// resize adapts the size of reads to what the last one, of n bytes into a buffer of size, brought.
func (o *outHalf) resize(n, size int) {
	switch {
	case n == size:
		o.want = max(o.want, min(4*size, spliced)) // it may have been the credit that made it small
	case n <= size/4:
		o.want = max(size/4, small)
	}
}

// readSize is the room that the next read of c gets, and whether as much may be sent at once.
func (s *Session) readSize(c *conn) (size int, sendable bool) {
	s.mu.Lock()
	defer s.unlock()
	if s.phase == up {
		size = s.creditSizeLocked(c)
	} else {
		size = c.out.want
		if c.splicer() == nil {
			size = s.fairLocked(c, size)
		}
	}
	return size, c.out.flow.allowLocked(size) == size
}

// fairLocked is how many of n bytes c may put into one frame (FRAME-010).
func (s *Session) fairLocked(c *conn, n int) int {
	others := s.busy
	if c.out.frames > 0 {
		others--
	}
	if others > 0 {
		n = min(n, fair)
	}
	return n
}

// cutLocked is how many of n bytes c puts into its next frame.
func (s *Session) cutLocked(c *conn, n int) int {
	n = s.fairLocked(c, n)
	if s.phase == up {
		n = min(n, s.ping.frame(s.now()))
	}
	return n
}

// send queues the bytes in b as one Data frame, once there is room, and writes if nobody does. It takes b,
// and returns what was too much for one frame.
func (s *Session) send(c *conn, b *sock.Buf) (rest *sock.Buf) {
	s.mu.Lock()
	defer s.unlock()
	first := s.phase == up && s.now()-c.out.sentAt >= quiet
	for waited := false; ; waited = true {
		switch {
		case s.ended || c.local.closed || c.out.ended:
			c.out.discarded += b.Len()
			b.Release() // CLOSE-008, DATA-008
			return nil
		case c.out.flow.allowLocked(b.Len()) == 0:
			if c.out.holds && c.out.hold(b) {
				return nil
			}
			s.holdLocked(b.Size())
			c.out.flow.waitLocked()
			s.holdLocked(-b.Size())
			continue
		case s.hasRoomLocked() && (waited || s.waitingFirst == 0 && (first || s.waiting == 0)):
			b, rest = split(b, s.cutLocked(c, c.out.flow.allowLocked(b.Len())))
			s.measureLocked() // before the Data, which it does not wait for
			s.queueDataLocked(c, b)
			s.signalRoomLocked()
			if !s.writing {
				s.writing = true
				s.writeLocked(senderRounds)
			}
			return rest
		}
		s.countLocked(c, 1)
		s.waitRoomLocked(first)
		s.countLocked(c, -1)
	}
}

// split returns b with its first n bytes, and the others in a buffer of their own, nil if there are none.
func split(b *sock.Buf, n int) (first, rest *sock.Buf) {
	if n >= b.Len() {
		return b, nil
	}
	return b, b.Split(sendPool, n)
}

// hold keeps bytes that the flow does not allow yet, at most one buffer of them. It reports whether it took
// all of b, which it then has; else it left what did not fit.
func (o *outHalf) hold(b *sock.Buf) bool {
	if o.held == nil {
		o.held = b
		return true
	}
	b.Consume(o.held.Add(b.Bytes()))
	if b.Len() > 0 {
		return false
	}
	b.Release()
	return true
}

// sendHeldLocked queues what was held, before everything that is read later.
func (c *conn) sendHeldLocked() {
	if b := c.out.held; b != nil {
		c.out.held = nil
		c.s.queueDataLocked(c, b)
	}
	c.s.allowed.Broadcast()
}

// localEnded acts on the end of the local stream: io.EOF, or a reset.
func (c *conn) localEnded(err error) {
	s := c.s
	s.mu.Lock()
	defer s.unlock()
	if c.local.closed {
		return
	}
	c.local.readEnded = true
	if errors.Is(err, io.EOF) {
		c.kind.readEndedLocked()
	} else {
		c.kind.readFailedLocked(err)
	}
	s.startWriteLocked()
}
