package report

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"github.com/adit-tunnel/adit/conformance/engine"
)

// A Run is everything that the reports tell.
type Run struct {
	Suite        string // version of the suite
	Requirements string // requirement set, like 1.0-draft
	Subject      string // what was certified: an address, a command, a name
	Command      string // the command line that repeats the run
	Started      time.Time
	Took         time.Duration
	Seed         uint64
	Host         Host
	Selection    []string // of --id; empty: everything
	Unreachable  []string // why there was nobody to talk to, one for each role
	Lost         []string // the last lines of a command that ended before it was ready
	Broken       string   // why the suite could not run at all
	Stopped      bool     // the run was interrupted
	Results      []engine.Result
}

// Host describes the machine of the suite.
type Host struct {
	OS    string        `json:"os"`
	Arch  string        `json:"arch"`
	CPUs  int           `json:"cpus"`
	Go    string        `json:"go"`
	Worst time.Duration `json:"worst_lateness_ns"` // of the suite's own timers
}

// Counts is the number of results of each verdict.
func (r *Run) Counts() map[engine.Verdict]int {
	n := map[engine.Verdict]int{}
	for _, res := range r.Results {
		n[res.Verdict]++
	}
	return n
}

// Add adds one result.
func (r *Run) Add(res engine.Result) {
	r.Results = append(r.Results, res)
	r.Host.Worst = max(r.Host.Worst, res.Late)
}

// Missed adds why a role could not be reached.
func (r *Run) Missed(err error) {
	ue, ok := errors.AsType[*engine.UnreachableError](err)
	if !ok {
		r.Broken = err.Error()
		return
	}
	r.Unreachable = append(r.Unreachable, ue.Error())
	r.Lost = append(r.Lost, ue.Log...)
}

// Sort brings the results into the order of the catalogue, given as the IDs in order.
func (r *Run) Sort(ids []string) {
	place := map[string]int{}
	for i, id := range ids {
		place[id] = i
	}
	slices.SortStableFunc(r.Results, func(a, b engine.Result) int {
		return cmp.Or(
			cmp.Compare(a.Case.Role, b.Case.Role),
			cmp.Compare(place[a.Case.ID], place[b.Case.ID]),
			cmp.Compare(a.Case.Variant, b.Case.Variant),
		)
	})
}

// A Class is what a run claims for one conformance class of PROTOCOL.md section 22.
type Class struct {
	Name     string                 `json:"class"`
	Standing string                 `json:"standing"` // certified, partial, inconclusive or failed
	Counts   map[engine.Verdict]int `json:"counts"`
	Must     [2]int                 `json:"must"`   // passed, scored
	Should   [2]int                 `json:"should"` // passed, scored
	NotRun   []string               `json:"not_run,omitempty"`
}

// Standings of a class.
const (
	Certified    = "certified"    // every case of the class that this run could make passed
	Partial      = "partial"      // what ran passed; part of the class was not selected
	Undecided    = "inconclusive" // nothing failed, but not all could be told
	NotCertified = "failed"
)

// classOf names the conformance class that a case belongs to.
func classOf(c engine.Case) string {
	if c.Role == engine.API {
		return "api"
	}
	return "core-" + string(c.Role)
}

// Classes is the outcome for every class that the run touched.
func (r *Run) Classes() []Class {
	byName := map[string]*Class{}
	for _, res := range r.Results {
		name := classOf(res.Case)
		c := byName[name]
		if c == nil {
			c = &Class{Name: name, Standing: Certified, Counts: map[engine.Verdict]int{}}
			byName[name] = c
		}
		c.Counts[res.Verdict]++
		if res.Verdict == engine.NotRun {
			c.NotRun = append(c.NotRun, res.Case.Name())
		}
		if !res.Verdict.Scored() {
			continue
		}
		tally := &c.Must
		if res.Case.Req.Level != "MUST" {
			tally = &c.Should
		}
		tally[1]++
		if res.Verdict == engine.Pass {
			tally[0]++
		}
	}
	var out []Class
	for _, c := range byName {
		c.Standing = r.standing(c.Counts)
		out = append(out, *c)
	}
	slices.SortFunc(out, func(a, b Class) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

func (r *Run) standing(n map[engine.Verdict]int) string {
	switch {
	case n[engine.Fail]+n[engine.NotTestable] > 0:
		return NotCertified
	case n[engine.Inconclusive]+n[engine.SuiteError] > 0, r.Stopped:
		return Undecided
	case n[engine.Pass]+n[engine.PassNonstrict] == 0, len(r.Unreachable) > 0 && n[engine.Pass] == 0:
		return Undecided
	case len(r.Selection) > 0:
		return Partial
	}
	return Certified
}
