package judge

import (
	"fmt"
	"time"

	"github.com/adit-tunnel/adit/conformance/wire"
)

// maxPings bounds the PINGs of a side that are kept until their PONGs have passed.
const maxPings = 1 << 12

// An extension is what the wire has shown of an extended tunnel. It exists from the server's HELLO on.
type extension struct {
	window  [2]uint64 // what each side's HELLO gives its peer, for each connection
	most    int       // connections that the client takes
	highest int64     // ID so far; -1: none
	streams map[uint32]*stream
	alive   int
	done    []*stream // gone, oldest at next once it is full
	next    int

	pings [2][]ping // of each side, not answered so far
	deaf  [2]bool   // so many PINGs of the side are not answered that they are no longer judged

	away   [2]bool      // the side sent a GOAWAY
	last   [2]bool      // with another code than drain: it ends the tunnel
	awayAt [2]time.Time // the first one
	missed bool         // the server's answer to the client's was charged
}

// A ping is a PING that has passed.
type ping struct {
	mark wire.Mark
	at   time.Time
}

// A stream is an extended connection. Index of a pair is who sends.
type stream struct {
	id     uint32
	blind  bool // its history leaves no certainty: not judged
	asked  time.Time
	opened bool
	fin    [2]bool
	reset  [2]bool
	sent   [2]uint64 // octets of Data
	limit  [2]uint64 // of it
	late   uint32    // rules of the clock that have been charged, a bit each
}

// gone reports whether nothing more is sent for the connection, as far as the wire tells.
func (s *stream) gone() bool {
	return s.reset[Server] || s.reset[Client] || s.fin[Server] && s.fin[Client]
}

// answered reports whether the server waits for nothing any more.
func (s *stream) answered() bool { return s.opened || s.reset[Server] || s.reset[Client] }

// greet enters a sound HELLO; with the server's the tunnel is extended.
func (t *Tunnel) greet(f wire.Frame, side Side) {
	t.greetings[side] = f.TagNumber(wire.TagWindow, wire.DefaultWindow)
	if side == Client || t.hellos[Client] == 0 { // one that answers none agrees to nothing
		t.mostStreams = int(f.TagNumber(wire.TagMaxConnections, wire.DefaultMaxConnections))
		return
	}
	x := &extension{window: t.greetings, most: t.mostStreams, highest: -1, streams: map[uint32]*stream{}}
	for id, l := range t.lives {
		if !l.strange {
			x.highest = max(x.highest, int64(id))
		}
	}
	t.ext, t.rules = x, extended()
}

// aliveNow is how many connections the wire shows to be alive, of both kinds.
func (t *Tunnel) aliveNow() int {
	n := t.ext.alive
	for _, l := range t.lives { // of Core: those from before the HELLO alone
		if !l.strange && !l.blind && !l.over() {
			n++
		}
	}
	return n
}

// Alive is how many connections an extended tunnel has, of both kinds, and how many its client takes; ok is false where
// the wire does not tell.
func (t *Tunnel) Alive() (alive, most int, ok bool) {
	if t.ext == nil || t.void || t.full {
		return 0, 0, false
	}
	return t.aliveNow(), t.ext.most, true
}

// note enters a frame that is about the tunnel, whatever became of the tunnel.
func (x *extension) note(v *view) {
	if !v.Sound() {
		return
	}
	switch v.Type {
	case wire.TypePing:
		x.ping(v)
	case wire.TypePong:
		if p := x.pings[v.side.Peer()]; len(p) > 0 {
			x.pings[v.side.Peer()] = p[1:]
		}
	case wire.TypeGoAway:
		if !x.away[v.side] {
			x.away[v.side], x.awayAt[v.side] = true, v.now
		}
		x.last[v.side] = x.last[v.side] || v.Code() != wire.CodeDrain
	}
}

// onExtended judges a sound frame of an extended tunnel by the life of its ID, and enters it.
func (t *Tunnel) onExtended(v *view, rules []*rule) {
	x := t.ext
	if !v.Type.HasID() || t.full {
		return
	}
	if l := t.lives[v.ID()]; l != nil && !(l.strange && v.Type.Base()) {
		t.byID(v, rules)
		return
	}
	v.s = x.streams[v.ID()]
	if v.s != nil && v.s.blind || t.judge(v, rules) {
		return
	}
	if v.Type == wire.TypeOpen {
		t.begin(v)
	} else if v.s != nil {
		x.take(v)
	}
}

// ping keeps a PING until its PONG has passed.
func (x *extension) ping(v *view) {
	p := &x.pings[v.side]
	if len(*p) >= maxPings {
		*p, x.deaf[v.side] = nil, true
	}
	if !x.deaf[v.side] {
		*p = append(*p, ping{v.Mark(), v.now})
	}
}

// begin begins the life of an extended connection.
func (t *Tunnel) begin(v *view) {
	x, id := t.ext, v.ID()
	if int64(id) <= x.highest { // charged
		return
	}
	if x.alive >= maxLives {
		t.full = true
		clear(x.streams)
		t.lose(fmt.Sprintf("more than %d IDs in use at a time", maxLives))
		return
	}
	x.highest = int64(id)
	x.alive++
	x.streams[id] = &stream{id: id, asked: v.now, limit: [2]uint64{Server: x.window[Client], Client: x.window[Server]}}
}

// take enters a frame that has been judged.
func (x *extension) take(v *view) {
	s, was := v.s, v.s.gone()
	switch v.Type {
	case wire.TypeOpened:
		s.opened = true
	case wire.TypeData:
		s.sent[v.side] += uint64(v.Size) - 4
	case wire.TypeFin:
		s.fin[v.side] = true
	case wire.TypeReset:
		s.reset[v.side] = true
	case wire.TypeWindow:
		s.limit[v.side.Peer()] = max(s.limit[v.side.Peer()], v.Limit())
	}
	if s.gone() && !was {
		x.bury(s)
	}
}

// bury keeps a connection that is gone for a while only.
func (x *extension) bury(s *stream) {
	x.alive--
	if len(x.done) < maxDone {
		x.done = append(x.done, s)
		return
	}
	delete(x.streams, x.done[x.next].id)
	x.done[x.next] = s
	x.next = (x.next + 1) % maxDone
}
