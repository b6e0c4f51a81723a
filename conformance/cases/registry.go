package cases

import (
	"slices"

	"github.com/adit-tunnel/adit/conformance/engine"
)

// All is every case, those for both roles once for each, in the order of
// PROTOCOL.md, with the requirement filled in from lookup. A case whose ID
// lookup does not know is a bug of the suite; a test finds it.
func All(lookup func(id string) (engine.Requirement, bool)) []engine.Case {
	all := engine.Expand(slices.Concat(
		s03, s04, s08, s09, s10, s11, s12, s13, s14, s15, s19, s20, cells(), apiCases,
	))
	for i, c := range all {
		all[i].Req, _ = lookup(c.ID)
	}
	return all
}
