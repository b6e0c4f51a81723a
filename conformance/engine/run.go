package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
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

	// Segmented runs every case once more for each way of cutting the octets: see Cut.
	Segmented bool

	Jobs int // instances at a time when the suite starts the subject; 0: 4

	// Begin is called as each case begins, Live for each event. Both may be
	// called from several goroutines.
	Begin func(Case)
	Live  func(Case, Event)

	mon     monitor
	slack   atomic.Int64 // nanoseconds added to each deadline, measured by preflight
	failed  atomic.Bool
	tunnels net.Listener                // of a client that somebody else starts: open from preflight to the end
	early   atomic.Pointer[net.TCPConn] // its first tunnel, for the first case
}

// errCaseTime ends a case whose time is over.
var errCaseTime = errors.New("the case's time is over")

// UnreachableError says that a subject never became ready: TCP never
// connected, or its command ended before.
type UnreachableError struct {
	Subject string
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
	monCtx, endMon := context.WithCancel(ctx)
	var mon sync.WaitGroup
	mon.Go(func() { r.mon.watch(monCtx) })
	defer mon.Wait()
	defer endMon()

	var mu sync.Mutex
	done := func(res Result) {
		mu.Lock()
		defer mu.Unlock()
		if res.Verdict.Failed() {
			r.failed.Store(true)
		}
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
		for _, c := range todo {
			done(Result{Case: c, Verdict: NotRun, Reason: "the subject is unreachable"})
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

// AfterFailure is why a case is not run after another failed, with FailFast.
const AfterFailure = "a case failed before (--fail-fast)"

// A lane runs cases one after the other, on one instance of the subject at a time.
type lane struct {
	r     *Runner
	alive Running // a server that serves the next case too; nil: start one
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
		wg.Go(func() { l.work(ctx, queues[0], results.post) })
	}
	for range min(len(long), 4*jobs) {
		l := &lane{r: r}
		wg.Go(func() { l.work(ctx, queues[1], results.post) })
	}
	wg.Wait()
}

// work runs cases until there are none left. dispatch starts it.
func (l *lane) work(ctx context.Context, tasks <-chan task, done func(task, Result)) {
	for t := range tasks {
		switch {
		case ctx.Err() != nil:
			done(t, Result{Case: t.c, Verdict: NotRun, Reason: "the run was stopped"})
			continue
		case l.r.FailFast && l.r.failed.Load():
			done(t, Result{Case: t.c, Verdict: NotRun, Reason: AfterFailure})
			continue
		}
		if l.r.Begin != nil {
			l.r.Begin(t.c)
		}
		done(t, l.runCase(ctx, t))
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
		if !res.Verdict.Failed() || res.Late < starvedBy {
			break
		}
		if n == attempts {
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
	t.nextID, t.unusedID = t.rng.Uint32N(1<<20), 0xE0000000+t.rng.Uint32N(1<<20)
	if r.tunnels != nil {
		r.awaitClient(ctx)
	}
	if r.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, r.Timeout, errCaseTime)
		defer cancel()
	}
	t.ctx = ctx

	if err := l.equip(t); err != nil {
		res.Verdict, res.Reason = SuiteError, "the suite could not set the case up: "+err.Error()
		if ue, ok := errors.AsType[*UnreachableError](err); ok {
			res.Verdict, res.Reason, res.Log = NotTestable, err.Error(), ue.Log
			res.Findings = []Finding{{Req: c.ID, Level: "MUST", Aspect: Ending, Sentence: "the subject starts", Expected: "a subject that is ready", Got: err.Error()}}
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
	return res
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
	if l.alive == nil || r.Role == Client {
		l.drop()
		running, err := r.Subject.Start(t.ctx, at)
		if err != nil {
			return r.unreachable(running, err)
		}
		l.alive = running
		if err := r.reachable(t.ctx, running); err != nil {
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

func (r *Runner) unreachable(running Running, err error) error {
	ue := &UnreachableError{Subject: r.Subject.Describe(), Reason: err}
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
	events := t.rec.Events()
	for _, n := range t.opened {
		res.Ports = append(res.Ports, n.Local())
		res.Closed = map[End]string{EndFIN: "clean", EndReset: "reset"}[n.Ended()]
	}
	for _, k := range t.sockets {
		if addr := k.Local(); addr != "" {
			res.Ports = append(res.Ports, addr)
		}
	}
	for _, v := range oracles(l.r.Role, events) {
		if req, ok := l.r.requirement(v.req); ok {
			t.findings = append(t.findings, Finding{Req: v.req, Level: req.Level, Aspect: Message, Sentence: v.sentence, Got: v.got, At: v.at, Oracle: true})
		}
	}
	if died != "" {
		t.findings = append(t.findings, Finding{
			Req: t.Case.ID, Level: "MUST", Aspect: Ending, At: t.Now(),
			Sentence: "the subject goes on running", Got: died,
		})
	}
	t.finish()
	res.Late = l.r.mon.worst(t.begun)
	res.Findings, res.Notes, res.Trace = t.findings, t.notes, events
	res.Log = l.alive.Log(logLines)
	res.Verdict, res.Reason = judge(t.findings), s.reason
	switch {
	case trouble != "":
		res.Verdict, res.Reason = SuiteError, trouble
	case s.verdict == NotRun, s.verdict != "" && !res.Verdict.Failed():
		res.Verdict = s.verdict
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

// preflight finds out whether anybody is there, and how long the path is.
func (r *Runner) preflight(ctx context.Context) (Running, error) {
	if r.Role == Client {
		return nil, r.preflightClient(ctx)
	}
	running, err := r.Subject.Start(ctx, Endpoints{})
	if err != nil {
		return nil, r.unreachable(running, err)
	}
	if err := r.reachable(ctx, running); err != nil {
		running.Stop()
		return nil, err
	}
	return running, nil
}

// reachable makes sure that a server accepts tunnels and visitors, and
// measures how long the path to it is.
func (r *Runner) reachable(ctx context.Context, running Running) error {
	if r.Role == Client {
		return nil
	}
	at := running.Endpoints()
	for _, addr := range []string{at.Tunnel, at.Visitor} {
		if addr == "" {
			continue
		}
		rtt, err := reach(ctx, addr, addr == at.Visitor)
		if err != nil {
			return r.unreachable(running, err)
		}
		r.slack.CompareAndSwap(0, int64(calibrated(rtt)))
	}
	return nil
}

// calibrated is what a path with that round trip adds to every deadline.
func calibrated(rtt time.Duration) time.Duration { return 250*time.Millisecond + 4*rtt }

// visitorEnd is how long preflight's visitor waits to be ended.
const visitorEnd = time.Second

// reachTime is how long a subject that runs elsewhere may take to accept.
const reachTime = 5 * time.Second

// reach connects to addr once and says how long that took. A visitor waits
// until it is ended, as nobody serves it, so that no later case meets it.
func reach(ctx context.Context, addr string, visitor bool) (time.Duration, error) {
	var d net.Dialer
	ctx, cancel := context.WithTimeout(ctx, reachTime)
	defer cancel()
	for pause := 20 * time.Millisecond; ; pause *= 2 {
		begun := time.Now()
		conn, err := d.DialContext(ctx, "tcp", addr)
		took := time.Since(begun)
		if err == nil {
			if visitor {
				_ = conn.SetReadDeadline(begun.Add(visitorEnd))
				_, _ = conn.Read(make([]byte, 1))
			}
			_ = conn.Close()
		}
		if err == nil || errors.Is(err, syscall.ECONNRESET) { // a visitor that nobody serves is accepted, then reset
			return took, nil
		}
		retry := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			retry.Stop()
			return 0, err
		case <-retry.C:
		}
	}
}

// preflightClient waits for a client's first tunnel.
func (r *Runner) preflightClient(ctx context.Context) error {
	l, err := listen(r.Listen)
	if err != nil {
		return err
	}
	if !r.Subject.Owned() {
		r.tunnels = l
	} else {
		defer l.Close()
	}
	target, err := listen(r.Target)
	if err != nil {
		return err
	}
	defer target.Close()
	running, err := r.Subject.Start(ctx, Endpoints{Tunnel: l.Addr().String(), Target: target.Addr().String()})
	if err != nil {
		return r.unreachable(running, err)
	}
	defer running.Stop()
	within := FirstClient
	if r.Subject.Owned() {
		within = firstDial
	}
	watch, cancel := context.WithTimeout(ctx, within)
	var watcher sync.WaitGroup
	defer watcher.Wait()
	defer cancel()
	watcher.Go(func() { interrupt(watch, running.Exited(), l.(*net.TCPListener)) })
	conn, err := l.Accept()
	if err != nil {
		err = fmt.Errorf("no client connected to %s within %s", l.Addr(), within)
		if watch.Err() == nil {
			err = fmt.Errorf("its process ended before it connected: %s", running.Status())
		}
		return r.unreachable(running, err)
	}
	r.slack.Store(int64(calibrated(0)))
	if r.Subject.Owned() {
		return conn.Close()
	}
	r.early.Store(conn.(*net.TCPConn))
	return nil
}

// awaitClient waits until a client that somebody else starts has dialled
// again: that is part of no case's time. A client that stays away fails the case.
func (r *Runner) awaitClient(ctx context.Context) {
	if r.early.Load() != nil {
		return
	}
	if conn, err := acceptWithin(ctx, r.tunnels, RedialDelay+Answer); err == nil {
		r.early.Store(conn)
	}
}

// acceptWithin accepts one connection, until d has passed or ctx ends.
func acceptWithin(ctx context.Context, l net.Listener, d time.Duration) (*net.TCPConn, error) {
	tl := l.(*net.TCPListener)
	_ = tl.SetDeadline(time.Now().Add(d))
	ended := make(chan struct{})
	release := context.AfterFunc(ctx, func() {
		_ = tl.SetDeadline(time.Unix(1, 0))
		close(ended)
	})
	defer func() {
		if !release() { // the deadline of a later call must not be overwritten
			<-ended
		}
	}()
	return tl.AcceptTCP()
}

// hangUp closes what preflight left open.
func (r *Runner) hangUp() {
	if conn := r.early.Swap(nil); conn != nil {
		_ = conn.Close()
	}
	if r.tunnels != nil {
		_ = r.tunnels.Close()
	}
}

// FirstClient is how long the suite waits for a client that somebody else starts.
const FirstClient = 2 * time.Minute

// interrupt ends an Accept of l as soon as ctx or the process ends.
// preflightClient starts it, and ends ctx when it has its answer.
func interrupt(ctx context.Context, exited <-chan struct{}, l *net.TCPListener) {
	select {
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.Canceled) {
			return
		}
	case <-exited:
	}
	_ = l.SetDeadline(time.Unix(1, 0))
}

func nameHash(s string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(s))
	return h.Sum64()
}
