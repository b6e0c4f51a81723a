package spec_test

import (
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
