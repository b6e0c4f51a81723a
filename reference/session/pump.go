package session

import (
	"errors"
	"io"
	"log/slog"
)

// pump carries octets from the local socket into Data frames until the socket's stream ends. One a
// connection: Open starts it on a server, a successful dial on a client.
func (c *conn) pump() {
	c.want = small
	for {
		n, err := c.sock.ReadReady(c)
		b := c.buf
		c.buf = nil
		if n > 0 {
			c.resize(n, b.size())
			b.w += n
			b = c.s.send(c, b)
		}
		if b != nil {
			b.release()
		}
		if err != nil {
			c.localEnd(err)
			return
		}
	}
}

// Borrow is for the read of pump.
func (c *conn) Borrow() []byte {
	c.buf = borrow(c.s.readSize(c))
	return c.buf.b[c.buf.w:]
}

// GiveBack is for the read of pump.
func (c *conn) GiveBack() {
	c.buf.release()
	c.buf = nil
}

// resize adapts the size of reads to what the last one, of n octets into a buffer of size, brought.
func (c *conn) resize(n, size int) {
	switch {
	case n == size:
		c.want = min(4*size, large)
	case n <= size/4:
		c.want = max(size/4, small)
	}
}

// readSize is the room that the next read of c gets.
func (s *Session) readSize(c *conn) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	others := s.busy
	if c.frames > 0 {
		others--
	}
	// FRAME-010: at most 64 KiB while another connection has octets waiting to be sent.
	if others > 0 {
		return min(c.want, fair)
	}
	return c.want
}

// send queues the octets in b as one Data frame, once there is room, and writes if nobody does. It
// returns the buffer when it is no longer needed, nil when the queue has it.
func (s *Session) send(c *conn, b *buffer) *buffer {
	s.mu.Lock()
	defer s.unlock()
	for waited := false; ; waited = true {
		switch {
		case s.dead || c.gone:
			return b
		case c.state == requested:
			if rest := c.hold(b); rest == nil || rest.r == rest.w {
				return rest
			}
			s.answer.Wait()
			continue
		case c.state != open:
			return b // CLOSE-008, DATA-008: discarded
		case s.out.size < maxUnsent && (waited || s.waiting == 0):
			s.stats.PayloadOut += int64(b.w - b.r)
			b = s.out.data(c, b)
			if s.out.size < maxUnsent {
				s.room.Signal()
			}
			if !s.writing {
				s.writing = true
				s.write(4)
			}
			return b
		}
		s.count(c, 1)
		s.waiting++
		s.room.Wait()
		s.waiting--
		s.count(c, -1)
	}
}

// count keeps the number of connections that have octets waiting to be sent.
func (s *Session) count(c *conn, n int) {
	before := c.frames > 0
	c.frames += n
	switch after := c.frames > 0; {
	case after && !before:
		s.busy++
	case before && !after:
		s.busy--
	}
}

// hold keeps octets that come before the response (OPEN-020), at most one buffer of them. It returns b
// with what did not fit, or nil when b itself is kept.
func (c *conn) hold(b *buffer) *buffer {
	if c.held == nil {
		c.held = b
		return nil
	}
	b.r += c.held.add(b.b[b.r:b.w])
	return b
}

// localEnd acts on the end of the local stream: io.EOF, or a reset.
func (c *conn) localEnd(err error) {
	s := c.s
	s.mu.Lock()
	defer s.unlock()
	if s.dead || c.gone {
		return
	}
	c.eof = true
	if !errors.Is(err, io.EOF) {
		s.note(slog.LevelDebug, "local socket failed", "id", c.id, "state", c.state.String(), "error", err)
		c.reset()
		s.kick()
		return
	}
	switch c.state {
	case requested:
		// OPEN-023: gone without a word. With octets held the end waits for the response, too (OPEN-021).
		if c.held == nil {
			s.stats.Failed++
			c.leave(abandoned)
			c.letGo(effectClose)
		}
	case open:
		c.endOfData()
	default:
		if c.shut {
			c.letGo(effectClose)
		}
	}
	s.kick()
}

// endOfData sends Close behind the last Data of an open connection whose local stream has ended (CLOSE-002).
func (c *conn) endOfData() {
	c.leave(closing)
	c.setDue(dueTotal, c.s.cfg.CloseTotal)
	c.drained()
}
