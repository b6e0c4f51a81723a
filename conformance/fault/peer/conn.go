package peer

import (
	"context"
	"net"
	"time"
)

// state is a state of section 7.
type state int

const (
	requested state = iota
	dialing
	abandoned
	open
	closing
	draining
	retired
	idle // forgotten by the tunnel; with a local socket: lingering
)

// Statuses of section 6.2.
const (
	statusSuccess     = 0x00
	statusGeneral     = 0x01
	statusRefused     = 0x02
	statusTimedOut    = 0x03
	statusUnreachable = 0x04
	statusNotResolved = 0x05
	statusDenied      = 0x06
)

// A conn is one connection. The tunnel's mutex guards it.
type conn struct {
	t     *tunnel
	id    uint32
	state state

	local  *net.TCPConn       // nil while dialing
	cancel context.CancelFunc // of the dial
	gone   bool               // the local socket is closed
	unread bool               // its stream has not ended yet

	queue  [][]byte // from the tunnel, not yet taken by the local socket
	queued int
	took   time.Time // when the local socket last took octets
	last   bool      // nothing more comes: write the queue, then shut down
	shut   bool      // the write side is shut down

	held []byte // from a visitor whose request is pending
	eof  bool   // which has ended its stream

	waiting *time.Timer // for the peer: connect-timeout, close-total, close-wait
	ending  *time.Timer // of the local socket: close-stall
	first   time.Time   // when the first Close of the connection passed

	// What some mutants look at.
	carried, frames, sent int
	late                  []byte
	chatty                bool
}

// add makes the connection known to the tunnel. mu is held.
func (t *tunnel) add(c *conn) {
	c.t = t
	t.conns[c.id] = c
	t.used[c.id] = true
	t.highest = max(t.highest, int64(c.id))
	t.serveLocal(c)
}

// serveLocal starts the copies of a connection that has its local socket. mu is held.
func (t *tunnel) serveLocal(c *conn) {
	if c.local == nil {
		return
	}
	c.unread = true
	t.locals[c] = true
	t.copies.Go(c.pump)
	t.copies.Go(c.feed)
}

// opened is success for a requested connection: what the visitor has sent so
// far goes first (OPEN-020), then its end if that has come (OPEN-021).
func (c *conn) opened() {
	c.stopTimers()
	c.state = open
	for len(c.held) > 0 {
		n := min(len(c.held), pieceSize)
		c.t.sendData(c.id, c.held[:n])
		c.held = c.held[n:]
	}
	if c.eof {
		c.finish()
		if c.t.bug("CLOSE-003-early") {
			c.end(true)
		}
	}
	c.t.changed.Broadcast()
}

// finish is the end of the local stream: Close, after the last Data (CLOSE-002).
func (c *conn) finish() {
	c.t.send(withID(typeClose, c.id))
	c.state = closing
	c.waitForPeer()
	c.writeOut()
}

// writeOut has the queue written, and no more, from the first Close on.
func (c *conn) writeOut() {
	c.last, c.first = true, time.Now()
	c.ending = time.AfterFunc(closeStall, c.stalledTooLong)
	if c.t.bug("CLOSE-006") {
		c.ending.Stop()
	}
	c.t.changed.Broadcast()
}

// fail is a connection error: the local socket reset, one Close unless one
// was sent, in dialing a failure response (section 15).
func (c *conn) fail() {
	switch c.state {
	case dialing:
		c.refuse(statusGeneral)
	case requested:
		c.abandon()
	case open:
		c.end(true)
		c.state = closing
		c.t.send(withID(typeClose, c.id))
		c.waitForPeer()
	case draining:
		c.end(true)
		c.t.send(withID(typeClose, c.id))
		c.forget()
	default:
		c.end(true)
	}
}

// refuse ends a dial with a failure, the client's last word.
func (c *conn) refuse(status byte) {
	t := c.t
	if c.cancel != nil {
		c.cancel()
	}
	c.forget()
	if t.bug("OPEN-007") {
		status = statusGeneral
	}
	if t.odd("answers") {
		status = 0xC8
	}
	if t.bug("FRAME-006-quietly") && t.pieced.Load() {
		status = statusRefused
	}
	t.send(withID(typeResponse, c.id, status))
	switch {
	case t.bug("OPEN-004"):
		t.send(withID(typeResponse, c.id, status))
	case t.bug("OPEN-027"):
		t.send(withID(typeClose, c.id))
	}
}

// abandon gives up a request: the visitor ended, one Close (OPEN-022, OPEN-023).
func (c *conn) abandon() {
	c.stopTimers()
	c.end(true)
	c.held = nil
	c.state = abandoned
	c.t.send(withID(typeClose, c.id))
	c.waitForPeer()
}

// waitForPeer waits for the peer's last word, close-wait at most (CLOSE-009).
func (c *conn) waitForPeer() {
	c.waiting = time.AfterFunc(closeWait, c.waitedTooLong)
}

func (c *conn) waitedTooLong() {
	c.t.mu.Lock()
	defer c.t.mu.Unlock()
	if c.state != closing && c.state != abandoned {
		return
	}
	if c.t.bug("CLOSE-009") {
		c.forget()
		return
	}
	c.end(true)
	c.state = retired
	c.t.finished()
}

// requestedTooLong is connect-timeout.
func (c *conn) requestedTooLong() {
	c.t.mu.Lock()
	defer c.t.mu.Unlock()
	if c.state == requested && !c.t.lost && !c.t.bug("OPEN-022") {
		c.abandon()
	}
}

// drainedTooLong is close-total: the own Close waits no longer (CLOSE-004), the local socket lingers.
func (c *conn) drainedTooLong() {
	c.t.mu.Lock()
	defer c.t.mu.Unlock()
	if c.state == draining && !c.t.lost && !c.t.bug("CLOSE-004") {
		c.t.send(withID(typeClose, c.id))
		c.forget()
	}
}

// stalledTooLong is close-stall (CLOSE-006): the time begins anew when the local socket takes octets, until
// close-most after the first Close (CLOSE-012).
func (c *conn) stalledTooLong() {
	c.t.mu.Lock()
	defer c.t.mu.Unlock()
	if c.shut || c.gone {
		return
	}
	left := min(time.Until(later(c.first, c.took).Add(closeStall)), time.Until(c.first.Add(closeMost)))
	if left > 0 && !c.t.bug("CLOSE-006-total") {
		c.ending.Reset(left)
		return
	}
	c.fail()
}

// forget frees the ID. The local socket may still be finishing: it lingers (CLOSE-012).
func (c *conn) forget() {
	if c.waiting != nil {
		c.waiting.Stop()
	}
	if c.t.conns[c.id] == c {
		delete(c.t.conns, c.id)
	}
	c.state = idle
	c.t.changed.Broadcast()
	c.t.finished()
}

// weigh counts what is queued for the local socket.
func (c *conn) weigh(n int) {
	c.queued += n
	c.t.held += n
}

func (c *conn) stopTimers() {
	for _, timer := range []*time.Timer{c.waiting, c.ending} {
		if timer != nil {
			timer.Stop()
		}
	}
}

// end closes the local socket, by reset or in order, and drops what is queued for it.
func (c *conn) end(reset bool) {
	if c.gone || c.local == nil {
		return
	}
	c.gone = true
	c.weigh(-c.queued)
	c.queue = nil
	delete(c.t.locals, c)
	if reset && !c.t.odd("resets") {
		_ = c.local.SetLinger(0)
	}
	_ = c.local.Close()
	c.t.changed.Broadcast()
	if c.t.bug("ERR-002") && c.state == open && !c.t.lost {
		_ = c.t.sock.Close()
	}
}
