package report

import (
	"fmt"
	"maps"
	"slices"

	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/scenario"
)

// standing says whether a subject is certified; empty for a record that does not say.
func standing(s record.Subject) string {
	if s.Certificate == nil {
		return ""
	}
	return s.Certificate.String()
}

// runtime says that the roles ran in containers, and what bounded them.
func runtime(s *scenario.Scenario) string {
	if s.Runtime != scenario.Container {
		return ""
	}
	out := "each role in a container of its own"
	for _, role := range slices.Sorted(maps.Keys(s.Limits)) {
		out += fmt.Sprintf("; %s: at most %v", role, s.Limits[role])
	}
	return out
}
