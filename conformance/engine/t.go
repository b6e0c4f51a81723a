package engine

import (
	"context"
	"crypto/tls"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/adit-tunnel/adit/spec"
)

// A T is one attempt at one case: the subject's addresses, the sockets that
// the case opens, the record and the findings. Every method may be called
// from the case's goroutine only. A method that takes a sentence stops the
// case when the sentence turns out wrong.
type T struct {
	Case Case
	At   Endpoints // where things are

	ctx        context.Context // ends with the case's time, or the run
	run        *Runner
	rec        *Recorder
	running    Running      // the subject
	tunnels    net.Listener // client role: where the subject dials in
	target     net.Listener // client role: the service, reserved until a case takes it
	rng        *rand.Rand
	wg         sync.WaitGroup // every goroutine of the attempt
	slack      time.Duration  // added to each deadline: what the path and the machine cost
	begun      time.Time
	opened     []*Tunnel
	sockets    []*Socket
	locals     int           // names of local sockets so far
	begunConns int           // connections begun so far
	late       time.Duration // by which octets were held for longer than HeldMost; the recorder's mu guards it
	closers    []func()
	service    *Service
	narrow     bool                // local sockets take little
	cut        Cut                 // of the tunnels
	tls        *tls.Config         // of the tunnels; nil: none
	offer      tls.ClientHelloInfo // the last of a client subject
	bound      byte                // the binding that the suite states, as client; 0: the usual one
	dialled    bool                // a client subject has connected
	setup      int                 // depth of helpers whose failure means that nothing can be tested
	nextID     uint32
	unusedID   uint32
	led        map[uint16]request // of a client: the latest request by the port that it names; the recorder's mu guards it
	drained    bool               // the subject was told to end
	apiUsed    map[int]bool       // ports that APIPort gave away
	shown      bool               // the next finding is about what the record ends with

	findings []Finding // appended by the case's goroutine alone
	notes    []string
}

// Now is the case's clock: the time since it began.
func (t *T) Now() time.Duration { return time.Since(t.rec.start) }

// Rand is the case's random source, the same for the same --seed.
func (t *T) Rand() *rand.Rand { return t.rng }

// Octets is n octets of the case's own, from its random source.
func (t *T) Octets(n int) []byte {
	b := make([]byte, n)
	spec.Fill(b, t.rng.Uint64()|1)
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
	panic(caseOver{})
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
	panic(caseOver{NotApplicable, fmt.Sprintf(format, args...)})
}

// NotTestable ends the case: something that a conforming subject has is missing.
func (t *T) NotTestable(format string, args ...any) {
	panic(caseOver{NotTestable, fmt.Sprintf(format, args...)})
}

// Inconclusive ends the case: what was seen proves nothing either way.
func (t *T) Inconclusive(format string, args ...any) {
	panic(caseOver{Inconclusive, fmt.Sprintf(format, args...)})
}

func (t *T) charge(req string, aspect Aspect, sentence, expected, got string) {
	r, ok := t.run.Lookup(req)
	if !ok {
		panic(fmt.Sprintf("engine: internal error: case %s charges %s, which PROTOCOL.md does not have", t.Case.Name(), req))
	}
	level := r.Level
	if t.setup > 0 || level == "MAY" { // a class that is claimed needs what the text only permits
		level = "MUST"
	}
	f := Finding{
		Req: req, Level: level, Aspect: aspect, Sentence: sentence,
		Expected: expected, Got: got, At: t.Now(), Shown: t.shown,
	}
	t.shown = false
	f.Events = t.rec.charged("FAULT %s: %v", req, f)
	t.findings = append(t.findings, f)
}

// Until waits for a condition that the case itself can observe, checking it
// whenever something changes.
func (t *T) Until(sentence string, cond func() bool, opts ...Option) {
	x := t.expect(sentence, Message, LocalEffect, opts)
	ok := t.wait(x.within, func() bool {
		t.rec.mu.Unlock()
		defer t.rec.mu.Lock()
		return cond()
	})
	if !ok {
		t.failed(x, sentence, "not within "+brief(x.within))
	}
}

// Meanwhile lets d pass, or less when cond comes true, and reports cond. It
// paces a peer of the subject, and watches over a stretch of time that the text itself names;
// absence is proved by a barrier.
func (t *T) Meanwhile(d time.Duration, cond func() bool) bool {
	begun := t.Now()
	hit := t.wait(d, func() bool {
		t.rec.mu.Unlock()
		defer t.rec.mu.Lock()
		return cond()
	})
	t.await(expectation{who: "suite", step: &spec.Step{Event: "time passes"}, within: t.Now() - begun + t.slack})
	if !hit && t.ctx.Err() != nil {
		t.failed(t.expect("the case goes on", Message, d, nil), "the time that the text names passes", "it did not")
	}
	return hit
}

// Try does what may fail: it reports whether it went well, and charges nothing.
func (t *T) Try(do func()) (ok bool) {
	n := len(t.findings)
	defer func() {
		switch v := recover().(type) {
		case nil:
			ok = true
		case caseOver:
			if v.verdict != "" {
				panic(v)
			}
			t.findings = t.findings[:n]
		default:
			panic(v)
		}
	}()
	do()
	return
}

// SetCut hands the octets of the tunnels that are opened from now on to the network in another way.
func (t *T) SetCut(c Cut) { t.cut = c }

// Log is what the subject has written since the case began, its last lines; false where the suite did not start it.
func (t *T) Log() (lines []string, ok bool) {
	if t.running.Exited() == nil {
		return nil, false
	}
	return t.running.LogSince(t.begun, logLines), true
}

// Memory is how many octets of memory the subject's process holds; false
// where the suite did not start it, or the system does not say.
func (t *T) Memory() (octets int64, ok bool) {
	p, ok := t.running.(interface{ PID() int })
	if !ok || p.PID() <= 0 {
		return 0, false
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.PID()))
	if err != nil {
		return 0, false
	}
	_, rest, found := strings.Cut(string(b), "VmRSS:")
	var kib int64
	if _, err := fmt.Sscan(rest, &kib); !found || err != nil {
		return 0, false
	}
	return kib << 10, true
}
