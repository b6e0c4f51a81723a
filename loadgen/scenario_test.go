package loadgen

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/adit-tunnel/adit/conformance/subject"
)

func schema(t *testing.T, text []byte) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// valid validates YAML as the schema sees it.
func valid(t *testing.T, s *jsonschema.Schema, text []byte) error {
	t.Helper()
	js, err := yaml.YAMLToJSON(text)
	if err != nil {
		return err
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(js))
	if err != nil {
		t.Fatal(err)
	}
	return s.Validate(doc)
}

func TestThePublishedScenariosAreRight(t *testing.T) {
	names, err := filepath.Glob("../scenarios/*.yaml")
	if err != nil || len(names) < 5 {
		t.Fatalf("scenarios: %v, %v; want five or more", names, err)
	}
	sch := schema(t, Schema)
	for _, name := range names {
		s, err := LoadScenario(name)
		if err != nil {
			t.Errorf("LoadScenario: %v", err)
			continue
		}
		if want := strings.TrimSuffix(filepath.Base(name), ".yaml"); s.Name != want || !strings.HasSuffix(s.Question, "?") {
			t.Errorf("%s: scenario %q asks %q; want %s and a question", name, s.Name, s.Question, want)
		}
		if err := valid(t, sch, read(t, name)); err != nil {
			t.Errorf("%s against the schema: %v", name, err)
		}
	}
	subjects, err := filepath.Glob("../scenarios/subjects/*.yaml")
	if err != nil || len(subjects) == 0 {
		t.Fatalf("subjects: %v, %v; want one or more", subjects, err)
	}
	for _, name := range subjects {
		if _, err := subject.Load(name); err != nil {
			t.Errorf("subject.Load: %v", err)
		}
	}
}

// keys are the keys that a struct has in a file, those of embedded structs among them.
func keys(of reflect.Type, format string) (out []string) {
	for f := range of.Fields() {
		key, _, _ := strings.Cut(f.Tag.Get(format), ",")
		switch {
		case f.Anonymous:
			out = append(out, keys(f.Type, format)...)
		case key != "-":
			out = append(out, key)
		}
	}
	slices.Sort(out)
	return out
}

// The schemas and the program know the same keys.
func TestTheSchemasHaveTheKeysOfTheProgram(t *testing.T) {
	type object struct{ Properties map[string]object }
	type document struct {
		object
		Defs map[string]object `json:"$defs"`
	}
	parse := func(text []byte) (doc document) {
		if err := json.Unmarshal(text, &doc); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, &doc.object); err != nil {
			t.Fatal(err)
		}
		return doc
	}
	file, record := parse(Schema), parse(RecordSchema)
	for _, tt := range []struct {
		name, format string
		of           reflect.Type
		schema       object
	}{
		{"scenario", "yaml", reflect.TypeFor[Scenario](), file.object},
		{"axes", "yaml", reflect.TypeFor[Axes](), file.Properties["axes"]},
		{"load", "yaml", reflect.TypeFor[Load](), file.Defs["load"]},
		{"record", "json", reflect.TypeFor[Record](), record.object},
		{"scenario of a record", "json", reflect.TypeFor[Scenario](), record.Defs["scenario"]},
		{"axes of a record", "json", reflect.TypeFor[Axes](), record.Defs["scenario"].Properties["axes"]},
		{"cell of a record", "json", reflect.TypeFor[Load](), record.Defs["cell"]},
		{"subject", "json", reflect.TypeFor[SubjectInfo](), record.Defs["subject"]},
		{"environment", "json", reflect.TypeFor[Environment](), record.Defs["environment"]},
		{"block", "json", reflect.TypeFor[Block](), record.Defs["block"]},
		{"dist", "json", reflect.TypeFor[Dist](), record.Defs["dist"]},
		{"usage", "json", reflect.TypeFor[Usage](), record.Defs["usage"]},
		{"fault", "json", reflect.TypeFor[Fault](), record.Defs["fault"]},
	} {
		if got, want := slices.Sorted(maps.Keys(tt.schema.Properties)), keys(tt.of, tt.format); !slices.Equal(got, want) {
			t.Errorf("%s: the schema has %v; the program %v", tt.name, got, want)
		}
	}
}

func TestScenarioFilesAreRefusedByFileLineAndName(t *testing.T) {
	sch := schema(t, Schema)
	for _, tt := range []struct {
		text, want string
		schema     bool // the schema sees it, too
	}{
		{"scenario: x\nload: {mode: upload, connections: 1, size: 1B}", "f.yaml: must begin with a comment that asks the question which the scenario answers", false},
		{"# q\nscenario: x\nload: {mode: upload, connections: 1, size: 1B}\nspeed: 1", `f.yaml:4: unknown key "speed"`, true},
		{"# q\nscenario: x\nload: {mode: upload, connections: 1, size: 1B, bytes: 2}", `f.yaml:3: load: unknown key "bytes"`, true},
		{"# q\nscenario: X y\nload: {mode: upload, connections: 1, size: 1B}", `f.yaml:2: scenario: "X y" must be a name of small letters, digits and -, like packet-size`, true},
		{"# q\nscenario: x\nload: {mode: up, connections: 1, size: 1B}", `f.yaml:3: load: mode "up" must be one of pingpong, upload, download, both`, true},
		{"# q\nscenario: x\nload: {mode: upload, connections: 0, size: 1B}", `f.yaml:3: load: connections is missing or 0: write how many in load, like connections: 1`, true},
		{"# q\nscenario: x\nload: {mode: upload, connections: many, size: 1B}", `f.yaml:3: load.connections: "many" must be a whole number, like 10`, true},
		{"# q\nscenario: x\nload: {mode: upload, connections: 1, size: 1024}", `f.yaml:3: load.size: "1024" must be a size like 64B, 64KiB or 1MiB`, true},
		{"# q\nscenario: x\nload: {mode: upload, connections: 1, size: 2MiB}", `f.yaml:3: load: size 2 MiB must be 1 B to 1 MiB`, false},
		{"# q\nscenario: x\nload: {mode: upload, connections: 1, size: 1B, rate: 5/s}", `f.yaml:3: load: a rate needs mode pingpong, not upload; remove rate, or write rate: max`, false},
		{"# q\nscenario: x\nload: {mode: pingpong, connections: 1, size: 1B, rate: fast}", `f.yaml:3: load.rate: "fast" must be max or a rate up to 1000000/s, like 100/s`, true},
		{"# q\nscenario: x\nload: {mode: pingpong, connections: 1, size: 1B}\nmeasure: 10", `f.yaml:4: measure: "10" must be a time with unit, like 500ms or 10s`, true},
		{"# q\nscenario: x\nload: {mode: pingpong, connections: 1, size: 1B}\nmeasure: 1ms", `f.yaml:4: measure: 1ms must be 10ms to 24h0m0s`, false},
		{"# q\nscenario: x\nload: {mode: pingpong, connections: 1, size: 1B}\nrepeat: 0", `f.yaml:4: repeat: 0 must be 1 to 1000`, true},
		{"# q\nscenario: x\nload: {mode: pingpong, connections: 1, size: 1B}\npaths: [direct, direct]", `f.yaml:4: paths[1]: "direct" must be one of direct, relay, tunnel, each once`, true},
		{"# q\nscenario: x\nload: {mode: pingpong, connections: 1, size: 1B}\npaths: [wifi]", `f.yaml:4: paths[0]: "wifi" must be one of direct, relay, tunnel, each once`, true},
		{"# q\nscenario: x\nload: {mode: pingpong, connections: 1, size: 1B}\naxes: {size: [1B]}\ncells: [{size: 2B}]", `f.yaml:5: cells: and axes exclude each other: list the cells, or let axes multiply them`, true},
		{"# q\nscenario: x\nload: {mode: pingpong, connections: 1, size: 1B}\ncells: []", `f.yaml:4: cells: lists no cell: add one, like {size: 64KiB}, or leave cells out to measure load alone`, true},
		{"# q\nscenario: x\nload: {mode: pingpong, connections: 1, size: 1B}\ncells: [{size: 2B}, {mode: up}]", `f.yaml:4: cells[1]: mode "up" must be one of pingpong, upload, download, both`, true},
		{"# q\nscenario: x\nload: {mode: pingpong, connections: 1, size: 1B}\ncells: [{size: 2B}, {size: 2B}]", `f.yaml:4: cells[1]: pingpong 1 × 2 B is there twice; remove one`, true},
		{"# q\nscenario: x", `f.yaml: load: mode is missing: add it to load, like mode: pingpong`, true},
		{"# q\nscenario: x\nload: {mode: pingpong, connections: 1}", `f.yaml:3: load: size is missing or 0: add it to load, like size: 1KiB`, false},
		{"# q\nscenario: x\nload: {mode: pingpong, connections: 1}\ncells: [{size: 2B}, {}]", `f.yaml:4: cells[1]: size is missing or 0: add it to load, like size: 1KiB`, false},
		{"# q\nscenario: x\nload: {mode: pingpong, connections: 1.5, size: 1B}", `f.yaml:3: load.connections: "1.5" must be a whole number, like 10`, true},
		{"# q\nscenario: x\nload: {mode: pingpong, connections: 20000, size: 1B}", `f.yaml:3: load: connections 20000 must be 1 to 10000`, true},
		{"# q\nscenario: x\nload: {mode: pingpong, connections: 1, size: 1KB}", `f.yaml:3: load.size: "1KB" must be a size like 64B, 64KiB or 1MiB`, true},
		{"# q\nscenario: x\nload: {mode: pingpong, connections: 1, size: 1B}\ncells:", `f.yaml:4: cells: lists no cell: add one, like {size: 64KiB}, or leave cells out to measure load alone`, true},
		{"# q\nscenario: x\nload: {mode: pingpong, connections: 1, size: 1B}\naxes: {}", `f.yaml:4: axes: lists no value: add mode, connections or size, like size: [64B, 1KiB], or leave axes out`, true},
		{"# q\nscenario: x\nload: {mode: pingpong, connections: 1, size: 1B}\naxes: {size: [2B, 2B]}", `f.yaml:4: axes: pingpong 1 × 2 B is there twice; remove one`, true},
		{"# q\nscenario: x\nload: {mode: pingpong, connections: 1, size: 1B}\nrepeat: 2.5", `f.yaml:4: repeat: "2.5" must be a whole number, like 10`, true},
		{"# q\nscenario: x\nload: {mode: pingpong, connections: 1, size: 1B}\nseed: -1", `f.yaml:4: seed: "-1" must be a whole number, like 10`, true},
	} {
		_, err := ParseScenario("f.yaml", []byte(tt.text))
		if fe, ok := errors.AsType[*subject.FileError](err); !ok || fe.Error() != tt.want {
			t.Errorf("ParseScenario(%q)\n got %v\nwant %s", tt.text, err, tt.want)
		}
		if err := valid(t, sch, []byte(tt.text)); (err != nil) != tt.schema {
			t.Errorf("%q against the schema: %v; want an error: %v", tt.text, err, tt.schema)
		}
	}
}

func TestTheCellsAreListedOrTheProductOfAxes(t *testing.T) {
	for text, want := range map[string][]string{
		"": {"pingpong 1 × 1 KiB"},
		"axes: {mode: [upload, both], connections: [1, 2], size: [64B, 1MiB]}": {
			"upload 1 × 64 B", "upload 1 × 1 MiB", "upload 2 × 64 B", "upload 2 × 1 MiB",
			"both 1 × 64 B", "both 1 × 1 MiB", "both 2 × 64 B", "both 2 × 1 MiB",
		},
		"cells: [{size: 100B}, {connections: 5}, {mode: upload}, {rate: 50/s}]": {
			"pingpong 1 × 100 B", "pingpong 5 × 1 KiB", "upload 1 × 1 KiB", "pingpong 1 × 1 KiB at 50/s",
		},
		"load: {mode: pingpong, connections: 1, size: 1KiB, rate: 7/s}\ncells: [{size: 100B}, {rate: max}]": {
			"pingpong 1 × 100 B at 7/s", "pingpong 1 × 1 KiB",
		},
	} {
		if !strings.Contains(text, "load:") {
			text = "load: {mode: pingpong, connections: 1, size: 1KiB}\n" + text
		}
		s := parseScenario(t, text)
		var got []string
		for _, c := range s.Cells {
			got = append(got, c.String())
		}
		if !slices.Equal(got, want) {
			t.Errorf("Cells of %q = %q; want %q", text, got, want)
		}
	}
}

func TestProfilesChangeTimeOnly(t *testing.T) {
	text := "load: {mode: pingpong, connections: 1, size: 1KiB}\nrepeat: 3\nmeasure: 10s\nwarmup: 1s"
	for profile, want := range map[string]string{"smoke": "50ms 200ms 1", "ci": "200ms 1s 1", "full": "1s 10s 3"} {
		s, plain := parseScenario(t, text), parseScenario(t, text)
		if err := s.Apply(profile); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprintf("%v %v %d", s.Warmup, s.Measure, s.Repeat); got != want {
			t.Errorf("%s: %s; want %s", profile, got, want)
		}
		plain.Warmup, plain.Measure, plain.Repeat = s.Warmup, s.Measure, s.Repeat
		if !reflect.DeepEqual(s, plain) {
			t.Errorf("%s changes more than time", profile)
		}
	}
	s := parseScenario(t, "load: {mode: pingpong, connections: 1, size: 1KiB}\nmeasure: 20ms")
	if err := s.Apply("ci"); err != nil || time.Duration(s.Measure) != 20*time.Millisecond {
		t.Errorf("ci lengthens 20ms to %v, %v", s.Measure, err)
	}
	if err := s.Apply("quick"); err == nil || !strings.Contains(err.Error(), "smoke, ci, full") {
		t.Errorf("Apply(quick): %v; want the profiles", err)
	}
}
