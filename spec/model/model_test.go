package model

import (
	"slices"
	"strings"
	"testing"

	"github.com/adit-tunnel/adit/spec"
)

// check explores a model and fails if it is refuted, or too small to have seen anything.
func check[S comparable](t *testing.T, name string, m system[S], least int) {
	t.Helper()
	n, err := explore(m)
	if err != nil {
		t.Errorf("%s: %v", name, err)
	}
	if n < least {
		t.Errorf("%s: %d states; want %d and more", name, n, least)
	}
}

// The tables as they are printed are refuted by no run.
func TestPrintedTables(t *testing.T) {
	check(t, "a connection, window 0", extended{Printed(), 0}, 40_000)
	check(t, "a connection, window 2", extended{Printed(), 2}, 40_000)
	check(t, "a connection, window 3", extended{Printed(), 3}, 40_000)
	check(t, "the handshake", handshake{Printed(), false}, 400)
	check(t, "the handshake with a Core server", handshake{Printed(), true}, 40)
	check(t, "an ID of Core", core{Printed()}, 3000)
}

func TestDrain(t *testing.T) {
	check(t, "a drain", drain{Printed()}, 100_000)
}

// spared are changes that no run refutes, and why.
var spared = map[place]string{
	{"server", "ConnectResponse success", "abandoned"}:  "a SHOULD (OPEN-025), for peers that do not do what the tables say",
	{"server", "ConnectResponse success", "requested"}:  "the model of Core counts no octets",
	{"server", "visitor octets", "open"}:                "the model of Core counts no octets",
	{"client", "service octets", "open"}:                "the model of Core counts no octets",
	{"handshake-server", "visitor to be served", "new"}: "the model of the handshake asks for no visitor",
	{"handshake-server", "visitor to be served", "up"}:  "the model of the handshake asks for no visitor",
}

// doOf are the actions that the printed table has in the place of a change.
func doOf(c Change) (do []string) {
	for _, a := range Printed().cells[place{c.Table, c.Event, c.State}].do {
		do = append(do, a.Name)
	}
	return do
}

// Every change of state that the tables have, and every frame that a cell sends, is there for a reason: without it a run goes wrong.
func TestBrokenTables(t *testing.T) {
	refuted := 0
	all, err := Broken()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range all {
		r, err := Refute(c)
		if err != nil {
			t.Fatal(err)
		}
		if why, ok := spared[place{c.Table, c.Event, c.State}]; ok && !slices.Equal(c.Do, doOf(c)) {
			if r != nil {
				t.Errorf("%v is refuted, so it need not be spared (%s): %v", c, why, r)
			}
			continue
		}
		if r == nil || len(r.Run) == 0 {
			t.Errorf("%v: %v; want a run that refutes it", c, r)
		}
		refuted++
	}
	if refuted < 50 {
		t.Errorf("%d broken tables; want 50 and more", refuted)
	}
}

// What is refuted is refuted by a shortest run, told from the beginning.
func TestShortestRun(t *testing.T) {
	c := Change{"ext-client", "WINDOW", "gone", []string{"tunnel error"}, "gone"}
	r, err := Refute(c)
	if err != nil {
		t.Fatal(err)
	}
	if r == nil || r.Run[0] != (Event{Side: "server", What: "visitor accepted"}) || r.Run[len(r.Run)-1].String() != "the client gets WINDOW" || len(r.Run) > 13 || !strings.Contains(r.Error(), "the client makes WINDOW a tunnel error in gone") {
		t.Errorf("%v is refuted by %v; want a short run that ends with WINDOW", c, r)
	}
}

// dialogues are the golden ones, for each role that their subject can have.
func dialogues(t *testing.T, do func(role string, v spec.Vector)) {
	t.Helper()
	n := 0
	for _, v := range slices.AppendSeq(slices.Collect(spec.Vectors("dialogue")), spec.ExtVectors("dialogue")) {
		for _, role := range sides {
			if v.Role == role || v.Role == "both" {
				n++
				do(role, v)
			}
		}
	}
	if n < 180 {
		t.Errorf("%d dialogues; want 180 and more", n)
	}
}

// A side that does what the printed tables say can be the subject of every dialogue.
func TestPrintedTablesFollow(t *testing.T) {
	dialogues(t, func(role string, v spec.Vector) {
		if _, err := Printed().Follow(role, v); err != nil {
			t.Errorf("as a %s: %v", role, err)
		}
	})
}

// It cannot where a frame that it sends is not expected and an answer to a later PING is, nor where what a local socket is to see has
// no cause.
func TestFollowNotices(t *testing.T) {
	owed := []string{"OPENED", "FIN", "RESET", "Close", "ConnectResponse"}
	frames, causes := 0, 0
	dialogues(t, func(role string, v spec.Vector) {
		for i, s := range v.Steps {
			rest := v.Steps[i:]
			if lost := slices.IndexFunc(rest, func(s spec.Step) bool { return s.Event == "tunnel ends" }); lost >= 0 {
				rest = rest[:lost] // what nobody looked at by then is forgotten
			}
			barrier := slices.ContainsFunc(rest, func(s spec.Step) bool { return s.From == role && s.Frame.Type == "PONG" })
			what := ""
			switch {
			case s.From == role && slices.Contains(owed, s.Frame.Type) && barrier:
				what, frames = s.Frame.Type, frames+1
			case s.From != "" && s.From != role && len(v.Steps) > i+1 && seen(v.Steps[i+1].Expect, role) && (requests(s) || v.Steps[i+1].Expect != "service is dialled"):
				what, causes = "the cause of "+v.Steps[i+1].Expect, causes+1
			default:
				continue
			}
			less := v
			less.Steps = slices.Delete(slices.Clone(v.Steps), i, i+1)
			if _, err := Printed().Follow(role, less); err == nil {
				t.Errorf("%s is followed by a %s without step %d, %s", v.ID, role, i+1, what)
			}
		}
	})
	if frames < 50 || causes < 50 {
		t.Errorf("%d frames were left out, and %d causes; want 50 and more", frames, causes)
	}
}

// seen reports whether a local socket of a role sees that.
func seen(expect, role string) bool {
	return strings.HasPrefix(expect, map[string]string{"server": "visitor ", "client": "service "}[role])
}

func TestChangedRefuses(t *testing.T) {
	for _, c := range []Change{
		{"ext-client", "OPENED", "singing", nil, "gone"},
		{"ext-client", "RESET", "dialing", []string{"sing"}, "gone"},
		{"ext-client", "RESET", "dialing", []string{"cancel the dial"}, "gone"},
	} {
		if _, err := Changed(c); err == nil {
			t.Errorf("Changed(%v) = nil; want an error", c)
		}
	}
}
