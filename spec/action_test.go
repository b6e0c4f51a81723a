package spec_test

import (
	"slices"
	"testing"

	"github.com/adit-tunnel/adit/spec"
)

func TestEvents(t *testing.T) {
	for _, want := range []spec.Event{
		{Name: "ConnectResponse failure", Role: "server", Cause: "frame", Frame: "ConnectResponse", Status: "failure"},
		{Name: "ConnectResponse", Role: "both", Cause: "frame", Frame: "ConnectResponse"},
		{Name: "Data", Role: "both", Cause: "frame", Frame: "Data"},
		{Name: "visitor end of stream after octets", Role: "server", Cause: "local socket", Local: "ends its stream"},
		{Name: "dial failed", Role: "client", Cause: "local socket", Local: "refuses"},
		{Name: "close-wait", Role: "both", Cause: "timer", Timer: "close-wait"},
		{Name: "tunnel lost", Role: "both", Cause: "tunnel"},
		{Name: "another extended or unknown frame", Role: "both", Cause: "frame", Any: "extended"},
		{Name: "WINDOW above the limit", Role: "both", Cause: "frame", Frame: "WINDOW"},
		{Name: "both halves ended", Role: "both", Cause: "connection"},
		{Name: "linger", Role: "both", Cause: "timer", Timer: "linger"},
		{Name: "AUTH that is right", Role: "both", Cause: "frame", Frame: "AUTH"},
		{Name: "handshake over", Role: "both", Cause: "timer", Timer: "handshake"},
	} {
		got, ok := spec.EventOf(want.Name)
		if want.Meaning = got.Meaning; !ok || got != want || got.Meaning == "" {
			t.Errorf("EventOf(%s) = %+v, %v; want %+v", want.Name, got, ok, want)
		}
	}
	if e, ok := spec.EventOf("visitor sings"); ok {
		t.Errorf("EventOf(visitor sings) = %+v; want none", e)
	}
	n := 0
	for range spec.Events() {
		n++
	}
	if n != 26+25+6 {
		t.Errorf("%d events; want the 26 of section 7.3, the 25 of section 26 and the 6 of section 30.3", n)
	}
}

func TestActions(t *testing.T) {
	frame := func(name, status string) spec.Sent { return spec.Sent{Frame: name, Status: status} }
	for _, c := range []struct {
		name, state         string
		sends               []spec.Sent
		local, queue, scope string
	}{
		{"ignore", "open", nil, "", "", ""},
		{"deliver", "open", nil, "deliver", "add", ""},
		{"hold", "requested", nil, "hold", "", ""},
		{"discard", "closing", nil, "discard", "", ""},
		{"drop queued", "closing", nil, "", "drop", ""},
		{"shut down service's write side", "draining", nil, "shut down", "", ""},
		{"end visitor", "requested", nil, "end", "", ""},
		{"reset visitor", "closing", nil, "reset", "drop", ""},
		{"close service", "lingering", nil, "close", "", ""},
		{"cancel the dial", "dialing", nil, "cancel", "", ""},
		{"send failure", "dialing", []spec.Sent{frame("ConnectResponse", "failure")}, "", "", ""},
		{"send one more Close", "abandoned", []spec.Sent{frame("Close", "")}, "", "", ""},
		{"send held octets", "requested", []spec.Sent{frame("Data", "")}, "", "", ""},
		{"connection error", "open", []spec.Sent{frame("Close", "")}, "reset", "drop", "connection error"},
		{"connection error", "dialing", []spec.Sent{frame("ConnectResponse", "failure"), frame("Close", "")}, "cancel", "", "connection error"},
		{"connection error", "", []spec.Sent{frame("Close", "")}, "reset", "drop", "connection error"},
		{"tunnel error", "dialing", nil, "reset", "drop", "tunnel error"},
		{"send RESET timed-out", "opening", []spec.Sent{{Frame: "RESET", Code: "timed-out"}}, "", "drop", ""},
		{"shut down when written", "flowing", nil, "shut down", "", ""},
		{"send the server's proof", "new", []spec.Sent{{Frame: "AUTH"}}, "", "", ""},
		{"send GOAWAY denied", "greeted", []spec.Sent{{Frame: "GOAWAY", Code: "denied"}}, "", "", ""},
	} {
		a, ok := spec.ActionOf(c.name, c.state)
		if !ok || a.Name != c.name || !slices.Equal(a.Sends, c.sends) || a.Local != c.local || a.Queue != c.queue || a.Scope != c.scope || a.Meaning == "" {
			t.Errorf("ActionOf(%s, %s) = %+v, %v; want it to send %v, local %q, queue %q, scope %q", c.name, c.state, a, ok, c.sends, c.local, c.queue, c.scope)
		}
	}
	if a, ok := spec.ActionOf("sing", "open"); ok {
		t.Errorf("ActionOf(sing) = %+v; want none", a)
	}
}

// What the cells do to the wire is what section 7 says in words, told by what their actions send.
func TestWhatCellsSend(t *testing.T) {
	sends := func(role, event, state string) (names []string) {
		c, ok := spec.States(role).Cell(event, state)
		if !ok {
			t.Fatalf("no cell %s, %s in %s", role, event, state)
		}
		for _, a := range c.Actions() {
			for _, s := range a.Sends {
				names = append(names, s.Frame)
			}
		}
		return names
	}
	for _, c := range []struct {
		role, event, state string
		want               []string
	}{
		{"server", "visitor accepted", "idle", []string{"ConnectRequest"}},
		{"server", "Data", "idle", []string{"Close"}},
		{"server", "Data", "closing", nil},
		{"server", "queued octets all written", "draining", []string{"Close"}},
		{"server", "queued octets all written", "closing", nil},
		{"client", "Close", "dialing", []string{"ConnectResponse"}},
		{"client", "Data", "dialing", []string{"ConnectResponse", "Close"}},
		{"auth-server", "HELLO with auth", "new", []string{"HELLO", "AUTH"}}, // AUTH-003
		{"auth-server", "AUTH that is wrong", "greeted", []string{"GOAWAY"}},
		{"auth-client", "AUTH that is right", "greeted", []string{"AUTH"}},
		{"auth-client", "AUTH that is wrong", "greeted", nil}, // AUTH-004
	} {
		if got := sends(c.role, c.event, c.state); !slices.Equal(got, c.want) {
			t.Errorf("%s, %s in %s sends %q; want %q", c.role, c.event, c.state, got, c.want)
		}
	}
	// CLOSE-001: no cell makes a side send a second Close for a connection that was open.
	for _, role := range []string{"server", "client"} {
		for _, row := range spec.States(role).Events {
			if slices.Contains(sends(role, row.Event, "closing"), "Close") {
				t.Errorf("%s, %s in closing sends a second Close", role, row.Event)
			}
		}
	}
}
