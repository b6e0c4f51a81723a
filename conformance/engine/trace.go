package engine

import (
	"fmt"
	"strings"
	"unicode"
)

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
