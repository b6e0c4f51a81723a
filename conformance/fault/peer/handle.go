package peer

import (
	"slices"
	"time"
)

// handle does what sections 6, 7 and 15 say for one frame; an error is a
// tunnel error. mu is held.
func (t *tunnel) handle(f frame) error {
	if t.guarded() {
		return t.stranger(f)
	}
	if t.extends {
		judge := t.extended
		if t.phase != up {
			judge = t.shake
		}
		if done, err := judge(f); done || err != nil {
			return err
		}
	}
	switch {
	case f.typ < typeRequest || f.typ > typeKeepAlive:
		return t.unknown(f)
	case f.typ == typeRequest && t.role == Server:
		// OPEN-010: a ConnectRequest from a client is a tunnel error.
		if t.bug("OPEN-010") {
			return nil
		}
		return broken("OPEN-010", "a ConnectRequest from a client")
	case f.typ == typeResponse && t.role == Client:
		// OPEN-011: a ConnectResponse from a server is a tunnel error.
		if t.bug("OPEN-011") {
			return nil
		}
		return broken("OPEN-011", "a ConnectResponse from a server")
	case !f.sized():
		// FRAME-008: a size that section 6 does not allow is a tunnel error.
		if t.bug("FRAME-008") {
			return nil
		}
		return broken("FRAME-008", "type 0x%02x with %d octets", f.typ, len(f.payload))
	}
	switch f.typ {
	case typeRequest:
		return t.request(f)
	case typeResponse:
		return t.response(f)
	case typeData:
		return t.data(f)
	case typeClose:
		return t.close(f)
	}
	return t.keptAlive()
}

// unknown skips a frame of an unknown type (FRAME-007).
func (t *tunnel) unknown(f frame) error {
	switch {
	case t.bug("FRAME-007"):
		return broken("FRAME-007", "type 0x%02x", f.typ)
	case t.bug("FRAME-009") && f.typ == 0x80:
		t.send(frame{typ: 0x06})
	case t.bug("HELLO-007") && f.typ > typeHello && f.typ <= 0x3F:
		return broken("HELLO-007", "type 0x%02x without HELLO", f.typ)
	case t.bug("FRAME-001") && f.typ == 0x80:
		t.send(frame{typeKeepAlive, []byte{0}})
	}
	return nil
}

func (t *tunnel) keptAlive() error {
	if t.role == Client { // ALIVE-003: accepted, never answered
		if t.asked--; t.asked < 0 && t.bug("ALIVE-003") {
			return broken("ALIVE-003", "a KeepAlive that nobody asked for")
		}
		return nil
	}
	if t.bug("ALIVE-002") {
		if next, err := t.in.Peek(min(2, t.in.Buffered())); err == nil && len(next) == 2 && next[1] == typeKeepAlive {
			return nil
		}
	}
	return t.answer(frame{typ: typeKeepAlive}) // ALIVE-002
}

// request is a ConnectRequest to a client.
func (t *tunnel) request(f frame) error {
	id, rest := f.id(), f.rest()
	// ID-004: a request for an ID that is not idle is a tunnel error.
	if t.conns[id] != nil {
		if t.bug("ID-004") {
			return nil
		}
		return broken("ID-004", "ID %d is in use", id)
	}
	if t.bug("ID-003") && (id == 0 || id == 0xFFFFFFFF) {
		t.send(withID(typeResponse, id, statusGeneral))
		return nil
	}
	port := int(rest[0])<<8 | int(rest[1])
	host := "127.0.0.1" // OPEN-003: the short form leaves it to the client
	if len(rest) > 2 {
		host = string(rest[3:])
	} else if t.bug("OPEN-002") {
		return nil
	}
	if port == 0 && t.bug("OPEN-008") {
		return broken("OPEN-008", "port 0")
	}
	if !validHost(host) && t.bug("OPEN-009") {
		return broken("OPEN-009", "host %q", host)
	}
	t.dial(id, host, port)
	return nil
}

// response is a ConnectResponse to a server.
func (t *tunnel) response(f frame) error {
	c, success := t.conns[f.id()], f.rest()[0] == statusSuccess
	switch {
	case c == nil || c.state != requested && c.state != abandoned: // OPEN-016: ignored
		if t.bug("OPEN-016") {
			return broken("OPEN-016", "a response for ID %d, which has no request", f.id())
		}
	case c.state == requested && success:
		c.opened()
	case c.state == requested: // OPEN-014: the visitor is ended, no Close
		if t.bug("OPEN-014") {
			t.send(withID(typeClose, c.id))
		}
		c.end(true)
		c.forget()
	case success:
		// OPEN-025: one more Close for a client that forgot the first.
		if !t.bug("OPEN-025") {
			t.send(withID(typeClose, c.id))
		}
	default:
		c.forget()
	}
	return nil
}

func (t *tunnel) data(f frame) error {
	id := f.id()
	c := t.conns[id]
	switch {
	case t.bug("DATA-005") && t.peerClosed[id]:
		return broken("DATA-005", "Data after Close")
	case c == nil: // DATA-004: dropped, answered with Close
		if t.bug("DATA-004") && t.used[id] || t.bug("LOSS-005") && t.past.has(id) {
			return nil
		}
		if t.odd("answers") {
			t.send(withID(typeClose, id))
		}
		return t.answer(withID(typeClose, id))
	case c.state == requested: // OPEN-018: a connection error
		if !t.bug("OPEN-018") {
			c.fail()
		}
	case c.state == dialing: // OPEN-019: a connection error
		switch {
		case t.bug("OPEN-019"):
		case t.bug("ORDER-004"):
			c.fail()
			return t.answer(withID(typeClose, id))
		case t.odd("answers"): // a Close in place of the response (OPEN-004)
			c.cancel()
			c.forget()
			t.send(withID(typeClose, id))
		default:
			c.fail()
		}
	case c.state == open:
		return t.deliver(c, f.rest())
	case c.state == closing && t.bug("DATA-006"):
		return t.answer(withID(typeClose, id))
	}
	return nil // DATA-005, DATA-006: dropped
}

// deliver queues octets for the local socket (DATA-001), and pauses the
// tunnel when that is full. Some mutants change the octets on their way.
func (t *tunnel) deliver(c *conn, octets []byte) error {
	c.carried += len(octets)
	c.frames++
	switch {
	case t.bug("DATA-001") && len(octets) > 60_000:
		octets[len(octets)-1] ^= 0x20
	case t.bug("DATA-002"):
		c = t.stray(c)
	case t.bug("DATA-003") && len(octets) == 0: // Data with no octets is valid
		c.fail()
		return nil
	case t.bug("ORDER-001") && c.frames == 250:
		c.late = octets
		return nil
	}
	if t.odd("small") {
		for piece := range slices.Chunk(octets, 4<<10) {
			if c.state != open {
				break
			}
			c.enqueue(piece)
			t.pauseFor(c)
		}
		return nil
	}
	c.enqueue(octets)
	if c.late != nil {
		c.enqueue(c.late)
		c.late = nil
	}
	t.pauseFor(c)
	return nil
}

// enqueue queues octets for the local socket. mu is held.
func (c *conn) enqueue(octets []byte) {
	if len(octets) > 0 {
		c.queue = append(c.queue, octets)
		c.weigh(len(octets))
	}
	c.t.changed.Broadcast()
}

// stray is where DATA-002's mutant delivers: now and then to another connection than the right one.
func (t *tunnel) stray(right *conn) *conn {
	var others []*conn
	for _, c := range t.conns {
		if c != right && c.state == open && c.frames > 5 {
			others = append(others, c)
		}
	}
	if len(others) >= 2 && right.frames%20 == 0 {
		return others[0]
	}
	return right
}

func (t *tunnel) close(f frame) error {
	c := t.conns[f.id()]
	if c == nil { // CLOSE-007: ignored
		if t.bug("CLOSE-007") {
			t.send(f)
		}
		return nil
	}
	t.peerClosed[c.id] = true
	switch c.state {
	case requested: // OPEN-015: a failure response
		if !t.bug("OPEN-015") {
			c.end(true)
			c.forget()
		}
	case abandoned:
		c.forget()
	case dialing: // OPEN-024: cancel, answer with a failure
		if !t.bug("OPEN-024") {
			c.refuse(statusGeneral)
		}
	case open:
		c.drain()
	case closing:
		if t.bug("CLOSE-001") {
			t.send(f)
		}
		c.forget()
		if t.bug("CLOSE-012") && !c.shut {
			c.end(false)
		}
	}
	return nil
}

// drain is Close for an open connection: what is queued goes out, then the
// end of the stream, then the own Close (CLOSE-003, CLOSE-004).
func (c *conn) drain() {
	t := c.t
	if t.bug("CLOSE-008") {
		c.chatty = true
	}
	c.state = draining
	c.waiting = time.AfterFunc(closeTotal, c.drainedTooLong)
	c.writeOut()
}
