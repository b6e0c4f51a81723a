package dialogue

import (
	"encoding/binary"
	"slices"

	"github.com/adit-tunnel/adit/conformance/engine"
	"github.com/adit-tunnel/adit/conformance/wire"
	"github.com/adit-tunnel/adit/spec"
)

// loopback is where a dialogue has the service of a client.
const loopback = "127.0.0.1"

// send sends the octets of a step, with the IDs and the service of this run.
func (p *Player) send(s spec.Step) {
	var b []byte
	frames, rest := wire.Split(s.Octets.Bytes())
	for i, f := range frames {
		frames[i] = p.ours(s, f)
		p.afford(s, frames[i])
		b = append(b, frames[i].Bytes()...)
	}
	if s.Times > 1 && s.Piece > len(b) && len(frames) == 1 && len(rest) == 0 {
		p.tunnel(s).Flood(frames[0], s.Times)
		return
	}
	b = append(b, p.translate(rest)...)
	for range max(s.Times, 1) {
		p.tunnel(s).SendPieces(b, s.Piece, duration(s.Pause))
	}
}

// afford waits until there is credit for Data on an extended connection: the window of a subject may be any.
func (p *Player) afford(s spec.Step, f wire.Frame) {
	n, l := p.tunnel(s), p.life(f.ID())
	if f.Type != wire.TypeData || !f.Sized() || !l.extended || !n.Up() {
		return
	}
	c := &engine.Conn{Tun: n, ID: f.ID(), Spent: l.spent}
	size := uint64(len(f.Octets()))
	if p.subject() == engine.Client && !l.opened && n.Window() < l.spent+size {
		p.t.NotApplicable("the subject's window of %d octets is smaller than what the dialogue sends early", n.Window())
	}
	p.t.Meanwhile(engine.Answer, func() bool { return c.Limit() >= l.spent+size || n.Ended() != engine.EndNone })
	l.spent += size
}

// ours is a frame of the dialogue's peer as it is sent in this run.
func (p *Player) ours(s spec.Step, f wire.Frame) wire.Frame {
	f.Payload = p.translate(f.Bytes())[wire.HeaderLen:]
	l := p.life(f.ID())
	switch f.Type {
	case wire.TypeConnectRequest, wire.TypeOpen:
		*l = life{requested: true, extended: f.Type == wire.TypeOpen}
		if p.subject() == engine.Client && f.Sized() {
			return p.request(s, f)
		}
	case wire.TypeConnectResponse:
		if f.Status() != wire.Success {
			*l = life{}
		}
	case wire.TypeData:
		l.stray = l.stray || !l.requested || l.ours && l.theirs
	case wire.TypeClose:
		l.ours = true
	}
	return f
}

// life is that of an ID as the subject chose it.
func (p *Player) life(id uint32) *life {
	if p.lives[id] == nil {
		p.lives[id] = new(life)
	}
	return p.lives[id]
}

// ID is an ID of the dialogue as the subject chose it.
func (p *Player) ID(id uint32) uint32 {
	if chosen, ok := p.ids[id]; ok {
		return chosen
	}
	return id
}

// translate writes the ID that the subject chose into a frame, or as much of one as there is.
func (p *Player) translate(b []byte) []byte {
	if len(b) < wire.HeaderLen+4 || !wire.Type(b[1]).HasID() {
		return b
	}
	b = slices.Clone(b)
	at := b[wire.HeaderLen:]
	binary.BigEndian.PutUint32(at, p.ID(binary.BigEndian.Uint32(at)))
	return b
}

// request is a ConnectRequest, or an OPEN, for the service that the dialogue goes on with.
func (p *Player) request(s spec.Step, f wire.Frame) wire.Frame {
	svc := p.serve(p.outcome(s))
	if f.Type == wire.TypeOpen {
		return f.With(leadTo(svc))
	}
	host, addressed := f.Host()
	switch {
	case f.Port() == 0:
		return f
	case !addressed:
		return wire.Request(f.ID(), svc.Port)
	case host == loopback:
		host = svc.Host
	}
	return wire.RequestTo(f.ID(), host, svc.Port)
}

// leadTo changes a TLV of an OPEN so that it leads to a service: a port but 0, and the host that dialogues have it at.
func leadTo(svc *engine.Service) func(wire.TLV) wire.TLV {
	return func(v wire.TLV) wire.TLV {
		switch {
		case v.Tag == wire.TagPort && len(v.Value) == 2 && binary.BigEndian.Uint16(v.Value) != 0:
			return wire.U16(v.Tag, svc.Port)
		case v.Tag == wire.TagHost && string(v.Value) == loopback:
			return wire.Text(v.Tag, svc.Host)
		}
		return v
	}
}

// expect waits for a frame of the subject.
func (p *Player) expect(s spec.Step) {
	if s.Frame.Type == wire.TypeData.String() && !slices.Contains(s.Free, "octets") {
		p.data(s)
		return
	}
	n := p.tunnel(s)
	f := n.Expect(p.sentence(s), engine.Of(p.chosen(s), p.passes), p.options(s)...)
	switch f.Type {
	case wire.TypeConnectRequest, wire.TypeOpen:
		p.requested(s, f)
	case wire.TypeOpened:
		p.life(f.ID()).opened = true
	case wire.TypeClose:
		p.life(f.ID()).theirs = true
	}
	for _, d := range s.Without {
		other := spec.Step{Frame: &d, Free: []string{"status", "octets"}, Others: true}
		if d.ID == nil {
			other.Free = append(other.Free, "id")
		}
		if bad, found := n.Peek(engine.Of(p.chosen(other), nil)); found {
			p.t.Fail(p.charged(s), "%s came before the frame of %s", bad, p.sentence(s))
		}
	}
}

// requested notes a ConnectRequest or an OPEN that came, and the ID that the subject chose.
func (p *Player) requested(s spec.Step, f wire.Frame) {
	p.ids[*s.Frame.ID] = f.ID()
	*p.life(f.ID()) = life{requested: true, extended: f.Type == wire.TypeOpen}
}

// data waits for the octets of a step, and of those that follow and wait for more of the same connection.
func (p *Player) data(s spec.Step) {
	c := engine.Conn{Tun: p.tunnel(s), ID: p.ID(*s.Frame.ID)}
	want := slices.Clone(s.Frame.Octets.Bytes())
	for i := p.at + 1; i < len(p.steps); i++ {
		next := p.steps[i]
		if next.From != s.From || next.Frame == nil || next.Frame.Type != s.Frame.Type || *next.Frame.ID != *s.Frame.ID || next.Tunnel != s.Tunnel || len(next.Free) > 0 {
			break
		}
		want = append(want, next.Frame.Octets.Bytes()...)
		p.at = i
	}
	c.ExpectData(p.sentence(s), want, p.options(s)...)
}

// chosen is a step with the IDs that the subject chose.
func (p *Player) chosen(s spec.Step) spec.Step {
	s.Frame, s.Or = new(p.withID(*s.Frame)), slices.Clone(s.Or)
	for i, d := range s.Or {
		s.Or[i] = p.withID(d)
	}
	return s
}

func (p *Player) withID(d spec.Decoded) spec.Decoded {
	if d.ID != nil {
		d.ID = new(p.ID(*d.ID))
	}
	return d
}

// passes reports whether the text allows a frame of the subject at any time, whatever the steps expect.
func (p *Player) passes(f wire.Frame) bool {
	switch f.Type {
	case wire.TypeKeepAlive:
		return p.subject() == engine.Client // ALIVE-001
	case wire.TypeData:
		return len(f.Octets()) == 0 // DATA-003
	case wire.TypeClose:
		l := p.life(f.ID())
		return l.stray && l.theirs // DATA-004
	}
	return f.Type.Extension() && !(p.t.Case.Extended() && f.Type.Base())
}
