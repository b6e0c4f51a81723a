package model

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"testing"
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

// refute explores the model that a table belongs to, until a run refutes it.
func refute(c Change, t Tables) error {
	var err error
	switch {
	case strings.HasPrefix(c.Table, "ext-"):
		for _, window := range []uint8{3, 2, 0} {
			if _, err = explore(extended{t, window}); err != nil {
				return err
			}
		}
	case strings.HasPrefix(c.Table, "handshake-"):
		if _, err = explore(handshake{t, false}); err == nil {
			_, err = explore(handshake{t, true})
		}
	default:
		_, err = explore(core{t})
	}
	return err
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

// broken are tables with one cell changed: of those that a run comes to, each that changes the state leaves it as it was,
// and each that sends something last does not.
func broken(t *testing.T) []Change {
	t.Helper()
	printed := Printed()
	for _, window := range []uint8{0, 3} {
		if _, err := explore(extended{printed, window}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := explore(handshake{printed, false}); err != nil {
		t.Fatal(err)
	}
	if _, err := explore(core{printed}); err != nil {
		t.Fatal(err)
	}
	var all []Change
	for at := range printed.used {
		was := printed.cells[at]
		var do []string
		for _, a := range was.do {
			do = append(do, a.Name)
		}
		if was.to != at.state {
			all = append(all, Change{at.table, at.event, at.state, do, at.state})
		}
		if n := len(do); n > 0 && len(was.do[n-1].Sends) > 0 {
			all = append(all, Change{at.table, at.event, at.state, do[:n-1], was.to})
		}
	}
	slices.SortFunc(all, func(a, b Change) int { return cmp.Compare(a.String(), b.String()) })
	return all
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
	for _, c := range broken(t) {
		tables, err := Changed(c)
		if err != nil {
			t.Fatal(err)
		}
		err = refute(c, tables)
		if why, ok := spared[place{c.Table, c.Event, c.State}]; ok && !slices.Equal(c.Do, doOf(c)) {
			if err != nil {
				t.Errorf("%v is refuted, so it need not be spared (%s): %v", c, why, err)
			}
			continue
		}
		if r, ok := errors.AsType[*Refutation](err); !ok || len(r.Run) == 0 {
			t.Errorf("%v: %v; want a run that refutes it", c, err)
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
	tables, err := Changed(c)
	if err != nil {
		t.Fatal(err)
	}
	r, ok := errors.AsType[*Refutation](refute(c, tables))
	if !ok || r.Run[0] != "visitor accepted" || r.Run[len(r.Run)-1] != "the client gets WINDOW" || len(r.Run) > 13 || !strings.Contains(r.Error(), "the client makes WINDOW a tunnel error in gone") {
		t.Errorf("%v is refuted by %v; want a short run that ends with WINDOW", c, r)
	}
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
