package session

import (
	"context"
	"log/slog"
	"time"

	"github.com/adit-tunnel/adit/spec/wire"
)

// instant is the time since a session was made.
type instant = time.Duration

// state of a connection (PROTOCOL.md section 7). An idle or retired ID has no conn in the table; a conn
// whose ID is idle again may still have a local socket to finish with.
type state uint8

const (
	requested state = iota
	dialing
	abandoned
	open
	closing
	draining
	ended
)

var stateNames = [...]string{"requested", "dialing", "abandoned", "open", "closing", "draining", "ended"}

func (st state) String() string { return stateNames[st] }

// Deadlines of a connection.
const (
	dueConnect = iota // server: the request is given up
	dueTotal          // queued octets are no longer waited for
	dueDrain          // the local socket has been read for long enough
	dueWait           // the peer's last word is no longer waited for
	dueCount
)

// conn is one connection at one end of a tunnel. Its fields are guarded by Session.mu but where a line
// says otherwise.
type conn struct {
	s    *Session
	id   uint32
	sock Socket // set before the connection is pumped; never changed

	state  state
	eof    bool               // the local stream has ended
	deaf   bool               // the local socket takes no more octets
	shut   bool               // its write side was shut down
	gone   bool               // it was closed, reset, or never came
	writes bool               // the reader or drain writes to it; when not, queue is empty
	queue  octets             // received, not yet taken by the local socket
	took   instant            // when drain last wrote an octet
	held   *buffer            // read from the visitor before the response
	frames int                // Data frames that wait to be written
	cancel context.CancelFunc // while dialing
	due    [dueCount]instant  // 0: none

	// Owned by pump.
	buf  *buffer
	want int // how much the next read should have room for

	vec [1][]byte // owned by drain
}

// effect is what is to happen to a local socket once the lock is released.
type effect uint8

const (
	effectReset effect = iota
	effectClose
	effectShut
)

// takes reports whether octets from the tunnel may be handed to the local socket.
func (c *conn) takes() bool { return c.state == open && !c.deaf }

// setDue sets a deadline that many from now.
func (c *conn) setDue(which int, after time.Duration) {
	c.due[which] = c.s.now() + after
	c.s.arm(c.due[which])
}

// letGo gives up the local socket, which e says how.
func (c *conn) letGo(e effect) {
	if c.gone {
		return
	}
	c.gone = true
	c.queue.drop()
	c.dropHeld()
	c.due[dueTotal], c.due[dueDrain] = 0, 0
	delete(c.s.live, c)
	if c.sock != nil {
		c.s.todo = append(c.s.todo, todo{sock: c.sock, effect: e})
	}
	c.s.room.Broadcast() // its pump may be one of those that wait
	c.s.answer.Broadcast()
	c.s.checkIdle()
}

func (c *conn) dropHeld() {
	if c.held != nil {
		c.held.release()
		c.held = nil
	}
}

// free makes the ID idle.
func (c *conn) free() {
	c.state = ended
	c.due = [dueCount]instant{dueTotal: c.due[dueTotal], dueDrain: c.due[dueDrain]}
	delete(c.s.ids.conns, c.id)
	c.s.checkIdle()
}

// leave sends this side's Close and goes on to a state that waits for the peer's last word.
func (c *conn) leave(next state) {
	c.s.sendClose(c.id, false)
	c.state = next
	c.due[dueConnect] = 0
	c.setDue(dueWait, c.s.cfg.CloseWait)
	c.s.wake(c)
}

// fail is the connection error: the local socket is reset, its octets dropped, one Close sent unless one
// was (section 15).
func (c *conn) fail(req, reason string) {
	c.s.note(slog.LevelWarn, "connection error", "id", c.id, "req", req, "reason", reason, "state", c.state.String())
	c.reset()
}

// reset is what fail does, and what the reset of the local socket leads to.
func (c *conn) reset() {
	switch c.state {
	case requested:
		c.s.stats.Failed++
		c.leave(abandoned)
	case dialing:
		c.refuse(wire.StatusGeneral)
	case open:
		c.leave(closing)
	case draining:
		c.s.sendClose(c.id, false)
		c.free()
	}
	c.letGo(effectReset)
}

// drained acts when all queued octets are written: if the connection is closing, the local peer now
// reads the end (CLOSE-003).
func (c *conn) drained() {
	if c.writes || c.gone || c.shut || c.queue.size > 0 || c.state < closing {
		return
	}
	c.shut = true
	c.due[dueTotal] = 0
	if c.state == draining {
		// CLOSE-004: own Close once everything is written.
		c.s.sendClose(c.id, false)
		c.free()
	}
	if c.eof {
		c.letGo(effectClose)
		return
	}
	// CLOSE-005: read on until the end of the stream or 5 s.
	c.setDue(dueDrain, c.s.cfg.CloseDrain)
	c.s.todo = append(c.s.todo, todo{sock: c.sock, effect: effectShut})
}

// deliver hands octets of a Data frame to the local socket: what it takes at once directly, the rest
// through the queue. Called by the reader only, without the lock.
func (c *conn) deliver(p []byte) {
	s := c.s
	s.mu.Lock()
	defer s.unlock()
	for len(p) > 0 && !s.dead && c.takes() {
		if !c.writes {
			c.writes = true
			s.unlock()
			n, err := c.sock.TryWrite(p)
			s.mu.Lock()
			c.writes = false
			s.stats.PayloadIn += int64(n)
			p = p[n:]
			switch {
			case err != nil:
				c.writeFailed()
			case len(p) > 0 && !s.dead && c.takes():
				p = c.enqueue(p)
				c.writes = true
				c.took = s.now()
				s.wg.Go(c.drain)
			default:
				c.drained()
			}
			continue
		}
		if p = c.enqueue(p); len(p) > 0 {
			s.pause(c)
		}
	}
}

// enqueue queues what FLOW-001 allows of p and returns the rest.
func (c *conn) enqueue(p []byte) []byte {
	n := min(len(p), c.s.cfg.MaxQueue-c.queue.size)
	c.queue.add(p[:n])
	c.s.stats.PayloadIn += int64(n)
	return p[n:]
}

// drain writes queued octets to the local socket. The reader starts it when the socket does not take all
// of a frame; it ends when the queue is empty or the socket gone.
func (c *conn) drain() {
	s := c.s
	s.mu.Lock()
	for b := c.queue.take(); b != nil; b = c.queue.take() {
		for b.r < b.w && !c.gone && !c.deaf {
			s.unlock()
			c.vec[0] = b.b[b.r:b.w]
			n, err := c.sock.WriteSome(c.vec[:])
			s.mu.Lock()
			b.r += n
			c.queue.size -= n
			if c.took = s.now(); err != nil {
				c.writeFailed()
			}
			s.wake(c)
		}
		c.queue.size -= b.w - b.r
		b.release()
	}
	c.vec[0] = nil
	c.writes = false
	c.drained()
	s.kick()
	s.unlock()
}

// writeFailed acts on a local socket that takes no more octets. Octets that it sent before may still be
// there to read (a service that answers early and closes), so an open connection ends when its stream does.
func (c *conn) writeFailed() {
	if c.gone {
		return
	}
	c.deaf = true
	c.queue.drop()
	if c.state != open {
		c.reset()
	}
	c.s.wake(c)
}
