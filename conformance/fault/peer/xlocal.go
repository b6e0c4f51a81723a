package peer

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"time"
)

// lookAgain is how often a side that reads nothing looks whether its local peer has reset (RESET-005).
const lookAgain = time.Second

// ask is a visitor of a tunnel that is up: an OPEN to what l says, or, when the client takes no more, its end at once (XOPEN-011).
// Both mutexes are held.
func (s *server) ask(t *tunnel, sock *net.TCPConn, l list, patience time.Duration) {
	id := max(t.highest+1, int64(s.next)) // XID-001
	switch {
	case t.odd("ids"):
		id += int64(s.next % 1000)
	case t.bug("XID-001"):
		id = 1<<24 - int64(s.next)
	}
	if t.live() >= t.peerMax && !t.bug("XOPEN-011") || id > 0xFFFFFFFF {
		closeLocal(sock, true)
		return
	}
	s.next = max(s.next, uint32(id)) + 1
	if t.bug("XID-001") {
		s.next = 1<<24 - uint32(id) + 1
	}
	c := t.newXconn(uint32(id), sock)
	if !t.odd("terse") { // XOPEN-002
		l.address(tagOrigin, sock.RemoteAddr())
		l.address(tagLocal, sock.LocalAddr())
	}
	t.season(&l)
	c.send(frame{typeOpen, l.bytes(binary.BigEndian.AppendUint32(nil, c.id)...)})
	if t.bug("XOPEN-008") {
		patience = time.Hour
	}
	c.timer = time.AfterFunc(patience, c.waitedTooLong)
	c.serve()
	if id == 0xFFFFFFFF { // XID-006
		t.goAway(false)
	}
}

// closeLocal closes a local socket, by reset or in order.
func closeLocal(sock *net.TCPConn, reset bool) {
	if reset {
		_ = sock.SetLinger(0)
	}
	_ = sock.Close()
}

// open is an OPEN to a client.
func (t *tunnel) open(f frame) error {
	k, refused, err := t.readTLVs(f.rest(), inOpen)
	if err != nil {
		return err
	}
	if int64(f.id()) <= t.highest {
		if t.bug("XID-002") {
			return nil
		}
		return broken("XID-002", "OPEN for ID %d behind %d", f.id(), t.highest)
	}
	w, no, why := wants(k, refused, t.published)
	if k[tagService] != nil && t.bug("BIND-010") && no == codeOK && t.asks && len(t.asking) > 0 && !t.given() {
		no = codeUnknownService
	}
	if no == codeUnknownService && t.bug("BIND-010-code") {
		no = codeGeneral
	}
	if no == codeOK && len(t.conns)+len(t.xlocals) >= t.maxConns { // XOPEN-012, XOPEN-013
		no, why = codeTooMany, "too many connections"
		if t.bug("XOPEN-012") {
			return broken("XOPEN-012", "too many connections")
		}
	}
	if t.bug("AWAY-003") && t.away.said {
		no, why = codeDrain, "draining"
	}
	if no != codeOK {
		t.highest = int64(f.id())
		switch {
		case t.bug("XOPEN-003"):
			return nil
		case t.bug("XOPEN-005") && no != codeTooMany, t.bug("TLV-005") && no == codeGeneral && k[tagHost] != nil:
			return broken("XOPEN-005", "%s", why)
		}
		return t.owe(frame{typeReset, coded(binary.BigEndian.AppendUint32(nil, f.id()), no, why)})
	}
	if t.bug("XOPEN-003-many") && f.id()%100 == 99 {
		t.highest = int64(f.id())
		return nil
	}
	c := t.newXconn(f.id(), nil)
	ctx, cancel := context.WithTimeout(context.Background(), dialTimeout)
	c.cancel = cancel
	if t.bug("XOPEN-004") {
		c.opens()
	}
	t.wg.Go(func() { c.connect(ctx, w) })
	return nil
}

// connect connects to the service and answers (XOPEN-003, XOPEN-004). open starts it; its timeout, RESET or the loss
// of the tunnel ends it.
func (c *xconn) connect(ctx context.Context, w wanted) {
	defer c.cancel()
	t := c.t
	if t.odd(Slow) {
		rest(ctx, lateness)
	}
	sock, status := t.reach(ctx, w.host, w.port)
	if status == statusSuccess && t.bug("XOPEN-006") {
		c.sent += uint64(sayFirst(t, c.id, sock))
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case c.closed: // XOPEN-010: the late result is dropped
		if !t.bug("XOPEN-010-seat") {
			delete(t.xlocals, c)
		}
		if sock != nil {
			closeLocal(sock, true)
		}
	case status != statusSuccess:
		c.reset(code(status))
		delete(t.xlocals, c)
	default:
		c.local, c.state, c.took = sock, opened, time.Now()
		if !t.bug("XOPEN-004") {
			c.opens()
		}
		c.serve()
		c.credit()
	}
}

// opens says OPENED.
func (c *xconn) opens() {
	var l list
	c.t.season(&l)
	c.t.queue(outgoing{b: frame{typeOpened, l.bytes(binary.BigEndian.AppendUint32(nil, c.id)...)}.bytes(), owed: true, of: c})
}

// serve starts the copies of a connection that has its local socket. mu is held.
func (c *xconn) serve() {
	c.t.copies.Go(c.pump)
	c.t.copies.Go(c.feed)
}

// pump carries octets from the local socket to the tunnel. serve starts it; when the local stream has ended it looks
// for a reset, until the connection is gone.
func (c *xconn) pump() {
	size := pieceSize
	if c.t.bug("WIN-001-ahead") {
		size = 32 << 20
	}
	buf := make([]byte, size)
	for {
		n, err := gather(c.local, buf)
		if !c.fromLocal(buf[:n]) {
			return
		}
		if err != nil {
			c.localEnded(err)
			return
		}
	}
}

// fromLocal sends octets of the local peer as far as there is credit; they are all that is read ahead of it (WIN-001).
// It returns false when the connection has ended.
func (c *xconn) fromLocal(b []byte) bool {
	t := c.t
	t.mu.Lock()
	defer t.mu.Unlock()
	defer c.readAhead(0)
	if c.early() && t.bug("DATA-007-early") {
		return true
	}
	for len(b) > 0 && c.state != gone {
		c.readAhead(len(b))
		n := min(uint64(len(b)), c.limit-c.sent)
		if t.bug("WIN-001") {
			n = uint64(len(b))
		}
		if n == 0 || t.outSize > outMax || c.early() && t.odd("terse") {
			c.await()
			continue
		}
		for _, f := range t.dataFrames(c.id, b[:n]) {
			c.send(f)
		}
		c.sent += n
		b = b[n:]
	}
	return c.state != gone
}

// readAhead counts what was read from the local socket and cannot be sent yet: it is held, too (WIN-008).
func (c *xconn) readAhead(n int) {
	if c.closed {
		n = 0
	}
	c.t.held += n - c.ahead
	c.ahead = n
}

// await waits for a change, and looks for a reset now and then. mu is held.
func (c *xconn) await() {
	t := c.t
	since := time.Now()
	t.waitUntil(since.Add(lookAgain))
	if c.state != gone && time.Since(c.looked) >= lookAgain {
		if c.looked = time.Now(); c.isReset() {
			c.failed()
		}
	}
}

// localEnded is the end of the local stream, or its failure.
func (c *xconn) localEnded(err error) {
	t := c.t
	t.mu.Lock()
	defer t.mu.Unlock()
	if c.state == gone { // ended by the other copy, the peer, or the tunnel
		return
	}
	if !errors.Is(err, io.EOF) {
		c.failed()
		return
	}
	if c.state == opening && t.bug("XOPEN-009-eof") {
		c.reset(codeCancelled)
	}
	for c.early() && t.odd("terse") {
		c.await()
	}
	if c.state != gone {
		c.fin()
	}
	for c.state != gone {
		c.await()
	}
}

// feed carries octets from the tunnel to the local socket. serve starts it; the last octet, or the end of the socket,
// ends it.
func (c *xconn) feed() {
	t := c.t
	t.mu.Lock()
	defer t.mu.Unlock()
	piece := int(min(chunkSize, max(t.window0, windowLeast)/4)) // as much as taken may lag (WIN-005)
	for {
		for len(c.queue) == 0 && !c.inEnded && !c.closed {
			t.changed.Wait()
		}
		switch {
		case c.closed:
			return
		case len(c.queue) == 0:
			c.allWritten()
			return
		}
		if t.bug("WIN-007") {
			time.AfterFunc(9*time.Second, c.cutShort)
		}
		b := c.queue[0][:min(len(c.queue[0]), piece)]
		t.mu.Unlock()
		n, err := c.local.Write(b)
		t.mu.Lock()
		if c.closed {
			return
		}
		if n > 0 {
			c.tookSome(n)
		}
		if err != nil {
			c.failed()
			return
		}
	}
}

// tookSome counts octets that the local socket took.
func (c *xconn) tookSome(n int) {
	c.took = time.Now()
	c.taken += uint64(n)
	if c.queue[0] = c.queue[0][n:]; len(c.queue[0]) == 0 {
		c.queue = c.queue[1:]
		c.t.held -= chunkSize
	}
	c.credit()
	c.t.changed.Broadcast()
}

// allWritten shuts down the local write side (FIN-002), and closes a socket whose connection is gone.
func (c *xconn) allWritten() {
	c.shut = true
	_ = c.local.CloseWrite()
	if c.state == gone {
		c.end(false)
	}
}
