package run

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/adit-tunnel/adit/conformance/subject"
	"github.com/adit-tunnel/adit/loadgen/analyse"
	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/rig"
	"github.com/adit-tunnel/adit/loadgen/rig/sample"
	"github.com/adit-tunnel/adit/loadgen/scenario"
)

// A Runner measures scenarios.
type Runner struct {
	Subjects   []*subject.File  // with different names; each is a tunnel
	Rivals     []string         // names of those subjects that are measured beside the others alone
	Self       string           // command line of adit-load, quoted; all other processes are started from it
	Command    string           // for the record: what the user typed
	Profile    string           // for the record
	Tool       string           // for the record: version of adit-load
	Bundles    []*record.Bundle // certificates of the subjects
	Elsewhere  rig.Elsewhere    // what runs already
	Executable string           // adit-load as a file; its containers are made from it

	Patience time.Duration // longest wait for a path to carry its first packet; 0: 10 s
	Tell     func(Notice)  // what the run is doing, one call at a time; nil: nobody wants to know
}

// A LimitError says that this machine does not let any cell of a scenario run.
type LimitError struct{ Problem string }

func (e *LimitError) Error() string { return e.Problem }

// Run measures one scenario. When ctx is cancelled it returns the record of
// what was complete, with the context's error. A topology that does not come
// up is a *rig.StartError, in a *LostError when it is that of one subject
// and there are others; a machine that is too small a *LimitError.
func (r *Runner) Run(ctx context.Context, s *scenario.Scenario) (*record.Record, error) {
	rec := &record.Record{
		Version: record.Version, Scenario: s, Profile: r.Profile, Command: r.Command, Tool: r.Tool,
		Environment: sample.ReadEnvironment(), Started: time.Now().UTC().Truncate(time.Second),
	}
	var subjects []*subject.File
	subjects, rec.NotRun = rig.Installed(r.Subjects)
	rec.Subjects = r.described(rig.Describe(subjects))
	rec.ToolSHA256, _ = rig.Digest(r.Executable) // out of sight: unknown
	rec.Environment.System.Docker = subject.Engine(ctx) == nil
	defer func() { rec.Certify(r.Bundles) }()
	began := time.Now()
	err := r.run(ctx, s, rec, subjects)
	rec.Seconds = time.Since(began).Seconds()
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	rec.Interrupted = interrupts(err)
	analyse.Complete(rec)
	return rec, err
}

func (r *Runner) run(ctx context.Context, s *scenario.Scenario, rec *record.Record, subjects []*subject.File) (err error) {
	if len(subjects) == 0 && len(rec.NotRun) > 0 && slices.Contains(s.Paths, scenario.Tunnel) {
		return &LimitError{rec.NotRun[0].String()}
	}
	cells, not := s.Fit(rec.Environment, rig.CanTBF)
	rec.NotRun = append(rec.NotRun, not...)
	if len(cells) == 0 {
		return &LimitError{fmt.Sprintf("scenario %s: no cell can be run: %s", s.Name, rec.NotRun[len(rec.NotRun)-1].Reason)}
	}
	paths, not := r.Elsewhere.Paths(s) // all three, unless the file names some
	rec.NotRun = append(rec.NotRun, not...)
	gone := &lost{rec: rec, left: len(subjects), rivals: r.Rivals}
	t, err := gone.start(ctx, rig.Options{
		Scenario: s, Subjects: subjects, Paths: paths, Self: r.Self, Executable: r.Executable,
		Patience: cmp.Or(r.Patience, 10*time.Second), OpenFiles: rec.Environment.OpenFiles, Elsewhere: r.Elsewhere,
	})
	if err != nil {
		return err
	}
	defer func() { err = gone.with(errors.Join(err, t.Close())) }()
	rec.Subjects, rec.Clocks = r.described(t.Subjects), t.Clocks()
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
			b, found, err := measure(ctx, t, s, st, done)
			if found != nil {
				rec.Searches = append(rec.Searches, *found)
			}
			done++
			tell.done, tell.left = done, s.Least((left-1)*per)
			if err == nil {
				tell.complete(&st, b)
				to := &rec.Blocks
				if st.canary {
					to = &rec.Canary
				}
				*to = append(*to, *b)
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

// described says of subjects which are rivals.
func (r *Runner) described(subjects []record.Subject) []record.Subject {
	for i := range subjects {
		subjects[i].Rival = slices.Contains(r.Rivals, subjects[i].Name)
	}
	return subjects
}

// A step is one block to be measured.
type step struct {
	cell       *scenario.Cell
	route      record.Route
	repetition int
	canary     bool // the same as another block of this repetition
	teller     *teller
}

// An order says in which order blocks run: for each repetition its
// cells shuffled, and for each cell its routes shuffled, one directly after the
// other, so that drift of the machine meets all routes alike.
type order struct {
	rand   *rand.Rand
	routes []record.Route
	canary *step // one cell on one route, measured twice in each repetition; nil: not
}

func newOrder(s *scenario.Scenario, routes []record.Route) *order {
	return &order{rand: rand.New(rand.NewPCG(uint64(s.Seed), 1)), routes: slices.Clone(routes)}
}

// watch makes the last route, a tunnel when there is one, of the cell that is
// measured most often the canary; none if every cell is measured only once: one
// pair of blocks would be no floor.
func (o *order) watch(s *scenario.Scenario, cells []*scenario.Cell) {
	most := slices.MaxFunc(cells, func(a, b *scenario.Cell) int { return int(s.RepeatOf(a).Max - s.RepeatOf(b).Max) })
	if s.RepeatOf(most).Max > 1 {
		o.canary = &step{cell: most, route: o.routes[len(o.routes)-1], canary: true}
	}
}

// due is the cells that are measured in a repetition: as often as wanted at
// least, and then until their headline is as precise as requested.
func due(rec *record.Record, cells []*scenario.Cell, repetition int) []*scenario.Cell {
	t := analyse.Tabulate(rec, rec.Blocks)
	return slices.DeleteFunc(slices.Clone(cells), func(c *scenario.Cell) bool {
		r := rec.Scenario.RepeatOf(c)
		return repetition > int(r.Min) && (repetition > int(r.Max) || t.Tight(c, float64(r.Width)))
	})
}

// round is the blocks of one repetition.
func (o *order) round(repetition int, cells []*scenario.Cell) (out []step) {
	cs := slices.Clone(cells)
	o.rand.Shuffle(len(cs), func(i, j int) { cs[i], cs[j] = cs[j], cs[i] })
	for _, c := range cs {
		var of []step
		for _, route := range o.routes {
			of = append(of, step{cell: c, route: route})
		}
		if o.canary != nil && c == o.canary.cell {
			of = append(of, *o.canary)
		}
		o.rand.Shuffle(len(of), func(i, j int) { of[i], of[j] = of[j], of[i] })
		for _, st := range of {
			st.repetition = repetition
			out = append(out, st)
		}
	}
	return out
}

// least is how many blocks follow a repetition at least.
func (o *order) least(s *scenario.Scenario, cells []*scenario.Cell, repetition int) (blocks int) {
	for _, c := range cells {
		each := len(o.routes)
		if o.canary != nil && c == o.canary.cell {
			each++
		}
		blocks += each * max(int(s.RepeatOf(c).Min)-repetition, 0)
	}
	return blocks
}

// drop leaves a subject out of the repetitions to come.
func (o *order) drop(subject string) {
	o.routes = slices.DeleteFunc(o.routes, func(r record.Route) bool { return r.Subject == subject })
	if o.canary != nil && o.canary.route.Subject == subject {
		o.canary = nil
	}
}

// measure measures one step: one block, or for a search all blocks that find the knee.
func measure(ctx context.Context, t *rig.Topology, s *scenario.Scenario, st step, done int) (*record.Block, *record.Search, error) {
	number := uint64(done) * maxBlocks
	if s.Search == nil || st.canary {
		b, err := measureBlock(ctx, t, s, st, number)
		return b, nil, err
	}
	return findKnee(ctx, s, st, func(ctx context.Context, st step) (*record.Block, error) {
		number++
		return measureBlock(ctx, t, s, st, number)
	})
}
