package engine

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"syscall"
	"time"
)

// Dial opens a tunnel to a server subject. Nothing is sent on it.
func (t *T) Dial() *Tunnel {
	defer t.inSetup()()
	t.did(Step{Do: "tunnel", On: t.nextTunnel()})
	conn, err := t.connect(t.At.Tunnel)
	if err != nil {
		t.failed(t.expect("a client can connect to the tunnel address "+t.At.Tunnel, Ending, 0, nil), "a TCP connection", err.Error())
	}
	return t.adopt(conn, "dialled")
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

// firstDial is how long a client that the suite has just started may take to connect.
const firstDial = 15 * time.Second

// Accept waits for the next tunnel of a client subject: the first one soon
// after the start, later ones within redial-delay.
func (t *T) Accept(opts ...Option) *Tunnel {
	within, first := RedialDelay+Answer, len(t.opened) == 0
	if first && t.running != nil && t.running.Exited() != nil {
		within = firstDial
	}
	if first {
		defer t.inSetup()()
	}
	x := t.expect("the client connects to the server at "+t.At.Tunnel, Message, within, opts)
	t.awaits(x, Step{Do: "tunnel", On: t.nextTunnel()})
	var err error
	conn := t.run.early.Swap(nil)
	if conn == nil {
		conn, err = acceptWithin(t.ctx, t.tunnels, x.within)
	}
	if err != nil {
		got := err.Error()
		if ne, ok := errors.AsType[net.Error](err); ok && ne.Timeout() {
			got = "none within " + brief(x.within)
		}
		t.failed(x, "a TCP connection from the client", got)
	}
	n := t.adopt(conn, "accepted")
	t.inTime(x, t.Now())
	return n
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
	t.did(Step{Do: "visitor", On: who})
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
func (t *T) Requested() *Conn { return t.Tunnel().Requested() }

// Requested is T.Requested for this tunnel.
func (n *Tunnel) Requested(opts ...Option) *Conn {
	t := n.t
	defer t.inSetup()()
	if t.Case.Role == Client {
		if t.service == nil {
			t.Tarpit()
		}
		c := &Conn{Tun: n, ID: n.NextID()}
		c.Request = RequestTo(c.ID, t.service.Host, t.service.Port)
		n.Send(c.Request)
		return c
	}
	// A visitor that comes before the server has taken notice of a fresh
	// tunnel is ended at once, as OPEN-026 wants; it comes again.
	x := t.expect("the server sends a ConnectRequest for a visitor of "+t.At.Visitor, Message, LocalEffect, opts)
	defer t.asOne(x, Step{Do: "request", On: n.who, Socket: fmt.Sprintf("visitor %d", t.locals+1)})()
	deadline := t.Now() + x.within
	for pause := 5 * time.Millisecond; ; pause *= 2 {
		v := t.Visitor()
		came := false
		t.wait(deadline-t.Now(), func() bool {
			for _, a := range n.inbox {
				hit, _ := AnyRequest().match(a.f)
				came = came || hit == 1
			}
			return came || v.end != EndNone || n.end != EndNone
		})
		switch {
		case came:
			f := n.Expect(x.sentence, AnyRequest())
			n.named(f, v.who)
			t.rec.note(v.who, "has ID %d on %s", f.ID(), n.who)
			return &Conn{Tun: n, ID: f.ID(), Local: v, Request: f}
		case n.Ended() != EndNone:
			t.failed(x, "a ConnectRequest", n.state(true, x))
		case (v.Ended() == EndNone || t.Now() > deadline) && t.run.taken != "":
			t.Inconclusive("%s", t.run.taken)
		case v.Ended() == EndNone, t.Now() > deadline:
			t.failed(x, "a ConnectRequest", fmt.Sprintf("none within %s; the visitor's socket is %v", brief(x.within), v.Ended()))
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

// Open is an open connection, for either role, with both of its ends in hand.
func (t *T) Open() *Conn {
	defer t.inSetup()()
	if t.Case.Role != Client {
		c := t.Requested()
		c.Respond(Success)
		return c
	}
	n := t.Tunnel()
	svc := t.Service()
	c := &Conn{Tun: n, ID: n.NextID()}
	c.Request = RequestTo(c.ID, svc.Host, svc.Port)
	n.Send(c.Request)
	c.Local = svc.Accept("the client dials the service that the ConnectRequest names")
	n.Expect("the client answers with success once the service accepted", SuccessFor(c.ID), Within(LocalEffect))
	return c
}

// proveLife makes sure that a case which saw no frame and no octet from the
// subject did not pass because the subject does nothing, or ends everything:
// a fresh tunnel has to pass a barrier. No valid twin, no credit.
func (t *T) proveLife() {
	if t.Case.Role == API {
		return
	}
	t.rec.mu.Lock()
	alive := slices.ContainsFunc(t.rec.events, func(e Event) bool { return e.Kind == Received || e.Kind == Octets })
	t.rec.mu.Unlock()
	if alive {
		return
	}
	defer t.inSetup()()
	t.rec.note("suite", "no frame came from the subject so far: a fresh tunnel has to work")
	n := t.Tunnel()
	if n.closed || n.Ended() != EndNone {
		if t.Case.Role == Client {
			n = t.Accept()
		} else {
			n = t.Dial()
		}
	}
	n.ExpectOpen("a fresh tunnel works: the subject does not just end, or ignore, everything")
}
