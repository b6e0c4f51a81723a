package engine

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestRowsOfATraceAreShortened(t *testing.T) {
	var events []Event
	add := func(e Event) { e.At = time.Duration(len(events)) * time.Millisecond; events = append(events, e) }
	data := func(id uint32, n int) {
		for range n {
			add(Event{Who: "tunnel 1", Tunnel: 1, Kind: Received, Frame: Data(id, []byte("x")), Size: 5})
		}
	}
	data(1, 1000)
	data(2, 9) // as long as the row stays whole
	add(Event{Who: "tunnel 1", Tunnel: 1, Kind: Received, Frame: Data(2, nil), Size: 3, Bad: errors.New("too short")})
	for range 10 {
		add(Event{Who: "visitor 1", Kind: Octets, Size: 2, Text: "78 78"})
	}
	add(Event{Who: "visitor 2", Kind: Octets, Size: 2, Text: "78 78"})
	add(Event{Who: "visitor 2", Kind: EOF})

	got := abridged(events)
	if want := 9 + 9 + 1 + 9 + 2; len(got) != want {
		t.Fatalf("%d events of %d stay; want %d", len(got), len(events), want)
	}
	for i, want := range map[int]string{
		4:  "    0.004s  tunnel 1          -- 992 more of these, 992 octets, until 0.995s",
		23: "    1.014s  visitor 1         -- 2 more of these, 4 octets, until 1.015s",
	} {
		if got[i].String() != want {
			t.Errorf("event %d is %q; want %q", i, got[i], want)
		}
	}
	if i := slices.IndexFunc(got, func(e Event) bool { return e.Bad != nil }); i != 18 || !strings.HasSuffix(got[i].String(), "too short") {
		t.Errorf("what is wrong is event %d; want 18", i)
	}
}
