package replay

import (
	"bytes"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/adit-tunnel/adit/conformance/engine"
	"github.com/adit-tunnel/adit/conformance/schematest"
)

// sample is a file with padding: a connection that has nothing to do with the
// failure, and frames and octets more than it takes.
func sample() *File {
	return &File{
		Replay: 1, Suite: "test", Requirements: "1.0-draft", Role: engine.Server, Case: "CLOSE-001/server", Title: "a <title>",
		Requirement: Requirement{"CLOSE-001", "MUST", "10", "For a connection …"}, Failure: Failure{"no second Close", "none", "Close"},
		Steps: []engine.Step{
			{Do: "tunnel", On: "tunnel 1"},
			{Do: "request", On: "tunnel 1", Socket: "visitor 1", ID: "c1", Within: engine.Duration(engine.Answer)},
			{Do: "request", On: "tunnel 1", Socket: "visitor 2", ID: "c2"},
			{Do: "send", On: "tunnel 1", Octets: "010200000005 {c1} 00 010300000068 {c2} 61*100 010500000000"},
			{Do: "write", On: "visitor 2", Octets: "fill:0123456789abcdef*5000"},
			{Do: "data", On: "tunnel 1", ID: "c2", Octets: "fill:0123456789abcdef*5000"},
			{Do: "until", Sees: []engine.Sight{{What: "end", Who: "visitor 2", Is: "still open"}}},
		},
		Symptom: &engine.Symptom{Step: &engine.Step{Do: "none", On: "tunnel 1", Frame: "close", ID: "c1"}},
	}
}

func TestFileIsReadAsItWasWritten(t *testing.T) {
	b, err := sample().JSON()
	if err != nil {
		t.Fatal(err)
	}
	got, err := Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, sample()) {
		t.Errorf("read %+v; want %+v", got, sample())
	}
	if err := schematest.Compile(t, JSONSchema).JSON(t, b); err != nil {
		t.Errorf("the file does not follow its schema: %v", err)
	}
}

// Whatever is wrong in a file, the error names the field.
func TestWrongFilesAreRefused(t *testing.T) {
	tests := []struct{ old, new, want string }{
		{`"replay": 1`, `"replay": 2`, "replay"},
		{`"role": "server"`, `"role": "api"`, "role"},
		{`"suite"`, `"suit"`, "suit"},
		{`"seed": 0`, `"seed": "x"`, "seed"},
		{`"id": "CLOSE-001"`, `"id": ""`, "requirement.id"},
		{`"do": "write"`, `"do": "wrote"`, "steps[4].do"},
		{`"do": "write",`, `"do": "write", "count": 3,`, "steps[4].count"},
		{`{c2} 61*100`, `{c3} 61*100`, "steps[3].octets"},
		{`61*100`, `6x*100`, "steps[3].octets"},
		{`"on": "visitor 2"`, `"on": "visitor 3"`, "steps[4].on"},
		{`"socket": "visitor 2"`, `"socket": "visitor 1"`, "steps[2].socket"},
		{`"frame": "close"`, `"frame": "closed"`, "symptom.step.frame"},
		{`"id": "c1",` + "\n" + `   "frame": "close"`, `"frame": "close"`, "symptom.step.id"},
		{`"within": "5s"`, `"within": "five"`, "five"},
		{`"what": "end"`, `"what": "mood"`, "sees[0].what"},
		{`"do": "until"`, `"do": "see"`, "steps[6].do"},
		{"\n}\n", "\n}\n{}", "follows"},
		{`"symptom": {`, `"symptom": {"dies": true,`, "symptom"},
	}
	b, err := sample().JSON()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range tests {
		bad := strings.Replace(string(b), tt.old, tt.new, 1)
		if bad == string(b) {
			t.Fatalf("the file has no %s:\n%s", tt.old, b)
		}
		if _, err := Parse([]byte(bad)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v; want one that names %s", tt.new, err, tt.want)
		}
	}
}

func TestSchemaHasTheKeysOfTheStructs(t *testing.T) {
	structs := map[string]reflect.Type{}
	for _, s := range []reflect.Type{
		reflect.TypeFor[File](), reflect.TypeFor[Requirement](), reflect.TypeFor[Failure](),
		reflect.TypeFor[engine.Step](), reflect.TypeFor[engine.Sight](), reflect.TypeFor[engine.Symptom](),
	} {
		structs["$defs/"+s.Name()] = s
	}
	schematest.SameKeys(t, JSONSchema, "json", structs)
}

func TestSchemaHasTheWordsOfTheCode(t *testing.T) {
	var doc struct {
		Defs map[string]struct {
			Properties map[string]struct{ Enum []string }
		} `json:"$defs"`
	}
	if err := json.Unmarshal(JSONSchema, &doc); err != nil {
		t.Fatal(err)
	}
	sorted := func(ss []string) []string { return slices.Sorted(slices.Values(ss)) }
	step := doc.Defs["Step"].Properties
	if got, want := sorted(step["do"].Enum), slices.Sorted(maps.Keys(verbs)); !slices.Equal(got, want) {
		t.Errorf("the schema has the steps %q; the code %q", got, want)
	}
	if got, want := sorted(step["frame"].Enum), slices.Sorted(maps.Keys(engine.Frames)); !slices.Equal(got, want) {
		t.Errorf("the schema has the frames %q; the code %q", got, want)
	}
	if got, want := sorted(doc.Defs["Sight"].Properties["what"].Enum), slices.Sorted(maps.Keys(sights)); !slices.Equal(got, want) {
		t.Errorf("the schema has the sights %q; the code %q", got, want)
	}
}

func TestParts(t *testing.T) {
	f := sample()
	c := f.without(2, 1) // the second connection goes with its request
	if c == nil || len(c.Steps) != 2 {
		t.Fatalf("without the second request: %+v; want two steps", c)
	}
	if f.without(1, 1) != nil {
		t.Error("the symptom's connection can be left out")
	}
	if got := f.withoutFrames(3, 1, 1).Steps[3]; got.Octets != "010200000005 {c1} 00 010500000000" || len(got.Frames) != 2 {
		t.Errorf("without the second frame: %+v", got)
	}
	if got := f.shorter("61*100", 16).Steps[3].Octets; got != "010200000005 {c1} 00 010300000014 {c2} 61*16 010500000000" {
		t.Errorf("with less Data: %s", got)
	}
	c = f.shorter("fill:0123456789abcdef*5000", 16)
	for _, i := range []int{4, 5} {
		if got := c.Steps[i].Octets; got != "fill:0123456789abcdef*16" {
			t.Errorf("step %d with less: %s", i, got)
		}
	}
	if !reflect.DeepEqual(f, sample()) {
		t.Error("making parts changed the file")
	}
}

func TestFileNames(t *testing.T) {
	if got := FileName(`FRAME-002/client/a\b:c"`); got != "FRAME-002.client.a.b.c..json" {
		t.Errorf("%s", got)
	}
}

func TestWhatNcCannotDo(t *testing.T) {
	f := sample()
	if err := f.WriteNC(new(bytes.Buffer)); err == nil || !strings.Contains(err.Error(), "step 2") {
		t.Errorf("error %v; want one that says that step 2 needs a visitor", err)
	}
	f.Role = engine.Client
	if err := f.WriteNC(new(bytes.Buffer)); err == nil || !strings.Contains(err.Error(), "client") {
		t.Errorf("error %v; want one about the client", err)
	}
}
