package engine

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// shown is a record for people: without what a trace does not show, octets by the MiB among it.
func shown(events []Event) []Event {
	events = slices.DeleteFunc(slices.Clone(events), func(e Event) bool { return e.Kind == Awaited })
	for i := range events {
		events[i].Payload = nil
	}
	return slices.Clip(events)
}

// goesOn reports whether next is more of what e is.
func (e Event) goesOn(next Event) bool {
	if e.Kind != next.Kind || e.Who != next.Who || brokenHow(e) != brokenHow(next) {
		return false
	}
	return e.Kind == Octets || e.Kind == Received && e.Frame.Type == next.Frame.Type && (!e.Frame.Type.HasID() || e.Frame.ID() == next.Frame.ID())
}

func brokenHow(e Event) string {
	if e.Bad == nil {
		return ""
	}
	return e.Bad.Error()
}

// repeated is e and what comes behind it in its row, as one event.
func (e Event) repeated(next Event) Event {
	if e.Kind != Repeated {
		e = Event{At: e.At, Who: e.Who, Kind: Repeated, Tunnel: e.Tunnel, Size: e.octets(), Count: 1}
	}
	e.Size, e.Count, e.Until = e.Size+next.octets(), e.Count+1, next.At
	return e
}

// octets is how many octets of a stream an event carries.
func (e Event) octets() int {
	if e.Kind == Received && e.Frame.Type == TypeData {
		return int(e.Frame.Size) - 4
	}
	return e.Size
}

// arrows say which way a thing went, seen from the suite.
var arrows = map[Kind]string{
	Sent: "suite  ->", SentRaw: "suite  ->", Received: "subject->", Broken: "subject->",
	Connected: "      ", Wrote: "suite  ->", Octets: "subject->", EOF: "subject->", Reset: "subject->",
	Finished: "suite  ->", Aborted: "suite  ->", Note: "       --", Repeated: "       --", Held: "       --", Released: "       --",
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
		s := e.Frame.String()
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
		if e.Text != "" {
			return e.Text
		}
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
	case Repeated:
		return fmt.Sprintf("%d more of these, %d octets, until %.3fs", e.Count, e.Size, e.Until.Seconds())
	}
	return e.Text
}
