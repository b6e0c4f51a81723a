package loadgen

import (
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/adit-tunnel/adit/conformance/subject"
)

// Schema is the JSON Schema (2020-12) of a scenario file.
//
//go:embed scenario.schema.json
var Schema []byte

// Modes of a load.
const (
	PingPong = "pingpong" // send a packet, wait for its echo
	Upload   = "upload"   // packets one after the other, visitor to service
	Download = "download" // service to visitor
	Both     = "both"     // both ways at once, on each connection
)

// Paths that a load may take.
const (
	Direct = "direct" // generator to target
	Relay  = "relay"  // through a plain one-hop copy
	Tunnel = "tunnel" // through the subject
)

var (
	modes = []string{PingPong, Upload, Download, Both}
	paths = []string{Direct, Relay, Tunnel}
)

// A Scenario is one question: its cells, and how each is measured.
type Scenario struct {
	Name    string           `yaml:"scenario" json:"scenario"`
	Paths   []string         `yaml:"paths" json:"paths"`
	Load    Load             `yaml:"load" json:"load"`
	Axes    *Axes            `yaml:"axes" json:"axes,omitempty"`
	Cells   []Load           `yaml:"cells" json:"cells"` // once read: all cells, complete, in the order of the file
	Warmup  subject.Duration `yaml:"warmup" json:"warmup"`
	Measure subject.Duration `yaml:"measure" json:"measure"`
	Drain   subject.Duration `yaml:"drain" json:"drain"`
	Timeout subject.Duration `yaml:"timeout" json:"timeout"`
	Repeat  Count            `yaml:"repeat" json:"repeat"`
	Seed    Count            `yaml:"seed" json:"seed"`

	Question string `yaml:"-" json:"question"`
	SHA256   string `yaml:"-" json:"sha256"`
}

// A Load is what one cell does. In a cell of a file a zero field means: as in load.
type Load struct {
	Mode        string `yaml:"mode" json:"mode"`
	Connections Count  `yaml:"connections" json:"connections"`
	Size        Size   `yaml:"size" json:"size"`           // octets of a packet
	Rate        Rate   `yaml:"rate" json:"rate,omitempty"` // packets per second of all connections; 0: as fast as answers come
}

// Axes are lists of values; every combination is a cell.
type Axes struct {
	Mode        []string `yaml:"mode" json:"mode,omitempty"`
	Connections []Count  `yaml:"connections" json:"connections,omitempty"`
	Size        []Size   `yaml:"size" json:"size,omitempty"`
}

// Count is a whole number, not negative. The YAML library would take 1.5 for 1.
type Count int

var countPattern = regexp.MustCompile(`^[0-9]{1,9}$`)

// UnmarshalYAML reads a whole number.
func (n *Count) UnmarshalYAML(node ast.Node) error {
	text := node.GetToken().Value
	if !countPattern.MatchString(text) {
		return subject.ValueErrorf(node, "%q must be a whole number, like 10", text)
	}
	v, _ := strconv.Atoi(text) // the pattern has checked it
	*n = Count(v)
	return nil
}

// Size is a number of octets, written 64B, 64KiB or 1MiB.
type Size int

var sizePattern = regexp.MustCompile(`^([0-9]{1,7})(B|KiB|MiB)$`)

// UnmarshalYAML reads a size with its unit.
func (s *Size) UnmarshalYAML(node ast.Node) error {
	m := sizePattern.FindStringSubmatch(node.GetToken().Value)
	if m == nil {
		return subject.ValueErrorf(node, "%q must be a size like 64B, 64KiB or 1MiB", node.GetToken().Value)
	}
	n, _ := strconv.Atoi(m[1]) // the pattern has checked it
	*s = Size(n * map[string]int{"B": 1, "KiB": 1 << 10, "MiB": 1 << 20}[m[2]])
	return nil
}

func (s Size) String() string {
	switch {
	case s >= 1<<20 && s%(1<<20) == 0:
		return fmt.Sprintf("%d MiB", int(s)>>20)
	case s >= 1<<10 && s%(1<<10) == 0:
		return fmt.Sprintf("%d KiB", int(s)>>10)
	}
	return fmt.Sprintf("%d B", int(s))
}

// Rate is a number of packets per second, written 100/s, or max.
type Rate float64

// unlimited is max as written in a cell, where it replaces the rate of load; no Load that is run has it.
const unlimited Rate = -1

// UnmarshalYAML reads a rate.
func (r *Rate) UnmarshalYAML(node ast.Node) error {
	text := node.GetToken().Value
	if text == "max" {
		*r = unlimited
		return nil
	}
	n, err := strconv.ParseFloat(strings.TrimSuffix(text, "/s"), 64)
	if err != nil || !strings.HasSuffix(text, "/s") || !(n > 0 && n <= 1e6) {
		return subject.ValueErrorf(node, "%q must be max or a rate up to 1000000/s, like 100/s", text)
	}
	*r = Rate(n)
	return nil
}

// LoadScenario reads and checks a scenario file. Errors in it are *subject.FileError.
func LoadScenario(name string) (*Scenario, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("scenario file: %w", err)
	}
	return ParseScenario(name, data)
}

// ParseScenario is LoadScenario for a file that is in memory.
func ParseScenario(name string, data []byte) (*Scenario, error) {
	s := &Scenario{
		Paths: paths, Repeat: 1, Seed: 1,
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

func (s *Scenario) check(doc *subject.Document) error {
	if !namePattern.MatchString(s.Name) {
		return doc.Errorf("scenario", "%q must be a name of small letters, digits and -, like packet-size", s.Name)
	}
	if len(s.Paths) == 0 {
		return doc.Errorf("paths", "must name one or more of %s", strings.Join(paths, ", "))
	}
	for i, p := range s.Paths {
		if !slices.Contains(paths, p) || slices.Contains(s.Paths[:i], p) {
			return doc.Errorf(fmt.Sprintf("paths[%d]", i), "%q must be one of %s, each once", p, strings.Join(paths, ", "))
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
	if s.Repeat < 1 || s.Repeat > 1000 {
		return doc.Errorf("repeat", "%d must be 1 to 1000", s.Repeat)
	}
	return s.resolve(doc)
}

// present reports whether the file has a key at its top: an error about it knows its line.
func present(doc *subject.Document, key string) bool {
	e, ok := errors.AsType[*subject.FileError](doc.Errorf(key, ""))
	return ok && e.Line > 0
}

// resolve makes Cells the complete list of what the file asks for, and checks every cell.
func (s *Scenario) resolve(doc *subject.Document) error {
	cells, axes := present(doc, "cells"), present(doc, "axes")
	field := func(int) string { return "load" }
	switch {
	case cells && axes:
		return doc.Errorf("cells", "and axes exclude each other: list the cells, or let axes multiply them")
	case cells && len(s.Cells) == 0:
		return doc.Errorf("cells", "lists no cell: add one, like {size: 64KiB}, or leave cells out to measure load alone")
	case axes && (s.Axes == nil || len(s.Axes.Mode)+len(s.Axes.Connections)+len(s.Axes.Size) == 0):
		return doc.Errorf("axes", "lists no value: add mode, connections or size, like size: [64B, 1KiB], or leave axes out")
	case cells:
		for i, c := range s.Cells {
			s.Cells[i] = Load{
				Mode: cmp.Or(c.Mode, s.Load.Mode), Connections: cmp.Or(c.Connections, s.Load.Connections),
				Size: cmp.Or(c.Size, s.Load.Size), Rate: cmp.Or(c.Rate, s.Load.Rate),
			}
		}
		field = func(i int) string { return fmt.Sprintf("cells[%d]", i) }
	case axes:
		for _, mode := range axis(s.Axes.Mode, s.Load.Mode) {
			for _, conns := range axis(s.Axes.Connections, s.Load.Connections) {
				for _, size := range axis(s.Axes.Size, s.Load.Size) {
					s.Cells = append(s.Cells, Load{mode, conns, size, s.Load.Rate})
				}
			}
		}
		field = func(int) string { return "axes" }
	default:
		s.Cells = []Load{s.Load}
	}
	s.Load.Rate = max(s.Load.Rate, 0)
	for i := range s.Cells {
		s.Cells[i].Rate = max(s.Cells[i].Rate, 0)
		if problem := s.Cells[i].problem(); problem != "" {
			return doc.Errorf(field(i), "%s", problem)
		}
		if slices.Contains(s.Cells[:i], s.Cells[i]) {
			return doc.Errorf(field(i), "%v is there twice; remove one", s.Cells[i])
		}
	}
	return nil
}

// problem says what keeps a cell from being run; empty when nothing does.
func (l Load) problem() string {
	switch {
	case l.Mode == "":
		return "mode is missing: add it to load, like mode: pingpong"
	case l.Connections == 0:
		return "connections is missing or 0: write how many in load, like connections: 1"
	case l.Size == 0:
		return "size is missing or 0: add it to load, like size: 1KiB"
	case !slices.Contains(modes, l.Mode):
		return fmt.Sprintf("mode %q must be one of %s", l.Mode, strings.Join(modes, ", "))
	case l.Connections > 10000:
		return fmt.Sprintf("connections %d must be 1 to 10000", l.Connections)
	case l.Size > maxPacket:
		return fmt.Sprintf("size %v must be 1 B to %v", l.Size, Size(maxPacket))
	case l.Rate > 0 && l.Mode != PingPong:
		return fmt.Sprintf("a rate needs mode pingpong, not %s; remove rate, or write rate: max", l.Mode)
	}
	return ""
}

// axis is the values of an axis, or the one of load.
func axis[T any](values []T, one T) []T {
	if len(values) == 0 {
		return []T{one}
	}
	return values
}

func (l Load) String() string {
	s := fmt.Sprintf("%s %d × %v", l.Mode, l.Connections, l.Size)
	if l.Rate > 0 {
		s += fmt.Sprintf(" at %v/s", float64(l.Rate))
	}
	return s
}

// Profiles of a run, from the shortest to the file's own times.
var Profiles = []string{"smoke", "ci", "full"}

// Apply sets the times of a profile; everything else stays as in the file.
func (s *Scenario) Apply(profile string) error {
	shorten := func(warmup, measure time.Duration, repeat Count) {
		s.Warmup = min(s.Warmup, subject.Duration(warmup))
		s.Measure = min(s.Measure, subject.Duration(measure))
		s.Repeat = min(s.Repeat, repeat)
	}
	switch profile {
	case "smoke":
		shorten(50*time.Millisecond, 200*time.Millisecond, 1)
	case "ci":
		shorten(200*time.Millisecond, time.Second, 1)
	case "full":
	default:
		return fmt.Errorf("--profile %q: must be one of %s", profile, strings.Join(Profiles, ", "))
	}
	return nil
}
