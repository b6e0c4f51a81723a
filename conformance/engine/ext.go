package engine

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"

	"github.com/adit-tunnel/adit/conformance/wire"
	"github.com/adit-tunnel/adit/spec"
)

// A Greeting is what the suite says in its HELLO; a grease tag is added wherever chance will (TLV-004).
type Greeting struct {
	Window uint32 // what the subject may send on each connection before the first WINDOW
	Most   uint32 // max-connections of a client; 0: not stated
	Extra  []TLV

	Instance []byte // of a client; nil: one that no other tunnel has
	Unbound  bool   // it does not offer, or agree to, the option bind where the subject has it
}

// roomy is a window in which a case that is not about windows has room.
const roomy = 1 << 20

// Extended is a new tunnel on which both HELLOs have passed, with room in its windows.
func (t *T) Extended() *Tunnel { return t.Greet(Greeting{Window: roomy}) }

// Greet is a new tunnel on which both HELLOs have passed, and the proofs where the subject asks for them. The subject's has been read, so that no visitor comes before it.
func (t *T) Greet(g Greeting) *Tunnel {
	defer t.inSetup()()
	n := t.fresh()
	n.Meet(g)
	return n
}

// Meet is Greet for a tunnel on which nothing has passed.
func (n *Tunnel) Meet(g Greeting) {
	switch t := n.t; {
	case t.Asks():
		n.shakeBy(g, t.Key())
	case t.Case.Role == Client:
		n.ExpectHello()
		n.Greet(g)
	default:
		n.Greet(g)
		n.ExpectHello()
	}
}

// Shake passes both HELLOs, the suite's with these TLVs and auth, and the proofs.
func (n *Tunnel) Shake(tlvs ...TLV) {
	n.shake(func() Frame { return wire.Hello(append(slices.Clone(tlvs), n.t.Auth(n.t.Key()).TLV())...) }, n.t.Key())
}

// Greet says HELLO.
func (n *Tunnel) Greet(g Greeting) { n.Send(n.t.Hello(g)) }

// Hello is the suite's HELLO.
func (t *T) Hello(g Greeting) Frame {
	tlvs := []TLV{wire.Text(wire.TagAgent, "adit-conform"), wire.U32(wire.TagWindow, g.Window)}
	if t.publishes() && !g.Unbound {
		tlvs = append(tlvs, TLV{Tag: wire.TagBind})
	}
	if t.Case.Role != Client {
		if g.Instance == nil {
			g.Instance = t.Octets(16)
		}
		tlvs = append(tlvs, TLV{Tag: wire.TagInstance, Value: g.Instance})
		if g.Most > 0 {
			tlvs = append(tlvs, wire.U32(wire.TagMaxConnections, g.Most))
		}
	}
	return wire.Hello(t.greased(append(tlvs, g.Extra...))...)
}

// greased has one grease tag more, with a value and at a place of the case's random choice.
func (t *T) greased(tlvs []TLV) []TLV {
	tag := wire.Tag(0x0A0A + 0x1010*t.rng.Uint32N(7))
	return slices.Insert(slices.Clone(tlvs), t.rng.IntN(len(tlvs)+1), TLV{Tag: tag, Value: t.Octets(t.rng.IntN(33))})
}

// ExpectHello expects the subject's HELLO: its first frame, or its answer.
func (n *Tunnel) ExpectHello(opts ...Option) Frame {
	if n.t.Case.Role == Client {
		return n.Expect("a client that claims the Extended profile says HELLO as its first frame", AHello(), append([]Option{For("HELLO-001")}, opts...)...)
	}
	return n.Expect("a server that claims the Extended profile answers HELLO with HELLO", AHello(), append([]Option{For("HELLO-002")}, opts...)...)
}

// Up reports whether both HELLOs have passed, and the proofs where the subject asks for them: the tunnel is extended.
func (n *Tunnel) Up() bool {
	n.t.rec.mu.Lock()
	defer n.t.rec.mu.Unlock()
	return n.up()
}

// up is Up with mu held.
func (n *Tunnel) up() bool { return n.greeted && n.hello != nil && (n.admitted || !n.t.Asks()) }

// Hello is the subject's HELLO; ok is false when none has come.
func (n *Tunnel) Hello() (f Frame, ok bool) {
	n.t.rec.mu.Lock()
	defer n.t.rec.mu.Unlock()
	if n.hello == nil {
		return Frame{}, false
	}
	return *n.hello, true
}

// Window is what the subject's HELLO lets the suite send on each new connection.
func (n *Tunnel) Window() uint64 {
	n.t.rec.mu.Lock()
	defer n.t.rec.mu.Unlock()
	return n.theirWindow()
}

// theirWindow is Window with mu held.
func (n *Tunnel) theirWindow() uint64 {
	if n.hello == nil {
		return 0
	}
	return n.hello.TagNumber(wire.TagWindow, wire.DefaultWindow)
}

// sentHello notes the suite's HELLO, and that it lets a client in, behind which the KeepAlive that came before is answered. The caller holds mu.
func (n *Tunnel) sentHello(frames []Frame) {
	for _, f := range frames {
		switch {
		case f.Type == TypeHello && !n.greeted:
			n.greeted, n.said = true, f
		case f.Type == wire.TypeAuth && f.Size == 0 && n.t.Case.Role == Client:
			n.admitted = true
		}
	}
	if n.owesAnswer && n.up() {
		n.owesAnswer = false
		n.ownKeepAlive()
	}
}

// takeHello enters a HELLO of the subject, and the KeepAlive that a client sends right behind one (HELLO-011): to a case
// about Core neither is there, but that the KeepAlive is answered. It reports whether the case sees the frame. The caller holds mu.
func (n *Tunnel) takeHello(f Frame) (seen bool) {
	n.came++
	extended := n.t.Case.Extended()
	switch {
	case f.Type == TypeHello:
		if n.hello == nil && (n.came == 1 || n.t.Case.Role != Client) {
			n.hello = &f
			return extended
		}
	case f.Type == TypeKeepAlive && n.came == 2 && n.hello != nil && n.t.Case.Role == Client && !n.t.Asks():
		n.hastened = true
		if n.owesAnswer = extended && !n.greeted; !n.owesAnswer {
			n.ownKeepAlive()
		}
		return false
	}
	return true
}

// Decline answers the KeepAlive behind the client's HELLO without a HELLO before it, as a Core server does.
func (n *Tunnel) Decline() {
	n.t.rec.mu.Lock()
	defer n.t.rec.mu.Unlock()
	if n.owesAnswer {
		n.owesAnswer = false
		n.ownKeepAlive()
	}
}

// Asked reports whether a KeepAlive has come right behind the client's HELLO.
func (n *Tunnel) Asked() bool {
	n.t.rec.mu.Lock()
	defer n.t.rec.mu.Unlock()
	return n.hastened
}

// Ping sends a PING with octets of its own, and returns them.
func (n *Tunnel) Ping() wire.Mark {
	var m wire.Mark
	binary.BigEndian.PutUint64(m[:], n.t.rng.Uint64())
	n.Send(wire.Ping(m))
	return m
}

// leadsTo are the TLVs of an OPEN for a service: a port and host, the addresses of a visitor that there might be.
func (t *T) leadsTo(svc *Service) []TLV {
	addr := func(tag wire.Tag, last byte, port uint16) TLV {
		return TLV{Tag: tag, Value: binary.BigEndian.AppendUint16([]byte{192, 0, 2, last}, port)}
	}
	return []TLV{
		wire.U16(wire.TagPort, svc.Port), wire.Text(wire.TagHost, svc.Host),
		addr(wire.TagOrigin, 1, 40000+uint16(t.rng.IntN(1000))), addr(wire.TagLocal, 2, 443),
	}
}

// Target is the case's service.
func (n *Tunnel) Target() *Service { return n.t.Service() }

// Shut reports whether the suite has closed the tunnel.
func (n *Tunnel) Shut() bool {
	n.t.rec.mu.Lock()
	defer n.t.rec.mu.Unlock()
	return n.closed
}

// OpenFor is an OPEN for a service with a new ID.
func (n *Tunnel) OpenFor(svc *Service) Frame {
	return wire.Open(n.NextID(), n.t.greased(n.t.leadsTo(svc))...)
}

// request is what the suite, as server, sends to have the service dialled.
func (n *Tunnel) request(svc *Service) Frame {
	if n.Up() {
		return n.OpenFor(svc)
	}
	return RequestTo(n.NextID(), svc.Host, svc.Port)
}

// Extended reports whether the connection was begun by an OPEN.
func (c *Conn) Extended() bool { return c.Request.Type == TypeOpen }

// limit is how many octets of Data the suite may have sent on the connection. The caller holds mu.
func (c *Conn) limit() uint64 { return max(c.Tun.theirWindow(), c.Tun.limits[c.ID]) }

// Credit is how many octets the suite may still send on the connection.
func (c *Conn) Credit() uint64 {
	c.Tun.t.rec.mu.Lock()
	defer c.Tun.t.rec.mu.Unlock()
	return c.limit() - c.Spent
}

// spend sends Data as the credit comes: none may stay away for longer than the text gives a receiver whose local socket takes octets.
func (c *Conn) spend(octets []byte) {
	for len(octets) > 0 {
		x := c.Tun.t.expect("credit comes for a local socket that takes octets", Message, Answer, []Option{For("WIN-005")})
		var credit uint64
		over := false
		c.Tun.t.wait(x.within, func() bool {
			credit = c.limit() - c.Spent
			over = c.Tun.end != EndNone || slices.ContainsFunc(c.Tun.inbox, func(a arrival) bool { return ResetFor(c.ID).match(a.f) == 1 })
			return credit > 0 || over
		})
		if credit == 0 && over { // that is the case's matter
			x.req = c.Tun.t.Case.ID
			c.Tun.t.failed(x, "a connection that goes on", "its end")
		}
		if credit == 0 {
			c.Tun.t.failed(x, "a WINDOW with a higher limit", fmt.Sprintf("none; the limit is %d octets, all sent", c.Spent))
		}
		k := min(uint64(len(octets)), credit, uint64(FairPayload-4))
		c.SendNow(octets[:k])
		octets = octets[k:]
	}
}

// SendNow sends Data whatever the credit is.
func (c *Conn) SendNow(octets []byte) {
	c.Spent += uint64(len(octets))
	c.Tun.Send(Data(c.ID, octets))
}

// Opened answers an OPEN.
func (c *Conn) Opened() { c.Tun.Send(wire.Opened(c.ID)) }

// Fin ends the suite's half of the connection.
func (c *Conn) Fin() { c.Tun.Send(wire.Fin(c.ID)) }

// Reset ends the connection.
func (c *Conn) Reset(code wire.Code) { c.Tun.Send(wire.Reset(c.ID, code, "")) }

// Grant lets the subject send up to limit octets of Data in all.
func (c *Conn) Grant(limit uint64) { c.Tun.Send(wire.Window(c.ID, limit)) }

// ExpectFin expects FIN for the connection; Data before it is passed over.
func (c *Conn) ExpectFin(sentence string, opts ...Option) {
	c.Tun.Expect(sentence, FinFor(c.ID), opts...)
}

// ExpectReset expects RESET for the connection; what the subject had in line may come before it.
func (c *Conn) ExpectReset(sentence string, opts ...Option) Frame {
	return c.Tun.Expect(sentence, ResetFor(c.ID), opts...)
}

// ExpectOpened expects OPENED for the connection.
func (c *Conn) ExpectOpened(sentence string, opts ...Option) {
	c.Tun.Expect(sentence, OpenedFor(c.ID), opts...)
}

// ExpectLimit waits until the subject lets the suite send n octets of Data in all, and returns the limit.
func (c *Conn) ExpectLimit(sentence string, n uint64, opts ...Option) uint64 {
	x := c.Tun.t.expect(sentence, Message, Answer, opts).on(c.Tun.who, WindowFor(c.ID, n).step(c.Tun.t.Case.Role))
	var limit uint64
	c.Tun.t.wait(x.within, func() bool {
		limit = c.limit()
		return limit >= n || c.Tun.end != EndNone
	})
	if limit < n {
		c.Tun.t.failed(x, fmt.Sprintf("a limit of at least %d octets for ID %d", n, c.ID), fmt.Sprintf("%d", limit))
	}
	c.Tun.t.met(x, c.Tun.t.Now())
	return limit
}

// Limit is how many octets of Data the subject lets the suite send in all, so far.
func (c *Conn) Limit() uint64 {
	c.Tun.t.rec.mu.Lock()
	defer c.Tun.t.rec.mu.Unlock()
	return c.limit()
}

// Moved is how many octets of Data have come on the connection so far, taken by an expectation or not.
func (c *Conn) Moved() uint64 {
	c.Tun.t.rec.mu.Lock()
	defer c.Tun.t.rec.mu.Unlock()
	return c.Tun.moved[c.ID]
}

// Gone reports whether the subject has ended the connection: by RESET, or with its tunnel.
func (c *Conn) Gone() bool {
	_, reset := c.Tun.Peek(ResetFor(c.ID))
	return reset || c.Tun.Ended() != EndNone
}

// Served answers the request with success, and expects octets to pass.
func (c *Conn) Served(sentence string) {
	c.accept()
	c.Works(sentence)
}

// Claim is what a subject says of itself beyond its roles, by the first word of a capability.
func (t *T) Claim(name string) (value string, ok bool) {
	value, ok = t.run.Claims[name]
	return value, ok
}

// Drain starts the subject's drain.
func (t *T) Drain() {
	t.drained = true
	t.rec.did("suite", 0, "subject drains", "the subject is told to drain")
	t.running.(drainer).Drain()
}

// A drainer is a subject whose drain can be started.
type drainer interface{ Drain() }

// Quiet expects that the subject sends nothing more about an ID that is gone: a WINDOW may have crossed its end, but none comes
// behind a barrier.
func (n *Tunnel) Quiet(sentence string, id uint32, opts ...Option) {
	n.Barrier()
	n.t.rec.mu.Lock()
	n.inbox = slices.DeleteFunc(slices.Clone(n.inbox), func(a arrival) bool { return a.f.Type == TypeWindow && a.f.ID() == id })
	n.t.rec.mu.Unlock()
	n.ExpectNone(sentence, AnyAbout(id), opts...)
}

// AHello matches a HELLO.
func AHello() Matcher {
	return Matcher{want: "a HELLO", like: []spec.Decoded{decoded(TypeHello)}, free: []string{"tlvs"}}
}

// AnyOpen matches the next OPEN.
func AnyOpen() Matcher {
	return Matcher{want: "an OPEN", like: []spec.Decoded{decoded(TypeOpen)}, free: []string{"id", "tlvs"}}
}

// AnyOpened matches an OPENED of any connection.
func AnyOpened() Matcher {
	return Matcher{want: "an OPENED", like: []spec.Decoded{decoded(TypeOpened)}, free: []string{"id", "tlvs"}}
}

// OpenedFor matches OPENED for id.
func OpenedFor(id uint32) Matcher {
	return Matcher{want: fmt.Sprintf("OPENED for ID %d", id), like: []spec.Decoded{about(TypeOpened, id)}, free: []string{"tlvs"}}
}

// FinFor matches FIN for id; Data that comes first is passed over, and gone.
func FinFor(id uint32) Matcher {
	return Matcher{want: fmt.Sprintf("FIN for ID %d", id), like: []spec.Decoded{about(TypeFin, id)}, over: []Type{TypeData}}
}

// ResetFor matches RESET for id, whatever its code; what comes first is passed over, and gone.
func ResetFor(id uint32) Matcher {
	return Matcher{want: fmt.Sprintf("RESET for ID %d", id), like: []spec.Decoded{about(TypeReset, id)}, free: []string{"code", "text"}, over: []Type{TypeData, TypeFin}}
}

// AnyReset matches a RESET of any connection.
func AnyReset() Matcher {
	return Matcher{want: "a RESET", like: []spec.Decoded{decoded(TypeReset)}, free: []string{"id", "code", "text"}}
}

// WindowFor matches a WINDOW for id with a limit of at least least.
func WindowFor(id uint32, least uint64) Matcher {
	d := about(TypeWindow, id)
	d.Limit = &least
	return Matcher{want: fmt.Sprintf("WINDOW for ID %d with a limit of at least %d", id, least), like: []spec.Decoded{d}}
}

// PongFor matches the PONG with those octets.
func PongFor(m wire.Mark) Matcher {
	d := decoded(TypePong)
	d.Mark = wire.Decode(wire.Pong(m)).Mark
	return Matcher{want: fmt.Sprintf("PONG with %x", m), like: []spec.Decoded{d}}
}

// AGoAway matches a GOAWAY with one of these codes; none: any.
func AGoAway(codes ...wire.Code) Matcher {
	m := Matcher{want: "a GOAWAY", free: []string{"text"}}
	for _, c := range codes {
		d := decoded(TypeGoAway)
		d.Code = new(uint16(c))
		m.like = append(m.like, d)
		m.want += fmt.Sprintf(" 0x%04X", uint16(c))
	}
	if len(codes) == 0 {
		m.like, m.free = []spec.Decoded{decoded(TypeGoAway)}, append(m.free, "code")
	}
	return m
}

// AnyAbout matches any frame about an ID, Core's and extended ones.
func AnyAbout(id uint32) Matcher {
	m := AnythingFor(id)
	m.like = append(m.like, about(TypeOpened, id), about(TypeFin, id), about(TypeReset, id), about(TypeWindow, id), about(TypeOpen, id))
	m.free = append(m.free, "tlvs", "code", "text", "limit")
	return m
}

// Profile is what a subject has to speak for the case: that of its requirement, ext where Core's is shown on an extended tunnel, auth where the subject asks for a key, bind where it publishes; a requirement of TLS is shown on every kind of tunnel.
func (c Case) Profile() string {
	switch {
	case c.With&WithPublish != 0:
		return "bind"
	case c.Req.Profile == "tls":
		return "tls"
	case c.With&WithKey != 0 && !c.asking:
		return "auth"
	case c.OnExtended:
		return "ext"
	}
	return c.Req.Profile
}

// Extended reports whether the case is about the Extended profile, or an option of it.
func (c Case) Extended() bool {
	return c.OnExtended || slices.Contains([]string{"ext", "auth", "bind"}, c.Profile())
}

// Addr is an address and port from a TLV of an OPEN; the zero AddrPort for none.
func Addr(f Frame, t wire.Tag) netip.AddrPort {
	a, _ := f.TagAddr(t)
	return a
}
