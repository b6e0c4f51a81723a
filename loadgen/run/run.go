// Package run measures scenarios: blocks in shuffled order, each connect, warm
// up, measure, drain.
//
//	run.go      Runner: the blocks of a scenario
//	order.go    in which order
//	block.go    one block
//	lost.go     subjects that it goes on without
//	notice.go   what it tells while it runs
//	search.go   many blocks, to find the knee
//	events.go   what a time line did to it
//	overtime.go how it went, window by window
//	account.go  what both ends counted, brought together
package run

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/adit-tunnel/adit/conformance/subject"
	"github.com/adit-tunnel/adit/loadgen/plan"
	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/sample"
	"github.com/adit-tunnel/adit/loadgen/scenario"
	"github.com/adit-tunnel/adit/loadgen/summary"
	"github.com/adit-tunnel/adit/loadgen/topology"
	"github.com/adit-tunnel/adit/loadgen/verdict"
)

// A Runner measures scenarios.
type Runner struct {
	Subjects   []*subject.File    // with different names; each is a tunnel
	Self       string             // command line of adit-load, quoted; all other processes are started from it
	Command    string             // for the record: what the user typed
	Profile    string             // for the record
	Tool       string             // for the record: version of adit-load
	Bundles    []*record.Bundle   // certificates of the subjects
	Elsewhere  topology.Elsewhere // what runs already
	Executable string             // adit-load as a file; its containers are made from it

	Within time.Duration // longest wait for a path to carry its first packet; 0: 10 s
	Tell   func(Notice)  // what the run is doing, one call at a time; nil: nobody wants to know
}

// A LimitError says that this machine does not let any cell of a scenario run.
type LimitError struct{ Problem string }

func (e *LimitError) Error() string { return e.Problem }

// Run measures one scenario. When ctx is cancelled it returns the record of
// what was complete, with the context's error. A topology that does not come
// up is a *topology.StartError, in a *LostError when it is that of one subject
// and there are others; a machine that is too small a *LimitError.
func (r *Runner) Run(ctx context.Context, s *scenario.Scenario) (*record.Record, error) {
	rec := &record.Record{
		Version: record.Version, Scenario: s, Profile: r.Profile, Command: r.Command, Tool: r.Tool,
		Environment: sample.ReadEnvironment(), Started: time.Now().UTC().Truncate(time.Second),
	}
	var subjects []*subject.File
	subjects, rec.NotRun = topology.Installed(r.Subjects)
	rec.Subjects = topology.Describe(subjects)
	rec.ToolSHA256, _ = topology.Digest(r.Executable) // out of sight: unknown
	rec.Environment.System.Docker = subject.Engine(ctx) == nil
	defer func() { rec.Certify(r.Bundles) }()
	began := time.Now()
	err := r.run(ctx, s, rec, subjects)
	rec.Seconds = time.Since(began).Seconds()
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	rec.Interrupted = interrupts(err)
	verdict.Complete(rec)
	return rec, err
}

func (r *Runner) run(ctx context.Context, s *scenario.Scenario, rec *record.Record, subjects []*subject.File) (err error) {
	if len(subjects) == 0 && len(rec.NotRun) > 0 && slices.Contains(s.Paths, scenario.Tunnel) {
		return &LimitError{rec.NotRun[0].String()}
	}
	cells, not := plan.Fit(s, rec.Environment)
	rec.NotRun = append(rec.NotRun, not...)
	if len(cells) == 0 {
		return &LimitError{fmt.Sprintf("scenario %s: no cell can be run: %s", s.Name, rec.NotRun[len(rec.NotRun)-1].Reason)}
	}
	paths, not := r.Elsewhere.Paths(s)
	rec.NotRun = append(rec.NotRun, not...)
	gone := &lost{rec: rec, left: len(subjects)}
	t, err := gone.start(ctx, topology.Options{
		Scenario: s, Subjects: subjects, Paths: paths, Self: r.Self, Executable: r.Executable,
		Within: cmp.Or(r.Within, 10*time.Second), OpenFiles: rec.Environment.OpenFiles, Elsewhere: r.Elsewhere,
	})
	if err != nil {
		return err
	}
	defer func() { err = gone.with(errors.Join(err, t.Close())) }()
	rec.Subjects, rec.Workers = t.Subjects, t.Clocks()
	o := newOrder(s, t.Routes)
	if r.Profile != scenario.Smoke && s.Search == nil {
		o.watch(s, cells)
	}
	tell := &teller{tell: r.Tell, scenario: s.Name, began: time.Now()}
	defer func() {
		rec.Interrupted = interrupts(err)
		tell.verdict(rec)
	}()
	done, per := 0, 1 // per: blocks in a step
	if s.Search != nil {
		per, _ = s.Search.Blocks()
	}
	for rep := 1; ; rep++ {
		cells = due(rec, cells, rep)
		steps := o.round(rep, cells)
		if len(steps) == 0 {
			return nil
		}
		later := o.least(s, cells, rep)
		for i, st := range steps {
			if !slices.Contains(t.Routes, st.route) {
				continue // its subject is lost
			}
			left := len(steps) - i + later
			tell.done, tell.of, tell.left = done, done+left, s.Least(left*per)
			st.teller = tell
			if done == 0 {
				tell.say(nil, Notice{Event: Planned})
			}
			b, found, err := r.block(ctx, t, s, st, done)
			if found != nil {
				rec.Searches = append(rec.Searches, *found)
			}
			done++
			tell.done, tell.left = done, s.Least((left-1)*per)
			switch {
			case err != nil:
			case st.canary:
				tell.complete(&st, b)
				rec.Canary = append(rec.Canary, *b)
			default:
				tell.complete(&st, b)
				rec.Blocks = append(rec.Blocks, *b)
			}
			if err = errors.Join(err, t.Ended()); err == nil {
				continue
			}
			name := gone.subject(ctx, err, fmt.Sprintf("in repetition %d of %s: ", rep, st.cell.Name))
			if name == "" {
				return err
			}
			o.drop(name)
			if err := t.Drop(name); err != nil {
				return err
			}
		}
	}
}

// block is what is measured in one step: one block, or with a search that of the knee.
func (r *Runner) block(ctx context.Context, t *topology.Topology, s *scenario.Scenario, st step, done int) (*record.Block, *record.Search, error) {
	number := uint64(done) * maxBlocks
	if s.Search == nil || st.canary {
		b, err := measure(ctx, t, s, st, number)
		return b, nil, err
	}
	return search(ctx, s, st, func(ctx context.Context, st step) (*record.Block, error) {
		number++
		return measure(ctx, t, s, st, number)
	})
}

// due is the cells that are measured in a repetition: as often as wanted at
// least, and then until their headline is known as well as it is wanted.
func due(rec *record.Record, cells []*scenario.Cell, repetition int) []*scenario.Cell {
	t := summary.Make(rec, rec.Blocks)
	return slices.DeleteFunc(slices.Clone(cells), func(c *scenario.Cell) bool {
		r := rec.Scenario.RepeatOf(c)
		return repetition > int(r.Min) && (repetition > int(r.Max) || t.Tight(c, float64(r.Width)))
	})
}
