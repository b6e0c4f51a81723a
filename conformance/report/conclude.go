package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/adit-tunnel/adit/conformance/engine"
)

// conclude fills in what follows from the results.
func (f *File) conclude() {
	f.Counts = map[engine.Verdict]int{}
	for _, e := range f.Results {
		if e.Unscored == "" {
			f.Counts[e.Verdict]++
		}
	}
	f.Coverage = f.coverage()
	f.Classes = f.classes()
	f.Causes = f.causes()
	f.ExitCode = f.exitCode()
	_, head, rest := f.conclusion()
	f.Conclusion = head + rest
}

// A Class is what a run claims for one conformance class of PROTOCOL.md section 22.
type Class struct {
	Name     string                 `json:"class"`
	Standing string                 `json:"standing"` // certified, partial, inconclusive or failed
	Counts   map[engine.Verdict]int `json:"counts"`
	Must     [2]int                 `json:"must"`   // passed, scored
	Should   [2]int                 `json:"should"` // passed, scored
	NotRun   []string               `json:"not_run,omitempty"`
}

// Standings of a class.
const (
	Certified    = "certified"    // every case of the class that this run could make passed
	Partial      = "partial"      // what ran passed, but --id or --label-filter selected it: the certificate certifies no class
	Deviating    = "deviating"    // certified, but for deviations that a baseline lists
	Undecided    = "inconclusive" // nothing failed, but not all could be told
	NotCertified = "failed"
)

// class names the conformance class that the case belongs to.
func (e Entry) class() string {
	if e.Role == engine.API {
		return "api"
	}
	return cmp.Or(e.Profile, "core") + "-" + string(e.Role)
}

// classes is the outcome for every class that the run touched.
func (f *File) classes() []Class {
	byName := map[string]*Class{}
	for _, e := range f.Results {
		name := e.class()
		if e.Unscored != "" && e.Profile != "core" && e.Role != engine.API { // of a set that does not have it
			continue
		}
		c := byName[name]
		if c == nil {
			c = &Class{Name: name, Standing: Certified, Counts: map[engine.Verdict]int{}}
			byName[name] = c
		}
		if e.Unscored != "" {
			continue
		}
		c.Counts[e.Verdict]++
		if e.Verdict == engine.NotRun {
			c.NotRun = append(c.NotRun, e.Case)
		}
		if !tells(e.Verdict) {
			continue
		}
		tally := &c.Must
		if e.Level != "MUST" {
			tally = &c.Should
		}
		tally[1]++
		// In the case of a MUST nonstrict means that the MUST was kept, and a SHOULD beside it was not.
		if e.Verdict == engine.Pass || e.Verdict == Stale || e.Verdict == engine.PassNonstrict && e.Level == "MUST" {
			tally[0]++
		}
	}
	var out []Class
	for _, c := range byName {
		c.Standing = f.standing(c.Counts)
		out = append(out, *c)
	}
	slices.SortFunc(out, func(a, b Class) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// standing is that of a class with so many results of each verdict.
func (f *File) standing(n map[engine.Verdict]int) string {
	switch {
	case failures(n) > 0:
		return NotCertified
	case n[engine.Inconclusive]+n[engine.SuiteError] > 0, f.Stopped:
		return Undecided
	case n[engine.Pass]+n[engine.PassNonstrict]+n[Known] == 0, len(f.Unreachable) > 0 && n[engine.Pass] == 0:
		return Undecided
	case len(f.Selection) > 0:
		return Partial
	case n[Known] > 0:
		return Deviating
	}
	return Certified
}

// Exit codes of adit-conform run.
const (
	ExitCertified    = 0 // every scored case passed, or its failure is known
	ExitFailed       = 1 // a scored case failed, whatever else happened
	ExitUsage        = 2 // wrong flags, arguments or subject file
	ExitUnreachable  = 3 // TCP never connected, or the command ended before it was ready
	ExitSuiteError   = 4 // the suite broke
	ExitNothing      = 5 // nothing was selected, or nothing selected could be scored
	ExitInconclusive = 6 // the machine was too busy to tell
)

// exitCode is the exit code that the run earns.
func (f *File) exitCode() int {
	n := f.Counts
	switch {
	case failures(n) > 0:
		return ExitFailed
	case n[engine.SuiteError] > 0 || f.Broken != "":
		return ExitSuiteError
	case len(f.Unreachable) > 0:
		return ExitUnreachable
	case n[engine.Inconclusive] > 0 || f.Stopped:
		return ExitInconclusive
	case n[engine.Pass]+n[engine.PassNonstrict]+n[Known] == 0:
		return ExitNothing
	}
	return ExitCertified
}

// conclusion is the verdict of the run: how it is painted, its head, and what follows the head.
func (f File) conclusion() (t tone, head, rest string) {
	switch f.ExitCode {
	case ExitCertified:
		t, but := good, ""
		if n := f.Counts[Known]; n > 0 {
			t, but = warn, strings.ToUpper(butFor(n))
		}
		if names := f.certified(); names != "" {
			return t, "CERTIFIED" + but, " " + names
		}
		return t, "PASSED" + but, ", for the selected requirements"
	case ExitFailed:
		n, stale := failures(f.Counts), ""
		if s := f.Counts[Stale]; s > 0 {
			n -= s
			stale = fmt.Sprintf(", %d passed against the baseline", s)
		}
		return bad, "NOT CERTIFIED", ": " + Count(n, "case") + " failed" + stale
	case ExitUnreachable:
		return bad, "UNREACHABLE", ": " + strings.Join(strings.Fields(strings.Join(f.Unreachable, "; ")), " ")
	case ExitSuiteError:
		return bad, "SUITE ERROR", ": the suite itself broke; please report it"
	case ExitInconclusive:
		return warn, "INCONCLUSIVE", ": nothing failed, but not everything could be told; run again on a quieter machine"
	}
	text := ": no case that was selected could be run"
	switch i := slices.IndexFunc(f.Results, func(e Entry) bool { return e.Unscored != "" && e.Verdict.Scored() }); {
	case i >= 0:
		text = ": what was run is " + f.Results[i].Unscored
	case len(f.Selection) > 0:
		text += "; adit-conform list ID says what tests a requirement, and in whom"
	}
	return warn, "NOTHING SCORED", text
}

// certified names the classes that are certified, known deviations apart.
func (f *File) certified() string {
	var names []string
	for _, c := range f.Classes {
		if c.Standing == Certified || c.Standing == Deviating {
			names = append(names, c.Name)
		}
	}
	return strings.Join(names, ", ")
}

func butFor(n int) string { return " but for " + Count(n, "known deviation") }

// Words is the standing in words.
func (c Class) Words() string {
	if c.Standing == Deviating {
		return "certified" + butFor(c.Counts[Known])
	}
	return c.Standing
}

// tone is how a standing looks.
func (c Class) tone() tone { return toneOf(verdictOf(c.Standing)) }

// verdictOf is the verdict that a standing looks like.
func verdictOf(standing string) engine.Verdict {
	return map[string]engine.Verdict{Certified: engine.Pass, Partial: engine.PassNonstrict, Deviating: Known, Undecided: engine.Inconclusive, NotCertified: engine.Fail}[standing]
}
