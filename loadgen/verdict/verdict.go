package verdict

import (
	"github.com/adit-tunnel/adit/loadgen/compare"
	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/summary"
)

// Complete fills in everything that a record says about its own blocks.
func Complete(r *record.Record) {
	summary.Complete(r)
	r.Comparison = compare.Subjects(r, compare.Options{})
	r.Findings = findings(r)
	r.Validity = validity(r)
	r.Thresholds = thresholds(r)
}
