package engine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"syscall"
	"time"

	"github.com/adit-tunnel/adit/conformance/judge"
)

// conclude looks at the whole record, ends what the case began, and fills in the result.
func (l *lane) conclude(t *T, s caseOver, trouble string, res *Result) {
	died := l.dead(t)
	events, charged := t.rec.Events()
	said := t.rec.snapshot()
	if l.r.Role == API { // it speaks no frames
		charged = nil
	}
	for _, n := range t.opened {
		res.Ports = append(res.Ports, n.Local())
		res.Closed = map[End]string{EndFIN: "clean", EndReset: "reset"}[n.Ended()]
	}
	for _, k := range t.sockets {
		if addr := k.Local(); addr != "" {
			res.Ports = append(res.Ports, addr)
		}
	}
	for _, v := range charged {
		if req, ok := l.r.Lookup(v.req); ok {
			t.findings = append(t.findings, Finding{Req: v.req, Level: req.Level, Aspect: Message, Sentence: v.sentence, Got: v.got, At: v.at, Oracle: true})
		}
	}
	if died != "" {
		t.findings = append(t.findings, deathOf(t.Case, died, t.Now()))
	} else if err := l.r.contact.owner.take(t.running.Owner(context.WithoutCancel(t.ctx))); errors.Is(err, ErrStranger) {
		l.r.contact.stop(err)
	}
	t.finish()
	res.Died = died != ""
	res.Late = max(l.r.mon.worst(t.begun), t.late)
	res.Findings, res.Notes, res.Trace, res.outline = t.findings, t.notes, shown(events), said
	res.Log = l.alive.LogSince(t.begun, logLines)
	res.Verdict, res.Reason = verdictOf(t.findings), s.reason
	switch {
	case trouble != "":
		res.Verdict, res.Reason = SuiteError, trouble
	case s.verdict == NotRun, s.verdict != "" && !res.Verdict.Failed():
		res.Verdict = s.verdict
	}
	if res.Verdict.Failed() && l.r.Keep {
		res.Record, res.Cut = events, t.cut
	}
	if l.r.Role == Client || t.drained || l.r.Subject.Owned() && res.Verdict.Failed() { // what this case did to it is no other case's affair
		l.drop()
	}
}

// deathOf is the finding of a case in which the subject died.
func deathOf(c Case, how string, at time.Duration) Finding {
	return Finding{Req: c.ID, Level: "MUST", Aspect: Ending, At: at, Sentence: "the subject goes on running", Got: how}
}

// dead says how the subject died during the case; empty when it lives. A process
// is asked for its end. One that ended a tunnel, or failed the case, and does not accept any more
// is about to be seen dead: a busy machine may take long, and the next case must not meet it.
func (l *lane) dead(t *T) string {
	if t.drained {
		return ""
	}
	exited := t.running.Exited()
	if exited != nil && exitsWithin(exited, 0) {
		return "its process ended: " + t.running.Status()
	}
	if len(t.findings) == 0 && !slices.ContainsFunc(t.opened, func(n *Tunnel) bool { return n.Ended() != EndNone }) {
		return ""
	}
	if exited != nil && exitsWithin(exited, grace+l.r.mon.worst(t.begun)) { // a busy machine runs others late, too
		return "its process ended: " + t.running.Status()
	}
	if l.r.Role != Server {
		return ""
	}
	conn, err := net.DialTimeout("tcp", t.At.Tunnel, LocalEffect)
	if err == nil {
		_ = conn.Close()
	}
	if err == nil || errors.Is(err, syscall.ECONNRESET) { // it has no seat (AUTH-016)
		return ""
	}
	if exited != nil && exitsWithin(exited, LocalEffect) {
		return "its process ended: " + t.running.Status()
	}
	return "it accepts no tunnel any more: " + err.Error()
}

// exitsWithin reports whether a process ends within d.
func exitsWithin(exited <-chan struct{}, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-exited:
		return true
	case <-timer.C:
	}
	select { // a timer of 0 may win
	case <-exited:
		return true
	default:
		return false
	}
}

// verdictOf is the verdict that findings lead to.
func verdictOf(findings []Finding) Verdict {
	v := Pass
	for _, f := range findings {
		switch f.Level {
		case "MUST":
			return Fail
		case "SHOULD":
			v = PassNonstrict
		}
	}
	return v
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
	t.wait(shutTime, func() bool {
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

// A violation is what the judge saw.
type violation struct {
	req, sentence, got string
	at                 time.Duration
}

// A bench is the judge at work on the tunnels of a case: it charges the subject with whatever it sees, whatever
// the case is about, once for each requirement and sentence; more of the same adds nothing.
//
// The suite is not judged: it breaks rules on purpose. Its frames have the
// times at which they were put in line, so silence is not judged either: cases have deadlines.
type bench struct {
	subject judge.Side
	auth    bool // both sides ask for auth
	tunnels map[string]*judge.Tunnel
	e       Event // that is judged
	found   []violation
}

// newBench is the judge of a subject in a role.
func newBench(role Role, with With) *bench {
	b := &bench{subject: judge.Server, auth: with&WithKey != 0, tunnels: map[string]*judge.Tunnel{}}
	if role == Client {
		b.subject = judge.Client
	}
	return b
}

// take judges an event, and reports whether it charged something for it.
func (b *bench) take(e Event) bool {
	now := time.Unix(0, 0).Add(e.At)
	b.e = e
	before := len(b.found)
	t := b.tunnels[e.Who]
	if t == nil {
		if e.Tunnel == 0 {
			return false
		}
		t = judge.New(judge.Config{Auth: b.auth, Judged: []judge.Side{b.subject}, Found: b.charge}, now)
		b.tunnels[e.Who] = t
	}
	switch e.Kind {
	case Sent:
		t.Frame(b.subject.Peer(), e.Frame, now)
	case SentRaw:
		if e.Step != nil && e.Step.Times > 0 { // Tunnel.Flood: what comes may answer what the record does not have
			t.Unread("a flood")
		}
		t.Ended(b.subject.Peer(), now)
	case Received:
		t.Frame(b.subject, e.Frame, now)
	case Broken:
		if e.Frame.Framing() == e.Bad { // else the stream ended inside a frame: a lost tunnel, not a broken rule
			t.Frame(b.subject, e.Frame, now)
		}
	case Held:
		t.Hold(b.subject, now)
	case Released:
		t.Release(b.subject, now)
	}
	return len(b.found) > before
}

// alive is how many connections a tunnel has, and how many the client takes; ok is false where nothing says so.
func (b *bench) alive(who string) (alive, most int, ok bool) {
	if t := b.tunnels[who]; t != nil {
		return t.Alive()
	}
	return 0, 0, false
}

// charge notes a violation.
func (b *bench) charge(v judge.Violation) {
	for _, old := range b.found {
		if old.req == v.Req && old.sentence == v.Says {
			return
		}
	}
	got := b.e.Frame.String()
	if b.e.Bad != nil {
		got = b.e.Bad.Error()
	}
	b.found = append(b.found, violation{v.Req, v.Says, fmt.Sprintf("%s on %s", got, b.e.Who), b.e.At})
}
