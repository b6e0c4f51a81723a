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
	Spec         string // text of PROTOCOL.md, like 1.0-draft
	Requirements string // requirement set that scores, like 1.0
	Untested     []Untested
	Subject      string // what was certified: an address, a command, a name
	Command      string // the command line that repeats the run
	Started      time.Time
	Took         time.Duration
	Seed         uint64
	Segmentation string // on or off
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
