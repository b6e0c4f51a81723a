package report

import (
	"slices"

	"github.com/adit-tunnel/adit/conformance/engine"
)

// Verdicts that a baseline makes.
const (
	Known engine.Verdict = "known" // failed, as the baseline says
	Stale engine.Verdict = "stale" // passed, though the baseline says that it fails
)

// Verdicts lists every verdict in the order reports use.
var Verdicts = slices.Insert(engine.Verdicts[:], 4, Known, Stale)

// A tone is how a text looks: on a terminal a colour, on the page a class.
type tone string

// Tones.
const (
	good   tone = "good"
	bad    tone = "bad"
	warn   tone = "warn"
	faint  tone = "faint"
	strong tone = "strong"
)

// meanings says what each verdict is to the reports, the gravest last; of
// several verdicts the gravest is shown.
var meanings = []struct {
	verdict engine.Verdict
	tone    tone
	quality int  // orders what a verdict says about the subject; 0: nothing
	silent  bool // there is nothing to explain
}{
	{verdict: engine.NotApplicable, tone: faint, silent: true},
	{verdict: engine.NotRun, tone: faint, silent: true},
	{verdict: engine.Pass, tone: good, quality: 3, silent: true},
	{verdict: engine.PassNonstrict, tone: warn, quality: 2},
	{verdict: Known, tone: warn, quality: 1},
	{verdict: engine.Inconclusive, tone: warn},
	{verdict: engine.SuiteError, tone: bad},
	{verdict: Stale, tone: bad, quality: 3},
	{verdict: engine.NotTestable, tone: bad, quality: 1},
	{verdict: engine.Fail, tone: bad, quality: 1},
}

// gravity is the place of a verdict in the table; -1 for none at all.
func gravity(v engine.Verdict) int {
	for i, m := range meanings {
		if m.verdict == v {
			return i
		}
	}
	return -1
}

func toneOf(v engine.Verdict) tone {
	if i := gravity(v); i >= 0 {
		return meanings[i].tone
	}
	return faint
}

// quality orders verdicts by how well the subject did; 0 where a verdict does not say.
func quality(v engine.Verdict) int {
	if i := gravity(v); i >= 0 {
		return meanings[i].quality
	}
	return 0
}

// silent reports whether there is nothing to explain about a verdict.
func silent(v engine.Verdict) bool { i := gravity(v); return i >= 0 && meanings[i].silent }

// fails reports whether a verdict counts against the subject, or against the baseline.
func fails(v engine.Verdict) bool { return v.Failed() || v == Stale }

// tells reports whether a verdict says something about the subject.
func tells(v engine.Verdict) bool { return quality(v) > 0 }

// failures is how many results count against the subject.
func failures(counts map[engine.Verdict]int) (n int) {
	for v, m := range counts {
		if fails(v) {
			n += m
		}
	}
	return n
}
