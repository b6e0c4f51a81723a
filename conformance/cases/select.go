package cases

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/adit-tunnel/adit/conformance/engine"
	"github.com/adit-tunnel/adit/conformance/subject"
)

// Matches reports whether a pattern names the case, by one of its names; * and ?
// stand for characters but /.
func Matches(pattern string, c engine.Case) bool {
	return slices.ContainsFunc(c.Names(), func(name string) bool { return glob(pattern, name) })
}

// MatchesID reports whether a pattern names the requirement of that ID, whether it has cases or not.
func MatchesID(pattern, id string) bool { return glob(pattern, id) }

func glob(pattern, name string) bool {
	ok, err := path.Match(strings.ToLower(pattern), strings.ToLower(name))
	return ok && err == nil
}

// CheckPatterns refuses a pattern that names neither a requirement nor a case; the error has what is spelt most like it.
func CheckPatterns(patterns []string) error {
	all := All(Lookup)
	for _, p := range patterns {
		if !slices.ContainsFunc(IDs(), func(id string) bool { return MatchesID(p, id) }) &&
			!slices.ContainsFunc(all, func(c engine.Case) bool { return Matches(p, c) }) {
			return fmt.Errorf("%s: no such requirement or case%s; adit-conform list shows them", p, near(p, all))
		}
	}
	return nil
}

// near names up to three IDs, or cases where the pattern has a role, that are spelt most like it.
func near(pattern string, all []engine.Case) string {
	names := IDs()
	if strings.Contains(pattern, "/") {
		names = nil
		for _, c := range all {
			names = append(names, c.ID+"/"+string(c.Role), c.Name())
		}
		slices.Sort(names)
		names = slices.Compact(names)
	}
	names = subject.Near(pattern, names)
	if len(names) == 0 {
		return ""
	}
	return "; the nearest: " + strings.Join(names[:min(3, len(names))], ", ")
}
