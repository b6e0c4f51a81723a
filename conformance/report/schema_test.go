package report

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/adit-tunnel/adit/conformance/engine"
)

// compiled is the published schema.
func compiled(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(JSONSchema))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func validate(t *testing.T, s *jsonschema.Schema, text []byte) error {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return s.Validate(v)
}

func TestReportFollowsItsSchema(t *testing.T) {
	s := compiled(t)
	text, err := os.ReadFile("testdata/report.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := validate(t, s, text); err != nil {
		t.Errorf("a report does not follow the schema: %v", err)
	}
	for name, change := range map[string][2]string{
		"a verdict that is none":     {`"verdict": "pass"`, `"verdict": "passed"`},
		"a count below zero":         {`"fail": 1`, `"fail": -1`},
		"a time that is none":        {`"2026-11-01T12:00:00Z"`, `"yesterday"`},
		"a case without its verdict": {`"verdict": "pass",`, ``},
		"a requirement in lowercase": {`"id": "FRAME-003"`, `"id": "frame-003"`},
	} {
		bad := bytes.Replace(text, []byte(change[0]), []byte(change[1]), 1)
		if bytes.Equal(bad, text) {
			t.Fatalf("%s: the report has no %s", name, change[0])
		}
		if validate(t, s, bad) == nil {
			t.Errorf("%s follows the schema", name)
		}
	}
}

// keys are the JSON keys of a struct, and those that are always there.
func keys(t reflect.Type) (all, required []string) {
	for f := range t.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		all = append(all, name)
		if !strings.Contains(options, "omit") {
			required = append(required, name)
		}
	}
	slices.Sort(all)
	slices.Sort(required)
	return all, required
}

func TestSchemaHasTheKeysOfTheStructs(t *testing.T) {
	var doc struct {
		Defs map[string]struct {
			Required   []string
			Properties map[string]any
			Enum       []engine.Verdict
		} `json:"$defs"`
	}
	if err := json.Unmarshal(JSONSchema, &doc); err != nil {
		t.Fatal(err)
	}
	structs := []reflect.Type{reflect.TypeFor[File](), reflect.TypeFor[Host](), reflect.TypeFor[Class](), reflect.TypeFor[Entry](), reflect.TypeFor[engine.Finding](), reflect.TypeFor[Bundle](), reflect.TypeFor[Coverage](), reflect.TypeFor[Untested](), reflect.TypeFor[Digest]()}
	for _, s := range structs {
		def := doc.Defs[s.Name()]
		all, required := keys(s)
		if got := slices.Sorted(maps.Keys(def.Properties)); !slices.Equal(got, all) {
			t.Errorf("%s: the schema has the keys %q; the struct %q", s.Name(), got, all)
		}
		if slices.Sort(def.Required); !slices.Equal(def.Required, required) {
			t.Errorf("%s: the schema requires %q; the struct always has %q", s.Name(), def.Required, required)
		}
	}
	if got := doc.Defs["verdict"].Enum; !slices.Equal(got, Verdicts) {
		t.Errorf("verdicts of the schema = %q; want %q", got, Verdicts)
	}
}
