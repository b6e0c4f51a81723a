package cases

import (
	"slices"
	"strings"
	"testing"

	"github.com/adit-tunnel/adit/conformance/engine"
)

// A frozen set is a promise: its requirements keep their texts, its cases stay.
func TestFrozenSetsHold(t *testing.T) {
	if len(SetNames()) == 0 {
		t.Fatal("no frozen set")
	}
	for _, name := range SetNames() {
		s, err := LoadSet(name)
		if err != nil {
			t.Fatal(err)
		}
		if s.Name != name || len(s.Requirements) < 100 || len(s.Cases) < 200 {
			t.Errorf("set %s says that it is %q with %d requirements and %d cases", name, s.Name, len(s.Requirements), len(s.Cases))
		}
		if err := s.Check(); err != nil {
			t.Error(err)
		}
	}
}

// frozen is the name of a set that is.
const frozen = "1.1"

func TestASetThatIsLeftIsNoticed(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Set)
		want   string
	}{
		"a text":        {func(s *Set) { s.Requirements[3].SHA256 = "0" }, "changed; give the new rule an ID of its own"},
		"a SHOULD":      {func(s *Set) { should(s).SHA256 = "0" }, "changed; if its meaning is the same, acknowledge it: make freeze SET=1.1"},
		"a level":       {func(s *Set) { s.Requirements[3].Level = "MAY" }, "an ID of its own"},
		"a requirement": {func(s *Set) { s.Requirements[3].ID = "NONE-001" }, "PROTOCOL.md has lost NONE-001"},
		"a case":        {func(s *Set) { s.Cases[3] = "FRAME-001/server/that-was" }, "FRAME-001/server/that-was is gone"},
	} {
		s, err := LoadSet(frozen)
		if err != nil {
			t.Fatal(err)
		}
		c.change(&s)
		if err := s.Check(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want %q", name, err, c.want)
		}
	}
}

// should is the first requirement of the set that is no MUST.
func should(s *Set) *Frozen {
	return &s.Requirements[slices.IndexFunc(s.Requirements, func(f Frozen) bool { return f.Level == "SHOULD" })]
}

// Every requirement of the set is proven by a case of the set, or excused, for each role.
func TestSetsAreWhole(t *testing.T) {
	s, err := LoadSet(DefaultSet)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range s.Requirements {
		r, _ := Lookup(f.ID)
		for _, role := range Roles(r) {
			_, _, excused := Excuse(f.ID, role)
			if !excused && !slices.ContainsFunc(s.Cases, func(c string) bool { return strings.HasPrefix(c+"/", f.ID+"/"+string(role)+"/") }) {
				t.Errorf("set %s has no case of %s for a %s", s.Name, f.ID, role)
			}
		}
	}
}

func TestFreeze(t *testing.T) {
	next, err := Freeze("9.9")
	if err != nil || len(next.Cases) != len(All(Lookup)) || len(next.Requirements) != len(IDs()) {
		t.Errorf("a new set has %d cases of %d, %d requirements of %d, %v", len(next.Cases), len(All(Lookup)), len(next.Requirements), len(IDs()), err)
	}
	old, err := LoadSet(frozen)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Freeze(frozen)
	if err != nil || !slices.Equal(again.Cases, old.Cases) {
		t.Errorf("freezing set %s again changes its cases, %v", frozen, err)
	}
}

func TestWhatIsNotInTheSetDoesNotScore(t *testing.T) {
	s := Set{Name: "0.1", Requirements: []Frozen{{ID: "FRAME-001"}}, Cases: []string{"FRAME-001/server"}}
	if why := s.Excludes(engine.Case{ID: "FRAME-001", Role: engine.Server}); why != "" {
		t.Errorf("a case of the set does not score: %s", why)
	}
	if why := s.Excludes(engine.Case{ID: "FRAME-001", Role: engine.Server, Variant: "later"}); why != "not in set 0.1" {
		t.Errorf("a later case: %q", why)
	}
	draft := All(Lookup)[slices.IndexFunc(All(Lookup), func(c engine.Case) bool { return c.ID == "AUTH-001" })]
	for name, want := range map[string]string{"1.2": "not in set 1.2 (--set 1.3 scores it)", "1.3": ""} {
		if set, err := LoadSet(name); err != nil || set.Excludes(draft) != want {
			t.Errorf("set %s excludes %s: %q, %v; want %q", name, draft.Name(), set.Excludes(draft), err, want)
		}
	}
	if r, ok := s.Lookup("FRAME-001"); !ok || r.Level != "MUST" {
		t.Errorf("FRAME-001 is %+v", r)
	}
	if r, ok := s.Lookup("FRAME-002"); !ok || r.Level != engine.NoLevel {
		t.Errorf("FRAME-002, not in the set, is %+v", r)
	}
}
