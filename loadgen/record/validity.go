package record

// How far numbers can be trusted.
const (
	Valid   = "valid"
	Note    = "note"    // what a reader should know, and nothing against them
	Noisy   = "noisy"   // the machine disturbed them, or they are known too loosely
	Invalid = "invalid" // they are not what they seem to be
)

// Validity says how far the numbers of a run can be trusted: as far as the worst of its reasons.
type Validity struct {
	Verdict string   `json:"verdict"` // valid, noisy, invalid
	Reasons []Reason `json:"reasons,omitempty"`
}

// A Reason is something that speaks against the numbers of a row, or of the whole run; or a note on them.
type Reason struct {
	Code  string `json:"code"`
	Cell  string `json:"cell,omitempty"`  // empty: the whole run
	Group string `json:"group,omitempty"` // empty: all groups of the cell
	Route
	Verdict string `json:"verdict"` // note, noisy, invalid
	Detail  string `json:"detail"`  // what was seen, and what to do

	Repetition int `json:"repetition,omitempty"` // that shows it best; 0: all do
}

// Codes of reasons.
const (
	GeneratorLate    = "generator-late"     // packets left long after they were due
	GeneratorCPU     = "generator-cpu"      // generator or target used all of the CPU time that it can
	RateNotSustained = "rate-not-sustained" // fewer packets came back than were due
	Steal            = "steal"              // the hypervisor kept CPU time
	Pressure         = "pressure"           // other programs used the CPUs
	Drift            = "drift"              // the second half of the repetitions differs from the first
	TooFewSamples    = "too-few-samples"    // not even a median of times
	Plateau          = "plateau-40ms"       // the mark of Nagle's algorithm and delayed acknowledgements
	ShortForBuffers  = "short-for-buffers"  // measured for so short that buffers took in much of it
	MeasuredShort    = "measured-short"     // the machine was too busy to measure for as long as it should have
	Interrupted      = "interrupted"        // the run did not come to its end
	NoiseFloor       = "noise-floor"        // the headline is known too loosely
	NotStationary    = "not-stationary"     // the speed changed within a block, and the number is a mean of two
	OwnEnd           = "own-end"            // adit-load itself ran out of ports or descriptors
	FasterThanDirect = "faster-than-direct" // a path with more on it was faster than the one with nothing
	LeakNotJudged    = "leak-not-judged"    // too few repetitions to say whether processes grow
)

// Of is the verdict of a row: of a group of a cell on a route.
func (v *Validity) Of(cell, group string, route Route) string {
	out := Valid
	for _, r := range v.Reasons {
		if r.Verdict != Note && out != Invalid && (r.Cell == "" || r.Cell == cell && r.Route == route && (r.Group == "" || r.Group == group)) {
			out = r.Verdict
		}
	}
	return out
}

// meanings say what the codes stand for.
var meanings = map[string]string{
	GeneratorLate:    "packets left long after they were due",
	GeneratorCPU:     "generator or target used all of the CPU time that it can",
	RateNotSustained: "fewer packets came back than were due",
	Steal:            "the hypervisor kept CPU time",
	Pressure:         "other programs used the CPUs",
	Drift:            "the second half of the repetitions differs from the first",
	TooFewSamples:    "not even a median of times",
	Plateau:          "the mark of Nagle's algorithm and delayed acknowledgements",
	ShortForBuffers:  "measured for so short that buffers took in much of it",
	MeasuredShort:    "the machine was too busy to measure for as long as it should have",
	Interrupted:      "the run did not come to its end",
	NoiseFloor:       "the headline is known too loosely",
	NotStationary:    "the speed changed within a block, and the number is a mean of two",
	OwnEnd:           "adit-load itself ran out of ports or descriptors",
	FasterThanDirect: "a path with more on it was faster than the one with nothing",
	LeakNotJudged:    "too few repetitions to say whether processes grow",
}

// Meaning says what the reason's code stands for.
func (r *Reason) Meaning() string { return meanings[r.Code] }
