package model

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/adit-tunnel/adit/spec"
)

// A subject is one side as tables have it, seen from outside: frames and events at its local sockets go in, and what it sends and does to
// those sockets comes out. It is as quick as a side can be: it sends what it may at once, and its local sockets take everything at once.
// What is no cell is written by hand: credit (WIN-001), what is owed for KeepAlive and PING, and which IDs are gone (XID-004).
type subject struct {
	t       Tables
	role    string // server or client
	local   string // visitor or service
	tunnel  string // its state in the table of the handshake
	window  uint64 // that the peer's HELLO states
	highest int64  // ID of this tunnel; -1: none was used
	links   map[uint32]*link
	sent    []sending
	ended   bool // the tunnel has
}

// A link is a connection of a subject.
type link struct {
	id           uint32
	table, state string
	out, in      string // states of the halves
	spent, limit uint64

	// Its local socket: octets that it sent and nobody took, behind them the end of its stream; before them those that wait for a success.
	octets, held []byte
	ends, told   bool
	over, reset  bool // it has no more events; seen as a reset
	dialled, eof bool
	written      bool // what was queued at the first Close of a Core connection
	delivered    []byte
}

// A sending is a frame that the subject sent: one of several where the tables leave the choice.
type sending struct {
	any    []spec.Sent
	id     uint32
	octets []byte
}

// A cause is an event with what came with it.
type cause struct {
	event, half string // in the tables of the connection and of its half
	octets      []byte
	limit       uint64
}

// newSubject is a side of a tunnel that has begun. A client of the Extended profile has said HELLO.
func newSubject(t Tables, role string, extended bool) *subject {
	s := &subject{t: t, role: role, local: map[string]string{"server": "visitor", "client": "service"}[role], links: map[uint32]*link{}}
	s.begin(extended)
	return s
}

// begin is what a tunnel begins with. What tables do not end with the tunnel before stays.
func (s *subject) begin(extended bool) {
	s.ended, s.sent, s.highest = false, nil, -1
	maps.DeleteFunc(s.links, func(_ uint32, l *link) bool { return l.state == "gone" })
	switch {
	case s.role == "server":
		s.tunnel = "new"
	case extended:
		s.tunnel = "offered"
		s.send([]spec.Sent{{Frame: "HELLO"}}, 0, nil)
	default:
		s.tunnel = "core"
	}
}

// ofWindow is the tag by which a HELLO states a window.
const ofWindow = "0x0004"

func (s *subject) send(any []spec.Sent, id uint32, octets []byte) {
	s.sent = append(s.sent, sending{any, id, octets})
}

// die ends the tunnel.
func (s *subject) die() {
	if s.ended {
		return
	}
	s.ended = true
	for _, id := range slices.Sorted(maps.Keys(s.links)) {
		l := s.links[id]
		s.happen(l, cause{event: "tunnel lost"})
		s.keep(l)
	}
}

// receive lets the subject handle a frame; served says that an OPEN or a ConnectRequest leads to a service.
func (s *subject) receive(d spec.Decoded, served bool) {
	if s.ended || !s.greet(d) {
		return
	}
	switch {
	case d.Type == "KeepAlive" && s.role == "server":
		s.send([]spec.Sent{{Frame: d.Type}}, 0, nil)
	case d.Type == "PING":
		s.send([]spec.Sent{{Frame: "PONG"}}, 0, nil)
	}
	if d.ID == nil {
		return
	}
	l := s.link(*d.ID)
	c := cause{event: d.Type, half: d.Type}
	switch {
	case d.Type == "OPEN" && !served:
		c.event += unserved
	case d.Type == "ConnectRequest" && !served && s.role == "client":
		c.event += " that cannot be dialled"
	case d.Type == "ConnectResponse" && l.table == "server":
		c.event += map[bool]string{true: " success", false: " failure"}[*d.Status == 0]
	case d.Type == "Data":
		c.octets, c.half = d.Octets.Bytes(), "Data within the limit"
		if len(c.octets) == 0 {
			c.half = "Data without octets"
		}
	case d.Type == "WINDOW":
		c.limit, c.half = *d.Limit, "WINDOW at or below the limit"
		if c.limit > l.limit {
			c.half = "WINDOW above the limit"
		}
	}
	s.happen(l, c)
	s.keep(l)
	s.pump(l)
}

// greet lets the handshake handle a frame. It reports whether there is more to it.
func (s *subject) greet(d spec.Decoded) bool {
	event := "another extended or unknown frame"
	switch d.Type {
	case "HELLO", "GOAWAY":
		event = d.Type
	case "KeepAlive":
		if event = d.Type; s.role == "server" {
			event = "a Core frame"
		}
	case "ConnectRequest", "ConnectResponse", "Data", "Close":
		event = "a Core frame"
	}
	at := s.t.cells[place{"handshake-" + s.role, event, s.tunnel}]
	more := true
	for _, x := range at.do {
		switch {
		case x.Scope == "tunnel error" || x.Name == "end the tunnel":
			s.die()
			return false
		case len(x.Sends) > 0:
			s.send(x.Sends, 0, nil)
		}
		more = more && x.Name != "skip"
	}
	if d.Type == "HELLO" {
		s.window = uint64(spec.LimitOf("window").Default)
		for _, v := range d.TLVs {
			if v.Tag == ofWindow {
				s.window, _ = strconv.ParseUint(string(v.Value), 16, 32)
			}
		}
	}
	s.tunnel = at.to
	return more
}

// link is what the subject knows of an ID.
func (s *subject) link(id uint32) *link {
	if l := s.links[id]; l != nil {
		return l
	}
	l := &link{id: id, table: s.role, state: "idle", out: "flowing", in: "flowing", limit: s.window}
	if s.tunnel == "up" {
		if l.table = "ext-" + s.role; int64(id) <= s.highest {
			l.state = "gone"
		}
	}
	return l
}

// keep remembers a connection for as long as its ID is not idle.
func (s *subject) keep(l *link) {
	switch {
	case l.state != "idle" && l.state != "lingering":
		s.links[l.id] = l
		s.highest = max(s.highest, int64(l.id))
	case s.links[l.id] == l:
		delete(s.links, l.id)
	}
}

// accept is a visitor, who gets an ID, if the subject serves him.
func (s *subject) accept(id uint32) *link {
	delete(s.links, id) // a server chooses one that is free
	l := s.link(id)
	if at := s.t.cells[place{"handshake-" + s.role, "visitor to be served", s.tunnel}]; len(at.do) == 0 {
		return l
	}
	s.happen(l, cause{event: "visitor accepted"})
	s.keep(l)
	return l
}

// event is one of a dial, or of the local socket besides what it sends.
func (s *subject) event(l *link, name string) {
	s.happen(l, cause{event: name})
	s.keep(l)
	s.pump(l)
}

// reset is that of a local socket.
func (s *subject) reset(l *link) {
	if !l.over {
		l.over, l.octets = true, nil
		s.event(l, s.local+" reset")
	}
}

// timer lets a timer pass for every connection that it concerns.
func (s *subject) timer(name string) {
	for _, id := range slices.Sorted(maps.Keys(s.links)) {
		s.event(s.links[id], name)
	}
}

// pump lets the local socket send what it has, and then end its stream.
func (s *subject) pump(l *link) {
	for !l.over && len(l.octets) > 0 {
		n, half := len(l.octets), "local octets, credit left"
		if l.halved() {
			n = int(min(uint64(n), l.limit-min(l.limit, l.spent)))
		}
		if n == 0 {
			half = "local octets, no credit"
		}
		left := len(l.octets)
		s.happen(l, cause{event: s.local + " octets", half: half, octets: l.octets[:n]})
		if len(l.octets) == left {
			return // it waits
		}
	}
	if l.over || !l.ends || l.told || len(l.held) > 0 {
		return
	}
	end := s.local + " end of stream"
	if l.table == "server" {
		end += map[bool]string{true: " after octets", false: ", no octet before"}[l.spent > 0]
	}
	l.told = s.happen(l, cause{event: end, half: "local end of stream"})
	s.keep(l)
}

// halved reports whether a connection is an extended one, each direction of which has its own end and credit.
func (l *link) halved() bool { return strings.HasPrefix(l.table, "ext-") }

// happen lets an event happen to a connection. It is false where the tables know no such thing: then nothing happens.
func (s *subject) happen(l *link, c cause) bool {
	at, ok := s.t.cells[place{l.table, c.event, l.state}]
	if !ok || !s.do(l, at, c) {
		return ok
	}
	l.state = at.to
	switch {
	case l.halved() && l.out == "ended" && l.in == "ended" && l.state == "open" && c.event != "both halves ended":
		s.happen(l, cause{event: "both halves ended"})
	case !l.halved() && !l.over && !l.written && (l.state == "closing" || l.state == "draining"):
		l.written = true
		s.happen(l, cause{event: "queued octets all written"})
	}
	return true
}

// do does the actions of a cell. It is false when they ended the tunnel.
func (s *subject) do(l *link, at cell, c cause) bool {
	for _, x := range at.do {
		switch {
		case x.Scope == "tunnel error":
			s.die()
			return false
		case x.Name == "as the out half":
			if !s.half(l, "ext-out", &l.out, c) {
				return false
			}
		case x.Name == "as the in half":
			if !s.half(l, "ext-in", &l.in, c) {
				return false
			}
		case x.Name == "raise the limit": // WIN-003
			l.limit = c.limit
		default:
			s.effects(l, x, c)
		}
	}
	return true
}

// half lets an event happen to a half.
func (s *subject) half(l *link, table string, state *string, c cause) bool {
	at, ok := s.t.cells[place{table, c.half, *state}]
	if ok && !s.do(l, at, c) {
		return false
	}
	if ok {
		*state = at.to
	}
	return true
}

// data sends octets, if there are any.
func (s *subject) data(l *link, x spec.Action, octets []byte) {
	if len(octets) > 0 {
		s.send(x.Sends, l.id, octets)
		l.spent += uint64(len(octets))
	}
}

// effects are what the table of actions says of one.
func (s *subject) effects(l *link, x spec.Action, c cause) {
	switch {
	case x.Name == "hold":
		l.held, l.octets = append(l.held, c.octets...), nil
	case x.Name == "send held octets":
		s.data(l, x, l.held)
		l.held = nil
	case len(x.Sends) > 0 && x.Sends[0].Frame == "Data":
		s.data(l, x, c.octets)
		l.octets = l.octets[len(c.octets):]
	case len(x.Sends) > 0:
		s.send(x.Sends, l.id, nil)
	}
	switch x.Local {
	case "dial":
		l.dialled = true
	case "discard":
		l.octets = nil
	}
	if l.over {
		return
	}
	switch x.Local {
	case "deliver":
		l.delivered = append(l.delivered, c.octets...)
	case "shut down":
		l.eof = true
	case "close", "end":
		l.over, l.eof = true, true
	case "reset":
		l.over, l.reset = true, true
	}
}
