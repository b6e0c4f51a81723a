package model

import (
	"fmt"

	"github.com/adit-tunnel/adit/spec"
)

// Frames of a handshake: HELLO, KeepAlive, GOAWAY, a ConnectRequest or what answers one, OPEN, and another extended one.
const (
	hHello = iota + 1
	hAlive
	hGoAway
	hCore
	hOpen
	hExtended
)

// handshakeEvents are what the frames are called in the tables, for a server and a client.
var handshakeEvents = map[uint8][2]string{
	hHello:    {"HELLO", "HELLO"},
	hAlive:    {"a Core frame", "KeepAlive"},
	hGoAway:   {"GOAWAY", "GOAWAY"},
	hCore:     {"a Core frame", "a Core frame"},
	hOpen:     {"another extended or unknown frame", "another extended or unknown frame"},
	hExtended: {"another extended or unknown frame", "another extended or unknown frame"},
}

var handshakeStates = [2][3]string{{"new", "core", "up"}, {"offered", "core", "up"}}

// up is the state of both sides in which the tunnel is extended.
const up = 2

// A handState is what both sides are, what each may still send of its own accord, and what is under way.
type handState struct {
	st      [2]uint8
	left    [2]uint8
	asked   bool // the client still may send a KeepAlive
	refused bool // the server said so, and reads no more
	ended   bool
	lines   [2]line
}

// handshake is the model of how a tunnel begins; coreServer is a server that does not have the Extended profile.
type handshake struct {
	t          Tables
	coreServer bool
}

func (m handshake) begin() []handState {
	s := handState{left: [2]uint8{2, 2}, asked: true}
	s.lines[server].frames[0], s.lines[server].n = pack(hHello, 0), 1
	return []handState{s}
}

func (m handshake) steps(s handState, do func(what Event, orderly bool, next handState, err error)) {
	try := func(what string, act func(s *handState) error) {
		next := s
		if err := act(&next); err != errFull {
			do(Event{What: what}, true, next, err)
		}
	}
	if s.ended {
		return
	}
	for side := range sides {
		if s.lines[side].n > 0 {
			f := s.lines[side].frames[0].kind()
			try(fmt.Sprintf("the %s gets %s", sides[side], frameName(f)), func(s *handState) error {
				s.lines[side].pop()
				return m.receive(s, side, f)
			})
			if side == server && f == hHello && s.st[server] == 0 && !m.coreServer {
				try("the server refuses the HELLO", func(s *handState) error {
					s.refused, s.left = true, [2]uint8{}
					return s.lines[client].push(pack(hGoAway, 0))
				})
			}
		}
	}
	if s.left[server] > 0 {
		try("a visitor comes", func(s *handState) error { s.left[server]--; return m.happen(s, server, "visitor to be served", 0) })
	}
	if s.asked {
		try("the client sends KeepAlive", func(s *handState) error { s.asked = false; return s.lines[server].push(pack(hAlive, 0)) })
	}
	for side := range sides {
		if s.left[side] > 0 && s.st[side] == up {
			try("the "+sides[side]+" sends PING", func(s *handState) error {
				s.left[side]--
				return s.lines[1-side].push(pack(hExtended, 0))
			})
		}
	}
}

func frameName(kind uint8) string {
	return [...]string{"", "HELLO", "KeepAlive", "GOAWAY", "a Core frame", "OPEN", "PING"}[kind]
}

// receive lets a side handle a frame.
func (m handshake) receive(s *handState, side int, f uint8) error {
	if side == server && s.refused {
		return nil
	}
	if side == server && m.coreServer {
		if f == hAlive {
			return s.lines[client].push(pack(hAlive, 0))
		}
		return nil // it skips what it does not know
	}
	// An extended frame is sent to a side that is up, or will be when it comes.
	if (f == hOpen || f == hExtended) && s.st[side] != up {
		return fmt.Errorf("the %s skips %s, which its peer counts on", sides[side], frameName(f))
	}
	return m.happen(s, side, handshakeEvents[f][side], f)
}

// happen lets an event happen: f is its frame.
func (m handshake) happen(s *handState, side int, event string, f uint8) error {
	if side == server && m.coreServer { // it serves by Core, whatever the client said
		return s.lines[client].push(pack(hCore, 0))
	}
	state := handshakeStates[side][s.st[side]]
	at, err := m.t.at("handshake-"+sides[side], event, state)
	if err != nil {
		return err
	}
	for _, x := range at.do {
		if err := m.act(s, side, x, event, f); err != nil {
			return err
		}
	}
	to := uint8(0)
	for handshakeStates[side][to] != at.to {
		to++
	}
	s.st[side] = to
	return nil
}

// act does an action.
func (m handshake) act(s *handState, side int, x spec.Action, event string, f uint8) error {
	if x.Scope == "tunnel error" {
		return fmt.Errorf("the %s makes %s a tunnel error in %s", sides[side], event, handshakeStates[side][s.st[side]])
	}
	for _, sent := range x.Sends {
		kind := map[string]uint8{"HELLO": hHello, "ConnectRequest": hCore, "OPEN": hOpen}[sent.Frame]
		if err := s.lines[1-side].push(pack(kind, 0)); err != nil {
			return err
		}
	}
	switch {
	case x.Name == "end the tunnel":
		s.ended = true
	case side == server && f == hAlive && x.Name != "skip": // ALIVE-002
		return s.lines[client].push(pack(hAlive, 0))
	case side == client && f == hCore && x.Name == "by sections 24 to 28": // a ConnectRequest
		c, err := m.t.at("ext-client", "ConnectRequest", "idle")
		if err != nil {
			return err
		}
		for _, y := range c.do {
			if y.Scope == "tunnel error" {
				return fmt.Errorf("the client makes a ConnectRequest a tunnel error in %s", handshakeStates[side][s.st[side]])
			}
		}
	}
	return nil
}

// settled: when nothing is under way both sides speak the same.
func (m handshake) settled(s handState) error {
	if s.ended || s.lines[server].n+s.lines[client].n > 0 {
		return nil
	}
	if m.coreServer && s.st[client] == up || !m.coreServer && (s.st[client] == up) != (s.st[server] == up) {
		return fmt.Errorf("nothing is under way, the server is %s and the client %s", handshakeStates[server][s.st[server]], handshakeStates[client][s.st[client]])
	}
	return nil
}

// over: the tunnel has ended, or both know what they speak.
func (m handshake) over(s handState) bool {
	return s.ended || s.lines[server].n+s.lines[client].n == 0 && (s.st[client] == up || m.coreServer && !s.asked && s.st[client] != 0)
}
