package report

import (
	"bytes"
	"encoding/json"
	"os"
	"reflect"
	"slices"
	"testing"

	"github.com/adit-tunnel/adit/conformance/engine"
	"github.com/adit-tunnel/adit/conformance/schematest"
)

func TestReportFollowsItsSchema(t *testing.T) {
	s := schematest.Compile(t, JSONSchema)
	text, err := os.ReadFile("testdata/report.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.JSON(t, text); err != nil {
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
		if s.JSON(t, bad) == nil {
			t.Errorf("%s follows the schema", name)
		}
	}
}

func TestSchemaHasTheKeysOfTheStructs(t *testing.T) {
	structs := map[string]reflect.Type{}
	for _, s := range []reflect.Type{
		reflect.TypeFor[File](), reflect.TypeFor[Host](), reflect.TypeFor[Class](), reflect.TypeFor[Entry](), reflect.TypeFor[engine.Finding](),
		reflect.TypeFor[Bundle](), reflect.TypeFor[Coverage](), reflect.TypeFor[Untested](), reflect.TypeFor[Digest](),
	} {
		structs["$defs/"+s.Name()] = s
	}
	schematest.SameKeys(t, JSONSchema, "json", structs)
	schematest.SameRequired(t, JSONSchema, "json", structs)
}

func TestSchemaHasTheVerdicts(t *testing.T) {
	var doc struct {
		Defs map[string]struct{ Enum []engine.Verdict } `json:"$defs"`
	}
	if err := json.Unmarshal(JSONSchema, &doc); err != nil {
		t.Fatal(err)
	}
	if got := doc.Defs["verdict"].Enum; !slices.Equal(got, Verdicts) {
		t.Errorf("verdicts of the schema = %q; want %q", got, Verdicts)
	}
}
