package peer

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"slices"
	"time"
)

// xstate is a state of an extended connection.
type xstate int

const (
	opening xstate = iota // a server waits for OPENED; a client dials
	opened
	gone // on the wire; a local socket may still be written to
)

// Limits and timers of extended connections, with this peer's choice where it has one.
const (
	windowLeast  = 4 << 10
	creditUsual  = 512 << 10 // what a WINDOW grants beyond what the local socket took
	creditWidest = 64 << 20
	linger       = 300 * time.Second
	chunkSize    = 16 << 10 // what is held is counted in buffers of that size (WIN-008)
	memoryUsual  = 512 << 20
)

// An xconn is one extended connection. The tunnel's mutex guards it.
type xconn struct {
	t     *tunnel
	id    uint32
	state xstate

	local  *net.TCPConn       // nil while dialing
	cancel context.CancelFunc // of the dial
	closed bool               // the local socket is closed, or there will be none
	timer  *time.Timer        // a server's connect-timeout; linger

	// The out half: from the local socket to the tunnel.
	limit, sent uint64 // octets of Data that the peer takes in all, and that were sent
	outEnded    bool
	ahead       int // octets that were read and wait

	// The in half: from the tunnel to the local socket.
	granted, received, taken uint64
	inEnded                  bool
	shut                     bool // the local write side is shut down
	queue                    [][]byte
	took                     time.Time // when the local socket last took octets
	looked                   time.Time // when it was last asked whether it was reset

	inLine   int  // frames of it that wait to be sent
	windowed bool // a WINDOW is one of them

	late []byte // what XOPEN-007-late's mutant keeps for later
}

// newXconn is a connection that has just been asked for. mu is held.
func (t *tunnel) newXconn(id uint32, local *net.TCPConn) *xconn {
	c := &xconn{t: t, id: id, local: local, limit: t.credit0, granted: t.window0, took: time.Now()}
	t.highest = max(t.highest, int64(id))
	t.xconns[id] = c
	t.xlocals[c] = true
	return c
}

// handle is a frame that names the connection, which is alive.
func (c *xconn) handle(f frame) error {
	switch f.typ {
	case typeOpened:
		return c.openedByPeer()
	case typeData:
		return c.data(f.rest())
	case typeFin:
		return c.finByPeer()
	case typeWindow:
		return c.raise(binary.BigEndian.Uint64(f.rest()))
	case typeReset:
		return c.resetByPeer(code(binary.BigEndian.Uint16(f.rest())), string(f.rest()[2:]))
	default:
		if c.t.bug("XID-005") {
			return nil
		}
		return broken("XID-005", "type 0x%02x for an extended connection", f.typ)
	}
}

// raise is WINDOW: the highest counts, and any value is valid (WIN-003).
func (c *xconn) raise(limit uint64) error {
	t := c.t
	switch {
	case t.bug("WIN-003-fin") && c.outEnded:
		return broken("WIN-003", "WINDOW behind FIN")
	case t.bug("WIN-003-same") && limit <= c.limit:
		return broken("WIN-003", "a limit that is not above the last")
	case t.bug("WIN-003"):
		c.limit = max(limit, c.sent)
	case t.bug("WIN-003-sum"):
		if c.limit += limit; c.limit < limit {
			c.limit = 1<<64 - 1
		}
	default:
		c.limit = max(c.limit, limit)
	}
	t.changed.Broadcast()
	return nil
}

// resetByPeer is RESET: no answer, whatever the code (RESET-002, RESET-003).
func (c *xconn) resetByPeer(no code, text string) error {
	t := c.t
	switch {
	case t.bug("SEC-005"):
		fmt.Fprintf(os.Stderr, "the peer resets a connection: %s\n", text)
	case t.bug("RESET-003") && no > 0x25:
		return broken("RESET-003", "code 0x%04x", uint16(no))
	case t.bug("XOPEN-010") && c.state == opening && t.role == Client:
		c.reset(codeCancelled)
		return nil
	case t.bug("RESET-002"):
		c.reset(codeReset)
		return nil
	}
	c.end(!t.bug("RESET-002-close"))
	c.forget()
	return nil
}

// openedByPeer is OPENED: the service has accepted.
func (c *xconn) openedByPeer() error {
	if c.state != opening {
		if c.t.bug("XOPEN-016-twice") {
			return nil
		}
		return broken("XOPEN-016", "OPENED twice")
	}
	c.timer.Stop()
	c.state = opened
	c.credit()
	return nil
}

// early reports whether a server gets something before OPENED (XOPEN-006).
func (c *xconn) early() bool {
	return c.state == opening && c.t.role == Server && !c.t.bug("XOPEN-006")
}

// data is Data for the connection.
func (c *xconn) data(octets []byte) error {
	c.received += uint64(len(octets))
	switch {
	case c.early():
		return broken("XOPEN-006", "Data before OPENED")
	case c.inEnded && c.t.bug("FIN-003"):
		return nil
	case c.inEnded:
		return broken("FIN-003", "Data behind FIN")
	case c.received > c.granted && !c.t.bug("WIN-002"):
		return &tunnelError{"WIN-002", "Data beyond the limit", codeFlowControl}
	}
	c.keep(c.disorder(octets))
	c.t.changed.Broadcast()
	c.t.spare()
	if c.t.bug("WIN-004") {
		c.credit()
	}
	if c.t.bug("WIN-006") {
		for len(c.queue) > 4 && !c.closed && !c.t.lost {
			c.t.changed.Wait()
		}
	}
	return nil
}

// disorder is what some mutants make of octets on their way; the others leave them as they are.
func (c *xconn) disorder(octets []byte) []byte {
	t := c.t
	lost := t.bug("FIN-001") && c.outEnded
	if c.state == opening {
		switch {
		case t.bug("XOPEN-007"):
			lost = true
		case t.bug("XOPEN-007-twice"):
			return slices.Concat(octets, octets)
		case t.bug("XOPEN-007-late"):
			c.late = append(c.late, octets...)
			return nil
		}
	}
	if lost {
		c.taken += uint64(len(octets))
		return nil
	}
	late := c.late
	c.late = nil
	return append(octets, late...)
}

// keep queues octets for the local socket, in buffers that are filled one after the other.
func (c *xconn) keep(octets []byte) {
	if c.t.bug("WIN-008-octets") && len(octets) > 0 { // a buffer for each Data, which counts as nothing
		c.queue = append(c.queue, append(make([]byte, 0, chunkSize/32), octets...))
		c.t.changed.Broadcast()
		return
	}
	for len(octets) > 0 {
		n := len(c.queue)
		if n == 0 || len(c.queue[n-1]) == cap(c.queue[n-1]) {
			c.queue = append(c.queue, make([]byte, 0, chunkSize))
			c.t.held += chunkSize
			n++
		}
		last := c.queue[n-1]
		k := min(len(octets), cap(last)-len(last))
		c.queue[n-1] = append(last, octets[:k]...)
		octets = octets[k:]
	}
}

// drop drops what is queued.
func (c *xconn) drop() {
	c.t.held -= chunkSize * len(c.queue)
	c.queue = nil
}

// finByPeer is FIN: what is queued is written, then the local write side shut down (FIN-002).
func (c *xconn) finByPeer() error {
	switch {
	case c.early():
		return broken("XOPEN-006", "FIN before OPENED")
	case c.inEnded && c.t.bug("FIN-003"):
		return nil
	case c.inEnded:
		return broken("FIN-003", "FIN twice")
	case c.t.bug("FIN-002"):
		return c.resetByPeer(codeGeneral, "")
	}
	c.inEnded = true
	c.t.changed.Broadcast()
	if c.t.bug("FIN-002-both") && !c.outEnded {
		c.fin()
		return nil
	}
	c.halfEnded()
	return nil
}

// fin is the end of the local stream: FIN, behind the last Data (FIN-001).
func (c *xconn) fin() {
	if c.t.bug("FIN-001-reset") {
		c.reset(codeGeneral)
		return
	}
	c.outEnded = true
	c.send(withID(typeFin, c.id))
	c.halfEnded()
}

// halfEnded ends the connection when both halves have: nothing more is sent for the ID, and the local socket is
// closed when all is written (FIN-004).
func (c *xconn) halfEnded() {
	if !c.inEnded || !c.outEnded {
		if c.t.bug("FIN-005") {
			time.AfterFunc(5*time.Second, c.cutShort)
		}
		return
	}
	if c.t.bug("FIN-004") {
		c.send(frame{typeReset, coded(binary.BigEndian.AppendUint32(nil, c.id), codeOK, "")})
	}
	c.forget()
	if c.shut || c.t.bug("FIN-004-queue") {
		c.end(false)
		return
	}
	c.timer = time.AfterFunc(linger, c.lingered)
}

// cutShort is what mutants do that end a connection though nothing is wrong with it.
func (c *xconn) cutShort() {
	c.t.mu.Lock()
	defer c.t.mu.Unlock()
	switch {
	case c.state != opened:
	case c.t.bug("FIN-005"), c.t.bug("WIN-007") && len(c.queue) > 0 && time.Since(c.took) > 8*time.Second:
		c.reset(codeIdle)
	}
}

// lingered is linger: since the connection is gone, or the local socket last took octets.
func (c *xconn) lingered() {
	c.t.mu.Lock()
	defer c.t.mu.Unlock()
	if left := time.Until(c.took.Add(linger)); left > 0 && !c.closed {
		c.timer.Reset(left)
		return
	}
	c.end(true)
}

// credit sends a WINDOW when it is due, and before (WIN-005): of the octets that the local socket took, not of those
// that came. It never raises the limit for a socket that took nothing since (WIN-004).
func (c *xconn) credit() {
	grant, taken := c.t.grant, c.taken
	switch {
	case c.t.bug("WIN-004"):
		taken = c.received
	case c.t.bug("WIN-005"):
		return
	case c.t.bug("WIN-005-short"):
		grant = max(c.t.window0, windowLeast) / 8
	}
	left := c.granted - taken
	due := left <= grant/4*3
	switch {
	case c.t.odd("tiny"):
		due = left <= grant/2
	case c.t.bug("WIN-005-empty"):
		due = left == 0
	}
	if c.state != opened || c.inEnded || !due || taken+grant <= c.granted {
		return
	}
	c.granted = taken + grant
	if c.windowed { // the one in line takes the new limit
		return
	}
	c.windowed = true
	c.t.queue(outgoing{b: make([]byte, headerSize+12), of: c, window: true})
}

// window is the WINDOW of the connection, as it leaves: none when no more Data will come.
func (c *xconn) window() []byte {
	c.windowed = false
	if c.inEnded || c.state == gone {
		return nil
	}
	return withID(typeWindow, c.id, binary.BigEndian.AppendUint64(nil, c.granted)...).bytes()
}

// send queues a frame of the connection.
func (c *xconn) send(f frame) { c.t.queue(outgoing{b: f.bytes(), of: c}) }

// failed is the failure of the local socket: RESET at once (RESET-001). mu is held.
func (c *xconn) failed() {
	switch {
	case c.state == gone:
		c.end(true)
		if c.t.bug("FIN-004-reset") {
			c.t.send(frame{typeReset, coded(binary.BigEndian.AppendUint32(nil, c.id), codeReset, "")})
		}
	case c.state == opening && c.t.bug("XOPEN-009"):
		c.end(true)
	case c.state == opened && c.t.bug("RESET-001"):
		c.end(true)
		if !c.outEnded {
			c.fin()
		}
	case c.state == opening: // XOPEN-009
		c.reset(codeCancelled)
	default:
		c.reset(codeReset)
	}
}

// reset ends the connection by RESET, and the local socket with it.
func (c *xconn) reset(no code) {
	f := frame{typeReset, coded(binary.BigEndian.AppendUint32(nil, c.id), no, "")}
	c.t.queue(outgoing{b: f.bytes(), of: c, owed: c.state == opening && c.t.role == Client})
	c.end(true)
	c.forget()
}

// waitedTooLong is a server's connect-timeout (XOPEN-008).
func (c *xconn) waitedTooLong() {
	c.t.mu.Lock()
	defer c.t.mu.Unlock()
	if c.state == opening {
		c.reset(codeTimedOut)
	}
}

// forget takes the connection from the tunnel: its ID is never used again. A seat is free when its last frame has
// been sent.
func (c *xconn) forget() {
	if c.state == gone {
		return
	}
	c.state = gone
	if c.timer != nil {
		c.timer.Stop()
	}
	if c.cancel != nil {
		c.cancel()
	}
	delete(c.t.xconns, c.id)
	if c.inLine > 0 {
		c.t.leaving++
	}
	c.took = time.Now()
	c.t.changed.Broadcast()
	c.t.finished()
}

// sentOne is told when a frame of the connection was handed to the transport.
func (c *xconn) sentOne() {
	if c.inLine--; c.inLine == 0 && c.state == gone {
		c.t.leaving--
		c.t.finished()
	}
}

// end closes the local socket, by reset or in order, and drops what is queued for it.
func (c *xconn) end(reset bool) {
	c.drop()
	if c.closed {
		return
	}
	c.closed = true
	c.readAhead(0)
	if c.timer != nil {
		c.timer.Stop()
	}
	if c.local != nil { // a dial counts until it has ended (XOPEN-013)
		delete(c.t.xlocals, c)
		closeLocal(c.local, reset)
	}
	c.t.changed.Broadcast()
}

// isReset reports whether the local peer has reset its connection, which a side sees that reads nothing (RESET-001).
func (c *xconn) isReset() bool {
	raw, err := c.local.SyscallConn()
	if err != nil {
		return true
	}
	var no int
	if err := raw.Control(func(fd uintptr) { no, err = socketError(fd) }); err != nil {
		return true
	}
	return err != nil || no != 0
}

// spare ends connections while what is held of the tunnel's Data is too much: those whose local sockets took nothing
// for longest (WIN-008). mu is held.
func (t *tunnel) spare() {
	for t.held > t.memory && !t.bug("WIN-008") && !t.bug("WIN-004") {
		var oldest *xconn
		for c := range t.xlocals {
			if len(c.queue)+c.ahead > 0 && (oldest == nil || c.took.Before(oldest.took)) {
				oldest = c
			}
		}
		var ofCore *conn
		for c := range t.locals {
			if c.queued > 0 && (ofCore == nil || c.took.Before(ofCore.took)) {
				ofCore = c
			}
		}
		switch {
		case ofCore != nil && (oldest == nil || ofCore.took.Before(oldest.took)):
			ofCore.fail()
		case oldest == nil:
			return
		case oldest.state == gone:
			oldest.end(true)
		default:
			oldest.reset(codeOverBudget)
		}
	}
}
