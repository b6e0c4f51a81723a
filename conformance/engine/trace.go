package engine

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// rowShown is how many events of a row that says the same again and again stay
// at either end of it.
const rowShown = 4

// abridged is a record for people: of Data in a row on one connection, and of
// octets in a row from one socket, the first and the last events. A legal subject may send
// 400,000 frames of one octet, and a run keeps the records of all its cases.
func abridged(events []Event) []Event {
	var out []Event
	for len(events) > 0 {
		n, octets := 1, 0
		for n < len(events) && events[0].goesOn(events[n]) {
			n++
		}
		row := events[:n]
		events = events[n:]
		if n <= 2*rowShown+1 {
			out = append(out, row...)
			continue
		}
		left := row[rowShown : n-rowShown]
		for _, e := range left {
			octets += e.octets()
		}
		out = append(out, row[:rowShown]...)
		out = append(out, Event{
			At: left[0].At, Who: row[0].Who, Kind: Note, Tunnel: row[0].Tunnel,
			Text: fmt.Sprintf("%d more of these, %d octets, until %.3fs", len(left), octets, left[len(left)-1].At.Seconds()),
		})
		out = append(out, row[n-rowShown:]...)
	}
	return slices.Clip(out)
}

// goesOn reports whether next is more of what e is.
func (e Event) goesOn(next Event) bool {
	if e.Kind != next.Kind || e.Who != next.Who || e.Bad != nil || next.Bad != nil {
		return false
	}
	return e.Kind == Octets ||
		e.Kind == Received && e.Frame.Type == TypeData && next.Frame.Type == TypeData && e.Frame.ID() == next.Frame.ID()
}

// octets is how many octets of a stream an event carries.
func (e Event) octets() int {
	if e.Kind == Received {
		return e.Size - len(u32(0))
	}
	return e.Size
}

// arrows say which way a thing went, seen from the suite.
var arrows = map[Kind]string{
	Sent: "suite  ->", SentRaw: "suite  ->", Received: "subject->", Broken: "subject->",
	Connected: "      ", Wrote: "suite  ->", Octets: "subject->", EOF: "subject->", Reset: "subject->",
	Finished: "suite  ->", Aborted: "suite  ->", Note: "       --",
}

// String is the event as one line of a trace, fit for a terminal whatever the subject sent.
func (e Event) String() string {
	what := strings.Map(func(c rune) rune {
		if !unicode.IsPrint(c) {
			return '?'
		}
		return c
	}, e.what())
	return fmt.Sprintf("%9.3fs  %-10s %-9s %s", e.At.Seconds(), e.Who, arrows[e.Kind], what)
}

func (e Event) what() string {
	switch e.Kind {
	case Sent, Received:
		s := e.Frame.describe(e.Size)
		if e.Bad != nil {
			s += "  <-- " + e.Bad.Error()
		}
		return s
	case SentRaw:
		return fmt.Sprintf("%d raw octets %s", e.Size, e.Text)
	case Broken:
		return fmt.Sprintf("%s  <-- %v", e.Text, e.Bad)
	case Wrote, Octets:
		return fmt.Sprintf("%d octets %s", e.Size, e.Text)
	case EOF:
		return "end of stream (FIN)"
	case Reset:
		return "reset (RST)"
	case Finished:
		if e.Text != "" {
			return e.Text
		}
		return "closed"
	case Aborted:
		return "reset (RST)"
	}
	return e.Text
}
