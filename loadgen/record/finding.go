package record

import "github.com/adit-tunnel/adit/loadgen/load/payload"

// A Finding is something that a route does wrong, as far as the numbers prove
// it. What speaks against the numbers themselves is a Reason.
type Finding struct {
	Code  string `json:"code"`
	Cell  string `json:"cell,omitempty"`  // empty: all cells
	Group string `json:"group,omitempty"` // empty: all groups of the cell
	Route
	Role   string `json:"role,omitempty"`   // leak: of the process
	Stream uint64 `json:"stream,omitempty"` // the first one that it was seen in; 0: it is of no stream
	Offset int64  `json:"offset,omitempty"` // in that stream, bytes
	Detail string `json:"detail"`
}

// Codes of findings.
const (
	Corrupted  = payload.Corrupted
	Lost       = payload.Lost
	Duplicated = payload.Duplicated
	Crossed    = payload.Crossed
	Forged     = payload.Forged
	Cut        = "cut"   // streams that were ended in order end with a reset
	Stall      = "stall" // every stream stops for a while at the same place
	Leak       = "leak"  // every connection leaves memory, files or threads behind
)
