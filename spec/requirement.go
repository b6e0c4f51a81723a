package spec

import (
	"bytes"
	"embed"
	"encoding/json"
	"iter"
	"slices"
	"sync"
)

//go:embed *.json
var tables embed.FS

// A Requirement is one numbered rule of PROTOCOL.md.
type Requirement struct {
	ID      string `json:"id"`      // like FRAME-003; opaque, never reused
	Level   string `json:"level"`   // MUST, SHOULD or MAY; MUST and SHOULD stand for their negations too
	Role    string `json:"role"`    // server, client or both: who is bound
	Profile string `json:"profile"` // core, ext, auth, tls, bind or api
	Section string `json:"section"` // like 8.2, or B for an appendix
	Text    string `json:"text"`    // Markdown, one line
	Why     string `json:"why"`
	Since   string `json:"since"`  // the text that it first appeared in
	SHA256  string `json:"sha256"` // of Text, in hex: tells an edited requirement from an old one
}

// Binds reports whether r binds the role, server or client.
func (r Requirement) Binds(role string) bool { return r.Role == role || r.Role == "both" }

var requirements = sync.OnceValue(func() []Requirement { return load[[]Requirement]("requirements.json") })

// Requirements walks the catalogue in the order of the text.
func Requirements() iter.Seq[Requirement] { return slices.Values(requirements()) }

// Lookup finds a requirement by its ID.
func Lookup(id string) (Requirement, bool) {
	i := slices.IndexFunc(requirements(), func(r Requirement) bool { return r.ID == id })
	if i < 0 {
		return Requirement{}, false
	}
	return requirements()[i], true
}

// load reads an embedded table. A key that T does not know is a broken build.
func load[T any](name string) T {
	b, err := tables.ReadFile(name)
	if err != nil {
		panic("spec: internal error: " + err.Error())
	}
	var v T
	if err := decode(b, &v); err != nil {
		panic("spec: internal error: " + name + ": " + err.Error())
	}
	return v
}

func decode(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	return d.Decode(v)
}
