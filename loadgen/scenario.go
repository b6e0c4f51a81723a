package loadgen

import (
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
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
	Cells   []Load           `yaml:"cells" json:"cells,omitempty"`
	Warmup  subject.Duration `yaml:"warmup" json:"warmup"`
	Measure subject.Duration `yaml:"measure" json:"measure"`
	Drain   subject.Duration `yaml:"drain" json:"drain"`
	Timeout subject.Duration `yaml:"timeout" json:"timeout"`
	Repeat  int              `yaml:"repeat" json:"repeat"`
	Seed    uint64           `yaml:"seed" json:"seed"`

	Question string `yaml:"-" json:"question"`
	SHA256   string `yaml:"-" json:"sha256"`
}

// A Load is what one cell does. In a cell a zero field means: as in load.
type Load struct {
	Mode        string `yaml:"mode" json:"mode"`
	Connections int    `yaml:"connections" json:"connections"`
	Size        Size   `yaml:"size" json:"size"`           // octets of a packet
	Rate        Rate   `yaml:"rate" json:"rate,omitempty"` // packets per second of all connections; 0: as fast as answers come
}

// Axes are lists of values; every combination is a cell.
type Axes struct {
	Mode        []string `yaml:"mode" json:"mode,omitempty"`
	Connections []int    `yaml:"connections" json:"connections,omitempty"`
	Size        []Size   `yaml:"size" json:"size,omitempty"`
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

// UnmarshalYAML reads a rate.
func (r *Rate) UnmarshalYAML(node ast.Node) error {
	text := node.GetToken().Value
	if text == "max" {
		*r = 0
		return nil
	}
	n, err := strconv.ParseFloat(strings.TrimSuffix(text, "/s"), 64)
	if err != nil || !strings.HasSuffix(text, "/s") || !(n > 0 && n <= 1e6) {
		return subject.ValueErrorf(node, "%q must be max or a rate up to 1000000/s, like 100/s", text)
	}
	*r = Rate(n)
	return nil
}

// Load reads and checks a scenario file. Errors in it are *subject.FileError.
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
	return s, s.check(doc)
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
	if s.Axes != nil && s.Cells != nil {
		return doc.Errorf("cells", "and axes exclude each other: list the cells, or let axes multiply them")
	}
	if len(s.Plan()) == 0 {
		return doc.Errorf("cells", "must not be empty; leave it out for a single cell")
	}
	return s.checkCells(doc)
}

func (s *Scenario) checkCells(doc *subject.Document) error {
	var seen []Load
	for i, c := range s.Plan() {
		field := "load"
		switch {
		case s.Cells != nil:
			field = fmt.Sprintf("cells[%d]", i)
		case s.Axes != nil:
			field = "axes"
		}
		switch {
		case !slices.Contains(modes, c.Mode):
			return doc.Errorf(field, "mode %q must be one of %s", c.Mode, strings.Join(modes, ", "))
		case c.Connections < 1 || c.Connections > 10000:
			return doc.Errorf(field, "connections %d must be 1 to 10000", c.Connections)
		case c.Size < 1 || c.Size > maxPacket:
			return doc.Errorf(field, "size %v must be 1 B to %v", c.Size, Size(maxPacket))
		case c.Rate > 0 && c.Mode != PingPong:
			return doc.Errorf(field, "a rate needs mode pingpong, not %s", c.Mode)
		case slices.Contains(seen, c):
			return doc.Errorf(field, "%v is there twice", c)
		}
		seen = append(seen, c)
	}
	return nil
}

// Plan is the cells of the scenario, in the order of the file.
func (s *Scenario) Plan() []Load {
	switch {
	case s.Cells != nil:
		out := make([]Load, len(s.Cells))
		for i, c := range s.Cells {
			out[i] = Load{
				Mode: cmp.Or(c.Mode, s.Load.Mode), Connections: cmp.Or(c.Connections, s.Load.Connections),
				Size: cmp.Or(c.Size, s.Load.Size), Rate: cmp.Or(c.Rate, s.Load.Rate),
			}
		}
		return out
	case s.Axes != nil:
		var out []Load
		for _, mode := range axis(s.Axes.Mode, s.Load.Mode) {
			for _, conns := range axis(s.Axes.Connections, s.Load.Connections) {
				for _, size := range axis(s.Axes.Size, s.Load.Size) {
					out = append(out, Load{mode, conns, size, s.Load.Rate})
				}
			}
		}
		return out
	}
	return []Load{s.Load}
}

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
	shorten := func(warmup, measure time.Duration, repeat int) {
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
