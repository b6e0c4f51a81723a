package engine

import (
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/adit-tunnel/adit/conformance/wire"
)

// entered is a record of events that came a millisecond apart.
func entered(role Role, events ...Event) *Recorder {
	r := newRecorder(Case{Role: role}, nil, false)
	for i, e := range events {
		e.At = time.Duration(i) * time.Millisecond
		r.enter(e)
	}
	return r
}

// times is n times the frame, from the subject on tunnel 1.
func times(n int, f Frame) []Event {
	return slices.Repeat([]Event{{Who: "tunnel 1", Tunnel: 1, Kind: Received, Frame: f, Size: int(f.Size), Bad: f.Malformed()}}, n)
}

func TestRowsOfARecordAreShortened(t *testing.T) {
	octets := Event{Who: "visitor 1", Kind: Octets, Size: 2, Text: "78 78"}
	other := Event{Who: "visitor 2", Kind: Octets, Size: 2, Text: "78 78"}
	got := entered(Server, slices.Concat(
		times(1000, Data(1, []byte("x"))),
		times(9, Data(2, []byte("x"))), // as long as the row stays whole
		[]Event{{Who: "tunnel 1", Tunnel: 1, Kind: Received, Frame: Data(2, nil), Size: 3, Bad: errors.New("too short")}},
		slices.Repeat([]Event{octets}, 10), []Event{other, {Who: "visitor 2", Kind: EOF}},
		times(1000, KeepAlive()),
	)...).events
	if want := 9 + 9 + 1 + 9 + 2 + 1 + 9; len(got) != want {
		for _, e := range got {
			t.Log(e)
		}
		t.Fatalf("%d events stay; want %d", len(got), want)
	}
	var rows []string
	for _, e := range got {
		if e.Kind == Repeated {
			rows = append(rows, strings.TrimSpace(e.String()))
		}
	}
	want := []string{
		"0.004s  tunnel 1          -- 992 more of these, 992 octets, until 0.995s",
		"1.014s  visitor 1         -- 2 more of these, 4 octets, until 1.015s",
		"1.027s  tunnel 1          -- 991 more of these, 0 octets, until 2.017s", // nobody asked for the first, which is charged: a row of its own
	}
	if !slices.Equal(rows, want) {
		t.Errorf("the rows are\n%s\nwant\n%s", strings.Join(rows, "\n"), strings.Join(want, "\n"))
	}
	if !slices.ContainsFunc(got, func(e Event) bool { return e.Bad != nil && strings.HasSuffix(e.String(), "too short") }) {
		t.Error("what is wrong is left out")
	}
}

// What the judge charged, and what a case charged something after, stay wherever they are in a row.
func TestAFindingsEventsStay(t *testing.T) {
	ok := []Event{{Who: "tunnel 1", Tunnel: 1, Kind: Sent, Frame: RequestTo(7, "h", 1)}, times(1, Response(7, Success))[0]}
	r := entered(Client, slices.Concat(ok, times(500, Data(7, []byte("x"))))...)
	last := r.events[len(r.events)-1]
	at := r.charged("FAULT")
	for _, e := range slices.Concat(times(500, Data(7, []byte("x"))), times(500, Close(7))) {
		r.add(e)
	}
	if got := r.events[at-1]; got.Kind != Received || got.At != last.At {
		t.Errorf("it was charged after %v; the record has %v there", last, got)
	}
	_, charged := r.Events()
	if len(charged) != 1 || charged[0].req != "CLOSE-001" {
		t.Fatalf("charged %v; want CLOSE-001", charged)
	}
	if !slices.ContainsFunc(r.events, func(e Event) bool { return e.At == charged[0].at && e.Frame.Type == TypeClose }) {
		t.Errorf("the event at %s is left out", charged[0].at)
	}
	if len(r.events) > 40 {
		t.Errorf("%d events stay", len(r.events))
	}
}

// A subject that sends small frames for minutes does not fill the suite's memory.
func TestARecordsMemoryIsBounded(t *testing.T) {
	memory := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	for _, f := range []Frame{Raw(0x80, 1), Data(7, []byte("abc")), KeepAlive(), Raw(TypeClose, 1), wire.Window(7, 1)} {
		r, before := newRecorder(Case{Role: Server}, nil, true), memory()
		for range 200_000 {
			r.add(Event{Who: "tunnel 1", Tunnel: 1, Kind: Received, Frame: f, Bad: f.Malformed()})
		}
		if grown := memory() - before; grown > 1<<20 {
			t.Errorf("200,000 times %v take %d octets of memory; want 1 MiB at most", f, grown)
		}
		if e := r.events[len(r.events)-1]; e.Kind != Received || e.Frame.Type != f.Type {
			t.Errorf("the record of %v ends with %v", f, e)
		}
	}
}
