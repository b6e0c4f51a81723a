// Package scenario reads scenario files: one question each, the load that
// answers it, and what is varied.
//
//	scenario.go  Scenario: the file, strictly read and checked; schema.json is its JSON Schema
//	group.go     Group: connections that do the same
//	link.go      Link: the line between the two ends of a tunnel
//	search.go    Search: the knee instead of a curve
//	timeline.go  Event: what happens to a route while it is measured
//	cell.go      Cell: one point of the curve, made by axes or listed
//	repeat.go    how often each cell is measured
//	runtime.go   processes or containers, and what bounds these
//	threshold.go what is expected
//	units.go     numbers with units
//	profile.go   shorter times
//	plan.go      what a run will take: time, blocks, descriptors, ports
package scenario

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"os"
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

	Cells    []Cell `yaml:"-" json:"cells"` // what load or groups, link, axes and cells come to
	Question string `yaml:"-" json:"question"`
	SHA256   string `yaml:"-" json:"sha256"` // of the file
}

// Load reads and checks a scenario file. Errors in it are *subject.FileError.
func Load(name string) (*Scenario, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("scenario file: %w", err)
	}
	return Parse(name, data)
}

// Parse is Load for a file that is in memory.
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
	if s.Question == "" {
		return nil, doc.Errorf("", "must begin with a comment that asks the question which the scenario answers")
	}
	if err := s.check(doc); err != nil {
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

func (s *Scenario) check(doc *subject.Document) error {
	if !namePattern.MatchString(s.Name) {
		return doc.Errorf("scenario", "%q must be %s", s.Name, nameRule)
	}
	if len(s.Paths) == 0 {
		return doc.Errorf("paths", "must name one or more of %s", strings.Join(Paths, ", "))
	}
	for i, p := range s.Paths {
		if !slices.Contains(Paths, p) || slices.Contains(s.Paths[:i], p) {
			return doc.Errorf(fmt.Sprintf("paths[%d]", i), "%q must be one of %s, each once", p, strings.Join(Paths, ", "))
		}
	}
	for _, d := range []struct {
		field    string
		d        subject.Duration
		min, max time.Duration
	}{
		{"warmup", s.Warmup, 0, time.Hour},
		{"measure", s.Measure, 10 * time.Millisecond, 24 * time.Hour},
		{"drain", s.Drain, 100 * time.Millisecond, time.Hour},
		{"timeout", s.Timeout, 10 * time.Millisecond, time.Hour},
	} {
		if v := time.Duration(d.d); v < d.min || v > d.max {
			return doc.Errorf(d.field, "%v must be %v to %v", v, d.min, d.max)
		}
	}
	for _, n := range []struct {
		field  string
		n, max Count
	}{{"generators", s.Generators, 64}} {
		if n.n < 1 || n.n > n.max {
			return doc.Errorf(n.field, "%d must be 1 to %d", n.n, n.max)
		}
	}
	if problem := s.Repeat.problem(); problem != "" {
		return doc.Errorf("repeat", "%s", problem)
	}
	if problem := s.Link.problem(); problem != "" {
		return doc.Errorf("link", "%s", problem)
	}
	for i, id := range s.Spec {
		if _, known := spec.Lookup(id); !known || slices.Contains(s.Spec[:i], id) {
			return doc.Errorf(fmt.Sprintf("spec[%d]", i), "%q must be the ID of a requirement in PROTOCOL.md, each once, like FLOW-004", id)
		}
	}
	if len(s.Timeline) > maxEvents {
		return doc.Errorf("timeline", "%d events must be %d or fewer", len(s.Timeline), maxEvents)
	}
	if err := s.checkRuntime(doc); err != nil {
		return err
	}
	if err := s.checkGroups(doc); err != nil {
		return err
	}
	if err := s.checkThresholds(doc); err != nil {
		return err
	}
	return s.resolve(doc)
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
	}
	return nil
}
