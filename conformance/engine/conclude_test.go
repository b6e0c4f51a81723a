package engine

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/adit-tunnel/adit/conformance/wire"
)

// s and r are a frame that the suite sent, and one that it received, on tunnel 1.
func s(f Frame) Event {
	return Event{Who: "tunnel 1", Kind: Sent, Tunnel: 1, Frame: f, Size: len(f.Payload)}
}

func r(f Frame) Event {
	return Event{Who: "tunnel 1", Kind: Received, Tunnel: 1, Frame: f, Size: len(f.Payload), Bad: f.Malformed()}
}

// at is an event at a time.
func at(t time.Duration, e Event) Event {
	e.At = t
	return e
}

func TestWhatTheTextAllowsIsNotCharged(t *testing.T) {
	x := []byte("x")
	req, ok, no := RequestTo(7, "h", 1), Response(7, Success), Response(7, StatusRefused)
	d, c, k := Data(7, x), Close(7), KeepAlive()
	tests := []struct {
		name   string
		role   Role
		events []Event
	}{
		{"a whole connection", Server, []Event{r(req), s(ok), r(d), s(d), r(c), s(c)}},
		{"a whole connection", Client, []Event{s(req), r(ok), s(d), r(d), s(c), r(c)}},
		{"an ID used again after both Closes", Server, []Event{r(req), s(ok), r(c), s(c), r(req), s(ok), r(d), r(c)}},
		{"an ID used again after a failure", Server, []Event{r(req), s(no), r(req), s(ok), r(d)}},
		{"an ID used again after a Close in place of the response", Server, []Event{r(req), s(c), r(req)}},
		{"an ID used again after both Closes", Client, []Event{s(req), r(ok), s(c), r(c), s(req), r(ok), r(d), r(c)}},
		{"Close crosses Close", Server, []Event{r(req), s(ok), r(d), s(c), r(c)}},
		{"Close crosses Data", Client, []Event{s(req), r(ok), s(c), r(d), r(c)}},
		{"Close crosses success: one more Close", Server, []Event{r(req), s(ok), r(c), r(c), s(c)}},
		{"success for an abandoned ID: one more Close", Server, []Event{r(req), r(c), s(ok), r(c), s(c), r(req)}},
		{"success for an abandoned ID: no more Close", Server, []Event{r(req), r(c), s(ok), s(c)}},
		{"the server gives up, the client fails", Server, []Event{r(req), r(c), s(no), r(req)}},
		{"Close crosses a failure", Server, []Event{r(req), s(no), r(c)}},
		{"Close crosses success", Client, []Event{s(req), s(c), r(ok), r(c)}},
		{"Close while dialing: failure", Client, []Event{s(req), s(c), r(no)}},
		{"Data while dialing: Close in place of the response", Client, []Event{s(req), s(d), r(c)}},
		{"Data while dialing: failure, and Close for what followed", Client, []Event{s(req), s(d), r(no), s(d), r(c)}},
		{"Data while requested: Close", Server, []Event{r(req), s(d), r(c), s(ok), r(c), s(c)}},
		{"Data for an ID never used: any number of Closes", Server, []Event{s(d), s(d), r(c), r(c)}},
		{"Data for an ID never used: any number of Closes", Client, []Event{s(d), s(d), r(c)}},
		{"Data after both Closes: Close", Client, []Event{s(req), r(ok), s(c), r(c), s(d), r(c)}},
		{"Data that crosses the Close that ends it", Client, []Event{s(req), r(ok), s(c), s(d), r(c), r(c)}},
		{"Data after a failure: Close", Server, []Event{r(req), s(no), s(d), r(c)}},
		{"Close for an ID that nobody knows", Server, []Event{s(c)}},
		{"KeepAlives", Server, []Event{s(k), s(k), r(k), r(k)}},
		{"KeepAlives", Client, []Event{r(k), s(k), s(k), r(k)}},
		{"private types", Server, []Event{r(Raw(0x80)), r(Raw(0xFF))}},
		{"HELLO, the client's first frame", Client, []Event{r(wire.Hello()), r(k)}},
		{"what the suite has agreed to", Server, []Event{s(wire.Hello()), r(wire.Hello()), r(Raw(0x3A)), r(wire.Ping(wire.Mark{}))}},
		{"after a tunnel error that the suite made", Client, []Event{s(req), s(req), r(ok), r(ok)}},
		{"after octets that are no frame", Client, []Event{{Who: "tunnel 1", Kind: SentRaw, Tunnel: 1}, r(c)}},
		{"Data that waited while the suite did not read", Server, []Event{
			r(req), s(ok), s(c), s(k), r(k), {Who: "tunnel 1", Kind: Held}, {At: 20 * time.Second, Who: "tunnel 1", Kind: Released}, at(20*time.Second, r(d)),
		}},
		{"Data that had been read before the suite stopped reading", Server, []Event{
			r(req), s(ok), s(c), s(k), r(k), {Who: "tunnel 1", Kind: Held}, at(20*time.Second, r(d)),
		}},
		{"a stream cut inside a frame", Server, []Event{{Who: "tunnel 1", Kind: Broken, Tunnel: 1, Bad: errors.New("the stream ended inside a frame")}}},
		{"the same ID on another tunnel", Client, []Event{s(req), r(ok), {Who: "tunnel 2", Kind: Sent, Tunnel: 2, Frame: req}, {Who: "tunnel 2", Kind: Received, Tunnel: 2, Frame: ok}}},
	}
	for _, tt := range tests {
		if v := violations(tt.role, tt.events); len(v) > 0 {
			t.Errorf("%s, %s: charged %s: %s (%s)", tt.name, tt.role, v[0].req, v[0].sentence, v[0].got)
		}
	}
}

func TestViolationsAreCharged(t *testing.T) {
	x := []byte("x")
	req, ok, no := RequestTo(7, "h", 1), Response(7, Success), Response(7, StatusRefused)
	d, c, k := Data(7, x), Close(7), KeepAlive()
	tests := []struct {
		name   string
		role   Role
		events []Event
		want   string
	}{
		{"a malformed frame", Server, []Event{r(Raw(TypeClose, 1))}, "FRAME-001"},
		{"another version", Server, []Event{{Who: "tunnel 1", Kind: Broken, Tunnel: 1, Frame: Frame{Version: 2}, Bad: wire.ErrVersion}}, "FRAME-001"},
		{"a length above the limit", Client, []Event{{Who: "tunnel 1", Kind: Broken, Tunnel: 1, Frame: Frame{Version: 1, Size: 1<<20 + 1}, Bad: wire.ErrLength}}, "FRAME-005"},
		{"a reserved type", Client, []Event{r(Raw(0x06))}, "FRAME-009"},
		{"a reserved type", Server, []Event{r(Raw(0x7F))}, "FRAME-009"},
		{"HELLO that answers none", Server, []Event{r(wire.Hello())}, "EXT-001"},
		{"HELLO behind another frame", Client, []Event{r(k), r(wire.Hello())}, "EXT-001"},
		{"an extension that nobody agreed to", Client, []Event{r(Raw(0x11, 1))}, "EXT-001"},
		{"Data long after a Close that was taken", Server, []Event{r(req), s(ok), s(c), s(k), r(k), at(20*time.Second, r(d))}, "CLOSE-008"},
		{"a reserved type, after a tunnel error of the suite", Client, []Event{s(req), s(req), r(Raw(0x06))}, "FRAME-009"},
		{"type 0", Server, []Event{r(Raw(0x00))}, "FRAME-009"},
		{"ConnectRequest from a client", Client, []Event{r(req)}, "FRAME-001"},
		{"ConnectResponse from a server", Server, []Event{r(ok)}, "FRAME-001"},
		{"a KeepAlive unasked", Server, []Event{s(k), r(k), r(k)}, "ALIVE-002"},
		{"an ID in use", Server, []Event{r(req), r(req)}, "ID-001"},
		{"an ID still open", Server, []Event{r(req), s(ok), r(c), r(req)}, "ID-001"},
		{"an ID still abandoned", Server, []Event{r(req), r(c), r(req)}, "ID-001"},
		{"two responses", Client, []Event{s(req), r(ok), r(ok)}, "OPEN-004"},
		{"failure after success", Client, []Event{s(req), r(ok), r(no)}, "OPEN-004"},
		{"a response that nobody asked for", Client, []Event{r(ok)}, "OPEN-004"},
		{"Close in place, and a response", Client, []Event{s(req), s(d), r(c), r(no)}, "OPEN-004"},
		{"a failure, and a Close", Client, []Event{s(req), r(no), r(c)}, "OPEN-027"},
		{"Data before success", Server, []Event{r(req), r(d)}, "OPEN-017"},
		{"Data before success", Client, []Event{s(req), r(d)}, "OPEN-017"},
		{"Data after a failure", Client, []Event{s(req), r(no), r(d)}, "OPEN-017"},
		{"Data after its own Close", Server, []Event{r(req), s(ok), r(d), r(c), r(d)}, "DATA-008"},
		{"Data after its own Close", Client, []Event{s(req), r(ok), r(c), r(d)}, "DATA-008"},
		{"two Closes", Server, []Event{r(req), s(ok), r(d), r(c), r(c)}, "CLOSE-001"},
		{"two Closes", Client, []Event{s(req), r(ok), s(c), r(c), r(c)}, "CLOSE-001"},
		{"a third Close for an abandoned ID", Server, []Event{r(req), r(c), s(ok), r(c), r(c)}, "CLOSE-001"},
		{"a Close out of nowhere", Client, []Event{r(c)}, "CLOSE-001"},
		{"an answer to a stray Close", Server, []Event{s(c), r(c)}, "CLOSE-007"},
	}
	for _, tt := range tests {
		got := violations(tt.role, tt.events)
		if !slices.ContainsFunc(got, func(v violation) bool { return v.req == tt.want }) {
			t.Errorf("%s, %s: charged %v; want %s", tt.name, tt.role, got, tt.want)
		}
	}
}

// The lines of the subject's log that a result shows are those of the case's own time: the instance has served others before.
func TestTheLogIsTheCasesOwn(t *testing.T) {
	r := &Runner{Subject: &peerSubject{role: Server, owned: true}, Role: Server, Jobs: 1}
	var began time.Time
	first := Case{ID: "X-001", Role: Server, Run: func(t *T) { t.Open() }}
	second := Case{ID: "X-002", Role: Server, Run: func(t *T) { began = t.begun; t.Fail("", "it does right") }}
	got, err := runCases(t, r, []Case{first, second})
	if want := "since " + began.Format(time.RFC3339Nano); err != nil || !slices.Contains(got["X-002"].Log, want) {
		t.Errorf("the log is %q, %v; want that %s", got["X-002"].Log, err, want)
	}
}

// violations is what the judge charges for events.
func violations(role Role, events []Event) []violation {
	b := newBench(role, 0)
	for _, e := range events {
		b.take(e)
	}
	return b.found
}
