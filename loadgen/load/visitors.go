package load

import (
	"context"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/adit-tunnel/adit/loadgen/load/hist"
	"github.com/adit-tunnel/adit/loadgen/load/payload"
	"github.com/adit-tunnel/adit/loadgen/load/series"
	"github.com/adit-tunnel/adit/loadgen/rig/sample"
	"github.com/adit-tunnel/adit/loadgen/scenario"
)

// Phases of a block.
const (
	warming int32 = iota
	measuring
	draining
)

// dialsAtOnce is how many connections are opened at the same time, so that no listener's queue overflows.
const dialsAtOnce = 64

// Visitors are the connections of a Job: one group's, in this process. Each visitor has one goroutine, and with
// mode both a second one; a watchman ends connections without progress, a clock
// turns the phases, and with a rate one goroutine watches how late the process
// wakes up. Close ends them all.
type Visitors struct {
	Job
	v        *payload.Verifier
	epoch    time.Time
	next     atomic.Uint64 // stream numbers given
	schedule Schedule

	phase    atomic.Int32
	start    chan struct{}      // closed when warm-up begins: everyone has dialled
	began    time.Duration      // when that was, since epoch: the schedule's beginning; set by Begin
	end      time.Duration      // when the measured time is to be over, since epoch; set by Begin, 0 before
	measured atomic.Int64       // when the measured time begins, since epoch
	busy     context.Context    // done when the measured time is over, or the visitors are to end
	relax    context.CancelFunc // ends busy
	over     atomic.Int64       // when that is, since epoch; 0: not known yet
	ctx      context.Context    // done when the visitors are to end
	cancel   context.CancelFunc
	dialling chan struct{} // a place for each dial under way
	dialled  sync.WaitGroup
	wg       sync.WaitGroup
	visitors []*visitor

	received atomic.Int64 // bytes that came from the target and are right
	before   atomic.Int64 // of them, before the measured time
	within   atomic.Int64 // of them, until its end; set with over
	took     atomic.Int64 // the measured time

	times [timings]hist.Timing // nil: not measured

	series  *series.Part    // of the measured time, once it is over
	sockets []sample.Socket // of some connections then
	witness *witness        // nil: there is no time line

	ok, late atomic.Int64 // packets, churn: connections, complete in the measured time; in the drain

	account
}

// An account is how streams ended.
type account struct {
	mu          sync.Mutex // guards below
	ends        []End      // badly
	stood       []End      // with the block
	done        Tally      // in order
	failedDials int64
	own         map[string]int64 // dials that failed at this end, by what it lacked
	faults      []*payload.Fault
}

// close counts a stream that ended well: of itself, in order or with a reset, or with the block.
func (a *account) close(e End, block, reset bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case e.Stream == 0:
	case block:
		a.stood = append(a.stood, e)
	default:
		a.done.Add(e.Stream, e.Sent, e.In, reset)
	}
}

// NewVisitors returns visitors that have not dialled yet; Close must be called.
func NewVisitors(ctx context.Context, j Job, v *payload.Verifier) *Visitors {
	shards := runtime.GOMAXPROCS(0)
	g := &Visitors{
		Job: j, v: v, epoch: time.Now(), start: make(chan struct{}), dialling: make(chan struct{}, dialsAtOnce),
		schedule: Schedule{Rate: float64(j.Group.Rate), Of: int(j.Group.Connections), Poisson: j.Group.Arrival == scenario.Poisson, Seed: j.Seed},
	}
	measured := []int{Service}
	if j.Group.Rate > 0 {
		measured = append(measured, Response, Lag, Wake)
	}
	if j.Group.Calls() {
		measured = append(measured, Connect, First)
	}
	if g.witness = newWitness(g); g.witness != nil {
		measured = append(measured, During, After)
	}
	for _, i := range measured {
		g.times[i] = hist.New(shards)
	}
	g.ctx, g.cancel = context.WithCancel(ctx)
	g.busy, g.relax = context.WithCancel(g.ctx)
	for i := j.Share; i < int(j.Group.Connections); i += j.Of {
		g.visitors = append(g.visitors, &visitor{Visitors: g, id: i})
	}
	return g
}

// Open starts the visitors and waits until each has dialled once.
func (g *Visitors) Open() {
	g.dialled.Add(len(g.visitors))
	for _, w := range g.visitors {
		g.wg.Go(w.work)
	}
	g.wg.Go(g.endStuck)
	g.dialled.Wait()
}

// endStuck ends connections without progress, so that no packet needs a deadline of its own.
func (g *Visitors) endStuck() {
	tick := time.NewTicker(max(g.Timeout/50, time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-g.ctx.Done():
			return
		case <-tick.C:
		}
		for _, w := range g.visitors {
			since := w.progress.Load()
			if since == 0 || g.now()-time.Duration(since) < g.Timeout {
				continue
			}
			w.mu.Lock()
			if w.conn != nil && w.progress.Load() == since {
				w.slow = true
				_ = w.conn.Close()
			}
			w.mu.Unlock()
		}
	}
}

// Begin lets the load begin after a time; warm-up and measured time follow.
func (g *Visitors) Begin(after, warmup, measure time.Duration) {
	g.began = g.now() + after
	g.end = g.began + warmup + measure
	g.wg.Go(func() { g.turnPhases(warmup, measure) })
}

// lateClock is how long before the end of the measured time Finish takes it for over.
const lateClock = 100 * time.Millisecond

// Finish waits for the clock where the measured time is over, or as good as over:
// on a busy machine it is late, and what Close ends before has no measured time.
func (g *Visitors) Finish(ctx context.Context) {
	if g.end == 0 || g.now() < g.end-lateClock {
		return
	}
	select {
	case <-g.busy.Done():
	case <-ctx.Done():
	}
}

// turnPhases is the visitors' clock.
func (g *Visitors) turnPhases(warmup, measure time.Duration) {
	g.measured.Store(int64(g.began + warmup))
	if !g.until(g.began) {
		return
	}
	close(g.start)
	if g.Group.Rate > 0 {
		g.wg.Go(func() { g.wakes(g.began+warmup, g.began+warmup+measure) })
	}
	if !g.until(g.began + warmup) {
		return
	}
	from := g.now()
	g.before.Store(g.received.Load())
	g.phase.Store(measuring)
	if !g.follow(g.began+warmup, g.began+warmup+measure) {
		return
	}
	g.askSockets() // within the time that it takes from the load
	g.within.Store(g.received.Load())
	g.over.Store(int64(g.began + warmup + measure))
	g.took.Store(int64(g.now() - from))
	g.phase.Store(draining)
	g.relax()
}

// follow makes the series until the end of the measured time; false when the visitors end before.
func (g *Visitors) follow(at, end time.Duration) bool {
	counters := func() []int64 {
		out := make([]int64, len(g.visitors))
		for i, w := range g.visitors {
			out[i] = w.got.Load()
		}
		return out
	}
	packets := func() (p series.Point) {
		for _, w := range g.visitors {
			p.OK, p.Worst = p.OK+w.done.Load(), max(p.Worst, time.Duration(w.worst.Swap(0)))
		}
		return p
	}
	rec, before := series.NewRecorder(counters()), packets()
	for at += series.Window; at <= end; at += series.Window {
		if !g.until(at) {
			return false
		}
		now := packets()
		rec.Tick(counters(), series.Point{OK: now.OK - before.OK, Worst: now.Worst})
		before = now
	}
	part := rec.Part()
	g.series = &part
	return g.until(end)
}

// until waits for an instant since epoch; false when the visitors end before.
func (g *Visitors) until(at time.Duration) bool {
	return Sleep(g.ctx, at-g.now()) == nil
}

// zero is when the measured time begins, since epoch.
func (g *Visitors) zero() time.Duration { return time.Duration(g.measured.Load()) }

func (g *Visitors) now() time.Duration { return time.Since(g.epoch) }

// socketsAsked is how many connections of a group the kernel is asked about:
// all of 10,000 would be a load of their own.
const socketsAsked = 16

// askSockets asks the kernel about some of the living connections, spread evenly.
func (g *Visitors) askSockets() {
	every := max(len(g.visitors)/socketsAsked, 1)
	for i := 0; i < len(g.visitors) && len(g.sockets) < socketsAsked; i += every {
		w := g.visitors[i]
		w.mu.Lock()
		conn, stream := w.conn, w.stream
		w.mu.Unlock()
		tcp, ok := conn.(*net.TCPConn)
		if !ok {
			continue // between two connections
		}
		if s, ok := sample.ReadSocket(tcp); ok {
			s.Stream = stream
			g.sockets = append(g.sockets, s)
		}
	}
}

// Look reads the counters while the load runs. It costs the load nothing but
// the moment in which a shard of the histogram is copied.
func (g *Visitors) Look() (s Seen, err error) {
	s.OK, s.Received = g.ok.Load(), g.received.Load()
	of := g.times[Service]
	if g.times[Response] != nil {
		of = g.times[Response]
	}
	s.Latency, err = of.Part()
	return s, err
}

// Stand is how every living stream stands.
func (g *Visitors) Stand() []Standing {
	var out []Standing
	for _, w := range g.visitors {
		w.mu.Lock()
		id, in, alive := w.stream, w.in, w.conn != nil
		w.mu.Unlock()
		if alive {
			echoes := g.Group.Echoes()
			out = append(out, Standing{
				Stream: id, Sent: w.sent.Load(), In: in.Load(), Group: g.Index,
				Echoes: echoes, Waits: echoes && w.progress.Load() != 0, Overdue: w.overdue(),
			})
		}
	}
	return out
}

// Close ends all connections and waits for everyone.
func (g *Visitors) Close() {
	g.cancel()
	g.relax()
	g.wg.Wait()
}

func (g *Visitors) isGone() bool { return g.ctx.Err() != nil }

// Result is to be asked for after Close.
func (g *Visitors) Result() (*Result, error) {
	r := &Result{
		Seconds: time.Duration(g.took.Load()).Seconds(), OK: g.ok.Load(), Late: g.late.Load(),
		Down: g.within.Load() - g.before.Load(), Dials: int64(g.next.Load()), FailedConnects: g.failedDials, Own: g.own,
		Ends: g.ends, Stood: g.stood, Done: g.done, Faults: g.faults, Sockets: g.sockets, Series: g.series,
	}
	for _, w := range g.visitors {
		r.Overdue += w.overdue()
		r.Slowest = append(r.Slowest, w.slowest...)
	}
	if g.witness != nil {
		r.Lives, r.Waits = g.witness.seen()
	}
	for i, of := range g.times {
		var err error
		if r.Times[i], err = of.Part(); err != nil {
			return nil, err
		}
	}
	return r, nil
}
