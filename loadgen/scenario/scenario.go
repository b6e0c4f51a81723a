package scenario

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/adit-tunnel/adit/conformance/subject"
	"github.com/adit-tunnel/adit/spec"
)

// Schema is the JSON Schema (2020-12) of a scenario file.
//
//go:embed schema.json
var Schema []byte

// Paths that a load may take.
const (
	Direct = "direct" // generator to target
	Relay  = "relay"  // through a plain one-hop copy
	Tunnel = "tunnel" // through a subject
)

// Paths lists them.
var Paths = []string{Direct, Relay, Tunnel}

// A Scenario is one question: its cells, and how each is measured.
type Scenario struct {
	Name       string           `yaml:"scenario" json:"scenario"`
	Paths      []string         `yaml:"paths" json:"paths"`
	Load       *Group           `yaml:"load" json:"-"`   // the only group, which is then named load
	Groups     []Group          `yaml:"groups" json:"-"` // groups that run together
	Link       Link             `yaml:"link" json:"-"`
	Timeline   []Event          `yaml:"timeline" json:"-"`
	Axes       Axes             `yaml:"axes" json:"-"`
	Points     []Point          `yaml:"cells" json:"-"`
	Warmup     subject.Duration `yaml:"warmup" json:"warmup"`
	Measure    subject.Duration `yaml:"measure" json:"measure"`
	Shortest   subject.Duration `yaml:"shortest" json:"-"` // no profile measures for less, nor warms up for less: what is asked takes its time
	Drain      subject.Duration `yaml:"drain" json:"drain"`
	Timeout    subject.Duration `yaml:"timeout" json:"timeout"`
	Repeat     Repeat           `yaml:"repeat" json:"repeat"`
	Seed       Count            `yaml:"seed" json:"seed"`
	Generators Count            `yaml:"generators" json:"generators"` // processes that share the load
	Search     *Search          `yaml:"search" json:"search,omitempty"`
	Fresh      bool             `yaml:"fresh" json:"fresh,omitempty"` // each block on processes that were started for it
	Spec       []string         `yaml:"spec" json:"spec,omitempty"`   // requirements of PROTOCOL.md that the answer depends on
	Runtime    string           `yaml:"runtime" json:"runtime,omitempty"`
	Limits     map[string]Limit `yaml:"limits" json:"limits,omitempty"` // of containers, by role

	Thresholds []Threshold `yaml:"thresholds" json:"thresholds,omitempty"`
	Show       []Show      `yaml:"show" json:"show,omitempty"` // what a report shows, the most telling first

	Cells    []Cell `yaml:"-" json:"cells"` // what load or groups, link, axes and cells come to
	Question string `yaml:"-" json:"question"`
	SHA256   string `yaml:"-" json:"sha256"` // of the file
}

// Load reads and checks a scenario file, or one that is built in. Errors in it are *subject.FileError.
func Load(name string) (*Scenario, error) {
	data, err := Read(name)
	if err != nil {
		return nil, err
	}
	return Parse(name, data)
}

// Parse is Load for a file that is in memory; s begins with what holds where the file says nothing.
func Parse(name string, data []byte) (*Scenario, error) {
	s := &Scenario{
		Paths: Paths, Repeat: Times(1), Seed: 1, Generators: 1, Runtime: Process,
		Warmup: subject.Duration(500 * time.Millisecond), Measure: subject.Duration(2 * time.Second),
		Drain: subject.Duration(5 * time.Second), Timeout: subject.Duration(5 * time.Second),
	}
	doc, err := subject.Decode(name, data, s)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(data)
	s.SHA256 = hex.EncodeToString(sum[:])
	s.Question = firstComment(string(data))
	err = s.check(doc)
	if s.Question == "" { // said last: whatever else is wrong matters more
		err = errors.Join(err, doc.Errorf("", "must begin with a comment that asks the question which the scenario answers"))
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// firstComment is the comment at the start of the file, on one line.
func firstComment(text string) string {
	var words []string
	for line := range strings.Lines(text) {
		rest, ok := strings.CutPrefix(line, "#")
		if !ok {
			break
		}
		words = append(words, strings.Fields(rest)...)
	}
	return strings.Join(words, " ")
}

var namePattern = regexp.MustCompile(`^[a-z][a-z0-9-]{0,63}$`)

const nameRule = "a name of small letters, digits and -, like packet-size"

// check makes sure of everything that the file says, and says of all that stand alone what is wrong with them.
func (s *Scenario) check(doc *subject.Document) error {
	alone := errors.Join(s.checkHead(doc), s.checkTimes(doc), s.checkSpec(doc), s.checkRuntime(doc))
	if err := s.checkGroups(doc); err != nil {
		return errors.Join(alone, err)
	}
	if s.Link.problem() != "" { // which every cell has
		return errors.Join(alone, s.checkThresholds(doc))
	}
	cells := s.resolve(doc)
	err := errors.Join(alone, s.checkThresholds(doc), cells)
	if cells == nil {
		err = errors.Join(err, s.placeThresholds(doc), s.checkShow(doc))
	}
	return err
}

// checkHead makes sure of the name and the paths.
func (s *Scenario) checkHead(doc *subject.Document) error {
	if !namePattern.MatchString(s.Name) {
		return doc.Errorf("scenario", "%q must be %s", s.Name, nameRule)
	}
	if len(s.Paths) == 0 {
		return doc.Errorf("paths", "must name one or more of %s", strings.Join(Paths, ", "))
	}
	for i, p := range s.Paths {
		switch at := fmt.Sprintf("paths[%d]", i); {
		case !slices.Contains(Paths, p):
			return doc.Errorf(at, "%s", subject.OneOf(p, Paths))
		case slices.Contains(s.Paths[:i], p):
			return doc.Errorf(at, "%q is there twice; remove one", p)
		}
	}
	return nil
}

// checkTimes makes sure of times, repetitions, processes and the line.
func (s *Scenario) checkTimes(doc *subject.Document) error {
	var errs []error
	for _, d := range []struct {
		field    string
		d        subject.Duration
		min, max time.Duration
	}{
		{"warmup", s.Warmup, 0, time.Hour},
		{"measure", s.Measure, 10 * time.Millisecond, 24 * time.Hour},
		{"shortest", s.Shortest, 0, time.Duration(s.Measure)},
		{"drain", s.Drain, 100 * time.Millisecond, time.Hour},
		{"timeout", s.Timeout, 10 * time.Millisecond, time.Hour},
	} {
		if v := time.Duration(d.d); v < d.min || v > d.max {
			errs = append(errs, doc.Errorf(d.field, "%v must be %v to %v", v, d.min, d.max))
		}
	}
	if n := s.Generators; n < 1 || n > maxGenerators {
		errs = append(errs, doc.Errorf("generators", "%d must be 1 to %d", n, maxGenerators))
	}
	if problem := s.Repeat.problem(); problem != "" {
		errs = append(errs, doc.Errorf("repeat", "%s", problem))
	}
	if problem := s.Link.problem(); problem != "" {
		errs = append(errs, doc.Errorf("link", "%s", problem))
	}
	if len(s.Timeline) > maxEvents {
		errs = append(errs, doc.Errorf("timeline", "%d events must be %d or fewer", len(s.Timeline), maxEvents))
	}
	return errors.Join(errs...)
}

// maxGenerators is how many processes may share the load.
const maxGenerators = 64

// checkSpec makes sure of the requirements.
func (s *Scenario) checkSpec(doc *subject.Document) error {
	for i, id := range s.Spec {
		if _, known := spec.Lookup(id); !known || slices.Contains(s.Spec[:i], id) {
			return doc.Errorf(fmt.Sprintf("spec[%d]", i), "%q must be the ID of a requirement in PROTOCOL.md, each once, like FLOW-004", id)
		}
	}
	return nil
}

// checkGroups makes Groups of Load, and checks the names.
func (s *Scenario) checkGroups(doc *subject.Document) error {
	switch {
	case s.Load != nil && s.Groups != nil:
		return doc.Errorf("groups", "and load exclude each other: put the load among the groups")
	case s.Load != nil:
		if s.Load.Name != "" {
			return doc.Errorf("load.name", "only groups have names; remove it, or write groups")
		}
		if s.Load.InsteadOf != "" {
			return doc.Errorf("load.instead_of", "only groups stand for each other; remove it, or write groups")
		}
		s.Load.Name = "load"
		s.Groups = []Group{*s.Load}
		return nil
	case len(s.Groups) == 0:
		return doc.Errorf("", "load is missing: say what the connections do, like load: {mode: pingpong, connections: 1, size: 1KiB}")
	case len(s.Groups) > maxGroups:
		return doc.Errorf("groups", "%d must be %d or fewer", len(s.Groups), maxGroups)
	}
	for i, g := range s.Groups {
		at := fmt.Sprintf("groups[%d].name", i)
		if !namePattern.MatchString(g.Name) || g.Name == "link" || g.Name == "timeline" {
			return doc.Errorf(at, "%q must be %s, and not link or timeline", g.Name, nameRule)
		}
		if slices.ContainsFunc(s.Groups[:i], func(o Group) bool { return o.Name == g.Name }) {
			return doc.Errorf(at, "%q is there twice; give each group a name of its own", g.Name)
		}
		if others := namesOf(slices.Delete(slices.Clone(s.Groups), i, i+1)); g.InsteadOf != "" && !slices.Contains(others, g.InsteadOf) {
			return doc.Errorf(fmt.Sprintf("groups[%d].instead_of", i), "%q must be the name of another group", g.InsteadOf)
		}
	}
	return nil
}
