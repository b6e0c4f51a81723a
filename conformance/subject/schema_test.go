package subject

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// validate judges a subject file by the published schema.
func validate(t *testing.T, name string) error {
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
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	text, err = yaml.YAMLToJSON(text)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return s.Validate(v)
}

func TestSubjectsFollowTheSchema(t *testing.T) {
	files, err := filepath.Glob("../../scenarios/subjects/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d subject files, %v", len(files), err)
	}
	for _, name := range append(files, "testdata/valid.yaml") {
		if err := validate(t, name); err != nil {
			t.Errorf("%s does not follow the schema: %v", name, err)
		}
	}
}

// What Load refuses the schema refuses, but for what stands in a text or makes it no document.
func TestInvalidFilesBreakTheSchema(t *testing.T) {
	beyond := []string{
		"empty", "syntax", "twice", "two-documents", // no document
		"env", "image-dir", "image-here", "no-api", "placeholder", "quote", "version", // texts
	}
	files, err := filepath.Glob("testdata/invalid-*.yaml")
	if err != nil || len(files) <= len(beyond) {
		t.Fatalf("%d invalid files, %v", len(files), err)
	}
	for _, name := range files {
		what := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(name), "invalid-"), ".yaml")
		if !slices.Contains(beyond, what) && validate(t, name) == nil {
			t.Errorf("%s follows the schema", name)
		}
	}
}

func TestSchemaHasTheKeysOfTheStructs(t *testing.T) {
	var doc struct {
		Defs map[string]struct{ Properties map[string]any } `json:"$defs"`
	}
	if err := json.Unmarshal(JSONSchema, &doc); err != nil {
		t.Fatal(err)
	}
	for _, s := range []reflect.Type{reflect.TypeFor[File](), reflect.TypeFor[Role](), reflect.TypeFor[Ready]()} {
		var want []string
		for f := range s.Fields() {
			if key := f.Tag.Get("yaml"); key != "" {
				want = append(want, key)
			}
		}
		slices.Sort(want)
		if got := slices.Sorted(maps.Keys(doc.Defs[s.Name()].Properties)); !slices.Equal(got, want) {
			t.Errorf("%s: the schema has the keys %q; the struct %q", s.Name(), got, want)
		}
	}
}
