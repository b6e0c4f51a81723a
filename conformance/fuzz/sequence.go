package fuzz

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/adit-tunnel/adit/conformance/engine"
	"github.com/adit-tunnel/adit/spec"
)

// A layout is what the subject does with several tunnels.
type layout struct {
	role   engine.Role
	many   bool // a server keeps more than one
	oldest bool // and visitors go to the oldest
	deaf   bool // visitors get nowhere
}

// A sequence is one thing that is tried. The same seed and number make the same one.
type sequence struct {
	steps    []engine.Step
	sentinel string // a tunnel beside; "" for none
	wild     bool   // something is wrong with it
}

// Names in every sequence.
const (
	tunnel   = "tunnel 1"
	sentinel = "sentinel"
)

// patience is how long a sequence waits for what may not come.
const patience = engine.Duration(300 * time.Millisecond)

// A writer makes one sequence.
type writer struct {
	sequence
	rng   *rand.Rand
	role  engine.Role
	deaf  bool // there are no local sockets
	conns []conn
	batch []frame
	given int // names
}

// conn is a connection that the sequence has begun.
type conn struct {
	id    engine.Notation
	local string // "" when there is none
}

// compose makes sequence number n of a campaign.
func compose(seed, n uint64, l layout) sequence {
	w := &writer{rng: rand.New(rand.NewPCG(seed, n)), role: l.role, deaf: l.deaf}
	w.wild = w.rng.IntN(4) > 0
	open := []string{tunnel}
	if l.many {
		w.sentinel = sentinel
		if open = []string{sentinel, tunnel}; l.oldest {
			open = []string{tunnel, sentinel}
		}
	}
	for _, name := range open {
		w.may(engine.Step{Do: "tunnel", On: name})
		w.may(engine.Step{Do: "barrier", On: name, Says: "a new tunnel answers"}) // from now on visitors come to it
	}
	if l.role == engine.Client {
		how := pick(w.rng, []string{"accepts", "accepts", "accepts", "refuses"})
		w.deaf = how == "refuses"
		w.may(engine.Step{Do: "service", How: how})
	}
	for range 2 + w.rng.IntN(12) {
		w.act()
	}
	w.flush()
	w.part()
	return w.sequence
}

// may adds a step; none of them need go well.
func (w *writer) may(s engine.Step) {
	s.May = true
	w.steps = append(w.steps, s)
}

func (w *writer) send(f frame) { w.batch = append(w.batch, f) }

// of is a frame about an ID.
func of(t engine.Type, id, body engine.Notation) frame {
	return frame{version: engine.Version, typ: byte(t), id: id, body: body}
}

// act does one thing that a session may have in it.
func (w *writer) act() {
	rng := w.rng
	switch k := rng.IntN(16); {
	case k < 3 || len(w.conns) == 0 && k < 10:
		w.open()
	case k < 7:
		w.send(of(engine.TypeData, w.id(), octets(rng, pick(rng, borderSizes))))
	case k < 9:
		w.send(of(engine.TypeClose, w.id(), ""))
	case k < 10:
		w.send(frame{version: engine.Version, typ: byte(engine.TypeKeepAlive)})
	case k < 11:
		w.send(frame{version: engine.Version, typ: pick(rng, []byte{0x06, 0x0F, 0x40, 0x80, 0xFF}), body: octets(rng, pick(rng, borderSizes))})
	case k < 12 && w.wild:
		w.send(frame{whole: pick(rng, corpus(w.role))})
	case k < 12 && w.role == engine.Server:
		w.send(of(engine.TypeConnectResponse, w.id(), engine.Notation(fmt.Sprintf("%02x", rng.IntN(256)))))
	default:
		w.local()
	}
	if rng.IntN(3) == 0 {
		w.flush()
	}
}

// id is a connection's ID, or nobody's.
func (w *writer) id() engine.Notation {
	if len(w.conns) == 0 || w.rng.IntN(8) == 0 {
		return number(pick(w.rng, borderIDs))
	}
	return pick(w.rng, w.conns).id
}

// open begins a connection, and mostly answers it.
func (w *writer) open() {
	w.flush()
	w.given++
	switch {
	case w.deaf && w.role == engine.Server:
		w.conns = append(w.conns, conn{id: number(w.rng.Uint32())})
		return
	case w.role == engine.Server:
		c := conn{engine.Notation(fmt.Sprintf("{c%d}", w.given)), fmt.Sprintf("visitor %d", w.given)}
		w.may(engine.Step{Do: "request", On: tunnel, Socket: c.local, ID: strings.Trim(string(c.id), "{}"), Within: 3 * patience})
		w.conns = append(w.conns, c)
		if w.rng.IntN(5) > 0 {
			w.send(of(engine.TypeConnectResponse, c.id, pick(w.rng, []engine.Notation{"00", "00", "00", "00", "02", "ff"})))
		}
		return
	}
	c := conn{id: number(w.rng.Uint32N(1 << 16)), local: fmt.Sprintf("service %d", w.given)}
	if w.rng.IntN(4) == 0 {
		c.id = number(pick(w.rng, borderIDs))
	}
	body := pick(w.rng, []engine.Notation{"{port}", "{port} 09 3132372e302e302e31", "{port} 09 6c6f63616c686f7374"})
	if w.rng.IntN(6) == 0 {
		body = pick(w.rng, []engine.Notation{"0000", "0001 00", "{port} 03 000d0a", "{port} ff 61*255"})
		c.local = ""
	}
	w.send(of(engine.TypeConnectRequest, c.id, body))
	if w.deaf {
		c.local = ""
	}
	if c.local != "" {
		w.flush()
		w.may(engine.Step{Do: "accept", On: c.local, Within: patience})
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
	switch k := w.rng.IntN(8); {
	case k < 5:
		w.may(engine.Step{Do: "write", On: c.local, Octets: octets(w.rng, pick(w.rng, borderSizes))})
	case k < 6:
		w.may(engine.Step{Do: "finish", On: c.local})
	case k < 7:
		w.may(engine.Step{Do: "abort", On: c.local})
	default:
		w.may(engine.Step{Do: "close", On: c.local})
	}
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
	var all []string
	for _, f := range batch {
		all = append(all, string(f.notation()))
	}
	s := engine.Step{Do: "send", On: tunnel, Octets: engine.Notation(strings.Join(all, " "))}
	if w.rng.IntN(4) == 0 {
		s.Piece = pick(rng, []int{1, 2, 5, 6, 7, 10, 1000})
		if len(all) > 8 { // a write for each octet of a long batch takes too long
			s.Piece = 1000
		}
	}
	w.may(s)
}

// part leaves the tunnel, in one way or another.
func (w *writer) part() {
	if do := pick(w.rng, []string{"", "", "finish", "close", "abort"}); do != "" {
		w.may(engine.Step{Do: do, On: tunnel})
	}
}

// corpus is the octets of the golden vectors for a role.
func corpus(role engine.Role) []engine.Notation { return vectors()[role] }

var vectors = sync.OnceValue(func() map[engine.Role][]engine.Notation {
	out := map[engine.Role][]engine.Notation{}
	for v := range spec.Vectors("") {
		var b []byte
		for _, o := range append(v.Chunks, v.Octets) {
			b = append(b, o.Bytes()...)
		}
		if len(b) == 0 || len(b) > 1<<16 {
			continue
		}
		for _, role := range []engine.Role{engine.Server, engine.Client} {
			if v.Role == "both" || v.Role == string(role) {
				out[role] = append(out[role], engine.Notate(b))
			}
		}
	}
	return out
})
