package subject

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/adit-tunnel/adit/conformance/schematest"
)

// validate judges a subject file by the published schema.
func validate(t *testing.T, name string) error {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return schematest.Compile(t, JSONSchema).YAML(t, text)
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
		"env", "image-dir", "image-here", "no-api", "placeholder", "quote", "version", "key-place", "bind-place", "tls-place", "tls-word", "tls-keys", // texts
		"key-role", "key-elsewhere", "tls-elsewhere", // one key that another one decides
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
	schematest.SameKeys(t, JSONSchema, "yaml", map[string]reflect.Type{
		"$defs/File": reflect.TypeFor[File](), "$defs/Role": reflect.TypeFor[Role](), "$defs/Ready": reflect.TypeFor[Ready](), "$defs/Option": reflect.TypeFor[Option](),
	})
}
