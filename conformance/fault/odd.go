package fault

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/adit-tunnel/adit/conformance/engine"
	"github.com/adit-tunnel/adit/conformance/fault/peer"
	"github.com/adit-tunnel/adit/conformance/report"
)

// An Odd is what the suite says of the peer with an unusual choice that the
// text leaves open: it has to be certified.
type Odd struct {
	Name     string                 `json:"odd"`
	Does     string                 `json:"does"`
	ExitCode int                    `json:"exit_code"`
	Counts   map[engine.Verdict]int `json:"counts"`
	Failed   []string               `json:"failed,omitempty"`
	Detail   string                 `json:"detail,omitempty"`
	Took     time.Duration          `json:"took_ns"`
}

// OK reports whether the peer was certified.
func (o Odd) OK() bool { return o.Detail == "" && o.ExitCode == report.ExitCertified }

// odds are the choices to try: all with Full, those that Only names.
func (o Options) odds() []string {
	if o.Subject != "" {
		return nil
	}
	return slices.DeleteFunc(slices.Sorted(maps.Keys(peer.Odds)), func(name string) bool {
		return !slices.Contains(o.Only, name) && (len(o.Only) > 0 || !o.Full)
	})
}

// spare runs the whole suite against the peer with an unusual choice.
func (o Options) spare(ctx context.Context, name string, ports [2]int) Odd {
	begun, jobs := time.Now(), 4
	if name == peer.Slow { // waits, and lets the machine idle
		jobs = 16
	}
	res, err := o.certify(ctx, run{subject: own{o.Conform, name}.file("", "", ports), jobs: jobs, ports: ports})
	out := Odd{Name: name, Does: peer.Odds[name], ExitCode: res.ExitCode, Counts: res.Counts, Failed: baselineFailures(res), Took: time.Since(begun)}
	if err != nil {
		out.Detail = err.Error()
	}
	return out
}
