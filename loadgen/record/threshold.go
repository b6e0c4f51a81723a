package record

import (
	"cmp"
	"fmt"
)

// Verdicts of a threshold, beside Inconclusive.
const (
	Pass = "pass"
	Fail = "fail"
)

// A Threshold is what became of an expectation for one cell, group and subject.
type Threshold struct {
	Expect string `json:"expect"` // as in the scenario
	Gate   string `json:"gate"`   // fail, warn
	Of
	Value   Estimate `json:"value"`
	Unit    string   `json:"unit,omitempty"`   // absent: a ratio
	Verdict string   `json:"verdict"`          // pass, fail, inconclusive
	Reason  string   `json:"reason,omitempty"` // why inconclusive
}

// Is says what was found, in the unit of the metric.
func (t *Threshold) Is() string {
	unit := cmp.Or(t.Unit, "as a ratio")
	if low, high, ok := t.Value.Interval(); ok {
		return fmt.Sprintf("%.4g (%.4g to %.4g) %s", t.Value.Median, low, high, unit)
	}
	return fmt.Sprintf("%.4g %s", t.Value.Median, unit)
}

// Gates is the worst verdict among the thresholds that fail a run; pass when there is none.
func (r *Record) Gates() string {
	out := Pass
	for _, t := range r.Thresholds {
		if t.Gate != "fail" || t.Verdict == Pass || out == Fail {
			continue
		}
		out = t.Verdict
	}
	return out
}
