package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"time"
)

// A lane runs cases one after the other, on one instance of the subject at a time.
type lane struct {
	r     *Runner
	alive Running // a server that serves the next case too; nil: start one
	with  With    // how that was started
	own   bool    // it is for one case alone

	last   *ended // the case before, until it is posted
	served bool   // a case passed
	failed string // the name of one that failed after that, until the subject has shown that it serves again
	lost   bool   // it has not
}

// An ended is a task with its result.
type ended struct {
	task
	res Result
}

// work runs cases until there are none left. dispatch starts it.
func (l *lane) work(ctx context.Context, tasks <-chan task, results *collector) {
	for t := range tasks {
		l.post(results)
		if l.failed != "" && !l.lost && ctx.Err() == nil {
			l.lost = !l.recovers(ctx, t.c)
		}
		switch {
		case l.lost:
			results.post(t, Result{Case: t.c, Verdict: NotRun, Reason: "the subject did not recover from " + l.failed})
			continue
		case ctx.Err() != nil:
			results.post(t, Result{Case: t.c, Verdict: NotRun, Reason: whyStopped(ctx)})
			continue
		case results.settled(t):
			results.post(t, Result{Case: t.c, Verdict: NotRun, Reason: "its octets as written fail already"})
			continue
		}
		if l.r.Begin != nil {
			l.r.Begin(t.c)
		}
		res := l.runCase(ctx, t)
		l.last = &ended{t, res}
		switch {
		case res.Verdict == Pass || res.Verdict == PassNonstrict:
			l.served = true
		case res.Verdict.Failed() && l.served && !l.r.Subject.Owned() && l.r.Role != API: // one that the suite starts is started anew
			l.failed = t.c.Name()
		}
	}
	l.post(results)
	l.drop()
}

// post posts the result of the case before. A process that has ended since then ended because of it.
func (l *lane) post(results *collector) {
	if l.last == nil {
		return
	}
	t, res := l.last.task, l.last.res
	l.last = nil
	if res.Verdict.Scored() && l.alive != nil && l.alive.Exited() != nil && exitsWithin(l.alive.Exited(), 0) {
		res.Findings = append(res.Findings, deathOf(t.c, "its process ended after the case: "+l.alive.Status(), res.Took))
		res.Verdict, res.Reason, res.Died = Fail, "", true
		l.drop()
	}
	results.post(t, res)
}

// proof is a case that shows that a subject serves: an echo over a fresh tunnel.
const proof = "serves"

// recovers waits until the subject serves again after a case that failed, as
// long as it may need to notice the loss of a tunnel, or to dial again. No
// other case is charged with what that one left behind.
func (l *lane) recovers(ctx context.Context, next Case) bool {
	c := Case{ID: next.ID, Variant: proof, Title: "the subject serves after a case that failed", Role: l.r.Role, Req: next.Req, Run: func(t *T) {
		t.Open().Works("a fresh tunnel serves")
	}}
	patience := cmp.Or(l.r.patience, DeadPeer)
	if l.r.Role == Client {
		patience = cmp.Or(l.r.patience, RedialDelay)
	}
	for begun := time.Now(); ; {
		res := l.once(ctx, task{c, AsWritten})
		if !res.Verdict.Failed() { // what cannot be told is for the cases to say
			l.failed = ""
			return true
		}
		if ctx.Err() != nil || time.Since(begun) >= patience {
			return false
		}
		pause := time.NewTimer(proofPause)
		select {
		case <-ctx.Done():
			pause.Stop()
		case <-pause.C:
		}
	}
}

// drop ends the lane's instance.
func (l *lane) drop() {
	if l.alive != nil {
		l.alive.Stop()
		l.alive = nil
	}
}

// attempts is how often a case is tried on a machine too busy to tell.
const attempts = 3

// runCase runs a case until the machine lets it be judged, attempts times at most.
func (l *lane) runCase(ctx context.Context, t task) Result {
	var res Result
	started := time.Now()
	for n := 1; n <= attempts; n++ {
		begun := time.Now()
		res = l.once(ctx, t)
		res.Attempts = n
		missed := res.Verdict == PassNonstrict // a SHOULD that a busy machine misses now and then must not flip with the load
		starved := (res.Verdict.Failed() || missed) && res.Late >= starvedBy
		if !starved && !(missed && l.r.mon.busy(begun)) && (res.Verdict != Inconclusive || l.r.contact.taken != "") { // another client of the server stays
			break
		}
		if starved && n == attempts {
			res.Reason = fmt.Sprintf("the machine ran the suite's own timers up to %s late, %d times in a row", brief(res.Late), n)
			res.Verdict = Inconclusive
		}
	}
	res.Started, res.Took = started, time.Since(started)
	return res
}

// once makes one attempt at a case.
func (l *lane) once(ctx context.Context, k task) (res Result) {
	r, c := l.r, k.c
	res = Result{Case: c}
	var live func(Event)
	if r.Live != nil {
		live = func(e Event) { r.Live(c, e) }
	}
	t := &T{
		Case: c, cut: k.cut, run: r, rec: newRecorder(c, live, r.Keep), slack: time.Duration(r.contact.slack.Load()), begun: time.Now(),
		rng: rand.New(rand.NewPCG(r.Seed, nameHash(c.Name()))), apiUsed: map[int]bool{},
	}
	t.nextID, t.unusedID = t.rng.Uint32N(1<<20), 0xE0000000+t.rng.Uint32N(1<<20)
	if r.contact.tunnels != nil {
		r.awaitClient(ctx)
	}
	if r.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, r.Timeout, errCaseTime)
		defer cancel()
	}
	t.ctx = ctx

	if err := l.equip(t); interrupted(ctx) {
		t.finish()
		res.Verdict, res.Reason = NotRun, whyStopped(ctx)
		return res
	} else if err != nil {
		res.Verdict, res.Reason = SuiteError, "the suite could not set the case up: "+err.Error()
		if ue, ok := errors.AsType[*UnreachableError](err); ok {
			res.Verdict, res.Reason, res.Log = NotTestable, err.Error(), ue.Log
			if late(err) && r.mon.busy(t.begun) {
				res.Verdict, res.Reason = Inconclusive, err.Error()+tooBusy
				t.finish()
				return res
			}
			meant := "the subject starts"
			switch declined := errors.Is(err, ErrDeclined); {
			case declined && c.optional():
				res.Verdict, res.Reason = NotApplicable, ErrDeclined.Error()
				t.finish()
				return res
			case declined:
				meant = "the subject supports what every subject must"
			}
			res.Findings = []Finding{{Req: c.ID, Level: "MUST", Aspect: Ending, Sentence: meant, Expected: "a subject that is ready", Got: err.Error()}}
		}
		t.finish()
		return res
	}
	s, trouble := caseOver{}, ""
	if reason := t.unmet(); reason != "" {
		s = caseOver{NotApplicable, reason}
	} else {
		s, trouble = t.attempt()
	}
	l.conclude(t, s, trouble, &res)
	if interrupted(ctx) && (res.Verdict.Failed() || errors.Is(context.Cause(ctx), ErrStranger)) { // what ended may have ended for that; what passed was another program
		res.Verdict, res.Reason, res.Findings = NotRun, whyStopped(ctx), nil
	}
	return res
}

// errCaseTime ends a case whose time is over.
var errCaseTime = errors.New("the case's time is over")

// interrupted reports whether ctx ended, for another reason than the case's time.
func interrupted(ctx context.Context) bool {
	return ctx.Err() != nil && context.Cause(ctx) != errCaseTime
}

// unmet is what the case needs and the subject did not declare.
func (t *T) unmet() string {
	if t.Case.Needs&NeedVisitorTarget != 0 && t.At.VisitorTarget == "" {
		return "the service that the mapping names is not known (--visitor-target)"
	}
	return ""
}

// equip opens the suite's listeners and makes the subject ready.
func (l *lane) equip(t *T) error {
	r := l.r
	var at Endpoints
	if r.Role == Client {
		var err error
		if t.tunnels = r.contact.tunnels; t.tunnels == nil {
			if t.tunnels, err = listen(r.Listen); err != nil {
				return err
			}
			t.closers = append(t.closers, func() { _ = t.tunnels.Close() })
		}
		if t.target, err = listen(r.Target); err != nil {
			return err
		}
		t.closers = append(t.closers, func() { _ = t.target.Close() })
		at = Endpoints{Tunnel: t.tunnels.Addr().String(), Target: t.target.Addr().String()}
	}
	own := r.Fresh || t.Case.optional() || t.Case.Needs&NeedOwn != 0 // a subject may decline what is optional, case by case: so each such case gets its own instance
	if l.alive == nil || r.Role == Client || (own || l.own || l.with != t.Case.With) && r.Subject.Owned() {
		l.drop()
		l.with, l.own = t.Case.With, t.Case.Needs&NeedOwn != 0
		running, err := r.start(t.ctx, r.setup(t.Case, at))
		if err != nil {
			err = r.unreachable(running, err)
		} else if l.alive = running; !r.Fresh {
			err = r.reachable(t.ctx, running)
		}
		if errors.Is(err, ErrStranger) {
			r.contact.stop(errors.Unwrap(err))
		}
		if err != nil {
			l.drop()
			return err
		}
	}
	t.running = l.alive
	t.At = l.alive.Endpoints()
	if r.Role == Client {
		t.At.Tunnel, t.At.Target = at.Tunnel, at.Target
	}
	if t.Case.With&WithTLS != 0 {
		t.encrypt()
	}
	return nil
}

// optional reports whether a subject may do without what the case proves: it is no MUST.
func (c Case) optional() bool { return c.Req.Level == "SHOULD" || c.Req.Level == "MAY" }

func nameHash(s string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(s))
	return h.Sum64()
}

// caseOver is what a T panics with to end a case early.
type caseOver struct {
	verdict Verdict // "" when the findings decide
	reason  string
}

// attempt runs the case once. It never panics.
func (t *T) attempt() (s caseOver, trouble string) {
	defer func() {
		switch v := recover().(type) {
		case nil:
		case caseOver:
			s = v
		default:
			trouble = fmt.Sprintf("%v\n%s", v, debug.Stack())
		}
	}()
	t.Case.Run(t)
	if len(t.findings) == 0 {
		t.proveLife()
	}
	return caseOver{}, ""
}

// greeting reports whether a frame is what a client begins with, whatever it does later.
func (t *T) greeting(f Frame) bool {
	return t.Case.Role == Client && (f.Type == TypeHello || f.Type == TypeKeepAlive)
}

// proveLife makes sure that a case which saw no frame and no octet from the
// subject did not pass because the subject does nothing, or ends everything:
// a fresh tunnel has to pass a barrier. No valid twin, no credit.
func (t *T) proveLife() {
	if t.Case.Role == API {
		return
	}
	t.rec.mu.Lock()
	alive := slices.ContainsFunc(t.rec.events, func(e Event) bool { return e.Kind == Received && !t.greeting(e.Frame) || e.Kind == Octets })
	t.rec.mu.Unlock()
	if alive {
		return
	}
	defer t.inSetup()()
	t.rec.note("suite", "no frame came from the subject so far: a fresh tunnel has to work")
	if t.Asks() {
		t.Extended().ExpectOpen("a fresh tunnel works: the subject does not just end, or ignore, everything")
		return
	}
	n := t.Tunnel()
	if n.closed || n.Ended() != EndNone {
		if t.Case.Role == Client {
			n = t.Accept()
		} else {
			n = t.Dial()
		}
	}
	n.ExpectOpen("a fresh tunnel works: the subject does not just end, or ignore, everything")
}
