package record

import (
	"slices"

	"github.com/adit-tunnel/adit/loadgen/load"
	"github.com/adit-tunnel/adit/loadgen/scenario"
)

// An Ending is how a run came out, in one word.
type Ending string

// Endings, gravest first: of several that hold a run has the first.
const (
	EndedFaulty   Ending = "faulty"   // wrong bytes were received
	EndedStopped  Ending = "stopped"  // before its end
	EndedStarved  Ending = "starved"  // adit-load's own end ran out of something
	EndedFailed   Ending = "failed"   // packets were not ok
	EndedMissed   Ending = "missed"   // a threshold was not met
	EndedWorse    Ending = "worse"    // of several subjects one than the first
	EndedUnjudged Ending = "unjudged" // a threshold could not be judged
	EndedComplete Ending = "complete"
)

// Ending is how the run came out.
func (r *Record) Ending() Ending {
	switch {
	case r.Faulty():
		return EndedFaulty
	case r.Interrupted:
		return EndedStopped
	case slices.ContainsFunc(r.All(), func(b Block) bool { return r.Starved(&b) != "" }):
		return EndedStarved
	case r.Failed() > 0:
		return EndedFailed
	case r.Gates() == Fail:
		return EndedMissed
	case slices.ContainsFunc(r.Comparison, func(c Comparison) bool { return c.Verdict == Worse && !r.IsRival(c.Subject) }):
		return EndedWorse
	case r.Gates() == Inconclusive && r.Profile != scenario.Smoke:
		return EndedUnjudged
	}
	return EndedComplete
}

// fullPorts is the share of this machine's ports from which on those that are
// kept by connections that have ended may be all that lead to one address.
const fullPorts = 0.9

// Starved says what adit-load's own end ran out of in a block, or what the
// machine had no more of for whoever connects on it; empty: nothing. What failed
// meanwhile is not the path's doing.
func (r *Record) Starved(b *Block) string {
	failed := int64(0)
	for _, g := range b.Groups {
		failed += g.FailedPackets()
		for _, what := range load.OwnEnds {
			if g.Own[what] > 0 {
				return what
			}
		}
	}
	if s := r.Environment.System; s != nil && b.Host != nil && b.Host.TimeWait != nil && failed > 0 && s.PortCount() > 0 && float64(*b.Host.TimeWait) >= fullPorts*float64(s.PortCount()) {
		return load.NoPorts
	}
	return ""
}
