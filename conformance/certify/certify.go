package certify

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/onsi/ginkgo/v2"
	"github.com/onsi/ginkgo/v2/types"

	"github.com/adit-tunnel/adit/conformance/cases"
	"github.com/adit-tunnel/adit/conformance/engine"
	"github.com/adit-tunnel/adit/conformance/report"
)

// Options say what is certified, and how. What is wrong with one is said by
// the name of its flag of adit-conform run.
type Options struct {
	Suite   string // version of the suite
	Command string // command line that repeats the run
	Subject SubjectFlags

	Set          string   // frozen requirement set that scores
	IDs          []string // patterns of requirements and cases; none: all
	Labels       string   // a label filter of Ginkgo; empty: all
	Baseline     string   // file of known deviations; empty: none
	FailFast     bool     // leave the rest out after the first failure
	Slow         bool     // cases that wait for timers over 60 s, too
	Timeout      time.Duration
	Seed         uint64
	Segmentation string // on: every case in all cuts of its octets (engine.Cut); off: as written
	Jobs         int    // instances at a time of a subject that the suite starts; one when its addresses are fixed
	Alone        bool   // a server that runs elsewhere has no other client: visitors that it serves without a tunnel of ours are its own fault
	Keep         bool   // the whole record of what fails, for a replay file

	Progress io.Writer
	Terminal bool // Progress is one
	Verbose  bool // show frames live
}

// A certification is one Run.
type certification struct {
	Options
	set    cases.Set
	labels types.LabelFilter // nil: all
	known  *report.Baseline
}

// check refuses wrong options before anything is started.
func (o Options) check() (*certification, error) {
	c := &certification{Options: o}
	var err error
	if c.set, err = cases.LoadSet(o.Set); err != nil {
		return nil, fmt.Errorf("--set %w", err)
	}
	if err := cases.CheckPatterns(o.IDs); err != nil {
		return nil, fmt.Errorf("--id %w", err)
	}
	if o.Labels != "" {
		if c.labels, err = types.ParseLabelFilter(o.Labels); err != nil {
			return nil, fmt.Errorf("--label-filter %q: not a label filter, like 'level: isSubsetOf MUST && role: containsAny server'", o.Labels)
		}
	}
	if o.Baseline != "" {
		if c.known, err = report.LoadBaseline(o.Baseline, exists); err != nil {
			return nil, err
		}
	}
	switch {
	case o.Timeout < 0:
		return nil, fmt.Errorf("--timeout %s: must not be negative", o.Timeout)
	case o.Slow && o.Timeout > 0 && o.Timeout <= engine.SlowWait:
		return nil, fmt.Errorf("--slow and --timeout %s: the cases that --slow adds wait longer than %s; raise the timeout or leave it out", o.Timeout, engine.SlowWait)
	case o.Segmentation != "on" && o.Segmentation != "off":
		return nil, fmt.Errorf("--segmentation %q: must be on or off", o.Segmentation)
	case o.Jobs < 1:
		return nil, fmt.Errorf("--jobs %d: must be 1 or more", o.Jobs)
	}
	return c, nil
}

// exists reports whether there is a requirement, or a case, of that name.
func exists(id string) bool {
	_, ok := cases.Lookup(id)
	return ok || slices.ContainsFunc(cases.All(cases.Lookup), func(c engine.Case) bool { return c.Selects(id) })
}

// Run certifies the subject. The error is a wrong option or subject file;
// everything else is an outcome.
func Run(ctx context.Context, o Options) (*report.Run, error) {
	c, err := o.check()
	if err != nil {
		return nil, err
	}
	candidates, name, err := o.Subject.Candidates(ctx)
	if err != nil {
		return nil, err
	}
	run := &report.Run{Untested: c.untested(candidates), About: report.About{
		Suite: o.Suite, Spec: cases.Spec, Requirements: c.set.Name, Subject: name, Command: o.Command,
		Started: time.Now(), Seed: o.Seed, Segmentation: o.Segmentation, Selection: c.selection(),
		Host: report.Host{OS: runtime.GOOS, Arch: runtime.GOARCH, CPUs: runtime.NumCPU(), Go: runtime.Version()},
	}}
	run.NotClaimed = c.notClaimed(candidates)
	batches := c.batches(candidates)
	c.play(ctx, batches, run)
	run.Owner, run.OwnerWhy = owner(batches)
	run.TookMS = time.Since(run.Started).Milliseconds()
	run.Stopped = ctx.Err() != nil
	c.known.Finish(run.Results)
	run.Sort()
	return run, nil
}

// owner says who answered in all roles: what is least sure stands for all.
func owner(batches []*batch) (o report.Owner, why string) {
	if len(batches) == 0 {
		return "", ""
	}
	o = report.OwnerChecked
	for _, b := range batches {
		switch own, reason := b.runner.Owner(); {
		case b.stranger != nil:
			return report.OwnerStranger, b.stranger.Error()
		case !b.runner.Subject.Owned() && o == report.OwnerChecked:
			o, why = report.OwnerElsewhere, ""
		case b.runner.Subject.Owned() && !own:
			o, why = report.OwnerUnknown, cmp.Or(strings.TrimPrefix(reason, "owner not checked: "), "nobody was there to be asked")
		}
	}
	return o, why
}

// A batch is the cases for one candidate with the runner for them.
type batch struct {
	runner   *engine.Runner
	cases    []engine.Case
	stranger error // what answered was another program
}

// batches selects the cases for each candidate.
func (c *certification) batches(candidates []Candidate) []*batch {
	all := cases.All(cases.Lookup)
	var out []*batch
	for _, one := range candidates {
		b := &batch{runner: &engine.Runner{
			Subject: one.Subject, Role: one.Role, Fresh: one.Fresh, Listen: c.Subject.Listen, Target: c.Subject.Target, Lookup: c.set.Lookup,
			Timeout: c.Timeout, Slow: c.Slow, Alone: c.Alone, Claims: one.Claims, Options: one.Options, Seed: c.Seed, Jobs: c.Jobs, AllCuts: c.Segmentation == "on", Keep: c.Keep,
		}}
		for _, k := range all {
			if k.Role == one.Role && c.selects(k) && one.takes(k) {
				if one.alwaysAsks() {
					k = k.Asking()
				}
				k.Unscored = c.set.Excludes(k)
				b.cases = append(b.cases, k)
			}
		}
		if one.alwaysAsks() {
			b.runner.With = engine.WithKey
		}
		if len(b.cases) > 0 {
			out = append(out, b)
		}
	}
	return out
}

// notClaimed are the classes of the set that candidates could have claimed, and do not.
func (c *certification) notClaimed(candidates []Candidate) (classes []string) {
	var profiles []string // that the set has, and cases for them
	for _, f := range c.set.Requirements {
		if r, _ := cases.Lookup(f.ID); !slices.Contains(profiles, r.Profile) {
			profiles = append(profiles, r.Profile)
		}
	}
	for _, one := range candidates {
		for _, profile := range profiles {
			if one.Role != engine.API && !one.speaks(profile) {
				classes = append(classes, profile+"-"+string(one.Role))
			}
		}
	}
	return classes
}

// selects reports whether the options ask for the case.
func (c *certification) selects(k engine.Case) bool {
	if c.labels != nil && !c.labels(labels(k)) {
		return false
	}
	return len(c.IDs) == 0 || slices.ContainsFunc(c.IDs, func(id string) bool { return cases.Matches(id, k) })
}

// labels are what --label-filter selects by.
func labels(c engine.Case) ginkgo.Labels {
	return ginkgo.Labels{"id: " + c.ID, "level: " + c.Req.Level, "role: " + string(c.Role), "profile: " + c.Profile()}
}

// selection says in words what was selected; nothing: everything.
func (c *certification) selection() []string {
	s := slices.Clone(c.IDs)
	if c.Labels != "" {
		s = append(s, c.Labels)
	}
	return s
}

// untested is what the set has no case for, in the roles of the run: a part of
// the set claims nothing about what was not asked for.
func (c *certification) untested(candidates []Candidate) []report.Untested {
	if c.labels != nil {
		return nil
	}
	var out []report.Untested
	for _, frozen := range c.set.Requirements {
		if len(c.IDs) > 0 && !slices.ContainsFunc(c.IDs, func(p string) bool { return cases.MatchesID(p, frozen.ID) }) {
			continue
		}
		r, _ := cases.Lookup(frozen.ID)
		for _, role := range cases.Roles(r) {
			how, reason, excused := cases.Excuse(r.ID, role)
			bound := slices.ContainsFunc(candidates, func(one Candidate) bool { return one.Role == role && one.speaks(r.Profile) })
			if u := (report.Untested{ID: r.ID, How: how, Reason: reason}); excused && bound && !slices.Contains(out, u) {
				out = append(out, u)
			}
		}
	}
	return out
}
