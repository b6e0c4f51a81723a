package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/adit-tunnel/adit/spec"
)

// An Option changes one expectation.
type Option func(*expectation)

type expectation struct {
	sentence string
	req      string
	aspect   Aspect
	within   time.Duration // from now
	timed    bool          // early holds, and within is a point of the case's clock
	early    time.Duration // by the case's clock; before it the event is a fault

	// What a dialogue says of it, if it can.
	who    string
	step   *spec.Step
	octets []byte
	begun  time.Duration // by the case's clock
}

// on says what the expectation is in a dialogue, and at which tunnel or socket.
func (x expectation) on(who string, step spec.Step) expectation {
	x.who, x.step = who, &step
	return x
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
	x := expectation{sentence: sentence, req: t.Case.ID, aspect: aspect, within: within, begun: t.Now()}
	for _, o := range opts {
		o(&x)
	}
	if x.timed {
		x.within -= t.Now()
	}
	x.within += t.slack
	return x
}

// met says that what x expects happened, at the instant at. Too early fails the case.
func (t *T) met(x expectation, at time.Duration) {
	t.await(x)
	if x.timed && at < x.early-Earliness {
		t.shown = true
		t.charge(x.req, x.aspect, x.sentence, fmt.Sprintf("not before %s", brief(x.early)), fmt.Sprintf("at %s, not before %s as it should", brief(at), brief(x.early)))
		panic(caseOver{})
	}
}

// await enters what the case waited for into the record, if that is kept and a dialogue can say it.
func (t *T) await(x expectation) {
	if x.step == nil || !t.rec.keep {
		return
	}
	x.step.Requirements = []string{x.req}
	x.step.Within = Time(x.within - t.slack)
	if x.timed {
		x.step.NotBefore = Time(x.early - x.begun)
	}
	x.step.Note = x.sentence
	t.rec.mu.Lock()
	defer t.rec.mu.Unlock()
	t.rec.add(Event{Who: x.who, Kind: Awaited, Step: x.step, Payload: x.octets})
}

// failed ends the case because x did not happen. A deadline missed on a
// starved machine voids the attempt instead.
func (t *T) failed(x expectation, expected, got string) {
	if err := context.Cause(t.ctx); err != nil && t.ctx.Err() != nil {
		if err != errCaseTime {
			panic(caseOver{NotRun, whyStopped(t.ctx)})
		}
		got += fmt.Sprintf("; the case's time (--timeout %s) is over", t.run.Timeout)
	}
	t.await(x)
	t.shown = x.step != nil
	t.charge(x.req, x.aspect, x.sentence, expected, got)
	panic(caseOver{})
}

// wait blocks until done, called with the record locked, reports true. It
// gives up after d, or when the case's time is over.
func (t *T) wait(d time.Duration, done func() bool) bool {
	for _, n := range t.opened {
		n.startWrite()
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
