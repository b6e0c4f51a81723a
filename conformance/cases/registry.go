package cases

import (
	"iter"
	"slices"

	"github.com/adit-tunnel/adit/conformance/dialogue"
	"github.com/adit-tunnel/adit/conformance/engine"
	"github.com/adit-tunnel/adit/spec"
)

// All is every case, those for both roles once for each, in the order of
// PROTOCOL.md, with the requirement filled in from lookup. A case whose ID
// lookup does not know is a bug of the suite; a test finds it.
func All(lookup func(id string) (engine.Requirement, bool)) []engine.Case {
	all := engine.Expand(slices.Concat(
		s03, s04, s08, s09, s10, s11, s12, s13, s14, s15, s19, s20, s23, s24, s25, s27, s28, s30, s31, s32, cells(), dialogues(), apiCases,
	))
	for i, c := range all {
		all[i].Req, _ = lookup(c.ID)
	}
	return all
}

// dialogues makes a case from each golden dialogue, for each role whose side it has.
func dialogues() []engine.Case {
	var out []engine.Case
	for _, vectors := range []iter.Seq[spec.Vector]{spec.Vectors("dialogue"), spec.ExtVectors("dialogue")} {
		for v := range vectors {
			out = append(out, dialogue.Cases(v)...)
		}
	}
	return out
}

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
