package model

import (
	"errors"
	"fmt"

	"github.com/adit-tunnel/adit/spec"
)

// generations is how often the ID is used.
const generations = 3

// Frames of Core. Their value is the generation that they belong to.
const (
	cRequest = iota + 1
	cSuccess
	cFailure
	cData
	cClose
)

var coreNames = [...]string{"", "ConnectRequest", "ConnectResponse success", "ConnectResponse failure", "Data", "Close"}

// coreStates are those of the ID; lingering belongs to a connection whose ID is idle.
var coreStates = [2][]string{
	{"idle", "requested", "abandoned", "open", "closing", "draining", "retired"},
	{"idle", "dialing", "open", "closing", "draining", "retired"},
}

// A coreState is one ID on both sides, and what is under way.
type coreState struct {
	st      [2]uint8
	gen     [2]uint8 // which use of the ID this is
	sock    [2]uint8
	ended   [2]bool // the local socket's stream
	sent    [2]bool // a Data of this use: there is one
	held    bool    // the visitor's octets, before the success
	written [2]bool // the queue, after the first Close
	lines   [2]line
}

func (s *coreState) state(side int) string { return coreStates[side][s.st[side]] }

// core is the model of one ID of Core. close-wait is left out: it is longer than any answer of a peer that does what the tables say,
// and settled shows that nobody waits for one that will not come.
type core struct{ t Tables }

func (m core) begin() []coreState { return []coreState{{}} }

// An either is which of several frames an action sends that may send any of them.
type either int

func (m core) steps(s coreState, do func(what Event, orderly bool, next coreState, err error)) {
	try := func(what Event, orderly bool, act func(s *coreState) error) {
		next := s
		if err := act(&next); !errors.Is(err, errFull) {
			do(what, orderly, next, err)
		}
	}
	for side := range sides {
		if s.lines[side].n == 0 {
			continue
		}
		f := s.lines[side].frames[0]
		for i, event := range m.called(side, f) {
			for _, e := range []either{0, 1} {
				try(Event{Side: sides[side], What: event, Frame: true}, i == 0, func(s *coreState) error {
					s.lines[side].pop()
					return m.receive(s, side, f, event, e)
				})
			}
		}
	}
	if s.state(server) == "idle" && s.gen[server] < generations {
		try(Event{Side: sides[server], What: "visitor accepted"}, true, func(s *coreState) error {
			if s.lines[server].n > 0 {
				return errors.New("the ID is used again while a frame for it is under way")
			}
			s.gen[server]++
			s.sock[server] = alive
			return m.happen(s, server, "visitor accepted", s.gen[server], 0)
		})
	}
	for side := range sides {
		m.moves(&s, side, func(event string, orderly bool) {
			try(Event{Side: sides[side], What: event}, orderly, func(s *coreState) error { return m.move(s, side, event) })
		})
	}
}

// called are the events that a frame may be.
func (m core) called(side int, f frame) []string {
	if side == client && f.kind() == cRequest {
		return []string{"ConnectRequest", "ConnectRequest that cannot be dialled"}
	}
	if side == client && (f.kind() == cSuccess || f.kind() == cFailure) {
		return []string{"ConnectResponse"}
	}
	return []string{coreNames[f.kind()]}
}

// receive lets a side handle a frame.
func (m core) receive(s *coreState, side int, f frame, event string, e either) error {
	state := s.state(side)
	if f.kind() == cRequest && state == "idle" {
		s.gen[side] = f.value()
	}
	if state != "idle" && state != "retired" && f.value() != s.gen[side] {
		return fmt.Errorf("the %s gets %s of use %d of the ID in use %d", sides[side], coreNames[f.kind()], f.value(), s.gen[side])
	}
	return m.happen(s, side, event, f.value(), e)
}

// moves are what a local socket and timers can do now.
func (m core) moves(s *coreState, side int, do func(event string, orderly bool)) {
	local, state := [2]string{"visitor", "service"}[side], s.state(side)
	talks := s.sock[side] == alive && !s.ended[side]
	if talks && !s.sent[side] && (state == "open" || state == "requested") {
		do(local+" octets", true)
	}
	if talks {
		switch {
		case side == client:
			do("service end of stream", true)
		case s.held || s.sent[side]:
			do("visitor end of stream after octets", true)
		default:
			do("visitor end of stream, no octet before", true)
		}
	}
	if s.sock[side] == alive {
		do(local+" reset", false)
	}
	if s.sock[side] == alive && !s.written[side] && (state == "closing" || state == "draining") {
		do("queued octets all written", true)
	}
	for _, timer := range []string{"connect-timeout", "stall-limit", "close-total", "close-stall", "close-drain", "dial succeeded", "dial failed", "dial-timeout"} {
		needs := timer == "close-drain" && !s.written[side] || timer == "close-stall" && s.written[side]
		if !needs && m.t.may(sides[side], timer, state) {
			do(timer, timer == "dial succeeded")
		}
	}
}

// move lets a local socket or a timer do something.
func (m core) move(s *coreState, side int, event string) error {
	gen := s.gen[side]
	if !m.t.may(sides[side], event, s.state(side)) {
		return m.happen(s, side, event, gen, 0) // which says so
	}
	switch event {
	case "visitor octets", "service octets":
		s.held = s.held || side == server && s.state(side) == "requested"
	case "visitor end of stream after octets":
		if s.state(side) == "requested" {
			break // it happens behind the success
		}
		s.ended[side] = true
	case "visitor end of stream, no octet before", "service end of stream":
		s.ended[side] = true
	case "visitor reset", "service reset":
		s.sock[side] = over
	case "queued octets all written":
		s.written[side] = true
	}
	return m.happen(s, side, event, gen, 0)
}

// happen lets an event happen: gen is the use of the ID that it is about.
func (m core) happen(s *coreState, side int, event string, gen uint8, e either) error {
	at, err := m.t.at(sides[side], event, s.state(side))
	if err != nil {
		return err
	}
	for _, x := range at.do {
		if err := m.act(s, side, x, event, gen, e); err != nil {
			return err
		}
	}
	name := at.to
	if name == "lingering" {
		name = "idle"
	}
	if name == "idle" && s.state(side) != "idle" {
		s.sock[side], s.ended[side], s.sent[side], s.written[side] = none, false, false, false
		s.held = s.held && side != server
	}
	to := uint8(0)
	for coreStates[side][to] != name {
		to++
	}
	s.st[side] = to
	if name == "open" && side == client && s.sock[side] == none {
		s.sock[side] = alive
	}
	return nil
}

// act does an action.
func (m core) act(s *coreState, side int, x spec.Action, event string, gen uint8, e either) error {
	if x.Scope == "tunnel error" {
		return fmt.Errorf("the %s makes %s a tunnel error in %s", sides[side], event, s.state(side))
	}
	if x.Name == "send held octets" && !s.held {
		return nil
	}
	if n := len(x.Sends); n > 0 {
		sent := x.Sends[min(int(e), n-1)]
		kind := map[string]uint8{"ConnectRequest": cRequest, "Data": cData, "Close": cClose}[sent.Frame]
		switch sent.Status {
		case "success":
			kind = cSuccess
		case "failure":
			kind = cFailure
		}
		s.sent[side] = s.sent[side] || kind == cData
		if err := s.lines[1-side].push(pack(kind, gen)); err != nil {
			return err
		}
	}
	if x.Local == "reset" || x.Local == "end" || x.Local == "close" {
		s.sock[side] = over
	}
	return nil
}

// pairs are the states that both sides may have when nothing is under way.
var pairs = map[[2]string]bool{
	{"idle", "idle"}: true, {"requested", "dialing"}: true, {"open", "open"}: true,
	{"closing", "draining"}: true, {"draining", "closing"}: true, {"abandoned", "draining"}: true,
}

func (m core) settled(s coreState) error {
	if s.lines[server].n+s.lines[client].n > 0 || pairs[[2]string{s.state(server), s.state(client)}] {
		return nil
	}
	return fmt.Errorf("nothing is under way, the server is %s and the client %s", s.state(server), s.state(client))
}

func (m core) over(s coreState) bool {
	return s.lines[server].n+s.lines[client].n == 0 && s.state(server) == "idle" && s.state(client) == "idle"
}
