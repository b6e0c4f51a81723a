package reference

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/adit-tunnel/adit/spec"
)

// What SECURITY.md says is shown by a test, or bound by a requirement: there is one of that name.
func TestWhatSecurityNamesIsThere(t *testing.T) {
	text, err := os.ReadFile("SECURITY.md")
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, pattern := range []string{"*/*_test.go", "*/*/*_test.go", "../spec/wire/*_test.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v, %v", pattern, files, err)
		}
		for _, file := range files {
			code, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			all.Write(code)
		}
	}
	named := regexp.MustCompile(`\b(Test|Fuzz)[A-Z]\w+`).FindAllString(string(text), -1)
	if len(named) < 20 {
		t.Errorf("SECURITY.md names %q; want more", named)
	}
	for _, name := range named {
		if !strings.Contains(all.String(), "func "+name+"(") {
			t.Errorf("SECURITY.md names %s, and there is none", name)
		}
	}
	for _, id := range regexp.MustCompile(`\b[A-Z]+-\d{3}\b`).FindAllString(string(text), -1) {
		if _, ok := spec.Lookup(id); !ok && id != "SHA-256" {
			t.Errorf("SECURITY.md cites %s, and there is none", id)
		}
	}
}
