package model

import (
	"errors"
	"fmt"
	"strings"

	"github.com/adit-tunnel/adit/spec"
)

// What an extended connection of the model carries: units of octets, of which a side may send credit before the first WINDOW.
const (
	units  = 3 // that a local socket has to send
	enough = 2 // U of section 27
	deep   = 8 // frames that wait on a line
)

// Taken is what a local socket does with what was delivered to it. It is no event of a table.
const Taken = "the local socket takes a unit"

// unserved is what the tables call an OPEN besides where it is refused without a dial.
const unserved = " that cannot be served"

// States of a connection, in the order in which the tables print them.
const (
	idle    = iota
	waiting // opening or dialing
	open
	gone
)

var extStates = [2][4]string{{"idle", "opening", "open", "gone"}, {"idle", "dialing", "open", "gone"}}

// Halves that have ended.
const (
	out = 1 << iota
	in
)

// States of a local socket.
const (
	none      uint8 = iota
	dialled         // the dial is under way
	cancelled       // it still is, and its result is dropped
	alive
	closing // it is closed as soon as everything is written
	over
)

// Kinds of frames on a line.
const (
	fOpen = iota + 1
	fOpened
	fData
	fWindow
	fFin
	fReset
	fGoAway
	fDone
)

var kinds = map[string]uint8{"OPEN": fOpen, "OPENED": fOpened, "Data": fData, "WINDOW": fWindow, "FIN": fFin, "RESET": fReset}

// events are what a frame is called in the tables of connections.
var events = map[uint8]string{fOpen: "OPEN", fOpened: "OPENED", fData: "Data", fWindow: "WINDOW", fFin: "FIN", fReset: "RESET"}

// called is what a frame is called; refused: an OPEN that cannot be served.
func called(f frame, refused bool) string {
	if refused {
		return events[f.kind()] + unserved
	}
	return events[f.kind()]
}

// A frame is its kind, and its limit or the number of its connection.
type frame uint8

func pack(kind, value uint8) frame { return frame(kind<<4 | value) }
func (f frame) kind() uint8        { return uint8(f) >> 4 }
func (f frame) value() uint8       { return uint8(f) & 0xF }

// A line is what is under way to one side, in its order.
type line struct {
	frames [deep]frame
	n      uint8
}

var errFull = errors.New("model: a line is full")

func (l *line) push(f frame) error {
	if l.n == deep {
		return errFull
	}
	l.frames[l.n] = f
	l.n++
	return nil
}

func (l *line) pop() frame {
	f := l.frames[0]
	copy(l.frames[:], l.frames[1:])
	l.n--
	l.frames[l.n] = 0
	return f
}

// holds reports whether a frame of a kind and value is under way.
func (l *line) holds(match func(frame) bool) bool {
	for _, f := range l.frames[:l.n] {
		if match(f) {
			return true
		}
	}
	return false
}

// A conn is what both sides know of one connection; each pair is by side.
type conn struct {
	st, ended, sock [2]uint8
	left            [2]uint8 // units that the local socket has not sent yet
	limit           [2]uint8 // what this side may send
	stated          [2]uint8 // what it lets the other one send
	got, taken      [2]uint8 // units received, and those that its local socket took
}

// An actor lets the tables act on a connection.
type actor struct {
	t     Tables
	c     *conn
	lines *[2]line
	id    uint8 // of the connection, where there are several
	many  bool
}

func (a actor) state(side int) string { return extStates[side][a.c.st[side]] }

// happen lets an event happen: half is what it is called in the table of a half, limit what a WINDOW states.
func (a actor) happen(side int, event, half string, limit uint8) error {
	at, err := a.t.at("ext-"+sides[side], event, a.state(side))
	if err != nil {
		return err
	}
	if err := a.do(side, at.do, event, half, limit); err != nil {
		return err
	}
	to := uint8(0)
	for extStates[side][to] != at.to {
		to++
	}
	a.c.st[side] = to
	if to == open && a.c.sock[side] == dialled {
		a.c.sock[side] = alive
	}
	if a.c.ended[side] == out|in && to == open {
		if event == "both halves ended" {
			return fmt.Errorf("both halves of the %s have ended, and it stays open", sides[side])
		}
		return a.happen(side, "both halves ended", "", 0)
	}
	a.c.close(side)
	return nil
}

// close closes a local socket to which everything is written, if it is to be.
func (c *conn) close(side int) {
	if c.sock[side] == closing && c.got[side] == c.taken[side] {
		c.sock[side] = over
	}
}

// do does the actions of a cell.
func (a actor) do(side int, actions []spec.Action, event, half string, limit uint8) error {
	for _, x := range actions {
		switch x.Name {
		case "as the out half":
			if err := a.half(side, "ext-out", out, half, event, limit); err != nil {
				return err
			}
		case "as the in half":
			if err := a.half(side, "ext-in", in, half, event, limit); err != nil {
				return err
			}
		case "raise the limit": // WIN-003
			a.c.limit[side] = max(a.c.limit[side], limit)
		default:
			if err := a.effects(side, x, event); err != nil {
				return err
			}
		}
	}
	return nil
}

// half lets an event happen to a half.
func (a actor) half(side int, table string, bit uint8, half, event string, limit uint8) error {
	state := "flowing"
	if a.c.ended[side]&bit != 0 {
		state = "ended"
	}
	at, err := a.t.at(table, half, state)
	if err != nil {
		return err
	}
	if err := a.do(side, at.do, event, half, limit); err != nil {
		return err
	}
	a.c.ended[side] &^= bit
	if at.to == "ended" {
		a.c.ended[side] |= bit
	}
	return nil
}

// effects are what the table of actions says of one.
func (a actor) effects(side int, x spec.Action, event string) error {
	if x.Scope == "tunnel error" {
		return fmt.Errorf("the %s makes %s a tunnel error in %s", sides[side], event, a.state(side))
	}
	for _, s := range x.Sends {
		if err := a.send(side, kinds[s.Frame]); err != nil {
			return err
		}
	}
	c := a.c
	switch x.Local {
	case "dial":
		c.sock[side] = dialled
	case "deliver":
		c.got[side]++
	case "reset":
		c.sock[side] = over
	case "cancel":
		c.sock[side] = cancelled
	case "close":
		if c.sock[side] = over; strings.HasSuffix(x.Name, "when written") {
			c.sock[side] = closing
		}
	}
	if x.Queue == "drop" || c.sock[side] == over {
		c.taken[side] = c.got[side]
	}
	return nil
}

// send puts a frame on the line to the other side.
func (a actor) send(side int, kind uint8) error {
	to := &a.lines[1-side]
	mine := func(kind uint8) func(frame) bool {
		return func(f frame) bool { return f.kind() == kind && (!a.many || f.value() == a.id) }
	}
	if to.holds(mine(fReset)) {
		return fmt.Errorf("the %s sends a frame behind its RESET", sides[side])
	}
	value := a.id
	switch kind {
	case fData:
		a.c.left[side]--
	case fWindow:
		a.c.stated[side] = a.c.taken[side] + enough
		value = a.c.stated[side]
		for i := range to.n { // section 27: at most one lies in line, with the newest limit
			if to.frames[i].kind() == fWindow {
				to.frames[i] = pack(kind, value)
				return nil
			}
		}
	}
	return to.push(pack(kind, value))
}

// receive lets a side handle a frame; refused says that an OPEN cannot be served.
func (a actor) receive(side int, f frame, refused bool) error {
	event, half := called(f, refused), ""
	switch f.kind() {
	case fData: // WIN-002
		if half = "Data within the limit"; a.c.got[side] == a.c.stated[side] {
			half = "Data beyond the limit"
		}
	case fWindow:
		if half = "WINDOW at or below the limit"; f.value() > a.c.limit[side] {
			half = "WINDOW above the limit"
		}
	case fFin:
		half = "FIN"
		if sent := units - a.c.left[1-side]; !a.many && a.c.st[side] != gone && a.c.got[side] != sent {
			return fmt.Errorf("the %s gets FIN, and %d of %d units before it", sides[side], a.c.got[side], sent)
		}
	}
	lived := a.c.lives(side)
	if err := a.happen(side, event, half, f.value()); err != nil {
		return err
	}
	if s := a.c.sock[side]; f.kind() == fReset && lived && (s == alive || s == dialled) { // RESET-002
		return fmt.Errorf("the %s gets RESET and leaves its local socket as it was", sides[side])
	}
	return nil
}

// A move is something that happens to a local socket or by time.
type move struct {
	side        int
	event, half string
	orderly     bool
}

// moves are those that a connection's local sockets, timers and owners can make now.
func (a actor) moves(do func(move)) {
	for side := range sides {
		c, state := a.c, a.c.st[side]
		local := [2]string{"visitor", "service"}[side]
		flows := c.sock[side] == alive && c.ended[side]&out == 0 && (state == open || state == waiting && side == server)
		sent := units - c.left[side]
		switch {
		case flows && c.left[side] == 0:
			do(move{side, local + " end of stream", "local end of stream", true})
		case flows && sent < c.limit[side]: // WIN-001
			do(move{side, local + " octets", "local octets, credit left", true})
		case flows && a.t.may("ext-out", "local octets, no credit", "flowing"):
			do(move{side, local + " octets", "local octets, no credit", true})
		}
		due := state == open && c.ended[side]&in == 0 && c.stated[side]-c.taken[side] <= enough/2
		if !a.many && due { // WIN-005
			do(move{side, "credit due", "credit due", true})
		}
		switch {
		case c.sock[side] == alive || c.sock[side] == closing:
			do(move{side, local + " reset", "", false})
			if !a.many { // where there are several it is as good as a reset
				do(move{side, "own accord", "", false})
			}
		case c.sock[side] == dialled || c.sock[side] == cancelled:
			do(move{side, "dial succeeded", "", true})
			do(move{side, "dial failed", "", false})
			if a.many {
				break
			}
			do(move{side, "dial-timeout", "", false})
			if state == waiting {
				do(move{side, "own accord", "", false})
			}
		}
		if side == server && state == waiting {
			do(move{side, "connect-timeout", "", false})
		}
		if state == gone && (c.sock[side] == alive || c.sock[side] == closing) {
			do(move{side, "linger", "", false})
		}
	}
}

// make makes a move.
func (a actor) make(m move) error {
	switch m.event {
	case "visitor accepted":
		a.c.sock[m.side] = alive
	case "dial failed", "dial-timeout":
		a.c.sock[m.side] = over
	}
	late := m.event == "dial succeeded" && a.c.st[m.side] == gone
	if err := a.happen(m.side, m.event, m.half, 0); err != nil {
		return err
	}
	if late && a.c.sock[m.side] != over { // a socket that nobody has
		return errors.New("a dial that was cancelled succeeds, and its socket stays open")
	}
	if m.event == "visitor reset" || m.event == "service reset" {
		a.c.sock[m.side], a.c.taken[m.side] = over, a.c.got[m.side]
	}
	return nil
}

// settled says what is wrong with a connection of which nothing is under way.
func (c conn) settled() error {
	s, d := c.st[server], c.st[client]
	switch {
	case s != d:
		return fmt.Errorf("nothing is under way, the server is %s and the client %s", extStates[server][s], extStates[client][d])
	case s != open:
		return nil
	case c.differ(server) || c.differ(client):
		return errors.New("nothing is under way, and the sides differ about the credit")
	case (c.ended[server]&out != 0) != (c.ended[client]&in != 0) || (c.ended[client]&out != 0) != (c.ended[server]&in != 0):
		return errors.New("nothing is under way, and the sides differ about which half has ended")
	}
	return nil
}

// differ reports whether a side that still sends has another limit than the other one stated.
func (c conn) differ(side int) bool {
	return c.ended[side]&out == 0 && c.limit[side] != c.stated[1-side]
}

// over reports whether both sides are through with a connection, or have not begun it.
func (c conn) over() bool {
	return c.st[server] == idle && c.st[client] == idle ||
		c.st[server] == gone && c.st[client] == gone && (c.sock[server] == over || c.sock[server] == none) && (c.sock[client] == over || c.sock[client] == none)
}

// An extState is one connection and what is under way.
type extState struct {
	conn
	lines [2]line // to each side
}

// extended is the model of one extended connection; window is what both HELLOs state, in units.
type extended struct {
	t      Tables
	window uint8
}

func (m extended) begin() []extState {
	var s extState
	s.left = [2]uint8{units, units}
	s.limit, s.stated = [2]uint8{m.window, m.window}, [2]uint8{m.window, m.window}
	return []extState{s}
}

func (m extended) steps(s extState, do func(what Event, orderly bool, next extState, err error)) {
	try := func(what Event, orderly bool, act func(a actor) error) {
		next := s
		err := act(actor{t: m.t, c: &next.conn, lines: &next.lines})
		if errors.Is(err, errFull) {
			return // the transport takes no more: it happens later
		}
		do(what, orderly, next, err)
	}
	for side := range sides {
		if s.lines[side].n == 0 {
			continue
		}
		for _, refused := range []bool{false, true} {
			f := s.lines[side].frames[0]
			if refused && f.kind() != fOpen {
				continue
			}
			what := Event{Side: sides[side], What: called(f, refused), Frame: true}
			if f.kind() == fWindow {
				what.Limit = int(f.value())
			}
			try(what, !refused, func(a actor) error {
				return a.receive(side, a.lines[side].pop(), refused)
			})
		}
	}
	if err := m.lost(s); err != nil {
		do(Event{What: "tunnel lost"}, false, s, err)
	}
	if s.st[server] == idle {
		try(Event{Side: sides[server], What: "visitor accepted"}, true, func(a actor) error { return a.make(move{server, "visitor accepted", "", true}) })
	}
	actor{t: m.t, c: &s.conn}.moves(func(v move) {
		try(Event{Side: sides[v.side], What: v.event}, v.orderly, func(a actor) error { return a.make(v) })
	})
	for side := range sides {
		if s.taken[side] < s.got[side] && (s.sock[side] == alive || s.sock[side] == closing) {
			try(Event{Side: sides[side], What: Taken}, true, func(a actor) error {
				a.c.taken[side]++
				a.c.close(side)
				return nil
			})
		}
	}
}

// lost lets both sides lose the tunnel, and says what is wrong then.
func (m extended) lost(s extState) error {
	s.lines = [2]line{}
	for side := range sides {
		was := s.st[side]
		a := actor{t: m.t, c: &s.conn, lines: &s.lines}
		if err := a.happen(side, "tunnel lost", "", 0); err != nil {
			return err
		}
		if s.st[side] != idle && s.st[side] != gone {
			return fmt.Errorf("the tunnel is lost, and the %s is %s", sides[side], a.state(side))
		}
		if s.lines[1-side].n > 0 {
			return fmt.Errorf("the tunnel is lost, and the %s has a frame to send", sides[side])
		}
		if was != idle && was != gone && (s.sock[side] == alive || s.sock[side] == dialled) {
			return fmt.Errorf("the tunnel is lost, and the %s leaves its local socket as it was", sides[side]) // LOSS-001
		}
	}
	return nil
}

func (m extended) settled(s extState) error {
	if s.lines[server].n+s.lines[client].n > 0 {
		return nil
	}
	return s.conn.settled()
}

func (m extended) over(s extState) bool {
	return s.lines[server].n+s.lines[client].n == 0 && s.conn.over()
}
