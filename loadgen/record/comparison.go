package record

// Verdicts of a comparison.
const (
	Better       = "better"
	Worse        = "worse"
	Same         = "same"         // any change is smaller than what counts
	Inconclusive = "inconclusive" // none of the three can be said
)

// A Comparison is one number of an old subject beside that of a new one.
type Comparison struct {
	Scenario  string   `json:"scenario,omitempty"` // where records are compared
	Of                 // of the new one
	Old       string   `json:"old"` // whose the old number is: a subject of this run, or a record
	New       string   `json:"new"`
	Paired    bool     `json:"paired,omitempty"` // measured within the same repetitions
	OldMedian float64  `json:"old_median"`       // of a pair: of the repetitions that both have
	NewMedian float64  `json:"new_median"`
	Unit      string   `json:"unit"`
	Better    string   `json:"better"`             // which way is: lower or higher
	Change    Estimate `json:"change"`             // of the medians: 0.03 is 3 % more; of a share, 3 points
	P         float64  `json:"p"`                  // of there being no difference
	Least     float64  `json:"p_least,omitempty"`  // the smallest P that so many repetitions can have
	Holm      float64  `json:"p_holm"`             // P, made good for the number of comparisons
	Stated    float64  `json:"stated"`             // smallest change of interest
	Effect    float64  `json:"effect"`             // a smaller change cannot count: Stated, or the noise floor
	Unsteady  bool     `json:"unsteady,omitempty"` // the same number of a path without the subject changed, too
	Verdict   string   `json:"verdict"`            // better, worse, same, inconclusive
	Reason    string   `json:"reason,omitempty"`   // why inconclusive
}
