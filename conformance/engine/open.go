package engine

import (
	"errors"
	"fmt"
	"net"
	"syscall"

	"github.com/adit-tunnel/adit/spec"
)

// Dial opens a tunnel to a server subject. Nothing is sent on it.
func (t *T) Dial() *Tunnel {
	defer t.inSetup()()
	conn := t.dial()
	return t.adopt(conn, t.mustShake(conn), "dialled")
}

// dial is a transport connection to a server subject.
func (t *T) dial() *net.TCPConn {
	conn, err := t.connect(t.At.Tunnel)
	if err != nil {
		t.failed(t.expect("a client can connect to the tunnel address "+t.At.Tunnel, Ending, 0, nil), "a TCP connection", err.Error())
	}
	return conn
}

// inSetup marks the rest of the calling helper as preparation.
func (t *T) inSetup() func() {
	t.setup++
	return func() { t.setup-- }
}

// connect dials addr, as long as an answer may take.
func (t *T) connect(addr string) (*net.TCPConn, error) {
	d := net.Dialer{Timeout: LocalEffect + t.slack}
	if t.narrow && addr == t.At.Visitor {
		d.Control = narrowControl
	}
	conn, err := d.DialContext(t.ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return conn.(*net.TCPConn), nil
}

// Accept waits for the next tunnel of a client subject: the first one soon
// after the start, later ones within redial-delay.
func (t *T) Accept(opts ...Option) *Tunnel {
	if !t.dialled {
		defer t.inSetup()()
	}
	conn := t.accept(opts...)
	return t.adopt(conn, t.mustShake(conn), "accepted")
}

// accept is the next transport connection of a client subject.
func (t *T) accept(opts ...Option) *net.TCPConn {
	within, first := NextTunnel, !t.dialled
	if first && t.running != nil && t.running.Exited() != nil {
		within = firstDial
	}
	if first {
		defer t.inSetup()()
	} else {
		opts = append([]Option{For("LOSS-003")}, opts...)
	}
	x := t.expect("the client connects to the server at "+t.At.Tunnel, Message, within, opts).on("client", spec.Step{Expect: "dials again"})
	var err error
	conn, waited := t.run.contact.accepted.Swap(nil), x.within
	accept := func() error {
		conn, err = acceptWithin(t.ctx, t.tunnels, x.within)
		return err
	}
	switch {
	case conn != nil:
	case first:
		waited, _ = t.run.mon.patiently(t.begun, x.within, accept)
	default:
		_ = accept()
	}
	if err != nil {
		got := err.Error()
		if late(err) {
			got = "none within " + brief(waited)
			if first && t.run.mon.busy(t.begun) {
				t.Inconclusive("no client connected within %s%s", brief(waited), tooBusy)
			}
		}
		t.failed(x, "a TCP connection from the client", got)
	}
	t.met(x, t.Now())
	t.dialled = true
	return conn
}

// Tunnel is the case's tunnel, whichever side dials; the first call opens it.
func (t *T) Tunnel() *Tunnel {
	switch {
	case len(t.opened) > 0:
		return t.opened[len(t.opened)-1]
	case t.Case.Role == Client:
		return t.Accept()
	}
	return t.Dial()
}

// Visitor connects a visitor to the mapped port of a server subject.
func (t *T) Visitor() *Socket {
	defer t.inSetup()()
	who := t.nextLocal("visitor")
	t.rec.note(who, "connects to %s", t.At.Visitor) // a ConnectRequest may come before connect returns
	conn, err := t.connect(t.At.Visitor)
	switch {
	case errors.Is(err, syscall.ECONNRESET): // accepted, and reset before connect returned
		return t.goneSocket(who)
	case err != nil:
		t.failed(t.expect("a visitor can connect to the mapped port "+t.At.Visitor, Ending, 0, nil), "a TCP connection", err.Error())
	}
	return t.newSocket(who, conn, "connected")
}

// nextLocal names the next local socket.
func (t *T) nextLocal(kind string) string {
	t.locals++
	return fmt.Sprintf("%s %d", kind, t.locals)
}

// Requested is a connection that was requested and not yet answered: of a
// server subject the visitor is there and its ConnectRequest has come; of a
// client subject the suite has sent the ConnectRequest and the dial hangs.
func (t *T) Requested(opts ...Option) *Conn { return t.Tunnel().Requested(opts...) }

// Requested is T.Requested for this tunnel.
func (n *Tunnel) Requested(opts ...Option) *Conn {
	t := n.t
	defer t.inSetup()()
	if t.Case.Role == Client {
		if t.service == nil {
			t.Tarpit()
		}
		c := &Conn{Tun: n, Request: n.request(t.service)}
		c.ID = c.Request.ID()
		n.Send(c.Request)
		return c
	}
	// A visitor that comes before the server has taken notice of a fresh
	// tunnel is ended at once, as OPEN-026 wants; it comes again.
	want, req := AnyRequest(), "OPEN-001"
	if n.Up() {
		want, req = AnyOpen(), "XOPEN-001"
	}
	x := t.expect("the server sends "+want.want+" for a visitor of "+t.At.Visitor, Message, LocalEffect, t.first(req, opts)).on(n.who, want.step(Server))
	deadline := t.Now() + x.within
	for pause := retry; ; pause *= 2 {
		v := t.Visitor()
		came := false
		t.wait(deadline-t.Now(), func() bool {
			for _, a := range n.inbox {
				came = came || want.match(a.f) == 1
			}
			return came || v.end != EndNone || n.end != EndNone
		})
		switch {
		case came:
			f := n.Expect(x.sentence, want)
			t.begunConns++
			t.rec.note(v.who, "has ID %d on %s", f.ID(), n.who)
			return &Conn{Tun: n, ID: f.ID(), Local: v, Request: f}
		case n.Ended() != EndNone:
			t.failed(x, want.want, n.state(true, x))
		case (v.Ended() == EndNone || t.Now() > deadline) && t.run.contact.taken != "":
			t.Inconclusive("%s", t.run.contact.taken)
		case v.Ended() == EndNone, t.Now() > deadline:
			t.failed(x, want.want, fmt.Sprintf("none within %s; the visitor's socket is %v", brief(x.within), v.Ended()))
		}
		t.rec.mu.Lock()
		t.rec.outline.forget(v.said)
		t.rec.mu.Unlock()
		t.locals-- // it is the same visitor
		v.shut(Finished)
		t.rec.note(v.who, "comes again: the server had not taken notice of %s yet (OPEN-026)", n.who)
		t.wait(pause, func() bool { return n.end != EndNone })
	}
}

// first charges the first opening of a case to the requirement that it rests on: nothing was done
// to the subject so far, so what is missing is not the case's matter. Later ones, and what opts names, are.
func (t *T) first(req string, opts []Option) []Option {
	if t.begunConns > 0 {
		return opts
	}
	return append([]Option{For(req)}, opts...)
}

// Working is an open connection that has carried octets both ways: what a case builds
// on. What of that goes wrong is not the case's matter.
func (t *T) Working() *Conn {
	defer t.inSetup()()
	c := t.Open()
	c.works("a connection carries octets", []Option{For("DATA-001")}, []Option{For("DATA-007")})
	return c
}

// Open is an open connection, for either role, with both of its ends in hand.
func (t *T) Open() *Conn {
	defer t.inSetup()()
	if t.Case.Role != Client {
		c := t.Requested()
		c.accept()
		return c
	}
	n := t.Tunnel()
	svc := t.Service()
	c := &Conn{Tun: n, Request: n.request(svc)}
	c.ID = c.Request.ID()
	n.Send(c.Request)
	success, req := SuccessFor(c.ID), "OPEN-004"
	if c.Extended() {
		success, req = OpenedFor(c.ID), "XOPEN-003"
	}
	c.Local = svc.Accept("the client dials the service that it is asked for", t.first("OPEN-003", nil)...)
	n.Expect("the client answers with success once the service accepted", success, t.first(req, []Option{Within(LocalEffect)})...)
	t.begunConns++
	return c
}
