// Package schematest is for tests of a published JSON Schema: that documents
// follow it, and that it has the keys of the Go structs that they come from.
package schematest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// A Schema is compiled; a format such as date-time counts.
type Schema struct{ compiled *jsonschema.Schema }

// Compile ends the test when the text is no JSON Schema.
func Compile(t testing.TB, text []byte) *Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatalf("the schema: %v", err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("schema.json", doc); err != nil {
		t.Fatalf("the schema: %v", err)
	}
	s, err := c.Compile("schema.json")
	if err != nil {
		t.Fatalf("the schema: %v", err)
	}
	return &Schema{s}
}

// JSON is what is wrong with a document; one that is no JSON ends the test.
func (s *Schema) JSON(t testing.TB, text []byte) error {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return s.compiled.Validate(doc)
}

// YAML is what is wrong with a document, no YAML included.
func (s *Schema) YAML(t testing.TB, text []byte) error {
	t.Helper()
	text, err := yaml.YAMLToJSON(text)
	if err != nil {
		return err
	}
	return s.JSON(t, text)
}

// SameKeys compares the properties of a schema's definitions with the keys of
// structs. The name of a definition is its place in the text, as "$defs/File";
// the schema itself is "". Format is the tag that has the keys: "json", "yaml".
func SameKeys(t *testing.T, schema []byte, format string, structs map[string]reflect.Type) {
	t.Helper()
	if len(structs) == 0 {
		t.Error("no structs to compare the schema with")
	}
	for _, name := range slices.Sorted(maps.Keys(structs)) {
		def := definition(t, schema, name)
		want, _ := keys(structs[name], format)
		if got := slices.Sorted(maps.Keys(def.Properties)); !slices.Equal(got, want) {
			t.Errorf("%q: the schema has the keys %q; the struct %q", name, got, want)
		}
	}
}

// SameRequired compares what definitions require with what structs always write.
func SameRequired(t *testing.T, schema []byte, format string, structs map[string]reflect.Type) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(structs)) {
		got := definition(t, schema, name).Required
		slices.Sort(got)
		if _, want := keys(structs[name], format); !slices.Equal(got, want) {
			t.Errorf("%q: the schema requires %q; the struct always has %q", name, got, want)
		}
	}
}

type object struct {
	Properties map[string]json.RawMessage
	Required   []string
}

// definition is the object of a schema at a place.
func definition(t *testing.T, schema []byte, place string) (out object) {
	t.Helper()
	part := json.RawMessage(schema)
	for key := range strings.SplitSeq(place, "/") {
		if key == "" {
			continue
		}
		var in map[string]json.RawMessage
		if err := json.Unmarshal(part, &in); err != nil || in[key] == nil {
			t.Fatalf("the schema has no %s at %s (%v)", key, place, err)
		}
		part = in[key]
	}
	if err := json.Unmarshal(part, &out); err != nil {
		t.Fatalf("the schema at %q: %v", place, err)
	}
	return out
}

// keys are what a struct has in a file, those of embedded structs among them,
// and the ones that are always there.
func keys(of reflect.Type, format string) (all, always []string) {
	for f := range of.Fields() {
		key, options, _ := strings.Cut(f.Tag.Get(format), ",")
		switch {
		case f.Anonymous && key == "":
			more, too := keys(f.Type, format)
			all, always = append(all, more...), append(always, too...)
		case f.IsExported() && key != "-":
			key = cmp.Or(key, f.Name)
			all = append(all, key)
			if !strings.Contains(options, "omit") {
				always = append(always, key)
			}
		}
	}
	slices.Sort(all)
	slices.Sort(always)
	return all, always
}
