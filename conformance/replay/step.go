package replay

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/adit-tunnel/adit/conformance/engine"
)

// A Player does the steps of a script in one attempt at it.
type Player struct {
	t       *engine.T
	tunnels map[string]*engine.Tunnel
	sockets map[string]*engine.Socket
	ids     map[string]uint32
	closed  map[uint32]bool // a step next took its Close
	taken   string          // the frame that the last step took
	seen    bool            // the sight of the symptom stayed
}

// NewPlayer makes the player of one attempt.
func NewPlayer(t *engine.T) *Player {
	return &Player{t: t, tunnels: map[string]*engine.Tunnel{}, sockets: map[string]*engine.Socket{}, ids: map[string]uint32{}, closed: map[uint32]bool{}}
}

// stream is what a tunnel and a socket have in common.
type stream interface {
	Finish()
	Abort()
	Close()
	Hold()
	Release()
	Ended() engine.End
	Unsent() int
	ExpectSent(sentence string, opts ...engine.Option)
}

func (p *Player) stream(name string) stream {
	if n := p.tunnels[name]; n != nil {
		return n
	}
	if s := p.sockets[name]; s != nil {
		return s
	}
	return nil
}

// id is the value of an ID, by name or number. One whose request never came
// has a number that nobody uses.
func (p *Player) id(name string) (uint32, bool) {
	if v, ok := p.ids[name]; ok {
		return v, true
	}
	if v, err := strconv.ParseUint(name, 10, 32); err == nil {
		return uint32(v), true
	}
	h := uint32(0)
	for _, c := range []byte(name) {
		h = h*31 + uint32(c)
	}
	return 0xC0000000 | h&0xFFFFFF, true
}

// name is the name of an ID, if it has one.
func (p *Player) name(id uint32) string {
	for name, v := range p.ids {
		if v == id {
			return name
		}
	}
	return ""
}

// Do does one step; a step that may fail charges nothing.
func (p *Player) Do(s engine.Step) {
	if s.May {
		p.t.Try(func() { p.step(s) })
		return
	}
	p.step(s)
}

// step does one step. What is on a tunnel or socket that a step before could
// not open does nothing: a step that may fail was meant.
func (p *Player) step(s engine.Step) {
	if on := verbs[s.Do].on; on != "" && !strings.HasPrefix(on, "new ") && p.stream(s.On) == nil {
		return
	}
	t, n, k, opts := p.t, p.tunnels[s.On], p.sockets[s.On], options(p.t, s)
	id, _ := p.id(s.ID)
	p.taken = ""
	switch s.Do {
	case "tunnel":
		if t.Case.Role == engine.Client {
			p.tunnels[s.On] = t.Accept(opts...)
		} else {
			p.tunnels[s.On] = t.Dial()
		}
	case "mute":
		n.Mute()
	case "send":
		n.SendPieces(p.octets(s), s.Piece, time.Duration(s.Pause))
	case "expect":
		p.took(n.Expect(s.Says, engine.MatcherFor(s.Frame, id), opts...))
	case "next":
		f := n.ExpectNext(s.Says, engine.MatcherFor(s.Frame, id), p.again, opts...)
		p.closed[f.ID()] = p.closed[f.ID()] || f.Type == engine.TypeClose
		p.took(f)
	case "none":
		n.ExpectNone(s.Says, engine.MatcherFor(s.Frame, id), opts...)
	case "data":
		(&engine.Conn{Tun: n, ID: id}).ExpectData(s.Says, p.octets(s), opts...)
	case "barrier":
		n.ExpectOpen(s.Says, opts...)
	case "closed":
		n.ExpectClosed(s.Says, opts...)
	case "request":
		c := n.Requested(opts...)
		p.sockets[s.Socket] = c.Local
		if s.ID != "" {
			p.ids[s.ID] = c.ID
		}
		p.took(c.Request)
	case "visitor":
		p.sockets[s.On] = t.Visitor()
	case "service":
		p.service(s.How)
	case "accept":
		p.sockets[s.On] = t.Service().Accept(s.Says, opts...)
	case "narrow":
		t.Narrow()
	case "pause":
		t.Meanwhile(time.Duration(s.Pause), func() bool { return false })
	case "until":
		t.Meanwhile(time.Duration(s.Within), func() bool { return p.sees(s) })
	case "see":
		p.seen = !t.Meanwhile(time.Duration(s.Within), func() bool { return !p.sees(s) })
	case "alive":
		p.alive(s, opts)
	default:
		p.stir(s, k, opts)
	}
}

// stir does the steps about a local socket, and those that a tunnel has as well.
func (p *Player) stir(s engine.Step, k *engine.Socket, opts []engine.Option) {
	switch s.Do {
	case "write":
		k.Write(p.octets(s))
	case "octets":
		k.ExpectOctets(s.Says, p.octets(s), opts...)
	case "received":
		k.ExpectReceived(s.Says, s.Count, opts...)
	case "end":
		switch s.How {
		case "fin":
			k.ExpectEOF(s.Says, opts...)
		case "reset":
			k.ExpectReset(s.Says, opts...)
		default:
			k.ExpectEnd(s.Says, opts...)
		}
	case "sink":
		k.Sink()
	case "finish":
		p.stream(s.On).Finish()
	case "abort":
		p.stream(s.On).Abort()
	case "close":
		p.stream(s.On).Close()
	case "hold":
		p.stream(s.On).Hold()
	case "release":
		p.stream(s.On).Release()
	case "taken":
		p.stream(s.On).ExpectSent(s.Says, opts...)
	default:
		panic("replay: internal error: nobody does the step " + s.Do)
	}
}

// options are the times of a step.
func options(t *engine.T, s engine.Step) []engine.Option {
	switch {
	case s.Early > 0:
		return []engine.Option{engine.Between(t.Now(), time.Duration(s.Early), time.Duration(s.Within))}
	case s.Within > 0:
		return []engine.Option{engine.Within(time.Duration(s.Within))}
	}
	return nil
}

func (p *Player) octets(s engine.Step) []byte {
	var port uint16
	if p.t.Case.Role == engine.Client && strings.Contains(string(s.Octets), "{port}") {
		port = p.t.TargetPort()
	}
	b, err := s.Octets.Bytes(p.id, port)
	if err != nil { // Check has seen it
		panic("replay: internal error: " + err.Error())
	}
	return b
}

// again passes over what may come between the answers that are owed: a further
// Close for an ID that had one (DATA-004), and KeepAlives of a client's own.
func (p *Player) again(f engine.Frame) bool {
	return f.Type == engine.TypeClose && p.closed[f.ID()] || f.Type == engine.TypeKeepAlive && p.t.Case.Role == engine.Client
}

func (p *Player) took(f engine.Frame) { p.taken = engine.Line(f, p.name(f.ID())) }

func (p *Player) service(how string) {
	switch how {
	case "accepts":
		p.t.Service()
	case "refuses":
		p.t.Refusing()
	case "hangs":
		p.t.Tarpit()
	case "drains":
		p.t.Service().Drain()
	}
}

// sees reports whether everything looks as it did.
func (p *Player) sees(s engine.Step) bool {
	for _, see := range s.Sees {
		if p.look(see) != see.Is {
			return false
		}
	}
	return true
}

func (p *Player) look(see engine.Sight) string {
	n, k := p.tunnels[see.Who], p.sockets[see.Who]
	switch see.What {
	case "taken":
		return p.taken
	case "frame":
		if n != nil {
			id, _ := p.id(see.ID)
			_, ok := n.Peek(engine.MatcherFor(see.Frame, id))
			return strconv.FormatBool(ok)
		}
	case "keepalives":
		if n != nil {
			heard, asked := n.KeepAlives()
			return fmt.Sprintf("%d came, %d sent", heard, asked)
		}
	case "received":
		if k != nil {
			return fmt.Sprint(k.Received())
		}
	case "end", "unsent":
		switch on := p.stream(see.Who); {
		case on == nil:
		case see.What == "end":
			return fmt.Sprint(on.Ended())
		default:
			return fmt.Sprint(on.Unsent())
		}
	}
	return "not there"
}

// alive expects that the subject works on a fresh tunnel. A client's tunnel is
// reset first: a frame that was begun on it may keep it waiting for ever.
func (p *Player) alive(s engine.Step, opts []engine.Option) {
	if p.t.Case.Role == engine.Server {
		p.t.Dial().ExpectOpen(s.Says, opts...)
		return
	}
	if n := p.t.Tunnel(); !n.Left() {
		n.Abort()
	}
	p.t.Accept().ExpectOpen(s.Says, opts...)
}
