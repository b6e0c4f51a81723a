package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/adit-tunnel/adit/conformance/cases"
	"github.com/adit-tunnel/adit/conformance/engine"
)

// An Untested is a requirement of the set that has no case for a role of the run.
type Untested struct {
	ID     string    `json:"id"`
	How    cases.How `json:"how"`
	Reason string    `json:"reason"`
}

// A Coverage is how many requirements of the set a run says something about.
type Coverage struct {
	Tested         int `json:"tested"` // by a case that scored
	ByConstruction int `json:"tested_by_construction"`
	Excepted       int `json:"excepted"`   // with a reason
	NotTested      int `json:"not_tested"` // their cases scored nothing in this run

	NotTestedMust   []string `json:"not_tested_must,omitempty"` // their IDs
	NotTestedShould []string `json:"not_tested_should,omitempty"`
}

// coverage counts requirements, each once whatever its roles: tested in one of them is tested.
func (f *File) coverage() Coverage {
	const seen, tested = 1, 2
	state, excused, level := map[string]int{}, map[string]bool{}, map[string]string{}
	for _, e := range f.Results {
		level[e.ID] = e.Level
		switch {
		case e.Unscored != "":
		case !tells(e.Verdict):
			state[e.ID] = max(state[e.ID], seen)
		default:
			state[e.ID] = tested
		}
	}
	var c Coverage
	for _, id := range slices.Sorted(maps.Keys(state)) {
		switch {
		case state[id] == tested:
			c.Tested++
			continue
		case level[id] == "MUST":
			c.NotTestedMust = append(c.NotTestedMust, id)
		default:
			c.NotTestedShould = append(c.NotTestedShould, id)
		}
		c.NotTested++
	}
	for _, u := range f.Untested {
		switch {
		case state[u.ID] != 0 || excused[u.ID]:
		case u.How == cases.ByConstruction:
			c.ByConstruction++
		default:
			c.Excepted++
		}
		excused[u.ID] = true
	}
	return c
}

// fewIDs is how many IDs still say more than their number.
const fewIDs = 12

// String is the coverage in words.
func (c Coverage) String() string {
	s := fmt.Sprintf("%d tested, %d tested by construction, %d excepted with a reason", c.Tested, c.ByConstruction, c.Excepted)
	if c.NotTested > 0 {
		s += fmt.Sprintf(", %d not tested in this run", c.NotTested)
	}
	if n := len(c.NotTestedMust); n > 0 && n <= fewIDs {
		s += ", of them the MUSTs " + strings.Join(c.NotTestedMust, ", ")
	}
	return s
}

// unscored says in a line what became of the cases that score nothing; empty when there are none.
func (f File) unscored() string {
	n := map[engine.Verdict]int{}
	for _, e := range f.Results {
		if e.Unscored != "" {
			n[e.Verdict]++
		}
	}
	return tally(n)
}

// tally is numbers of verdicts in words.
func tally(n map[engine.Verdict]int) string {
	var parts []string
	for _, v := range Verdicts {
		if n[v] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n[v], v))
		}
	}
	return strings.Join(parts, ", ")
}
