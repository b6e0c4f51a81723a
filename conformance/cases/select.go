package cases

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/adit-tunnel/adit/conformance/engine"
)

// Matches reports whether a pattern names the case: its requirement's ID, an ID
// and role, or its whole name, where * and ? stand for characters but /.
func Matches(pattern string, c engine.Case) bool {
	role := c.ID + "/" + string(c.Role)
	return glob(pattern, c.ID) || glob(pattern, role) || glob(pattern, c.Name())
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
	far := map[string]int{}
	for _, n := range names {
		far[n] = distance(strings.ToLower(pattern), strings.ToLower(n))
	}
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(far[a], far[b]) })
	names = slices.DeleteFunc(names, func(n string) bool { return far[n] > far[names[0]] || far[n] > len(n)/2 })
	if len(names) == 0 {
		return ""
	}
	return "; the nearest: " + strings.Join(names[:min(3, len(names))], ", ")
}

// distance is the number of letters to insert, delete or replace that makes b of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replace := diagonal
			if a[i] != b[j] {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = min(replace, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}
