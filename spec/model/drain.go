package model

import (
	"errors"
	"fmt"
)

// A drainState is two connections on a tunnel that is to end, and what is under way.
type drainState struct {
	conns  [2]conn
	said   [2]bool // this side has sent GOAWAY drain
	heard  bool    // the client has received the server's
	closed bool    // the client has sent GOAWAY done and closed
	lines  [2]line // a frame's value is its connection
}

// shallow is how many frames wait on a line of this model, which has two connections.
const shallow = 3

// drain is the model of section 28: connections open and end while both sides may send GOAWAY at any time. They carry no octets.
type drain struct{ t Tables }

func (m drain) begin() []drainState { return []drainState{{}} }

func (m drain) steps(s drainState, do func(what Event, orderly bool, next drainState, err error)) {
	try := func(what string, orderly bool, act func(s *drainState) error) {
		next := s
		err := act(&next)
		if errors.Is(err, errFull) || next.lines[server].n > shallow || next.lines[client].n > shallow {
			return
		}
		do(Event{What: what}, orderly, next, err)
	}
	of := func(s *drainState, id uint8) actor {
		return actor{t: m.t, c: &s.conns[id], lines: &s.lines, id: id, many: true}
	}
	for side := range sides {
		if s.lines[side].n == 0 || side == client && s.closed {
			continue
		}
		f := s.lines[side].frames[0]
		for _, refused := range []bool{false, true} {
			if refused && f.kind() != fOpen {
				continue
			}
			try(fmt.Sprintf("the %s gets %s %d", sides[side], drainName(f), f.value()), !refused, func(s *drainState) error {
				s.lines[side].pop()
				if f.kind() == fGoAway || f.kind() == fDone {
					return m.goAway(s, side, f)
				}
				if f.kind() == fOpen && s.heard {
					return errors.New("the client gets OPEN behind the server's GOAWAY")
				}
				return of(s, f.value()).receive(side, f, refused)
			})
		}
	}
	if s.closed {
		return
	}
	for id := range uint8(2) {
		if c := s.conns[id]; c.st[server] == idle && !s.said[server] && (id == 0 || s.conns[0].st[server] != idle) { // AWAY-001, XID-001
			try(fmt.Sprintf("visitor %d accepted", id), true, func(s *drainState) error {
				s.conns[id].left = [2]uint8{} // nothing to send
				return of(s, id).make(move{server, "visitor accepted", "", true})
			})
		}
		a := of(&s, id)
		a.moves(func(v move) {
			if v.event == "linger" {
				return // nothing is queued
			}
			try(fmt.Sprintf("%s, connection %d: %s", sides[v.side], id, v.event), v.orderly, func(s *drainState) error { return of(s, id).make(v) })
		})
	}
	for side := range sides {
		if !s.said[side] {
			try("the "+sides[side]+" sends GOAWAY drain", true, func(s *drainState) error { return m.say(s, side) })
		}
	}
	if s.heard && !s.conns[0].lives(client) && !s.conns[1].lives(client) { // AWAY-014
		try("the client sends GOAWAY done", true, func(s *drainState) error {
			s.closed = true
			return s.lines[server].push(pack(fDone, 0))
		})
	}
}

func drainName(f frame) string {
	switch f.kind() {
	case fGoAway:
		return "GOAWAY drain"
	case fDone:
		return "GOAWAY done"
	}
	return events[f.kind()]
}

// say sends GOAWAY drain.
func (m drain) say(s *drainState, side int) error {
	s.said[side] = true
	return s.lines[1-side].push(pack(fGoAway, 0))
}

// goAway lets a side handle one.
func (m drain) goAway(s *drainState, side int, f frame) error {
	switch {
	case f.kind() == fDone:
		for id, c := range s.conns {
			if c.lives(server) {
				return fmt.Errorf("the client has closed, and connection %d of the server is %s", id, extStates[server][c.st[server]])
			}
		}
	case side == client:
		s.heard = true
	case !s.said[server]: // AWAY-002
		return m.say(s, server)
	}
	return nil
}

// lives reports whether a connection is alive on a side.
func (c conn) lives(side int) bool { return c.st[side] == waiting || c.st[side] == open }

func (m drain) settled(s drainState) error {
	if s.lines[server].n+s.lines[client].n > 0 || s.closed {
		return nil
	}
	for _, c := range s.conns {
		if err := c.settled(); err != nil {
			return err
		}
	}
	return nil
}

func (m drain) over(s drainState) bool { return s.closed && s.lines[server].n == 0 }
