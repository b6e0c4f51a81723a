package record

import "github.com/adit-tunnel/adit/loadgen/stats"

// Verdicts of a comparison.
const (
	Better       = "better"
	Worse        = "worse"
	Same         = "same"         // any change is smaller than what counts
	Inconclusive = "inconclusive" // none of the three can be said
)

// A Comparison is one number of an old subject beside that of a new one.
type Comparison struct {
	Scenario  string         `json:"scenario,omitempty"` // where records are compared
	Of                       // of the new one
	Old       string         `json:"old"` // whose the old number is: a subject of this run, or a record
	New       string         `json:"new"`
	OldMedian float64        `json:"old_median"`
	NewMedian float64        `json:"new_median"`
	Unit      string         `json:"unit"`
	Better    string         `json:"better"`             // which way is: lower or higher
	Change    stats.Estimate `json:"change"`             // 0.03 is 3 % more; of a share, 3 points
	P         float64        `json:"p"`                  // of there being no difference
	Holm      float64        `json:"p_holm"`             // P, made good for the number of comparisons
	Stated    float64        `json:"stated"`             // smallest change of interest
	Effect    float64        `json:"effect"`             // a smaller change cannot count: Stated, or the noise floor
	Unsteady  bool           `json:"unsteady,omitempty"` // the same number of a path without the subject changed, too
	Verdict   string         `json:"verdict"`            // better, worse, same, inconclusive
	Reason    string         `json:"reason,omitempty"`   // why inconclusive
}
