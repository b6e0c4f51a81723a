package engine

import "time"

// A Verdict is the outcome of one case.
type Verdict string

// Verdicts. Fail and NotTestable count against the subject.
const (
	Pass          Verdict = "pass"
	PassNonstrict Verdict = "pass-nonstrict" // a SHOULD was missed
	Fail          Verdict = "fail"
	NotApplicable Verdict = "not-applicable" // an optional part that the subject did not declare, or declined
	NotTestable   Verdict = "not-testable"   // a MUST, or declared, and not there to test
	Inconclusive  Verdict = "inconclusive"   // the machine was too busy to tell
	SuiteError    Verdict = "suite-error"    // the suite broke
	NotRun        Verdict = "not-run"        // left out of this run: --slow, --timeout, --fail-fast
)

// Verdicts lists every verdict in the order reports use.
var Verdicts = [...]Verdict{Pass, PassNonstrict, Fail, NotTestable, Inconclusive, SuiteError, NotApplicable, NotRun}

// Scored reports whether v says something about the subject.
func (v Verdict) Scored() bool {
	return v == Pass || v == PassNonstrict || v.Failed()
}

// Failed reports whether v counts against the subject.
func (v Verdict) Failed() bool { return v == Fail || v == NotTestable }

// Aspect is what a finding judges: what the subject said, or how it closed.
type Aspect string

// Aspects, judged apart from each other.
const (
	Message Aspect = "message" // frames and octets
	Ending  Aspect = "close"   // how a tunnel or a socket ended, or that it did not
)

// A Finding is one broken requirement that a case saw.
type Finding struct {
	Req      string        `json:"req"`
	Level    string        `json:"level"` // of Req; MUST when the subject could not be tested at all
	Aspect   Aspect        `json:"aspect"`
	Sentence string        `json:"sentence"` // in English: what should have been seen; without Got, what was wrong
	Expected string        `json:"expected,omitempty"`
	Got      string        `json:"got,omitempty"`
	At       time.Duration `json:"at_ns"` // since the case began
	Oracle   bool          `json:"oracle,omitempty"`

	Events int  `json:"-"` // of the record, when it was charged
	Shown  bool `json:"-"` // the last of them is what the case waited for
}

// Label says how to read Sentence: as what should have been, or as what was wrong.
func (f Finding) Label() string {
	if f.Got != "" {
		return "should"
	}
	return "wrong"
}

// String is the finding in one line.
func (f Finding) String() string {
	if f.Got == "" {
		return f.Sentence
	}
	return "should: " + f.Sentence + "; got: " + f.Got
}

// A Result is the outcome of one case with all that explains it.
type Result struct {
	Case     Case
	Verdict  Verdict
	Reason   string // of a verdict that is neither a pass nor a failure
	Findings []Finding
	Notes    []string // remarks of the case
	Attempts int
	Took     time.Duration
	Started  time.Time
	Closed   string   // how the subject ended its last tunnel: "clean", "reset" or "" when it did not
	Ports    []string // the suite's local addresses, to find the case in the subject's log
	Trace    []Event  // the record of the last attempt
	Log      []string // the subject's last lines, when the suite started it
	Record   []Event  // with all that the suite sent, of a failure, if the runner keeps it
	Cut      Cut      // of that record
	Died     bool     // the subject did, in this case
	Late     time.Duration
	// Late is the worst lateness of a timer in the case: how busy the machine was.

	outline *outline // of the last attempt, up to the case's end
}

// Counts reports whether the result counts against the subject.
func (res Result) Counts() bool { return res.Verdict.Failed() && res.Case.Unscored == "" }
