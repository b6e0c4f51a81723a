package cases

import (
	"cmp"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/adit-tunnel/adit/conformance/engine"
	"github.com/adit-tunnel/adit/spec"
)

// Spec is the text of PROTOCOL.md that the cases prove.
const Spec = "1.3"

// DefaultSet is the requirement set that a run scores by.
const DefaultSet = "1.3"

//go:embed sets/*.json
var sets embed.FS

// A Set is what a certificate of that name stands for, whatever suite made
// it: the requirements, each with the digest of its text, and the cases that
// score. Later requirements and cases run and are reported, and change no verdict.
type Set struct {
	Name         string   `json:"set"`
	Draft        bool     `json:"draft,omitempty"` // not frozen yet: it is everything that there is now
	Spec         string   `json:"spec"`            // the text that it was frozen from
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
	if s.Draft {
		s = everything(name)
		s.Draft = true
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

// retired is the section of requirements that were replaced: they prove the sets that have them, and no later one.
const retired = "D"

// everything is the set of that name as PROTOCOL.md and the suite stand now.
func everything(name string) Set {
	now := Set{Name: name, Spec: Spec}
	for r := range spec.Requirements() {
		if r.Section != retired {
			now.Requirements = append(now.Requirements, Frozen{r.ID, r.Level, r.SHA256})
		}
	}
	for _, c := range All(Lookup) {
		if now.Has(c.ID) {
			now.Cases = append(now.Cases, c.Name())
		}
	}
	return now
}

// Freeze is the set of that name, to be frozen: a new one, and a draft, is everything that there is now. One that is
// frozen keeps its requirements and cases, and takes the present texts of those that are no MUST: a MUST that
// changes is another one.
func Freeze(name string) (Set, error) {
	if !slices.Contains(SetNames(), name) {
		return everything(name), nil
	}
	s, err := LoadSet(name)
	s.Draft = false
	for i, f := range s.Requirements {
		if r, ok := spec.Lookup(f.ID); ok && r.Level == f.Level && f.Level != "MUST" {
			s.Requirements[i].SHA256 = r.SHA256
		}
	}
	return s, err
}

// Has reports whether the requirement is in the set.
func (s Set) Has(id string) bool {
	return slices.ContainsFunc(s.Requirements, func(f Frozen) bool { return f.ID == id })
}

// Excludes is why the case does not score; empty when it does.
func (s Set) Excludes(c engine.Case) string {
	if slices.Contains(s.Cases, c.Name()) {
		return ""
	}
	why := "not in set " + s.Name
	if name := sinceSet()[c.Name()]; name != "" {
		why += " (--set " + name + " scores it)"
	}
	return why
}

// sinceSet is the first set that has a case, by its name.
var sinceSet = sync.OnceValue(func() map[string]string {
	first := map[string]string{}
	for _, name := range SetNames() {
		s, err := LoadSet(name)
		if err != nil {
			panic("cases: internal error: " + err.Error())
		}
		for _, c := range s.Cases {
			first[c] = cmp.Or(first[c], name)
		}
	}
	return first
})

// Lookup finds a requirement as the set judges it: a later one has no level that counts.
func (s Set) Lookup(id string) (engine.Requirement, bool) {
	r, ok := Lookup(id)
	if ok && !s.Has(id) {
		r.Level = engine.NoLevel
	}
	return r, ok
}

// Check says how PROTOCOL.md and the suite have left the set. A set is a
// promise to those who hold its certificate: its texts and cases stay.
func (s Set) Check() error {
	var errs []error
	anew := "give the new rule an ID of its own, and move the old one, as it was, to Appendix D"
	remedy := fmt.Sprintf("if its meaning is the same, acknowledge it: make freeze SET=%s", s.Name)
	for _, f := range s.Requirements {
		switch r, ok := spec.Lookup(f.ID); {
		case !ok:
			errs = append(errs, fmt.Errorf("set %s: PROTOCOL.md has lost %s", s.Name, f.ID))
		case r.Level != f.Level:
			errs = append(errs, fmt.Errorf("set %s: %s was a %s and is a %s; %s", s.Name, f.ID, f.Level, r.Level, anew))
		case r.SHA256 != f.SHA256 && f.Level == "MUST":
			errs = append(errs, fmt.Errorf("set %s: the text of %s changed; %s", s.Name, f.ID, anew))
		case r.SHA256 != f.SHA256:
			errs = append(errs, fmt.Errorf("set %s: the text of %s changed; %s", s.Name, f.ID, remedy))
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
