package engine

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

// outlineOf is the outline of what a subject sent on one tunnel, and of one visitor.
func outlineOf(octets string, frames ...Frame) *outline {
	o := newOutline()
	o.event(Event{Who: "tunnel 1", Tunnel: 1, Kind: Connected})
	for _, f := range frames {
		o.event(Event{Who: "tunnel 1", Tunnel: 1, Kind: Received, Frame: f})
	}
	s := o.socket("visitor 1")
	s.octets([]byte(octets))
	return o
}

func TestLegalRunsHaveTheSameOutline(t *testing.T) {
	written := []Frame{
		RequestTo(1, "127.0.0.1", 80), Data(1, []byte("hello")), Close(1),
		RequestTo(2, "127.0.0.1", 80), Data(2, []byte("first second")), Close(7),
	}
	for name, other := range map[string][]Frame{
		"the same":                 written,
		"other IDs":                {RequestTo(90, "127.0.0.1", 80), Data(90, []byte("hello")), Close(90), RequestTo(4, "127.0.0.1", 80), Data(4, []byte("first second")), Close(7)},
		"an ID that is used again": {RequestTo(1, "127.0.0.1", 80), Data(1, []byte("hello")), Close(1), RequestTo(1, "127.0.0.1", 80), Data(1, []byte("first second")), Close(7)},
		"other pieces":             {RequestTo(1, "127.0.0.1", 80), Data(1, []byte("hel")), Data(1, nil), Data(1, []byte("lo")), Close(1), RequestTo(2, "127.0.0.1", 80), Data(2, []byte("first second")), Close(7)},
		"another host and port":    {RequestTo(1, "10.0.0.1", 81), Data(1, []byte("hello")), Close(1), RequestTo(2, "127.0.0.1", 80), Data(2, []byte("first second")), Close(7)},
		"KeepAlives and unknowns":  {KeepAlive(), RequestTo(1, "127.0.0.1", 80), Data(1, []byte("hello")), Raw(0x80, 1), Close(1), KeepAlive(), RequestTo(2, "127.0.0.1", 80), Data(2, []byte("first second")), Close(7)},
		"one connection first":     {RequestTo(1, "127.0.0.1", 80), RequestTo(2, "127.0.0.1", 80), Data(2, []byte("first second")), Data(1, []byte("hello")), Close(1), Close(7)},
		"one Close for each Data":  {RequestTo(1, "127.0.0.1", 80), Data(1, []byte("hello")), Close(1), RequestTo(2, "127.0.0.1", 80), Data(2, []byte("first second")), Close(7), Close(7), Close(7)},
		"not everything seen yet":  {RequestTo(1, "127.0.0.1", 80), Data(1, []byte("hello")), RequestTo(2, "127.0.0.1", 80), Data(2, []byte("first"))},
	} {
		a, b := outlineOf("octets", written...), outlineOf("octets", other...)
		if d := a.difference(b); d != "" {
			t.Errorf("%s differs:\n%s", name, d)
		}
		if d := b.difference(a); d != "" {
			t.Errorf("%s differs, seen from there:\n%s", name, d)
		}
	}
}

func TestOutlinesDiffer(t *testing.T) {
	written := []Frame{RequestTo(1, "127.0.0.1", 80), Data(1, []byte("hello")), Close(1)}
	for name, c := range map[string]struct {
		octets string
		frames []Frame
		want   string
	}{
		"another form":    {"octets", []Frame{Request(1, 80), Data(1, []byte("hello")), Close(1)}, "tunnel 1, connection 1\n  - ConnectRequest, addressed form\n  + ConnectRequest, short form"},
		"other octets":    {"octets", []Frame{RequestTo(1, "127.0.0.1", 80), Data(1, []byte("hellO")), Close(1)}, "+ 5 octets"},
		"an octet less":   {"octets", []Frame{RequestTo(1, "127.0.0.1", 80), Data(1, []byte("hell")), Close(1)}, "+ 4 octets"},
		"Close too early": {"octets", []Frame{RequestTo(1, "127.0.0.1", 80), Close(1)}, "+ Close"},
		"a status":        {"octets", []Frame{RequestTo(1, "127.0.0.1", 80), Response(1, 2)}, "+ ConnectResponse with status 0x02"},
		"a local socket":  {"octetz", written, "visitor 1\n  - 6 octets"},
	} {
		a, b := outlineOf("octets", written...), outlineOf(c.octets, c.frames...)
		if d := a.difference(b); !strings.Contains(d, c.want) {
			t.Errorf("%s: %q; want %q", name, d, c.want)
		}
	}
}

func TestOutlineOfALargeStream(t *testing.T) {
	large := bytes.Repeat([]byte("x"), 3*headLen)
	other := slices.Clone(large)
	other[2*headLen] = 'y' // beyond what is kept
	if d := outlineOf(string(large)).difference(outlineOf(string(other))); d == "" {
		t.Error("no difference between streams that differ in one octet")
	}
}

// Frames that differ charge FRAME-006, unless the case says that they may.
func TestJoinComparesOutlines(t *testing.T) {
	a, b := outlineOf("", Request(1, 80)), outlineOf("", RequestTo(1, "h", 80))
	for name, c := range map[string]struct {
		written, cut Result
		want         Verdict
	}{
		"the same frames":         {Result{Verdict: Pass, outline: a}, Result{Verdict: Pass, outline: a}, Pass},
		"other frames":            {Result{Verdict: Pass, outline: a}, Result{Verdict: Pass, outline: b}, Fail},
		"a race":                  {Result{Verdict: Pass, outline: a, Case: Case{Races: "it does"}}, Result{Verdict: Pass, outline: b}, Pass},
		"a SHOULD kept only here": {Result{Verdict: Pass, outline: a}, Result{Verdict: PassNonstrict, outline: a}, Fail},
		"on a busy machine":       {Result{Verdict: Pass, outline: a}, Result{Verdict: PassNonstrict, outline: a, Late: starvedBy}, Pass},
		"not applicable here":     {Result{Verdict: NotApplicable, outline: a}, Result{Verdict: Pass, outline: b}, NotApplicable},
	} {
		res := join(map[Cut]Result{AsWritten: c.written, ByField: c.cut})
		charged := slices.ContainsFunc(res.Findings, func(f Finding) bool { return f.Req == "FRAME-006" })
		if res.Verdict != c.want || charged != (c.want == Fail) {
			t.Errorf("%s: %s, FRAME-006 charged: %v; want %s", name, res.Verdict, charged, c.want)
		}
	}
}

// A subject that was there for the octets as written, and not for those that are cut, met a busy machine: the pieces did nothing.
func TestACutThatFoundNobodyChargesNothing(t *testing.T) {
	passed := Result{Verdict: Pass}
	for _, tt := range []struct {
		written, cut Result
		want         Verdict
	}{
		{passed, Result{Verdict: NotTestable, Reason: "address in use", Findings: []Finding{{Req: "X-001"}}}, Inconclusive},
		{passed, Result{Verdict: Fail, Findings: []Finding{{Req: "X-001"}}}, Fail},
		{Result{Verdict: NotTestable, Reason: "address in use"}, passed, NotTestable},
	} {
		res := join(map[Cut]Result{AsWritten: tt.written, Joined: tt.cut})
		if res.Verdict != tt.want || tt.want == Inconclusive && (len(res.Findings) > 0 || res.Reason != "with the octets cut, joined: address in use") {
			t.Errorf("%s, and %s with its octets cut: %s, %q, %v; want %s", tt.written.Verdict, tt.cut.Verdict, res.Verdict, res.Reason, res.Findings, tt.want)
		}
	}
}
