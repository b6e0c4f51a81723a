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
	for name, want := range map[string][]string{
		"server":           {"idle", "requested", "abandoned", "open", "closing", "draining", "lingering", "retired"},
		"client":           {"idle", "dialing", "open", "closing", "draining", "lingering", "retired"},
		"handshake-server": {"new", "core", "up"},
		"handshake-client": {"offered", "core", "up"},
		"auth-server":      {"new", "greeted", "up"},
		"auth-client":      {"offered", "greeted", "proving", "up"},
		"ext-server":       {"idle", "opening", "open", "gone"},
		"ext-client":       {"idle", "dialing", "open", "gone"},
		"ext-out":          {"flowing", "ended"},
		"ext-in":           {"flowing", "ended"},
	} {
		table := spec.States(name)
		role, profile := strings.TrimPrefix(strings.TrimPrefix(name, "ext-"), "handshake-"), "ext"
		switch of, side, _ := strings.Cut(name, "-"); {
		case of == "auth":
			role, profile = side, "auth"
		case role == name:
			profile = "core"
		case role == "out" || role == "in":
			role = "both"
		}
		if !slices.Equal(table.States, want) || table.Role != role || table.Profile != profile {
			t.Errorf("States(%s) is %s, %s, %q; want %s, %s, %q", name, table.Role, table.Profile, table.States, role, profile, want)
		}
		reached := map[string]bool{want[0]: true}
		for _, row := range table.Events {
			if len(row.Cells) != len(table.States) {
				t.Errorf("%s, %s: %d cells; want %d", name, row.Event, len(row.Cells), len(table.States))
			}
			for _, c := range row.Cells {
				if c.To != c.State {
					reached[c.To] = true
				}
			}
			if e, ok := spec.EventOf(row.Event); !ok || e.Role != role && e.Role != "both" {
				t.Errorf("%s: EventOf(%s) = %+v, %v; want an event of the role", name, row.Event, e, ok)
			}
		}
		for _, s := range table.States {
			if !reached[s] {
				t.Errorf("%s: no event leads to %s", name, s)
			}
		}
	}
	for _, c := range []struct{ role, event, state, does, to string }{
		{"client", "Close", "dialing", "cancel the dial, send failure", "idle"},
		{"server", "close-wait", "closing", "reset visitor", "retired"},
		{"server", "Close", "closing", "", "lingering"},
		{"client", "queued octets all written", "draining", "shut down service's write side, send Close", "lingering"},
		{"client", "tunnel lost", "lingering", "ignore", "lingering"},
		{"server", "Close", "retired", "ignore", "retired"},
		{"server", "connect-timeout", "open", "cannot occur", ""},
		{"ext-server", "OPENED", "opening", "", "open"},
		{"ext-server", "connect-timeout", "opening", "send RESET timed-out, reset visitor", "gone"},
		{"ext-client", "Data", "dialing", "as the in half", "dialing"},
		{"ext-out", "local end of stream", "flowing", "send FIN", "ended"},
		{"handshake-client", "HELLO", "offered", "", "up"},
		{"auth-server", "HELLO with auth", "new", "send HELLO, send the server's proof", "greeted"},
		{"auth-server", "AUTH that is wrong", "greeted", "send GOAWAY denied, end the tunnel", "greeted"},
		{"auth-client", "AUTH without octets", "proving", "", "up"},
	} {
		if got, ok := spec.States(c.role).Cell(c.event, c.state); !ok || got.To != c.to || got.Does() != c.does || len(got.Actions()) != len(got.Do) {
			t.Errorf("%s, %s in %s = %+v, %v; want %q, to %q", c.role, c.event, c.state, got, ok, c.does, c.to)
		}
	}
}

func TestLimits(t *testing.T) {
	for _, c := range []struct {
		name          string
		def, min, max time.Duration
	}{
		{"dead-peer-client", 45 * time.Second, 45 * time.Second, 45 * time.Second},
		{"dead-peer-server", 45 * time.Second, 45 * time.Second, 300 * time.Second},
		{"connect-timeout", 10 * time.Second, 5 * time.Second, 30 * time.Second},
		{"close-most", 300 * time.Second, 300 * time.Second, 0},
		{"dial-timeout", 8 * time.Second, 0, 0},
		{"linger", 300 * time.Second, 30 * time.Second, 0},
		{"over-budget-after", 300 * time.Second, 300 * time.Second, 0},
		{"bind-hold", 30 * time.Second, 0, 300 * time.Second},
		{"bind-again", 60 * time.Second, 30 * time.Second, 60 * time.Second},
		{"handshake", 10 * time.Second, 5 * time.Second, 30 * time.Second},
	} {
		l := spec.LimitOf(c.name)
		if l.Time() != c.def || l.MinTime() != c.min || l.MaxTime() != c.max {
			t.Errorf("%s = %v, from %v to %v; want %v, from %v to %v", c.name, l.Time(), l.MinTime(), l.MaxTime(), c.def, c.min, c.max)
		}
	}
	if l := spec.LimitOf("queue"); l.Unit != "octets" || l.Default != 1<<20 || l.Min != 64<<10 || l.Max != 16<<20 {
		t.Errorf("queue = %+v; want 1 MiB, from 64 KiB to 16 MiB", l)
	}
	for _, want := range []spec.Limit{
		{Name: "text", Unit: "octets", Default: 256, Min: 256, Max: 256, Allowed: "exactly"},
		{Name: "window", Unit: "octets", Default: 256 << 10, Allowed: "any"},
		{Name: "window-max", Unit: "octets", Default: 64 << 20, Min: 4 << 10, Max: 1 << 30, Allowed: "range"},
		{Name: "tunnel-memory", Unit: "octets", Default: 512 << 20, Min: 16 << 20, Allowed: "at least"},
		{Name: "max-connections", Unit: "connections", Default: 16384, Allowed: "any"},
		{Name: "bindings", Unit: "bindings", Default: 64, Max: 64, Allowed: "at most"},
		{Name: "seats", Unit: "tunnels", Default: 256, Max: 256, Allowed: "at most"},
	} {
		if l := spec.LimitOf(want.Name); l.Unit != want.Unit || l.Default != want.Default || l.Min != want.Min || l.Max != want.Max || l.Allowed != want.Allowed {
			t.Errorf("%s = %+v; want %+v", want.Name, l, want)
		}
	}
	for l := range spec.Limits() {
		for _, id := range l.Requirements {
			if _, ok := spec.Lookup(id); !ok {
				t.Errorf("limit %s cites %s, which is not a requirement", l.Name, id)
			}
		}
	}
}

func TestCodesAndTags(t *testing.T) {
	c, ok := spec.CodeNamed("drain")
	if !ok || c.Code != 0x20 || !slices.Equal(c.In, []spec.Use{{Frame: "RESET", From: "both"}, {Frame: "GOAWAY", From: "both"}, {Frame: "BOUND", From: "server"}}) {
		t.Errorf("CodeNamed(drain) = %+v, %v", c, ok)
	}
	if c, ok := spec.CodeNamed("sing"); ok {
		t.Errorf("CodeNamed(sing) = %+v; want none", c)
	}
	// 0x01 to 0x07 are the statuses of a ConnectResponse.
	for s := range spec.Statuses() {
		if c, ok := spec.CodeNamed(s.Name); s.Code > 0 && (!ok || c.Code != uint16(s.Code)) {
			t.Errorf("status %s is 0x%02X, its code 0x%04X, %v; want the same", s.Name, s.Code, c.Code, ok)
		}
	}
	want := map[string]spec.Tag{
		"instance": {Tag: 3, Sizes: []int{16}, In: []spec.Use{{Frame: "HELLO", From: "client"}}},
		"auth":     {Tag: 0x10, In: []spec.Use{{Frame: "HELLO", From: "both"}}},
		"udp":      {Tag: 0x11},
		"bind":     {Tag: 0x12, Sizes: []int{0}, In: []spec.Use{{Frame: "HELLO", From: "both"}}},
		"text":     {Tag: 0x26, In: []spec.Use{{Frame: "BOUND", From: "server"}}},
		"origin":   {Tag: 0x24, Sizes: []int{6, 18}, In: []spec.Use{{Frame: "OPEN", From: "server"}}},
	}
	for g := range spec.Tags() {
		w, ok := want[g.Name]
		if ok && (g.Tag != w.Tag || !slices.Equal(g.Sizes, w.Sizes) || !slices.Equal(g.In, w.In) || g.Value == "") {
			t.Errorf("tag %s is %+v; want %+v", g.Name, g, w)
		}
		delete(want, g.Name)
	}
	if len(want) > 0 {
		t.Errorf("there are no tags %v", want)
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
	for _, table := range []string{"server", "client", "ext-server", "ext-client", "ext-out", "ext-in"} {
		for _, s := range spec.States(table).States {
			if !slices.Contains(names, s) {
				t.Errorf("state %s of table %s is not defined", s, table)
			}
		}
	}
	for _, name := range []string{"reset", "shut down", "local socket", "queued octets"} { // verbs and things
		if !slices.Contains(names, name) {
			t.Errorf("%s is not defined", name)
		}
	}
}
