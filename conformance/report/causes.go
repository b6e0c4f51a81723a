package report

import (
	"cmp"
	"maps"
	"slices"
	"sync"

	"github.com/adit-tunnel/adit/conformance/cases"
)

// A Cause is a requirement that was broken, with the failed cases that charge
// it. Each failed case stands under one cause: of what it charges, that which
// explains most cases. What else those cases charge are most often consequences.
type Cause struct {
	Req    string   `json:"req"`
	Level  string   `json:"level"`
	Clause string   `json:"clause,omitempty"`
	Cases  []string `json:"cases"`          // the clearest first: one of the requirement's own, if there is one
	Also   []string `json:"also,omitempty"` // other requirements that they charge
}

// byPieces is the requirement that a case charges beside others when it fails only with its octets cut.
const byPieces = "FRAME-006"

// causes gathers what failed by what it charges, most charged first.
func (f File) causes() []Cause {
	var left []Entry
	for _, e := range f.Results {
		if e.failed() {
			left = append(left, e)
		}
	}
	var out []Cause
	for len(left) > 0 {
		charged, own := map[string]int{}, map[string]int{}
		for _, e := range left {
			for _, req := range e.broken() {
				charged[req]++
				if req == e.ID {
					own[req]++
				}
			}
		}
		best := slices.MinFunc(slices.Collect(maps.Keys(charged)), func(a, b string) int {
			return cmp.Or(
				cmp.Compare(charged[b], charged[a]),
				compareBool(a == byPieces, b == byPieces),
				cmp.Compare(own[b], own[a]),
				byPlace(a, b),
			)
		})
		var mine []Entry
		left = slices.DeleteFunc(left, func(e Entry) bool {
			yes := slices.Contains(e.broken(), best)
			if yes {
				mine = append(mine, e)
			}
			return yes
		})
		out = append(out, f.causeOf(best, mine))
	}
	return out
}

// causeOf is a requirement as the cause of entries.
func (f File) causeOf(req string, entries []Entry) Cause {
	c := Cause{Req: req, Level: "MUST"}
	if i := slices.IndexFunc(f.Results, func(e Entry) bool { return e.ID == req }); i >= 0 {
		c.Level, c.Clause = f.Results[i].Level, f.Results[i].Clause
	} else if r, ok := cases.Lookup(req); ok {
		c.Level, c.Clause = r.Level, r.Text
	}
	slices.SortStableFunc(entries, func(a, b Entry) int { return compareBool(a.ID != req, b.ID != req) })
	for _, e := range entries {
		c.Cases = append(c.Cases, e.Case)
		for _, req := range e.broken() {
			if req != c.Req && !slices.Contains(c.Also, req) {
				c.Also = append(c.Also, req)
			}
		}
	}
	slices.SortFunc(c.Also, byPlace)
	return c
}

// broken is what a failed case charges: the MUSTs of its findings, its own requirement without any.
func (e Entry) broken() []string {
	var reqs []string
	for _, f := range e.Findings {
		if f.Level == "MUST" && !slices.Contains(reqs, f.Req) {
			reqs = append(reqs, f.Req)
		}
	}
	if len(reqs) == 0 || e.Verdict == Stale {
		return []string{e.ID}
	}
	return reqs
}

// places is the order of PROTOCOL.md.
var places = sync.OnceValue(func() map[string]int {
	at := map[string]int{}
	for i, id := range cases.IDs() {
		at[id] = i
	}
	return at
})

// byPlace compares requirements by their place in PROTOCOL.md; those of another version come last.
func byPlace(a, b string) int {
	at := places()
	i, known := at[a]
	if !known {
		i = len(at)
	}
	j, known := at[b]
	if !known {
		j = len(at)
	}
	return cmp.Or(cmp.Compare(i, j), cmp.Compare(a, b))
}

// compareBool puts false before true.
func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// failed reports whether an entry stands under a cause.
func (e Entry) failed() bool { return e.Unscored == "" && fails(e.Verdict) }

// of are the entries of a cause, in its order.
func (f File) of(c Cause) []Entry {
	byName := map[string]Entry{}
	for _, e := range f.Results {
		byName[e.Case] = e
	}
	var out []Entry
	for _, name := range c.Cases {
		out = append(out, byName[name])
	}
	return out
}
