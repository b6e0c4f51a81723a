package report

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/adit-tunnel/adit/conformance/schematest"
)

// differing are the things that do not match, by name.
func differing(t *testing.T, text []byte, suite string) string {
	t.Helper()
	checks, err := Verify(text, suite)
	if err != nil {
		t.Fatal(err)
	}
	var s []string
	for _, c := range checks {
		if c.Absent {
			s = append(s, "no "+c.What)
		} else if c.Problem != "" {
			s = append(s, c.What)
		}
	}
	return strings.Join(s, ", ")
}

func TestBundle(t *testing.T) {
	t.Chdir(t.TempDir())
	file := func(name, text string) string {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	suite, subject := file("suite", "a suite"), file("subject.yaml", "a subject")
	f := oneOfEach().File()
	f.Results[0].Notes = []string{`"report_sha256": "` + noDigest + `"`} // the subject cannot forge the place of the digest
	var err error
	if f.Bundle, err = NewBundle(suite, []string{subject}); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := f.WriteBundle(&b); err != nil {
		t.Fatal(err)
	}
	text := b.Bytes()
	if err := schematest.Compile(t, JSONSchema).JSON(t, text); err != nil {
		t.Errorf("a bundle does not follow the schema: %v", err)
	}
	if got := differing(t, text, suite); got != "" {
		t.Errorf("of an untouched bundle differ: %s", got)
	}
	changed := func(old, new string) []byte {
		out := bytes.Replace(text, []byte(old), []byte(new), 1)
		if bytes.Equal(out, text) {
			t.Fatalf("the bundle has no %s", old)
		}
		return out
	}
	for _, tt := range []struct {
		name string
		text []byte
		want string
	}{
		{"a trace was changed", changed("Close id=7", "Close id=8"), "report"},
		{"a failure was made a pass", changed(`"verdict": "fail"`, `"verdict": "pass"`), "report, verdict"},
		{"the exit code was changed", changed(`"exit_code": 1`, `"exit_code": 0`), "report, verdict"},
		{"another catalogue", changed(f.Bundle.Requirements, f.Bundle.Vectors), "report, requirements"},
		{"other vectors", changed(f.Bundle.Vectors, f.Bundle.Requirements), "report, vectors"},
		{"a digest that is none", changed(`"report_sha256": "`, `"report_sha256": "x`), "report"},
		{"one space more", append(bytes.Clone(text), ' '), "report"},
	} {
		if got := differing(t, tt.text, suite); got != tt.want {
			t.Errorf("%s: %q differ; want %q", tt.name, got, tt.want)
		}
	}
	file(subject, "another subject")
	if got := differing(t, text, suite); got != "subject "+subject {
		t.Errorf("with another subject file %q differ", got)
	}
	if err := os.Remove(subject); err != nil {
		t.Fatal(err)
	}
	if got := differing(t, text, file("other", "another suite")); got != "suite, no subject "+subject {
		t.Errorf("with another suite, without the subject %q differ", got)
	}
	b.Reset()
	if err := oneOfEach().File().WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	if _, err := Verify(b.Bytes(), suite); err == nil {
		t.Error("a report without digests is verified")
	}
	if _, err := NewBundle(filepath.Join("no", "suite"), nil); err == nil {
		t.Error("a suite that is not there has a digest")
	}
}
