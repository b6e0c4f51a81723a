package cases

import (
	"github.com/adit-tunnel/adit/conformance/engine"
	"github.com/adit-tunnel/adit/spec"
)

// Lookup finds a requirement of PROTOCOL.md by its ID.
func Lookup(id string) (engine.Requirement, bool) {
	r, ok := spec.Lookup(id)
	return engine.Requirement{
		ID: r.ID, Level: r.Level, Role: engine.Role(r.Role), Profile: r.Profile, Text: r.Text, Why: r.Why, Section: r.Section,
	}, ok
}

// IDs is the ID of every requirement, in the order of PROTOCOL.md.
func IDs() []string {
	var ids []string
	for r := range spec.Requirements() {
		ids = append(ids, r.ID)
	}
	return ids
}
