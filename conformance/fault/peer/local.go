package peer

import (
	"errors"
	"io"
	"net"
	"syscall"
	"time"
)

// pieceSize is the payload of Data at most, and what is written to a local
// socket at a time (FRAME-010).
const pieceSize = 32 << 10

// heldMax is how much of a visitor is read before its connection opens.
const heldMax = 256 << 10

// pump carries octets from the local socket to the tunnel. serveLocal starts
// it; the end of the local stream, or of the socket, ends it.
func (c *conn) pump() {
	size := pieceSize
	switch {
	case c.t.bug("FRAME-005"):
		size = 3 << 20
	case c.t.bug("FRAME-010"):
		size = 512 << 10
	case c.t.odd("large"):
		size = maxPayload - 4
	}
	buf := make([]byte, size)
	for {
		n, err := gather(c.local, buf)
		if n > 0 {
			c.fromLocal(buf[:n])
		}
		if err != nil {
			c.localEnded(err)
			return
		}
	}
}

// gather is one read of a local socket. Some mutants, which have a larger buffer, gather more than that.
func gather(sock *net.TCPConn, buf []byte) (int, error) {
	n, err := sock.Read(buf)
	for err == nil && len(buf) > pieceSize && n >= pieceSize && n < len(buf) {
		_ = sock.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
		var k int
		k, err = sock.Read(buf[n:])
		n += k
		if ne, ok := errors.AsType[net.Error](err); ok && ne.Timeout() {
			_ = sock.SetReadDeadline(time.Time{})
			return n, nil
		}
		_ = sock.SetReadDeadline(time.Time{})
	}
	return n, err
}

// fromLocal takes octets of the local peer: held until the connection opens,
// sent while it is open (DATA-007), else discarded.
func (c *conn) fromLocal(b []byte) {
	t := c.t
	t.mu.Lock()
	defer t.mu.Unlock()
	if c.state == requested {
		switch {
		case t.bug("OPEN-017"):
			t.send(withID(typeData, c.id, b...))
			return
		case t.bug("OPEN-020"):
			c.eof = true // so that the end of the stream is not taken for giving up
			return
		}
		c.held = append(c.held, b...)
		for c.state == requested && len(c.held) >= heldMax && !t.lost {
			t.changed.Wait()
		}
		return
	}
	for c.sending() && t.outSize > outMax && !t.lost {
		t.changed.Wait()
	}
	if !c.sending() { // CLOSE-008, DATA-008
		return
	}
	if c.sent += len(b); t.bug("DATA-007") && c.sent > 4<<20 && c.sent-len(b) <= 4<<20 {
		b = b[1:]
	}
	t.sendData(c.id, b)
}

// sending reports whether octets of the local peer become Data.
func (c *conn) sending() bool {
	switch c.state {
	case open:
		return true
	case draining:
		return c.chatty
	}
	return c.t.bug("DATA-008") && c.last && c.unread
}

// localEnded is the end of the local stream, or its failure.
func (c *conn) localEnded(err error) {
	t := c.t
	t.mu.Lock()
	defer t.mu.Unlock()
	c.unread = false
	c.chatty = false
	t.changed.Broadcast()
	inOrder := errors.Is(err, io.EOF)
	switch {
	case c.gone || t.lost && c.state != idle:
	case c.shut: // CLOSE-005: the end of its stream, or 5 s
		c.end(false)
	case c.state == requested && inOrder && (len(c.held) > 0 || c.eof) && !t.bug("OPEN-021"):
		c.eof = true
	case c.state == requested: // OPEN-023
		if !t.bug("OPEN-023") || len(c.held) > 0 {
			c.abandon()
		}
	case inOrder && c.state == open:
		c.finish()
	case inOrder: // closing, draining: the queue goes out first
	case c.state == open && t.bug("CLOSE-002"):
	default:
		c.broken()
	}
}

// broken is the failure of the local socket, whether reading or writing met it. mu is held.
func (c *conn) broken() {
	if c.state == open && c.t.bug("CLOSE-010") {
		c.end(true)
		time.AfterFunc(7*time.Second, c.failLater)
		return
	}
	c.fail()
}

// failLater is CLOSE-010's mutant: Close, but not at once.
func (c *conn) failLater() {
	c.t.mu.Lock()
	defer c.t.mu.Unlock()
	c.fail()
}

// feed carries octets from the tunnel to the local socket. serveLocal starts
// it; the last octet, or the end of the socket, ends it.
func (c *conn) feed() {
	t := c.t
	t.mu.Lock()
	defer t.mu.Unlock()
	for {
		for len(c.queue) == 0 && !c.last && !c.gone {
			t.changed.Wait()
		}
		if c.gone {
			return
		}
		if len(c.queue) == 0 {
			c.allWritten()
			return
		}
		piece := c.queue[0][:min(len(c.queue[0]), pieceSize/2)]
		if c.took.IsZero() && t.odd(Slow) {
			t.idle(lateness)
			c.took = time.Now()
			continue
		}
		t.mu.Unlock()
		n, err := c.local.Write(piece)
		t.mu.Lock()
		if c.gone {
			return
		}
		if n > 0 {
			c.took = time.Now()
			c.weigh(-n)
			if c.queue[0] = c.queue[0][n:]; len(c.queue[0]) == 0 {
				c.queue = c.queue[1:]
			}
			t.changed.Broadcast()
		}
		if err != nil {
			switch reset := errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET); {
			case reset && t.bug("CLOSE-002"):
			case reset:
				c.broken()
			default:
				c.fail()
			}
			return
		}
	}
}

// allWritten is the event of that name in section 7: the write side is shut
// down, the own Close sent unless it was, and what the local peer still sends
// read and discarded for 5 s at most (CLOSE-003 to CLOSE-005). mu is held.
func (c *conn) allWritten() {
	t := c.t
	c.quiet()
	if c.gone {
		return
	}
	if c.ending != nil {
		c.ending.Stop()
	}
	c.shut = true
	if t.bug("CLOSE-003") && c.carried > 64<<10 {
		c.end(true)
	} else {
		_ = c.local.CloseWrite()
	}
	if t.bug("CLOSE-004") {
		for c.state == draining && c.unread && !t.lost {
			t.changed.Wait()
		}
	}
	switch wait := lateClose[t.choice]; {
	case c.state != draining:
	case wait > 0:
		time.AfterFunc(wait, c.answerLate)
	default:
		c.answer()
	}
	if !c.unread || t.bug("CLOSE-005") {
		c.end(false)
		return
	}
	keep := closeDrain
	if t.bug("CLOSE-005-early") {
		keep /= 25
	}
	_ = c.local.SetReadDeadline(time.Now().Add(keep))
}

// answer is the own Close after the peer's, the last word (CLOSE-004). mu is held.
func (c *conn) answer() {
	c.t.send(withID(typeClose, c.id))
	c.forget()
}

// answerLate is answer for the odds that wait with it.
func (c *conn) answerLate() {
	c.t.mu.Lock()
	defer c.t.mu.Unlock()
	if c.state == draining && !c.t.lost {
		c.answer()
	}
}

// quiet is CLOSE-008's mutant: it lets the local peer finish first.
func (c *conn) quiet() {
	for c.chatty && c.state == draining && !c.t.lost && !c.gone {
		before, until := c.sent, time.Now().Add(300*time.Millisecond)
		for c.chatty && !c.t.lost && !c.gone && time.Now().Before(until) {
			c.t.waitUntil(until.Add(time.Millisecond))
		}
		if c.sent == before && c.t.outSize == 0 {
			c.chatty = false
		}
	}
}
