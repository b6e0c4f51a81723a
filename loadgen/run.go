package loadgen

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/adit-tunnel/adit/conformance/subject"
)

// A Runner measures scenarios.
type Runner struct {
	Subjects []*subject.File // with different names; each is a tunnel
	Self     string          // command line of adit-load, quoted; the target and the relay are started from it
	Command  string          // for the record: what the user typed
	Profile  string          // for the record
	Tool     string          // for the record: version of adit-load
	Within   time.Duration   // longest wait for a path to carry its first packet; 0: 10 s
	Begin    func(Progress)  // called before each block; nil: not
}

// Progress says which block of a run begins.
type Progress struct {
	Step, Of int           // blocks done; all
	Left     time.Duration // at least, of this scenario
	What     string
}

// A Route is a path, and for a tunnel whose tunnel it is.
type Route struct {
	Path    string `json:"path"`
	Subject string `json:"subject,omitempty"`
}

func (r Route) String() string { return strings.TrimSpace(r.Path + " " + r.Subject) }

// routes are the scenario's paths with the given subjects.
func (s *Scenario) routes(subjects []string) (out []Route) {
	for _, p := range s.Paths {
		if p != Tunnel {
			out = append(out, Route{Path: p})
			continue
		}
		for _, name := range subjects {
			out = append(out, Route{p, name})
		}
	}
	return out
}

// A step is one block to be measured.
type step struct {
	cell       Load
	route      Route
	repetition int
}

// order is the blocks of a scenario as they will run: for each repetition the
// cells shuffled, and for each cell its routes shuffled, one directly after
// the other, so that drift of the machine meets all routes alike.
func (s *Scenario) order(routes []Route) []step {
	r := rand.New(rand.NewPCG(uint64(s.Seed), 1))
	var out []step
	for rep := range int(s.Repeat) {
		cells := slices.Clone(s.Cells)
		r.Shuffle(len(cells), func(i, j int) { cells[i], cells[j] = cells[j], cells[i] })
		for _, c := range cells {
			rs := slices.Clone(routes)
			r.Shuffle(len(rs), func(i, j int) { rs[i], rs[j] = rs[j], rs[i] })
			for _, route := range rs {
				out = append(out, step{c, route, rep + 1})
			}
		}
	}
	return out
}

// Run measures one scenario. When ctx is cancelled it returns the record of
// what was complete, with the context's error. A topology that does not come
// up is a *StartError; a machine that is too small a *LimitError.
func (r *Runner) Run(ctx context.Context, s *Scenario) (*Record, error) {
	rec := &Record{
		Version: RecordVersion, Scenario: s, Profile: r.Profile, Command: r.Command, Tool: r.Tool,
		Environment: ReadEnvironment(), Started: time.Now().UTC().Truncate(time.Second), Subjects: describe(r.Subjects),
	}
	began := time.Now()
	err := preflight(s, rec.Environment)
	if err == nil {
		err = r.run(ctx, s, rec)
	}
	rec.Seconds = time.Since(began).Seconds()
	if ctx.Err() != nil {
		rec.Interrupted = true
		return rec, context.Cause(ctx)
	}
	rec.Interrupted = err != nil
	return rec, err
}

func (r *Runner) run(ctx context.Context, s *Scenario, rec *Record) (err error) {
	t, err := bring(ctx, s, r.Subjects, r.Self, cmp.Or(r.Within, 10*time.Second))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.close()) }()
	rec.Subjects = t.info
	v := newVerifier(newRing(uint64(s.Seed)), "generator")
	var streams atomic.Uint64
	steps := s.order(t.routes)
	for i, st := range steps {
		if r.Begin != nil {
			left := time.Duration(len(steps)-i) * time.Duration(s.Warmup+s.Measure)
			r.Begin(Progress{i, len(steps), left, fmt.Sprintf("%s: %v, %v", s.Name, st.cell, st.route)})
		}
		b, err := t.measure(ctx, s, st, v, &streams)
		if err != nil {
			return err
		}
		rec.Blocks = append(rec.Blocks, *b)
		if p := t.ended(); p != nil {
			return &StartError{fmt.Errorf("%s ended during the run: %s%s", strings.TrimSpace(p.route.Subject+" "+p.role), p.Status(), t.lastLines(p.route))}
		}
	}
	return nil
}

// measure runs one block: connect, warm up, measure, drain.
func (t *topology) measure(ctx context.Context, s *Scenario, st step, v *verifier, streams *atomic.Uint64) (*Block, error) {
	if _, err := t.control.ask(askReset); err != nil {
		return nil, err
	}
	c := newCrew(ctx, st.cell, t.addr(st.route), time.Duration(s.Timeout), v, streams, runtime.GOMAXPROCS(0))
	c.open()
	closed := false
	defer func() {
		if !closed {
			c.close()
		}
	}()
	c.begin()
	if err := wait(ctx, time.Duration(s.Warmup)); err != nil {
		return nil, err
	}

	usage := t.sampler(st.route)
	from, err := t.control.ask(askMark)
	c.phase.Store(measuring)
	began, in0 := time.Now(), c.received.Load()
	if err == nil {
		err = wait(ctx, time.Duration(s.Measure))
	}
	var to reply
	if err == nil {
		to, err = t.control.ask(askMark) // while the load still runs: a pause would count as slowness
	}
	c.end()
	took, in1 := time.Since(began), c.received.Load()
	used := usage.stop()
	if err != nil {
		return nil, err
	}

	drain := time.Now()
	left, final, err := t.settle(ctx, c, time.Duration(s.Drain))
	if err != nil {
		return nil, err
	}
	c.close()
	closed = true

	b := &Block{Cell: st.cell, Route: st.route, Repetition: st.repetition, Seconds: took.Seconds(), DrainSeconds: time.Since(drain).Seconds(), Processes: used}
	b.Strays = final.Strays
	up, down := to.Received-from.Received, in1-in0
	switch st.cell.Mode {
	case PingPong:
		b.Octets = c.ok.Load() * int64(st.cell.Size)
	case Upload:
		b.Octets, b.Seconds = up, (to.At - from.At).Seconds() // the receiver's clock
	case Download:
		b.Octets = down
	case Both: // two receivers, two clocks: scaled to the generator's time
		b.Octets = down + int64(float64(up)*took.Seconds()/(to.At-from.At).Seconds())
	}
	b.Packets = float64(b.Octets) / float64(st.cell.Size)
	b.Service, b.Response, b.Lag = c.service.dist(), c.response.dist(), c.lag.dist()
	c.judge(b, left, final)
	return b, nil
}

// A remainder is what had not arrived at the end of the drain.
type remainder struct {
	packets int64
	at      *Fault // where the stream stands; nil: all that was sent arrived, and no answer came
}

// settle waits until everything that was sent has arrived, or the drain is
// over: sources stop, then both ends' counts must agree.
func (t *topology) settle(ctx context.Context, c *crew, drain time.Duration) ([]remainder, reply, error) {
	if _, err := t.control.ask(askStop); err != nil {
		return nil, reply{}, err
	}
	over := time.NewTimer(drain)
	defer over.Stop()
	for last := false; ; {
		r, err := t.control.ask(askReport)
		if err != nil {
			return nil, r, err
		}
		left := c.compare(r)
		if len(left) == 0 || last {
			return left, r, nil
		}
		pause := time.NewTimer(5 * time.Millisecond)
		select {
		case <-pause.C:
		case <-over.C:
			last = true
		case <-ctx.Done():
			pause.Stop()
			return nil, r, context.Cause(ctx)
		}
		pause.Stop()
	}
}

// compare says what each living stream still owes. One whose octets were wrong owes nothing.
func (c *crew) compare(r reply) []remainder {
	far := r.byID()
	var left []remainder
	for _, w := range c.workers {
		w.mu.Lock()
		id, in, alive := w.stream, w.in, w.conn != nil
		w.mu.Unlock()
		if !alive || far[id].Fault != nil {
			continue
		}
		e := ended{stream: id, sent: w.sent.Load(), in: in.Load()}
		switch u := e.undelivered(far[id]); {
		case c.load.Mode == PingPong && w.progress.Load() != 0:
			left = append(left, remainder{1, u})
		case w.overdue() > 0: // counted by judge
			left = append(left, remainder{})
		case c.load.Mode != PingPong && u != nil:
			left = append(left, remainder{(u.Octets + int64(c.load.Size) - 1) / int64(c.load.Size), u})
		}
	}
	return left
}

func (r reply) byID() map[uint64]streamState {
	m := make(map[uint64]streamState, len(r.Streams))
	for _, s := range r.Streams {
		m[s.ID] = s
	}
	return m
}

// undelivered is where a stream stopped short of what was sent; nil when all of it arrived.
func (e ended) undelivered(far streamState) *Fault {
	if n := e.sent - far.In; n > 0 {
		return &Fault{Stream: e.stream, Direction: up, Offset: far.In, Kind: Undelivered, Octets: n, Seen: "target"}
	}
	if n := far.Out - e.in; n > 0 {
		return &Fault{Stream: e.stream, Direction: down, Offset: e.in, Kind: Undelivered, Octets: n, Seen: "generator"}
	}
	return nil
}

// judge gives every packet that was not ok its outcome. What the target found
// wrong is corrupt, whatever the generator saw of that stream.
func (c *crew) judge(b *Block, left []remainder, final reply) {
	b.Failed, b.FailedConnects, b.Late = map[string]int64{}, c.failedDials, c.late.Load()
	b.Faults = c.faults
	far, wrong := final.byID(), map[uint64]bool{}
	for _, s := range final.Streams {
		if s.Fault != nil {
			wrong[s.ID] = true
			b.Faults = append(b.Faults, s.Fault)
			b.Failed[Corrupt]++
		}
	}
	for _, l := range left {
		b.Failed[Unfinished] += l.packets
		if l.at != nil {
			b.Undelivered = append(b.Undelivered, l.at)
		}
	}
	for _, w := range c.workers {
		b.Failed[Unfinished] += w.overdue()
	}
	for _, e := range c.ends {
		if wrong[e.stream] {
			continue
		}
		b.Failed[e.how]++
		if u := e.undelivered(far[e.stream]); u != nil && e.stream != 0 && e.how != Corrupt {
			b.Undelivered = append(b.Undelivered, u)
		}
	}
	order := func(x, y *Fault) int { return cmp.Or(cmp.Compare(x.Stream, y.Stream), cmp.Compare(x.Offset, y.Offset)) }
	slices.SortFunc(b.Faults, order)
	slices.SortFunc(b.Undelivered, order)
	maps.DeleteFunc(b.Failed, func(_ string, n int64) bool { return n == 0 })
}

// wait lets time pass.
func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
