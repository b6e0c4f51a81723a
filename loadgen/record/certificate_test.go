package record

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestASubjectIsCertifiedByABundleOfItsPrograms(t *testing.T) {
	dir := t.TempDir()
	bundle := func(text string) (*Bundle, error) {
		name := filepath.Join(dir, "bundle.json")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return LoadBundle(name)
	}
	for _, text := range []string{"", "{}", `{"subject": "x", "exit_code": 0}`, `{"bundle": {}}`} {
		if _, err := bundle(text); err == nil {
			t.Errorf("LoadBundle(%q) takes it", text)
		}
	}
	const of = `"subject": "x (x 1.2)", "conclusion": "CERTIFIED", "requirement_set": "1.0", "bundle": {"subject": [{"path": "a", "sha256": "aa"}, {"path": "b", "sha256": "bb"}]}`
	both := []Program{{"server", "aa", ""}, {"client", "bb", ""}}
	for _, tt := range []struct {
		name, text string
		programs   []Program
		want       string
	}{
		{"x", `{"exit_code": 0, ` + of + `}`, both, "certified (CERTIFIED), requirement set 1.0"},
		{"y", `{"exit_code": 0, ` + of + `}`, both, "uncertified: no certificate was given"},
		{"x", `{"exit_code": 1, ` + of + `}`, both, "uncertified: its conformance run says: CERTIFIED"},
		{"x", `{"exit_code": 0, "selection": ["A"], ` + of + `}`, both, "uncertified: its conformance run made a selection"},
		{"x", `{"exit_code": 0, ` + of + `}`, nil, "uncertified: which programs were measured is not known"},
		{"x", `{"exit_code": 0, ` + of + `}`, []Program{both[0], {"client", "cc", ""}}, "uncertified: its certificate is of another program: the client has the digest cc"},
		{"x", `{"exit_code": 0, ` + of + `}`, []Program{{"server", "", "sha256:1"}}, "uncertified: its certificate is of another program"},
	} {
		b, err := bundle(tt.text)
		if err != nil {
			t.Fatal(err)
		}
		r := &Record{Subjects: []Subject{{Name: tt.name, Programs: tt.programs}}}
		r.Certify([]*Bundle{b})
		if got := r.Subjects[0].Certificate.String(); !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s with %v: %q; want %q", tt.text, tt.programs, got, tt.want)
		}
	}
}
