package replay

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/adit-tunnel/adit/conformance/engine"
)

// Version is the version of the document's shape. A field is added without a
// new version; one is never renamed or removed within a version.
const Version = 1

// JSONSchema is the JSON Schema of a File.
//
//go:embed schema.json
var JSONSchema []byte

// A File is one failure with all that it takes to repeat it.
type File struct {
	Replay       int             `json:"replay"` // Version
	Suite        string          `json:"suite"`  // version of the suite that wrote it
	Requirements string          `json:"requirement_set"`
	Role         engine.Role     `json:"role"` // of the subject: server or client
	Requirement  Requirement     `json:"requirement"`
	Case         string          `json:"case"` // ID/role, and /variant; of a campaign: fuzz/role/sequence
	Title        string          `json:"title"`
	Seed         uint64          `json:"seed"` // of the run
	Failure      Failure         `json:"failure"`
	Notes        []string        `json:"notes,omitempty"`
	Cut          engine.Cut      `json:"cut,omitempty"`          // how octets are handed to the network; absent: as the steps say
	ServiceHost  string          `json:"service_host,omitempty"` // client: where the suite's service listens, at any {port}
	Steps        []engine.Step   `json:"steps"`
	Symptom      *engine.Symptom `json:"symptom"`
}

// Requirement is the clause that was broken.
type Requirement struct {
	ID      string `json:"id"`
	Level   string `json:"level"`
	Section string `json:"section,omitempty"`
	Clause  string `json:"clause"`
}

// Failure is what was wrong, in words.
type Failure struct {
	Sentence string `json:"sentence"` // what should have been seen; without Got, what was wrong
	Expected string `json:"expected,omitempty"`
	Got      string `json:"got,omitempty"`
}

// New is the file of a failed result that was recorded, or says why there is none.
func New(res engine.Result) (*File, error) {
	s := res.Script
	switch {
	case s == nil || s.Symptom == nil && s.Trouble == "":
		return nil, errors.New("nothing was recorded")
	case s.Trouble != "":
		return nil, errors.New(s.Trouble)
	}
	f := &File{
		Replay: Version, Role: res.Case.Role, Requirement: requirementOf(res.Case.Req), Case: res.Case.Name(), Title: res.Case.Title,
		Cut: s.Cut, ServiceHost: s.Host, Steps: s.Steps, Symptom: s.Symptom,
	}
	for _, found := range res.Findings {
		if found.Level == "MUST" && (s.Symptom.Rule == "" || found.Oracle && found.Req == s.Symptom.Rule) {
			f.Failure = Failure{found.Sentence, found.Expected, found.Got}
			if r, ok := Lookup(found.Req); ok {
				f.Requirement = requirementOf(r)
			}
			break
		}
	}
	if s.Symptom.Dies {
		f.Failure.Got = strings.TrimLeft(f.Failure.Got+"; the subject died", "; ")
	}
	return f, f.Check()
}

func requirementOf(r engine.Requirement) Requirement {
	return Requirement{r.ID, r.Level, r.Section, r.Text}
}

// FileName is the name of the file of a case, safe for any file system.
func FileName(name string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_':
			return c
		}
		return '.'
	}, name) + ".json"
}

// Read reads a file. An error names what is wrong, and where.
func Read(name string) (*File, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	f, err := Parse(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return f, nil
}

// Parse is Read for what is in memory.
func Parse(b []byte) (*File, error) {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	f := new(File)
	if err := dec.Decode(f); err != nil {
		if te, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			return nil, fmt.Errorf("%s: must be a %s, is a %s", te.Field, te.Type, te.Value)
		}
		return nil, fmt.Errorf("no replay file: line %d: %s", 1+bytes.Count(b[:min(int(dec.InputOffset()), len(b))], []byte("\n")), strings.TrimPrefix(err.Error(), "json: "))
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("no replay file: something follows the document")
	}
	return f, f.Check()
}

// Write writes the file, and the folder that it is in.
func (f *File) Write(name string) error {
	b, err := f.JSON()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	return os.WriteFile(name, b, 0o644)
}

// JSON is the document.
func (f *File) JSON() ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	if err := enc.Encode(f); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
