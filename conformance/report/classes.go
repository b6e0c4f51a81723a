package report

import (
	"cmp"
	"slices"
	"strings"

	"github.com/adit-tunnel/adit/conformance/engine"
)

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
	Partial      = "partial"      // what ran passed; part of the class was not selected
	Deviating    = "deviating"    // certified, but for deviations that a baseline lists
	Undecided    = "inconclusive" // nothing failed, but not all could be told
	NotCertified = "failed"
)

// class names the conformance class that the case belongs to.
func (e Entry) class() string {
	if e.Role == engine.API {
		return "api"
	}
	return "core-" + string(e.Role)
}

// classes is the outcome for every class that the run touched.
func (f *File) classes() []Class {
	byName := map[string]*Class{}
	for _, e := range f.Results {
		name := e.class()
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
		if quality(e.Verdict) == untested {
			continue
		}
		tally := &c.Must
		if e.Level != "MUST" {
			tally = &c.Should
		}
		tally[1]++
		if e.Verdict == engine.Pass || e.Verdict == Stale {
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

// Words is the standing in words.
func (c Class) Words() string {
	if c.Standing == Deviating {
		return "certified" + butFor(c.Counts[Known])
	}
	return c.Standing
}

func butFor(n int) string { return " but for " + Count(n, "known deviation") }

// failed reports whether a verdict counts against the subject.
func failed(v engine.Verdict) bool { return v.Failed() || v == Stale }

// notExamined names the classes of the suite that the run said nothing about.
func (f *File) notExamined() string {
	return strings.Join(slices.DeleteFunc([]string{"api", "core-client", "core-server"}, func(name string) bool {
		return len(f.Classes) == 0 || slices.ContainsFunc(f.Classes, func(c Class) bool { return c.Name == name })
	}), ", ")
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

func (f *File) standing(n map[engine.Verdict]int) string {
	switch {
	case n[engine.Fail]+n[engine.NotTestable]+n[Stale] > 0:
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
