package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"
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
	FailFast bool                                // leave the rest out after the first failure
	Seed     uint64

	// Record keeps a Script of each case that fails.
	Record bool

	// IDs that nobody uses begin here; 0: 0xE0000000.
	Unused uint32

	// Segmented runs every case once more for each way of cutting the octets: see Cut.
	Segmented bool

	Jobs  int  // instances at a time when the suite starts the subject; 0: 4
	Fresh bool // an instance that the suite started serves one case alone, and nobody has touched it before

	// Begin is called as each case begins, Live for each event. Both may be
	// called from several goroutines.
	Begin func(Case)
	Live  func(Case, Event)

	mon     monitor
	slack   atomic.Int64                // nanoseconds added to each deadline, measured by preflight
	stop    context.CancelCauseFunc     // of Run
	taken   string                      // why visitors do not reach the suite, from preflight on
	tunnels net.Listener                // of a client that somebody else starts: open from preflight to the end
	early   atomic.Pointer[net.TCPConn] // its first tunnel, for the first case
}

// errCaseTime ends a case whose time is over.
var errCaseTime = errors.New("the case's time is over")

// UnreachableError says that a subject never became ready: TCP never
// connected, or its command ended before.
type UnreachableError struct {
	Subject string // or its visitor port
	Reason  error
	Log     []string // what its command last wrote
}

func (e *UnreachableError) Error() string {
	return fmt.Sprintf("%s is unreachable: %v", e.Subject, e.Reason)
}

func (e *UnreachableError) Unwrap() error { return e.Reason }

func (r *Runner) requirement(id string) (Requirement, bool) { return r.Lookup(id) }

// Run runs the cases and reports each result, in no particular order. It
// returns an *UnreachableError when there was nobody to talk to.
func (r *Runner) Run(ctx context.Context, cases []Case, report func(Result)) error {
	ctx, r.stop = context.WithCancelCause(ctx)
	defer r.stop(nil)
	monCtx, endMon := context.WithCancel(ctx)
	var mon sync.WaitGroup
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
		todo = append(todo, c)
	}
	if len(todo) == 0 {
		return nil
	}
	first, err := r.preflight(ctx)
	defer r.hangUp()
	if err != nil {
		reason := "the subject is unreachable"
		if ctx.Err() != nil {
			reason, err = whyStopped(ctx), nil
		}
		for _, c := range todo {
			done(Result{Case: c, Verdict: NotRun, Reason: reason})
		}
		return err
	}
	r.dispatch(ctx, todo, first, done)
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
	}
	return ""
}

// stopped is why a case is not run after an interrupt.
const stopped = "the run was stopped"

// AfterFailure is why a case is not run after another failed, with FailFast.
// As the cause of a context's end it stops the cases that still wait.
const AfterFailure = afterFailure("a case failed before (--fail-fast)")

type afterFailure string

func (a afterFailure) Error() string { return string(a) }

// whyStopped is why nothing more is run once ctx has ended.
func whyStopped(ctx context.Context) string {
	if why, ok := errors.AsType[afterFailure](context.Cause(ctx)); ok {
		return string(why)
	}
	return stopped
}

// dispatch runs todo. Against a subject that runs elsewhere there is one
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
			if c.Wait >= longWait && r.Subject.Owned() && r.Role != API {
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
	if !r.Subject.Owned() || r.Role == API {
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
			l.alive = first
		}
		wg.Go(func() { l.work(ctx, queues[0], results) })
	}
	for range min(len(long), 4*jobs) {
		l := &lane{r: r}
		wg.Go(func() { l.work(ctx, queues[1], results) })
	}
	wg.Wait()
}
