package cases

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/adit-tunnel/adit/conformance/engine"
	"github.com/adit-tunnel/adit/spec"
)

// Spec is the text of PROTOCOL.md that the cases prove.
const Spec = "1.0-draft"

// DefaultSet is the requirement set that a run scores by.
const DefaultSet = "1.0"

//go:embed sets/*.json
var sets embed.FS

// A Set is what a certificate of that name stands for, whatever suite made
// it: the requirements, each with the digest of its text, and the cases that
// score. Later requirements and cases run and are reported, and change no verdict.
type Set struct {
	Name         string   `json:"set"`
	Spec         string   `json:"spec"` // the text that it was frozen from
	Requirements []Frozen `json:"requirements"`
	Cases        []string `json:"cases"`
}

// A Frozen is one requirement as the set knows it.
type Frozen struct {
	ID     string `json:"id"`
	Level  string `json:"level"`
	SHA256 string `json:"sha256"` // of its text
}

// LoadSet is the frozen set of a name. The error lists the names that there are.
func LoadSet(name string) (Set, error) {
	var s Set
	text, err := sets.ReadFile("sets/" + name + ".json")
	if err != nil {
		return s, fmt.Errorf("%q: no such requirement set; there is %s", name, strings.Join(SetNames(), ", "))
	}
	if err := json.Unmarshal(text, &s); err != nil {
		return s, fmt.Errorf("requirement set %s: %w", name, err)
	}
	return s, nil
}

// SetNames are the names of the frozen sets.
func SetNames() []string {
	files, err := sets.ReadDir("sets")
	if err != nil {
		panic("cases: internal error: " + err.Error())
	}
	var names []string
	for _, f := range files {
		names = append(names, strings.TrimSuffix(f.Name(), ".json"))
	}
	return names
}

// Freeze is the set of that name as PROTOCOL.md and the suite stand now: one
// that exists keeps its requirements and cases, and takes their present texts;
// a new one has everything.
func Freeze(name string) (Set, error) {
	now := Set{Name: name, Spec: Spec}
	for r := range spec.Requirements() {
		now.Requirements = append(now.Requirements, Frozen{r.ID, r.Level, r.SHA256})
	}
	for _, c := range All(Lookup) {
		now.Cases = append(now.Cases, c.Name())
	}
	if !slices.Contains(SetNames(), name) {
		return now, nil
	}
	old, err := LoadSet(name)
	if err != nil {
		return old, err
	}
	now.Requirements = slices.DeleteFunc(now.Requirements, func(f Frozen) bool { return !old.Has(f.ID) })
	now.Cases = slices.DeleteFunc(now.Cases, func(c string) bool { return !slices.Contains(old.Cases, c) })
	return now, nil
}

// Has reports whether the requirement is in the set.
func (s Set) Has(id string) bool {
	return slices.ContainsFunc(s.Requirements, func(f Frozen) bool { return f.ID == id })
}

// Unscored is why the case does not score; empty when it does.
func (s Set) Unscored(c engine.Case) string {
	if slices.Contains(s.Cases, c.Name()) {
		return ""
	}
	return "not in set " + s.Name
}

// Lookup finds a requirement as the set judges it: a later one has no level that counts.
func (s Set) Lookup(id string) (engine.Requirement, bool) {
	r, ok := Lookup(id)
	if ok && !s.Has(id) {
		r.Level = engine.Unscored
	}
	return r, ok
}

// Check says how PROTOCOL.md and the suite have left the set. A set is a
// promise to those who hold its certificate: its texts and cases stay.
func (s Set) Check() error {
	var errs []error
	remedy := fmt.Sprintf("; if its meaning is the same, acknowledge it: adit-conform list --freeze %s, into conformance/cases/sets/%s.json", s.Name, s.Name)
	for _, f := range s.Requirements {
		switch r, ok := spec.Lookup(f.ID); {
		case !ok:
			errs = append(errs, fmt.Errorf("set %s: PROTOCOL.md has lost %s", s.Name, f.ID))
		case r.Level != f.Level:
			errs = append(errs, fmt.Errorf("set %s: %s was a %s and is a %s: give the new rule an ID of its own", s.Name, f.ID, f.Level, r.Level))
		case r.SHA256 != f.SHA256:
			errs = append(errs, fmt.Errorf("set %s: the text of %s changed%s", s.Name, f.ID, remedy))
		}
	}
	have := map[string]bool{}
	for _, c := range All(Lookup) {
		have[c.Name()] = true
	}
	for _, name := range s.Cases {
		if !have[name] {
			errs = append(errs, fmt.Errorf("set %s: the case %s is gone", s.Name, name))
		}
		if id, _, _ := strings.Cut(name, "/"); !s.Has(id) {
			errs = append(errs, fmt.Errorf("set %s: the case %s proves %s, which the set does not have", s.Name, name, id))
		}
	}
	return errors.Join(errs...)
}
