package dialogue

import (
	"strings"

	"github.com/adit-tunnel/adit/conformance/engine"
	"github.com/adit-tunnel/adit/spec"
)

// How the service takes a dial.
const (
	accepts = "service accepts"
	refuses = "service refuses"
	hangs   = "service does not answer"
)

// events are what the world does besides what it does at a local socket.
var events = map[string]func(*Player, spec.Step){
	"visitor connects":          (*Player).visit,
	accepts:                     (*Player).accept,
	refuses:                     func(*Player, spec.Step) {}, // arranged with the request
	hangs:                       func(*Player, spec.Step) {},
	"local sockets take little": func(p *Player, _ spec.Step) { p.t.Narrow() },
	"time passes":               (*Player).wait,
	"tunnel begins":             (*Player).begin,
	"tunnel ends":               func(p *Player, s spec.Step) { p.tunnel(s).Abort() },
	"tunnel ends its stream":    func(p *Player, s spec.Step) { p.tunnel(s).Finish() },
	"tunnel is not read":        func(p *Player, s spec.Step) { p.tunnel(s).Hold() },
	"tunnel is read again":      func(p *Player, s spec.Step) { p.tunnel(s).Release() },
	"visitor makes room":        (*Player).makeRoom,
	"service makes room":        (*Player).makeRoom,
	"subject drains":            func(p *Player, _ spec.Step) { p.t.Drain() },
	"peer falls silent":         func(p *Player, s spec.Step) { p.tunnel(s).Mute() },
}

// deeds are what the local peer, a visitor or the service, does at its socket.
var deeds = map[string]func(*engine.Socket, spec.Step){
	"sends":                  func(k *engine.Socket, s spec.Step) { k.Write(s.Octets.Bytes()) },
	"ends its stream":        func(k *engine.Socket, _ spec.Step) { k.Finish() },
	"resets":                 func(k *engine.Socket, _ spec.Step) { k.Abort() },
	"closes":                 func(k *engine.Socket, _ spec.Step) { k.Close() },
	"stops reading":          func(k *engine.Socket, _ spec.Step) { k.Hold() },
	"reads again":            func(k *engine.Socket, _ spec.Step) { k.Release() },
	"discards what it reads": func(k *engine.Socket, _ spec.Step) { k.Sink() },
}

// views are what the world sees of the subject besides what a local socket sees.
var views = map[string]func(*Player, spec.Step){
	"service is dialled":      (*Player).dialledAt,
	"tunnel is closed":        func(p *Player, s spec.Step) { p.tunnel(s).ExpectClosed(p.sentence(s), p.options(s)...) },
	"tunnel takes everything": func(p *Player, s spec.Step) { p.tunnel(s).ExpectSent(p.sentence(s), p.options(s)...) },
	"client dials again":      func(p *Player, s spec.Step) { p.dialled = p.t.Accept(p.options(s)...) },
}

// sights are what a local socket sees of the subject.
var sights = map[string]func(k *engine.Socket, s spec.Step, sentence string, opts []engine.Option){
	"reads": func(k *engine.Socket, s spec.Step, sentence string, opts []engine.Option) {
		k.ExpectOctets(sentence, s.Octets.Bytes(), opts...)
	},
	"reads end of stream": func(k *engine.Socket, _ spec.Step, sentence string, opts []engine.Option) {
		k.ExpectEOF(sentence, opts...)
	},
	"is ended": func(k *engine.Socket, _ spec.Step, sentence string, opts []engine.Option) {
		k.ExpectEnd(sentence, opts...)
	},
	"is reset": func(k *engine.Socket, _ spec.Step, sentence string, opts []engine.Option) {
		k.ExpectReset(sentence, opts...)
	},
	"octets are taken": func(k *engine.Socket, _ spec.Step, sentence string, opts []engine.Option) {
		k.ExpectSent(sentence, opts...)
	},
}

// local takes what is done or seen at a local socket apart: "visitor's octets are taken".
func local(text string) (who, what string) {
	who, what, _ = strings.Cut(text, " ")
	return strings.TrimSuffix(who, "'s"), what
}

// event lets the world do something.
func (p *Player) event(s spec.Step) {
	if do := events[s.Event]; do != nil {
		do(p, s)
		return
	}
	_, deed := local(s.Event)
	if k := p.sockets[s.Conn]; k != nil { // nil: an optional step before could not open it
		deeds[deed](k, s)
	}
}

// makeRoom lets the local peer read no more than the subject needs to take every frame so far.
func (p *Player) makeRoom(s spec.Step) {
	if k := p.sockets[s.Conn]; k != nil {
		p.tunnel(s).MakeRoom(k)
	}
}

// see waits for what the world must see.
func (p *Player) see(s spec.Step) {
	if see := views[s.Expect]; see != nil {
		see(p, s)
		return
	}
	_, sight := local(s.Expect)
	if k := p.sockets[s.Conn]; k != nil {
		sights[sight](k, s, p.sentence(s), p.options(s))
	}
}

// visit connects a visitor. Where its ConnectRequest or OPEN is what comes next, a
// visitor that a server ends because it has not noticed the tunnel yet (OPEN-026) comes again.
func (p *Player) visit(s spec.Step) {
	for i := p.at + 1; i < len(p.steps); i++ {
		next := p.steps[i]
		if !concerns(next, p.subject()) {
			continue
		}
		if next.From != string(engine.Server) || next.Frame == nil || next.Frame.Type != engine.TypeConnectRequest.String() && next.Frame.Type != engine.TypeOpen.String() {
			break
		}
		p.at = i
		c := p.tunnel(next).Requested(p.options(next)...)
		p.sockets[s.Conn] = c.Local
		p.requested(next, c.Request)
		return
	}
	p.sockets[s.Conn] = p.t.Visitor()
}

// wait lets time pass, while the tunnel is there.
func (p *Player) wait(s spec.Step) {
	lasts, _ := within(s)
	n := p.tunnel(s)
	p.t.Meanwhile(lasts, func() bool { return n.Ended() != engine.EndNone })
}

// begin takes up the next tunnel.
func (p *Player) begin(spec.Step) {
	n := p.dialled
	p.dialled = nil
	switch {
	case n != nil:
	case p.subject() == engine.Client:
		n = p.t.Accept()
	default:
		n = p.t.Dial()
	}
	p.tunnels = append(p.tunnels, n)
}

// outcome is the socket that a request leads to, and how the service takes
// the dial, by the steps that follow.
func (p *Player) outcome(request spec.Step) (conn, how string) {
	conn = request.Conn
	for _, s := range p.steps[p.at+1:] {
		if who, _ := local(s.Event + s.Expect); conn == "" && who == "service" {
			conn = s.Conn
		}
		switch s.Event {
		case accepts, refuses, hangs:
			if s.Conn == conn {
				return conn, s.Event
			}
		}
	}
	return "", ""
}

// serve is a service that takes dials like that, behind a socket's name; one
// that nobody is to dial, as far as the steps say, accepts.
func (p *Player) serve(conn, how string) *engine.Service {
	svc := p.standing[how == refuses]
	switch {
	case how == hangs:
		svc = p.t.Tarpit()
	case svc == nil && how == refuses:
		svc = p.t.Refusing()
		p.standing[true] = svc
	case svc == nil:
		svc = p.t.Accepting()
		p.standing[false] = svc
	}
	if how != "" {
		p.services[conn] = svc
		delete(p.sockets, conn)
	}
	return svc
}

// dialledAt waits for the subject's dial, which can be seen where it is accepted.
func (p *Player) dialledAt(s spec.Step) {
	if svc := p.services[s.Conn]; svc != nil && svc.Accepts() {
		p.sockets[s.Conn] = svc.Accept(p.sentence(s), p.options(s)...)
	}
}

// accept makes sure that the dial was accepted; a service that did not answer so far does from now on.
func (p *Player) accept(s spec.Step) {
	svc := p.services[s.Conn]
	if svc == nil || p.sockets[s.Conn] != nil {
		return
	}
	if !svc.Accepts() {
		svc.Drain()
	}
	p.sockets[s.Conn] = svc.Accept(p.sentence(s), p.options(s)...)
}
