package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net"
	"time"
)

// A lane runs cases one after the other, on one instance of the subject at a time.
type lane struct {
	r     *Runner
	alive Running // a server that serves the next case too; nil: start one
}

// work runs cases until there are none left. dispatch starts it.
func (l *lane) work(ctx context.Context, tasks <-chan task, results *collector) {
	for t := range tasks {
		switch {
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
		results.post(t, l.runCase(ctx, t))
	}
	l.drop()
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
		res = l.once(ctx, t)
		res.Attempts = n
		starved := res.Verdict.Failed() && res.Late >= starvedBy
		if !starved && (res.Verdict != Inconclusive || l.r.taken != "") { // another client of the server stays
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
		Case: c, cut: k.cut, run: r, rec: newRecorder(live), slack: time.Duration(r.slack.Load()), begun: time.Now(),
		rng: rand.New(rand.NewPCG(r.Seed, nameHash(c.Name()))), apiUsed: map[int]bool{},
	}
	t.nextID, t.unusedID = t.rng.Uint32N(1<<20), cmp.Or(r.Unused, 0xE0000000)+t.rng.Uint32N(1<<20)
	if r.Record {
		t.script = newScript(k.cut)
	}
	if r.tunnels != nil {
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
	s, trouble := stop{}, ""
	if reason := t.unmet(); reason != "" {
		s = stop{NotApplicable, reason}
	} else {
		s, trouble = t.attempt()
	}
	l.conclude(t, s, trouble, &res)
	if res.Verdict.Failed() && interrupted(ctx) { // what ended may have ended for that
		res.Verdict, res.Reason, res.Findings = NotRun, whyStopped(ctx), nil
	}
	return res
}

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
		if t.tunnels = r.tunnels; t.tunnels == nil {
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
	own := r.Fresh || t.Case.optional() // what is optional may be declined, case by case
	if l.alive == nil || r.Role == Client || own && r.Subject.Owned() {
		l.drop()
		running, err := r.start(t.ctx, t.Case.Name(), at)
		if err != nil {
			return r.unreachable(running, err)
		}
		l.alive = running
		if !r.Fresh {
			err = r.reachable(t.ctx, running)
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
	return nil
}

// starts is how often a server is started that ends before it is ready: a port
// that was free when it was chosen may be somebody else's by then.
const starts = 2

// start starts the subject.
func (r *Runner) start(ctx context.Context, scenario string, at Endpoints) (running Running, err error) {
	for range starts {
		running, err = r.Subject.Start(ctx, scenario, at)
		if err == nil || ctx.Err() != nil || r.Role == Client || errors.Is(err, ErrDeclined) {
			break
		}
	}
	return running, err
}

func (r *Runner) unreachable(running Running, err error) error {
	return unreachable(r.Subject.Describe(), running, err)
}

func unreachable(what string, running Running, err error) error {
	ue := &UnreachableError{Subject: what, Reason: err}
	if running != nil {
		ue.Log = running.Log(logLines)
	}
	return ue
}

func listen(addr string) (net.Listener, error) {
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	return net.Listen("tcp", addr)
}

// logLines is how much of the subject's log a failure shows.
const logLines = 30

// conclude looks at the whole record, ends what the case began, and fills in the result.
func (l *lane) conclude(t *T, s stop, trouble string, res *Result) {
	died := l.dead(t)
	events, said := t.rec.Events(), t.rec.snapshot()
	for _, n := range t.opened {
		res.Ports = append(res.Ports, n.Local())
		res.Closed = map[End]string{EndFIN: "clean", EndReset: "reset"}[n.Ended()]
	}
	for _, k := range t.sockets {
		if addr := k.Local(); addr != "" {
			res.Ports = append(res.Ports, addr)
		}
	}
	broken := "" // the first MUST that holds in every case
	for _, v := range oracles(l.r.Role, events) {
		if req, ok := l.r.requirement(v.req); ok {
			t.findings = append(t.findings, Finding{Req: v.req, Level: req.Level, Aspect: Message, Sentence: v.sentence, Got: v.got, At: v.at, Oracle: true})
			if broken == "" && req.Level == "MUST" {
				broken = v.req
			}
		}
	}
	if died != "" {
		t.findings = append(t.findings, Finding{
			Req: t.Case.ID, Level: "MUST", Aspect: Ending, At: t.Now(),
			Sentence: "the subject goes on running", Got: died,
		})
	}
	t.script.settle(broken, died != "")
	t.finish()
	res.Died = died != ""
	res.Late = l.r.mon.worst(t.begun)
	res.Findings, res.Notes, res.Trace, res.outline = t.findings, t.notes, abridged(events), said
	res.Log = l.alive.Log(logLines)
	res.Verdict, res.Reason = judge(t.findings), s.reason
	switch {
	case trouble != "":
		res.Verdict, res.Reason = SuiteError, trouble
	case s.verdict == NotRun, s.verdict != "" && !res.Verdict.Failed():
		res.Verdict = s.verdict
	}
	if res.Verdict.Failed() {
		res.Script = t.script
	}
	if died != "" || l.r.Role == Client {
		l.drop()
	}
}

// grace is how long a process that is about to be seen dead may take to be.
const grace = 50 * time.Millisecond

// dead says how the subject died during the case; empty when it lives. A
// process is asked for its end, anything else whether it still accepts, and
// only when it ended a tunnel itself.
func (l *lane) dead(t *T) string {
	var ended bool
	for _, n := range t.opened {
		ended = ended || n.Ended() != EndNone
	}
	if exited := t.running.Exited(); exited != nil {
		wait := time.Duration(0)
		if ended {
			wait = grace
		}
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-exited:
		case <-timer.C:
			select {
			case <-exited:
			default:
				return ""
			}
		}
		return "its process ended: " + t.running.Status()
	}
	if l.r.Role == Client || !ended {
		return ""
	}
	conn, err := net.DialTimeout("tcp", t.At.Tunnel, LocalEffect)
	if err != nil {
		return "it accepts no tunnel any more: " + err.Error()
	}
	_ = conn.Close()
	return ""
}

func nameHash(s string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(s))
	return h.Sum64()
}
