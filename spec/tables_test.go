package spec_test

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/adit-tunnel/adit/spec"
)

func TestLookup(t *testing.T) {
	r, ok := spec.Lookup("FRAME-002")
	if !ok || r.Level != "MUST" || r.Role != "both" || r.Profile != "core" || r.Section != "4" || r.Why == "" {
		t.Errorf("Lookup(FRAME-002) = %+v, %v; want the MUST of section 4 that binds both", r, ok)
	}
	if r, ok := spec.Lookup("FRAME-999"); ok {
		t.Errorf("Lookup(FRAME-999) = %+v; want none", r)
	}
	n := 0
	for range spec.Requirements() {
		n++
	}
	if n < 100 {
		t.Errorf("the catalogue has %d requirements; want the whole text", n)
	}
}

func TestStateTables(t *testing.T) {
	for role, want := range map[string][]string{
		"server": {"idle", "requested", "abandoned", "open", "closing", "draining", "retired"},
		"client": {"idle", "dialing", "open", "closing", "draining", "retired"},
	} {
		table := spec.States(role)
		if !slices.Equal(table.States, want) {
			t.Errorf("States(%s).States = %q; want %q", role, table.States, want)
		}
		reached := map[string]bool{"idle": true}
		for _, row := range table.Events {
			if len(row.Cells) != len(table.States) {
				t.Errorf("%s, %s: %d cells; want %d", role, row.Event, len(row.Cells), len(table.States))
			}
			for _, c := range row.Cells {
				if c.To != c.State {
					reached[c.To] = true
				}
			}
			// An event that a timer raises is named like the timer.
			if strings.Contains(row.Event, "-") && !strings.Contains(row.Event, " ") {
				if l := spec.LimitOf(row.Event); l.Unit != "s" {
					t.Errorf("%s: event %s is no timer", role, row.Event)
				}
			}
		}
		for _, s := range table.States {
			if !reached[s] {
				t.Errorf("%s: no event leads to %s", role, s)
			}
		}
	}
	if c, ok := spec.States("client").Cell("Close", "dialing"); !ok || c.To != "idle" || c.Does != "cancel the dial, send failure" {
		t.Errorf("client, Close while dialing = %+v, %v", c, ok)
	}
}

func TestLimits(t *testing.T) {
	for _, c := range []struct {
		name          string
		def, min, max time.Duration
	}{
		{"dead-peer-client", 45 * time.Second, 45 * time.Second, 45 * time.Second},
		{"dead-peer-server", 45 * time.Second, 45 * time.Second, 300 * time.Second},
		{"connect-timeout", 10 * time.Second, 0, 30 * time.Second},
		{"dial-timeout", 8 * time.Second, 0, 0},
	} {
		l := spec.LimitOf(c.name)
		if l.Time() != c.def || l.MinTime() != c.min || l.MaxTime() != c.max {
			t.Errorf("%s = %v, from %v to %v; want %v, from %v to %v", c.name, l.Time(), l.MinTime(), l.MaxTime(), c.def, c.min, c.max)
		}
	}
	if l := spec.LimitOf("queue"); l.Unit != "octets" || l.Default != 1<<20 || l.Max != 16<<20 {
		t.Errorf("queue = %+v; want 1 MiB, at most 16 MiB", l)
	}
	for l := range spec.Limits() {
		for _, id := range l.Requirements {
			if _, ok := spec.Lookup(id); !ok {
				t.Errorf("limit %s cites %s, which is no requirement", l.Name, id)
			}
		}
	}
}

func TestScopes(t *testing.T) {
	var names []string
	for s := range spec.Scopes() {
		names = append(names, s.Name)
	}
	if want := []string{"ignored", "connection error", "tunnel error"}; !slices.Equal(names, want) {
		t.Errorf("scopes are %q; want %q", names, want)
	}
}

func TestSections(t *testing.T) {
	var text strings.Builder
	numbers := map[string]bool{}
	for s := range spec.Sections() {
		if numbers[s.Number] {
			t.Errorf("two sections %q", s.Number)
		}
		numbers[s.Number] = true
		text.WriteString(s.Text)
	}
	protocol, err := os.ReadFile("../PROTOCOL.md")
	if err != nil || text.String() != string(protocol) {
		t.Errorf("the sections together are not PROTOCOL.md (%v)", err)
	}
	for r := range spec.Requirements() {
		if !numbers[r.Section] {
			t.Errorf("%s stands in section %s, which there is not", r.ID, r.Section)
		}
	}
}

func TestTerms(t *testing.T) {
	var names []string
	for term := range spec.Terms() {
		names = append(names, term.Name)
		if term.Text == "" || term.Section == "" || term.Role == "" {
			t.Errorf("%+v; want text, section and role", term)
		}
	}
	for _, role := range []string{"server", "client"} {
		for _, s := range spec.States(role).States {
			if !slices.Contains(names, s) {
				t.Errorf("state %s of a %s is not defined", s, role)
			}
		}
	}
	for _, name := range []string{"reset", "shut down", "local socket", "queued octets"} { // verbs and things
		if !slices.Contains(names, name) {
			t.Errorf("%s is not defined", name)
		}
	}
}
