package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/adit-tunnel/adit/conformance/wire"
)

// A Runner runs the cases of one role against one subject. Its fields are not
// modified after Run began.
type Runner struct {
	Subject Subject
	Role    Role // Server, Client or API

	// Listen is where the suite accepts a client subject's tunnels; empty: a
	// free loopback port for each instance. Target likewise for its service.
	Listen, Target string

	Lookup   func(id string) (Requirement, bool) // the requirement catalogue
	Timeout  time.Duration                       // longest time of one case; 0: none but its own deadlines
	Slow     bool                                // run cases that wait for timers over SlowWait
	FailFast context.CancelCauseFunc             // ends the context of Run, and of those beside it, at the first failure; nil: the rest is run
	Seed     uint64

	// Keep keeps the whole record of each case that fails, so that it can be written as a dialogue.
	Keep bool

	// AllCuts runs every case in every Cut of its octets, not only as written.
	AllCuts bool

	keys []wire.Key // of subjects that are started with keys

	Claims map[string]string // what the subject says of itself beyond its roles: first word of a capability, and the rest

	Options []string // by name, those of its subject file that say how the subject is started for a case (With)

	With With // how the subject is started for every case, WithKey or nothing; cases are Case.Asking then

	Alone bool // a server that runs elsewhere has no other client, whatever it looks like

	Jobs  int  // instances at a time when the suite starts the subject at addresses of its own; 0: 4
	Fresh bool // an instance that the suite started serves one case alone, and nobody has touched it before

	// Begin is called as each case begins, Live for each event. Both may be
	// called from several goroutines.
	Begin func(Case)
	Live  func(Case, Event)

	patience time.Duration // with a subject that failed a case; 0: what the text gives it

	papers  papers
	mon     monitor
	contact contact
}

// Run runs the cases and reports each result, in no particular order. It
// returns an *UnreachableError when there was nobody to talk to.
func (r *Runner) Run(ctx context.Context, cases []Case, report func(Result)) error {
	ctx, r.contact.stop = context.WithCancelCause(ctx)
	defer r.contact.stop(nil)
	r.keys = []wire.Key{wire.NewKey("adit-conform"), wire.NewKey("another.one"), wire.NewKey("Taken_Away")}
	monCtx, endMon := context.WithCancel(ctx)
	var mon sync.WaitGroup
	r.mon.glance() // what is compared with
	mon.Go(func() { r.mon.watch(monCtx) })
	defer mon.Wait()
	defer endMon()

	var mu sync.Mutex
	done := func(res Result) {
		mu.Lock()
		defer mu.Unlock()
		report(res)
	}
	var todo []Case
	for _, c := range cases {
		if reason := r.leftOut(c); reason != "" {
			done(Result{Case: c, Verdict: NotRun, Reason: reason})
			continue
		}
		if option := c.With.needs(); option != "" && !slices.Contains(r.Options, option) {
			done(Result{Case: c, Verdict: NotApplicable, Reason: "the subject file does not say how the subject is started for it: option " + option})
			continue
		}
		if c.Bare && r.With&WithKey != 0 {
			done(Result{Case: c, Verdict: NotApplicable, Reason: "the subject always asks for a key, and this is about one that does not"})
			continue
		}
		todo = append(todo, c)
	}
	if len(todo) == 0 {
		return nil
	}
	begun := time.Now()
	first, err := r.preflight(ctx)
	defer r.hangUp()
	if err != nil {
		reason := "the subject is unreachable"
		if ctx.Err() != nil {
			reason, err = whyStopped(ctx), nil
		} else if ue, ok := errors.AsType[*UnreachableError](err); ok && late(err) && r.mon.busy(begun) {
			ue.Reason = fmt.Errorf("%w%s", ue.Reason, tooBusy)
		}
		for _, c := range todo {
			done(Result{Case: c, Verdict: NotRun, Reason: reason})
		}
		return err
	}
	r.dispatch(ctx, todo, first, done)
	if err := context.Cause(ctx); errors.Is(err, ErrStranger) {
		return r.unreachable(nil, err)
	}
	return nil
}

// leftOut is the reason why a case is not run at all; empty when it is.
func (r *Runner) leftOut(c Case) string {
	switch {
	case c.Wait > SlowWait && !r.Slow:
		return fmt.Sprintf("waits %s for a timer; run with --slow", c.Wait)
	case r.Timeout > 0 && c.Wait >= r.Timeout:
		return fmt.Sprintf("waits %s for a timer; --timeout %s is less", c.Wait, r.Timeout)
	case c.Needs&(NeedManyTunnels|NeedRestart) != 0 && !r.Subject.Owned():
		return "needs a subject that the suite starts itself"
	case c.Needs&NeedDrain != 0 && r.Claims["drain"] == "":
		return "needs a subject whose file says how its drain is started: capability \"drain SIGTERM\""
	}
	return ""
}

// setup is how the subject is started for a case.
func (r *Runner) setup(c Case, at Endpoints) Setup {
	s := Setup{Scenario: c.Name(), At: at, Option: c.With.Option()}
	if c.With&WithTLS != 0 {
		s.Files, s.Pin = r.papers.given(at.Tunnel), r.papers.pin()
	}
	if c.With&WithKey != 0 {
		s.Keys = r.keys
	}
	return s
}

// errAfterFailure is why a case is not run after another failed, with FailFast:
// the cause of its context's end.
var errAfterFailure = errors.New("a case failed before (--fail-fast)")

// whyStopped is why nothing more is run once ctx has ended.
func whyStopped(ctx context.Context) string {
	if err := context.Cause(ctx); err == errAfterFailure || errors.Is(err, ErrStranger) {
		return err.Error()
	}
	return "the run was stopped"
}

// single reports whether there is one instance at a time, whatever the cases wait for.
func (r *Runner) single() bool { return !r.Subject.Owned() || r.Subject.Fixed() }

// dispatch runs todo. Where there is one instance at a time there is one
// lane; otherwise each case with a long wait gets a lane of its own, so that
// they wait together, and the rest share a few.
func (r *Runner) dispatch(ctx context.Context, todo []Case, first Running, done func(Result)) {
	jobs := r.Jobs
	if jobs <= 0 {
		jobs = 4
	}
	var quick, long []task
	for _, c := range todo {
		for _, cut := range r.cuts(c) {
			if c.Wait >= longWait && !r.single() && r.Role != API {
				long = append(long, task{c, cut})
			} else {
				quick = append(quick, task{c, cut})
			}
		}
	}
	slices.SortStableFunc(long, func(a, b task) int { return cmp.Compare(b.c.Wait, a.c.Wait) })
	rng := rand.New(rand.NewPCG(r.Seed, 0))
	rng.Shuffle(len(quick), func(i, j int) { quick[i], quick[j] = quick[j], quick[i] })
	asWrittenFirst(quick)
	slices.SortStableFunc(quick, func(a, b task) int { return cmp.Compare(a.c.With, b.c.With) }) // so that a lane starts few instances
	if r.single() || r.Role == API {
		jobs = 1
	}
	results := &collector{r: r, done: done, got: map[string]map[Cut]Result{}}
	queues := [2]chan task{make(chan task, len(quick)), make(chan task, len(long))}
	for i, cs := range [2][]task{quick, long} {
		for _, c := range cs {
			queues[i] <- c
		}
		close(queues[i])
	}
	var wg sync.WaitGroup
	for i := range jobs {
		l := &lane{r: r}
		if i == 0 {
			l.alive, l.with = first, r.With
		}
		wg.Go(func() { l.work(ctx, queues[0], results) })
	}
	for range min(len(long), 4*jobs) {
		l := &lane{r: r}
		wg.Go(func() { l.work(ctx, queues[1], results) })
	}
	wg.Wait()
}

// A task is a case in one of its cuts.
type task struct {
	c   Case
	cut Cut
}

// cuts are those in which a case is run. Where there is one instance at a time
// long waits would have to follow one another.
func (r *Runner) cuts(c Case) []Cut {
	if !r.AllCuts || c.Uncut || r.Role == API || c.Wait >= longWait && r.single() {
		return Cuts[:1]
	}
	return Cuts[:]
}

// asWrittenFirst moves the tasks whose octets are not cut to the front: those
// of a case that fails so need not be cut any more.
func asWrittenFirst(tasks []task) {
	slices.SortStableFunc(tasks, func(a, b task) int {
		switch {
		case a.cut == AsWritten && b.cut != AsWritten:
			return -1
		case a.cut != AsWritten && b.cut == AsWritten:
			return 1
		}
		return 0
	})
}

// A collector joins the results of a case's tasks into one (outline.go), and hands that to done.
type collector struct {
	r    *Runner
	done func(Result)

	mu  sync.Mutex
	got map[string]map[Cut]Result // by case
}

// post takes the result of a task; with that of its case's last task the case is done.
func (k *collector) post(t task, res Result) {
	if res.Counts() && k.r.FailFast != nil {
		k.r.FailFast(errAfterFailure)
	}
	k.mu.Lock()
	all := k.got[t.c.Name()]
	if all == nil {
		all = map[Cut]Result{}
		k.got[t.c.Name()] = all
	}
	all[t.cut] = res
	complete := len(all) == len(k.r.cuts(t.c))
	if complete {
		delete(k.got, t.c.Name())
	}
	k.mu.Unlock()
	if complete {
		k.done(join(all))
	}
}

// settled reports whether cutting the octets of the case cannot change its verdict any more.
func (k *collector) settled(t task) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return t.cut != AsWritten && k.got[t.c.Name()][AsWritten].Verdict.Failed()
}
