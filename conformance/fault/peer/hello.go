package peer

import (
	crand "crypto/rand"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
)

// phase is how far the two HELLOs of the Extended profile are.
type phase int

const (
	fresh   phase = iota // nothing has come yet that decides: a server's new, a client's offered
	core                 // the tunnel has Core alone
	greeted              // both have said HELLO, with auth
	proving              // and the client has sent its proof
	up                   // both have said HELLO, and proven themselves where one asks for that
)

// What this peer states in its HELLO, where an odd does not choose otherwise.
const (
	helloMax       = 4096
	windowUsual    = 256 << 10
	maxConnections = 256
)

// greet begins the handshake of a client: HELLO is its first frame (HELLO-001), and the KeepAlive behind it asks
// whether the server knows it (HELLO-011). mu is held.
func (t *tunnel) greet() {
	if !t.extends {
		return
	}
	h := t.helloFrame()
	t.mine = h.bytes()
	t.send(h)
	if t.asks && !t.bug("AUTH-007-alive") {
		return
	}
	t.send(frame{typ: typeKeepAlive})
	t.asked++
}

// helloFrame is this peer's HELLO.
func (t *tunnel) helloFrame() frame {
	var l list
	if t.asks {
		l.add(tagAuth, t.authTag()...)
	}
	if t.odd("terse") && t.published == nil && !t.hasBind { // window and max-connections by their absence
		return frame{typeHello, l.bytes()}
	}
	l.add(tagAgent, []byte("adit-fault")...)
	if t.bug("HELLO-005") {
		l.add(tagUDP)
	}
	l.number(tagWindow, uint32(t.window0))
	if t.role == Client {
		l.add(tagInstance, instance...)
		l.number(tagMaxConnections, uint32(t.maxConns))
	}
	if t.role == Client && t.published != nil || t.role == Server && t.hasBind {
		l.add(tagBind)
	}
	t.season(&l)
	return frame{typeHello, l.bytes()}
}

// season adds a grease tag to one payload in four (TLV-004).
func (t *tunnel) season(l *list) {
	if rand.N(4) == 0 || t.odd("grease") {
		l.grease()
	}
}

// instance tells this process from others.
var instance = func() []byte {
	b := make([]byte, 16)
	_, _ = crand.Read(b)
	return b
}()

// shake is a frame on a tunnel that is not up. Done is false for what Core judges.
func (t *tunnel) shake(f frame) (done bool, err error) {
	was := t.phase
	switch {
	case f.typ == typeHello && t.asks: // of a mutant
		return true, t.introduced(f)
	case f.typ == typeHello:
		return true, t.hello(f)
	case t.role == Server:
		t.phase = core // HELLO can only be the first frame
	case was == core:
	case f.typ == typeKeepAlive && t.bug("HELLO-010"):
		return true, fmt.Errorf("the server speaks Core only")
	case f.typ == typeKeepAlive:
		t.phase = core // HELLO-010: the server answered what came behind HELLO
		t.followed()
	case f.typ == typeGoAway && !t.bug("HELLO-007-goaway"):
		return true, t.turnedAway(f)
	}
	return false, nil // HELLO-007
}

// hello is the peer's HELLO.
func (t *tunnel) hello(f frame) error {
	t.agreed = true // a peer that says HELLO understands GOAWAY, too
	where := inClientHello
	switch {
	case t.phase != fresh && (t.bug("HELLO-003") || t.bug("HELLO-004")):
		return nil
	case t.bug("HELLO-002"):
		t.phase = core
		return nil
	case t.phase != fresh && t.role == Server:
		return broken("HELLO-003", "a HELLO that is not the first frame")
	case t.phase != fresh:
		return broken("HELLO-004", "a HELLO that answers none")
	case t.role == Client:
		where = inServerHello
	}
	k, refused, err := t.readTLVs(f.payload, where.with(t.optionBind()))
	if err != nil {
		return err
	}
	agent, stated := k[tagAgent]
	if t.bug("TLV-005") && stated && (len(agent) < 1 || len(agent) > 64) {
		return broken("TLV-005", "an agent of %d octets", len(agent))
	}
	for _, option := range options {
		if k[option] != nil && !t.bug("HELLO-005") && !(option == tagAuth && t.asks) && !(option == tagBind && t.published != nil) {
			return broken("HELLO-005", "tag 0x%04x, which was not offered", option)
		}
	}
	if refused != 0 {
		return &tunnelError{"TLV-003", fmt.Sprintf("critical tag 0x%04x", refused), codeUnsupported}
	}
	t.phase = up
	t.heed(k)
	if t.bug("HELLO-009") {
		t.forgetCore()
	}
	if t.bug("HELLO-002-twice") {
		t.send(t.helloFrame())
	}
	if t.role == Server {
		return t.answer(t.helloFrame()) // HELLO-002
	}
	t.followed()
	t.raised()
	return nil
}

// heed takes what the peer's HELLO states. mu is held.
func (t *tunnel) heed(k tags) {
	t.credit0 = uint64(k.number(tagWindow, windowUsual))
	t.peerMax = int(k.number(tagMaxConnections, 16384))
	t.instance, t.label = string(k[tagInstance]), string(k[tagName])
	t.hasBind = k[tagBind] != nil && t.optionBind()
}

// forgetCore is HELLO-009's mutant: the connections from before the HELLO are at an end.
func (t *tunnel) forgetCore() {
	for _, c := range t.conns {
		c.stopTimers()
		c.end(true)
		c.forget()
	}
}

// hugeHello is a HELLO whose header announces too much.
func (t *tunnel) hugeHello(n int64) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.agreed = true
	return broken("HELLO-012", "%d octets", n)
}

// turnedAway is a GOAWAY in answer to HELLO: the tunnel ends.
func (t *tunnel) turnedAway(f frame) error {
	if !f.sized() {
		return broken("FRAME-008", "GOAWAY with %d octets", len(f.payload))
	}
	code := code(binary.BigEndian.Uint16(f.payload))
	t.unwanted = code == codeDenied || code == codeUnsupported
	return fmt.Errorf("the server ends the tunnel: code 0x%04x", uint16(code))
}

// optionBind reports whether this side has the option bind.
func (t *tunnel) optionBind() bool { return t.server != nil || t.published != nil }
