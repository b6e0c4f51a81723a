package fuzz

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"

	"github.com/adit-tunnel/adit/conformance/dialogue"
	"github.com/adit-tunnel/adit/conformance/engine"
	"github.com/adit-tunnel/adit/conformance/wire"
	"github.com/adit-tunnel/adit/spec"
)

// A layout is what the subject does with several tunnels.
type layout struct {
	role     engine.Role
	many     bool // a server keeps more than one
	oldest   bool // and visitors go to the oldest
	unserved bool // visitors get nowhere
}

// A sequence is one thing that is tried: a dialogue of which no step need go
// well. The same seed and number make the same one.
type sequence struct {
	steps    []spec.Step
	tunnels  int  // how many it has
	sentinel int  // the tunnel beside; 0 for none
	wild     bool // something is wrong with it
}

// patience is how long a sequence waits for what may not come.
const patience = "300ms"

// A writer makes one sequence.
type writer struct {
	sequence
	rng      *rand.Rand
	number   uint64
	role     engine.Role
	tunnel   int  // the one that things happen on
	noLocals bool // there are no local sockets
	ext      bool // the peer has said HELLO
	conns    []conn
	batch    []frame
	given    int    // names
	dials    string // the socket to which the batch leads
}

// conn is a connection that the sequence has begun.
type conn struct {
	id    []byte
	local string // "" when there is none
}

// compose makes sequence number n of a campaign.
func compose(seed, n uint64, l layout) sequence {
	w := &writer{rng: rand.New(rand.NewPCG(seed, n)), number: n, role: l.role, noLocals: l.unserved, tunnel: 1}
	w.wild, w.tunnels = w.rng.IntN(4) > 0, 1
	if l.many {
		w.tunnels, w.tunnel, w.sentinel = 2, 2, 1
		if l.oldest {
			w.tunnel, w.sentinel = 1, 2
		}
	}
	for i := range w.tunnels {
		if i > 0 {
			w.may(spec.Step{Event: "tunnel begins"})
		}
		if i+1 == w.tunnel {
			w.hello()
		}
		for _, s := range barrier(l.role, i+1) { // from now on visitors come to it
			if s.Within != "" {
				s.Within = "1s"
			}
			w.may(s)
		}
	}
	if l.role == engine.Client {
		w.noLocals = w.rng.IntN(4) == 0
	}
	for range 2 + w.rng.IntN(12) {
		w.act()
	}
	w.flush()
	w.part()
	return w.sequence
}

// barrier are the steps by which a tunnel answers.
func barrier(role engine.Role, tunnel int) []spec.Step {
	steps := dialogue.Barrier(role)
	for i := range steps {
		steps[i].Tunnel, steps[i].Optional = tunnel, false
	}
	return steps
}

// hello says HELLO, in some sequences. A subject that knows the Extended profile is extended from then on, another one skips it.
func (w *writer) hello() {
	if w.ext = w.rng.IntN(2) == 0; !w.ext {
		return
	}
	f := wire.Hello(wire.U32(wire.TagWindow, pick(w.rng, []uint32{0, 1, 5, 1 << 16, 1 << 30})))
	if w.wild && w.rng.IntN(8) == 0 {
		f.Payload = append(f.Payload, octets(w.rng, pick(w.rng, borderSizes))...)
		f.Size = uint32(len(f.Payload))
	}
	s := dialogue.Sends(w.role, f)
	s.Tunnel = w.tunnel
	w.may(s)
}

// extended sends a frame of the Extended profile's base.
func (w *writer) extended() {
	rng := w.rng
	switch id := w.id(); rng.IntN(7) {
	case 0:
		w.send(of(engine.TypeFin, id, nil))
	case 1:
		w.send(of(engine.TypeReset, id, append(number(rng.Uint32N(0x40))[2:], octets(rng, rng.IntN(10))...)))
	case 2:
		w.send(of(engine.TypeWindow, id, append(number(pick(rng, borderIDs)), number(rng.Uint32())...)))
	case 3:
		w.send(of(engine.TypePing, id, number(rng.Uint32())))
	case 4:
		w.send(of(engine.TypePong, id, number(rng.Uint32())))
	case 5:
		w.send(of(engine.TypeOpened, id, nil))
	default:
		w.send(frame{version: engine.Version, typ: byte(engine.TypeGoAway), body: []byte{0, byte(wire.CodeDrain)}})
	}
}

// may adds a step that need not go well.
func (w *writer) may(s spec.Step) {
	s.Optional = true
	w.steps = append(w.steps, s)
}

func (w *writer) send(f frame) { w.batch = append(w.batch, f) }

// of is a frame about an ID.
func of(t wire.Type, id, body []byte) frame {
	return frame{version: wire.Version, typ: byte(t), id: id, body: body}
}

// act does one thing that a session may have in it.
func (w *writer) act() {
	rng := w.rng
	switch k := rng.IntN(16); {
	case w.ext && rng.IntN(3) == 0:
		w.extended()
	case k < 3 || len(w.conns) == 0 && k < 10:
		w.open()
	case k < 7:
		w.send(of(engine.TypeData, w.id(), octets(rng, pick(rng, borderSizes))))
	case k < 9:
		w.send(of(engine.TypeClose, w.id(), nil))
	case k < 10:
		w.send(frame{version: engine.Version, typ: byte(engine.TypeKeepAlive)})
	case k < 11:
		w.send(frame{version: engine.Version, typ: pick(rng, []byte{0x06, 0x0F, 0x40, 0x80, 0xFF}), body: octets(rng, pick(rng, borderSizes))})
	case k < 12 && w.wild:
		w.send(frame{whole: pick(rng, corpus(w.role))})
	case k < 12 && w.role == engine.Server:
		w.send(of(engine.TypeConnectResponse, w.id(), []byte{byte(rng.IntN(256))}))
	default:
		w.local()
	}
	if rng.IntN(3) == 0 {
		w.flush()
	}
}

// id is a connection's ID, or nobody's.
func (w *writer) id() []byte {
	if len(w.conns) == 0 || w.rng.IntN(8) == 0 {
		return number(pick(w.rng, borderIDs))
	}
	return pick(w.rng, w.conns).id
}

// open begins a connection, and mostly answers it.
func (w *writer) open() {
	w.flush()
	w.given++
	name := fmt.Sprintf("S%dC%d", w.number, w.given)
	switch {
	case w.noLocals && w.role == engine.Server:
		w.conns = append(w.conns, conn{id: number(w.rng.Uint32())})
		return
	case w.role == engine.Server:
		f := wire.Request(0xC0000000|uint32(w.number)<<8&0xFFFF00|uint32(w.given), 22)
		c := conn{f.Payload[:4], name}
		w.may(spec.Step{Event: "visitor connects", Conn: c.local})
		asks := spec.Step{
			From: "server", Octets: dialogue.Notate(f.Bytes()), Frame: new(wire.Decode(f)), Free: []string{"id", "form", "host"},
			Within: "900ms", Tunnel: w.tunnel, Others: true,
		}
		if w.ext {
			asks.Or = []spec.Decoded{wire.Decode(wire.Open(f.ID()))}
		}
		w.may(asks)
		w.conns = append(w.conns, c)
		if w.ext && w.rng.IntN(5) > 0 {
			w.send(of(engine.TypeOpened, c.id, nil))
		}
		if w.rng.IntN(5) > 0 {
			w.send(of(engine.TypeConnectResponse, c.id, []byte{pick(w.rng, []byte{0, 0, 0, 0, 2, 0xFF})}))
		}
		return
	}
	c := conn{number(w.rng.Uint32N(1 << 16)), name}
	if w.rng.IntN(4) == 0 {
		c.id = number(pick(w.rng, borderIDs))
	}
	body := pick(w.rng, []string{"\x00\x16", "\x00\x16\x09127.0.0.1", "\x00\x16\x09localhost"})
	if w.rng.IntN(6) == 0 {
		body = pick(w.rng, []string{"\x00\x00", "\x00\x01\x00", "\x00\x16\x03\x00\r\n", "\x00\x16\xff" + strings.Repeat("a", 255)})
		c.local = ""
	}
	if w.ext && w.rng.IntN(4) > 0 {
		open := wire.Open(0, wire.U16(wire.TagPort, 22), wire.Text(wire.TagHost, "127.0.0.1"))
		w.send(of(engine.TypeOpen, c.id, open.Payload[4:]))
	} else {
		w.send(of(engine.TypeConnectRequest, c.id, []byte(body)))
	}
	if c.local != "" {
		w.dials = c.local
		w.flush()
		if w.noLocals {
			w.may(spec.Step{Event: "service refuses", Conn: c.local})
			c.local = ""
		} else {
			w.may(spec.Step{Expect: "service is dialled", Conn: c.local, Within: patience, Requirements: []string{"OPEN-003"}})
			w.may(spec.Step{Event: "service accepts", Conn: c.local, Within: "1ms"})
		}
	}
	w.conns = append(w.conns, c)
}

// local does something at a visitor or a service.
func (w *writer) local() {
	w.flush()
	if len(w.conns) == 0 {
		return
	}
	c := pick(w.rng, w.conns)
	if c.local == "" {
		return
	}
	s := spec.Step{Conn: c.local}
	switch k := w.rng.IntN(8); {
	case k < 5:
		s.Event, s.Octets = "sends", dialogue.Notate(octets(w.rng, pick(w.rng, borderSizes)))
	case k < 6:
		s.Event = "ends its stream"
	case k < 7:
		s.Event = "resets"
	default:
		s.Event = "closes"
	}
	s.Event = map[engine.Role]string{engine.Server: "visitor ", engine.Client: "service "}[w.role] + s.Event
	w.may(s)
}

// flush sends what was gathered, with something wrong when things go wrong.
func (w *writer) flush() {
	if len(w.batch) == 0 {
		return
	}
	rng, batch := w.rng, w.batch
	w.batch = nil
	for w.wild && rng.IntN(2) == 0 {
		i, j := rng.IntN(len(batch)), rng.IntN(len(batch))
		switch rng.IntN(6) {
		case 0: // again
			batch = append(batch, batch[i])
		case 1: // not at all
			if len(batch) > 1 {
				batch = append(batch[:i:i], batch[i+1:]...)
			}
		case 2: // in another order
			batch[i], batch[j] = batch[j], batch[i]
		case 3: // many times
			often := []int{3, 20, 200}
			if len(batch) > 200 || len(batch[i].body) > 30 { // a line for each, and octets by the MiB
				often = often[:1]
			}
			for range pick(rng, often) {
				batch = append(batch, batch[i])
			}
		default:
			batch[i] = batch[i].spoil(rng)
		}
	}
	var all []byte
	for _, f := range batch {
		all = append(all, f.bytes()...)
	}
	s := spec.Step{From: string(engine.Client), Octets: dialogue.Notate(all), Tunnel: w.tunnel, Conn: w.dials}
	if w.role == engine.Client {
		s.From = string(engine.Server)
	}
	w.dials = ""
	if w.rng.IntN(4) == 0 {
		s.Piece = pick(rng, []int{1, 2, 5, 6, 7, 10, 1000})
		if len(batch) > 8 { // a write for each octet of a long batch takes too long
			s.Piece = 1000
		}
	}
	w.may(s)
}

// part leaves the tunnel, in one way or another.
func (w *writer) part() {
	if how := pick(w.rng, []string{"", "", "tunnel ends its stream", "tunnel ends", "tunnel ends"}); how != "" {
		w.may(spec.Step{Event: how, Tunnel: w.tunnel})
	}
}

// corpus is the octets of the golden vectors for a role.
func corpus(role engine.Role) [][]byte { return vectors()[role] }

var vectors = sync.OnceValue(func() map[engine.Role][][]byte {
	out := map[engine.Role][][]byte{}
	for _, v := range slices.AppendSeq(slices.Collect(spec.Vectors("")), spec.ExtVectors("")) {
		var b []byte
		for _, o := range append(v.Chunks, v.Octets) {
			b = append(b, o.Bytes()...)
		}
		if len(b) == 0 || len(b) > 1<<16 {
			continue
		}
		for _, role := range []engine.Role{engine.Server, engine.Client} {
			if v.Role == "both" || v.Role == string(role) {
				out[role] = append(out[role], b)
			}
		}
	}
	return out
})
