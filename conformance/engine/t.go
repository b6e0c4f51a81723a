package engine

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"runtime/debug"
	"slices"
	"sync"
	"time"
)

// A T is one attempt at one case: the subject's addresses, the sockets that
// the case opens, the record and the findings. Every method may be called
// from the case's goroutine only. A method that takes a sentence stops the
// case when the sentence turns out wrong.
type T struct {
	Case Case
	At   Endpoints // where things are

	ctx      context.Context // ends with the case's time, or the run
	run      *Runner
	rec      *Recorder
	running  Running      // the subject
	tunnels  net.Listener // client role: where the subject dials in
	target   net.Listener // client role: the service, reserved until a case takes it
	rng      *rand.Rand
	script   *Script        // what the case does; nil unless the runner records
	wg       sync.WaitGroup // every goroutine of the attempt
	slack    time.Duration  // added to each deadline: what the path and the machine cost
	begun    time.Time
	opened   []*Tunnel
	sockets  []*Socket
	locals   int // names of local sockets so far
	closers  []func()
	service  *Service
	narrow   bool             // local sockets take little
	cut      Cut              // of the tunnels
	lags     [2]time.Duration // before the suite writes to tunnels, and to local sockets
	setup    int              // depth of helpers whose failure means that nothing can be tested
	nextID   uint32
	unusedID uint32
	apiUsed  map[int]bool // ports that APIPort gave away

	findings []Finding // appended by the case's goroutine alone
	notes    []string
}

// stop is what a T panics with to end a case early.
type stop struct {
	verdict Verdict // "" when the findings decide
	reason  string
}

// An Option changes one expectation.
type Option func(*expectation)

type expectation struct {
	sentence string
	req      string
	aspect   Aspect
	within   time.Duration // from now
	timed    bool          // early holds, and within is a point of the case's clock
	early    time.Duration // by the case's clock; before it the event is a fault
}

// Within sets the deadline of an expectation; without it section 17's answer or local-effect holds.
func Within(d time.Duration) Option { return func(x *expectation) { x.within = d } }

// For charges a failure to another requirement than the case's own.
func For(req string) Option { return func(x *expectation) { x.req = req } }

// Exactly expects the event d after start (a value of T.Now): not before, and
// then within the time of answer.
func Exactly(start, d time.Duration) Option { return Between(start, d, d+Answer) }

// Between expects the event no earlier than lo and no later than hi after start.
func Between(start, lo, hi time.Duration) Option {
	return func(x *expectation) { x.timed, x.early, x.within = true, start+lo, start+hi }
}

func (t *T) expect(sentence string, aspect Aspect, within time.Duration, opts []Option) expectation {
	x := expectation{sentence: sentence, req: t.Case.ID, aspect: aspect, within: within}
	for _, o := range opts {
		o(&x)
	}
	if x.timed {
		x.within -= t.Now()
	}
	x.within += t.slack
	return x
}

// earliness is how much too early a timer of the subject may seem: the suite
// and the subject do not look at the clock at the same instant.
const earliness = 100 * time.Millisecond

// inTime fails the case when the event at the instant at came too early for x.
func (t *T) inTime(x expectation, at time.Duration) {
	if x.timed && at < x.early-earliness {
		t.script.lastStep()
		t.charge(x.req, x.aspect, x.sentence, fmt.Sprintf("not before %s", brief(x.early)), "at "+brief(at))
		panic(stop{})
	}
}

// Now is the case's clock: the time since it began.
func (t *T) Now() time.Duration { return time.Since(t.rec.start) }

// Rand is the case's random source, the same for the same --seed.
func (t *T) Rand() *rand.Rand { return t.rng }

// Octets is n octets of the case's own, from its random source.
func (t *T) Octets(n int) []byte {
	b := make([]byte, n)
	Fill(b, t.rng.Uint64()|1)
	return b
}

// Context ends when the case has to.
func (t *T) Context() context.Context { return t.ctx }

// Note adds a remark to the trace and the report.
func (t *T) Note(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	t.notes = append(t.notes, text)
	t.rec.note("suite", "%s", text)
}

// Fail charges req (the case's own ID when empty) and ends the case.
func (t *T) Fail(req, format string, args ...any) {
	t.Charge(req, format, args...)
	panic(stop{})
}

// Charge records that req (the case's own ID when empty) was broken, and goes
// on. The requirement's level decides whether the case fails.
func (t *T) Charge(req, format string, args ...any) {
	if req == "" {
		req = t.Case.ID
	}
	t.charge(req, Message, fmt.Sprintf(format, args...), "", "")
}

// Check charges req (the case's own ID when empty) unless ok.
func (t *T) Check(ok bool, req, format string, args ...any) {
	if !ok {
		t.Charge(req, format, args...)
	}
}

// NotApplicable ends the case: the subject did not declare what it is about.
func (t *T) NotApplicable(format string, args ...any) {
	panic(stop{NotApplicable, fmt.Sprintf(format, args...)})
}

// NotTestable ends the case: something that a conforming subject has is missing.
func (t *T) NotTestable(format string, args ...any) {
	panic(stop{NotTestable, fmt.Sprintf(format, args...)})
}

// Inconclusive ends the case: what was seen proves nothing either way.
func (t *T) Inconclusive(format string, args ...any) {
	panic(stop{Inconclusive, fmt.Sprintf(format, args...)})
}

func (t *T) charge(req string, aspect Aspect, sentence, expected, got string) {
	r, ok := t.run.requirement(req)
	if !ok {
		panic(fmt.Sprintf("engine: internal error: case %s charges %s, which PROTOCOL.md does not have", t.Case.Name(), req))
	}
	level := r.Level
	if t.setup > 0 {
		level = "MUST"
	}
	f := Finding{
		Req: req, Level: level, Aspect: aspect, Sentence: sentence,
		Expected: expected, Got: got, At: t.Now(),
	}
	t.findings = append(t.findings, f)
	t.script.fault(level, sentence)
	t.rec.note("suite", "FAULT %s: %v", req, f)
}

// failed ends the case because x did not happen. A deadline missed on a
// starved machine voids the attempt instead.
func (t *T) failed(x expectation, expected, got string) {
	if err := context.Cause(t.ctx); err != nil && t.ctx.Err() != nil {
		if err != errCaseTime {
			panic(stop{NotRun, whyStopped(t.ctx)})
		}
		got += fmt.Sprintf("; the case's time (--timeout %s) is over", t.run.Timeout)
	}
	t.script.lastStep()
	t.charge(x.req, x.aspect, x.sentence, expected, got)
	panic(stop{})
}

// wait blocks until done, called with the record locked, reports true. It
// gives up after d, or when the case's time is over.
func (t *T) wait(d time.Duration, done func() bool) bool {
	for _, n := range t.opened {
		n.start()
	}
	timer := time.NewTimer(max(d, 0))
	defer timer.Stop()
	for last := false; ; {
		t.rec.mu.Lock()
		ok, changed := done(), t.rec.changed
		t.rec.mu.Unlock()
		if ok || last {
			return ok
		}
		select {
		case <-changed:
		case <-timer.C:
			last = true
		case <-t.ctx.Done():
			last = true
		}
	}
}

// flows is wait for a transfer: it goes on as long as octets come within d, ten times d at most.
func (t *T) flows(d time.Duration, octets func() int, done func() bool) (ok bool) {
	for range 10 {
		var before, after int
		first := true
		ok = t.wait(d, func() bool {
			ok := done()
			if after = octets(); first {
				before, first = after, false
			}
			return ok
		})
		if ok || after == before || t.ctx.Err() != nil {
			return ok
		}
	}
	return ok
}

// Until waits for a condition that the case itself can observe, checking it
// whenever something changes.
func (t *T) Until(sentence string, cond func() bool, opts ...Option) {
	x := t.expect(sentence, Message, LocalEffect, opts)
	cond = t.looks(cond)
	ok := t.wait(x.within, func() bool {
		t.rec.mu.Unlock()
		defer t.rec.mu.Lock()
		return cond()
	})
	t.looked(ok, x.within-t.slack, Step{Do: "see", Within: roundly(x.within - t.slack), Says: sentence})
	if !ok {
		t.failed(x, sentence, "not within "+brief(x.within))
	}
}

// brief is d, rounded for people.
func brief(d time.Duration) string { return d.Round(time.Millisecond).String() }

// inSetup marks the rest of the calling helper as preparation.
func (t *T) inSetup() func() {
	t.setup++
	return func() { t.setup-- }
}

// attempt runs the case once. It never panics.
func (t *T) attempt() (s stop, trouble string) {
	defer func() {
		switch v := recover().(type) {
		case nil:
		case stop:
			s = v
		default:
			trouble = fmt.Sprintf("%v\n%s", v, debug.Stack())
		}
	}()
	t.Case.Run(t)
	if len(t.findings) == 0 {
		t.proveLife()
	}
	return stop{}, ""
}

// finish ends everything that the case began. Visitors and services go
// first; a tunnel is then ended in order, so that a subject that serves the
// next case has seen the end of this one.
func (t *T) finish() {
	for _, s := range t.sockets {
		s.Abort()
	}
	for _, n := range t.opened {
		n.leave()
	}
	t.wait(time.Second, func() bool {
		return !slices.ContainsFunc(t.opened, func(n *Tunnel) bool { return !n.closed && n.end == EndNone })
	})
	for _, n := range t.opened {
		n.shut(Finished)
	}
	for _, c := range slices.Backward(t.closers) {
		c()
	}
	t.wg.Wait()
}
