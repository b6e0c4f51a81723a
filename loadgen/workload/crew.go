package workload

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/adit-tunnel/adit/loadgen/hist"
	"github.com/adit-tunnel/adit/loadgen/pace"
	"github.com/adit-tunnel/adit/loadgen/payload"
	"github.com/adit-tunnel/adit/loadgen/sample"
	"github.com/adit-tunnel/adit/loadgen/scenario"
	"github.com/adit-tunnel/adit/loadgen/series"
)

// A Job is one process's share of a group, for one block.
type Job struct {
	Group   scenario.Group `json:"group"`
	Index   byte           `json:"index"` // of the group, in prefaces
	Addrs   []string       `json:"addrs"` // where visitors connect, in turn
	Timeout time.Duration  `json:"timeout"`
	Share   int            `json:"share"` // of the connections: those whose number, divided by Of, leaves Share
	Of      int            `json:"of"`
	First   uint64         `json:"first"` // number of the first stream; the next ones follow

	Timeline []scenario.Event `json:"timeline,omitempty"` // of the cell
}

// Phases of a block.
const (
	warming int32 = iota
	measuring
	draining
)

// dialsAtOnce is how many connections are opened at the same time, so that no listener's queue overflows.
const dialsAtOnce = 64

// A Crew is the connections of a Job. Each visitor has one goroutine, and with
// mode both a second one; a watchman ends connections without progress, a clock
// turns the phases, and with a rate one goroutine watches how late the process
// wakes up. Close ends them all.
type Crew struct {
	Job
	v        *payload.Verifier
	epoch    time.Time
	next     atomic.Uint64 // stream numbers given
	schedule pace.Schedule

	phase    atomic.Int32
	start    chan struct{}   // closed when warm-up begins: everyone has dialled
	began    time.Duration   // when that was, since epoch: the schedule's beginning; set before start is closed
	measured atomic.Int64    // when the measured time begins, since epoch
	drain    chan struct{}   // closed when the measured time is over
	over     atomic.Int64    // when that is, since epoch; 0: not known yet
	ctx      context.Context // done when the crew is to end
	cancel   context.CancelFunc
	dialling chan struct{} // a place for each dial under way
	dialled  sync.WaitGroup
	wg       sync.WaitGroup
	visitors []*visitor

	received atomic.Int64 // octets that came from the target and are right
	before   atomic.Int64 // of them, before the measured time
	within   atomic.Int64 // of them, until its end; set with over
	took     atomic.Int64 // the measured time

	service, response, lag, wake, connect, first hist.Timing // of what was complete in the measured time

	series  *series.Part    // of the measured time, once it is over
	sockets []sample.Socket // of some connections then
	witness *witness        // nil: there is no time line

	ok, late atomic.Int64 // packets, churn: connections, complete in the measured time; in the drain

	account
}

// NewCrew is a Crew that has not dialled yet; Close must be called.
func NewCrew(ctx context.Context, j Job, v *payload.Verifier) *Crew {
	shards := runtime.GOMAXPROCS(0)
	c := &Crew{
		Job: j, v: v, epoch: time.Now(), start: make(chan struct{}), drain: make(chan struct{}), dialling: make(chan struct{}, dialsAtOnce),
		schedule: pace.Schedule{Rate: float64(j.Group.Rate), Of: int(j.Group.Connections), Poisson: j.Group.Arrival == scenario.Poisson, Seed: v.Seed},
		service:  hist.New(shards),
	}
	if j.Group.Rate > 0 {
		c.response, c.lag, c.wake = hist.New(shards), hist.New(shards), hist.New(shards)
	}
	if j.Group.Mode == scenario.Churn {
		c.connect, c.first = hist.New(shards), hist.New(shards)
	}
	c.witness = newWitness(c, shards)
	c.ctx, c.cancel = context.WithCancel(ctx)
	for i := j.Share; i < int(j.Group.Connections); i += j.Of {
		c.visitors = append(c.visitors, &visitor{Crew: c, id: i})
	}
	return c
}

// Open starts the visitors and waits until each has dialled once.
func (c *Crew) Open() {
	c.dialled.Add(len(c.visitors))
	for _, w := range c.visitors {
		c.wg.Go(w.work)
	}
	c.wg.Go(c.watch)
	c.dialled.Wait()
}

// Begin lets the load begin after a time; warm-up and measured time follow.
func (c *Crew) Begin(after, warmup, measure time.Duration) {
	c.wg.Go(func() { c.turnPhases(after, warmup, measure) })
}

// turnPhases is the crew's clock.
func (c *Crew) turnPhases(after, warmup, measure time.Duration) {
	c.began = c.now() + after
	c.measured.Store(int64(c.began + warmup))
	if !c.until(c.began) {
		return
	}
	close(c.start)
	if c.Group.Rate > 0 {
		c.wg.Go(func() { c.wakes(c.began+warmup, c.began+warmup+measure) })
	}
	if !c.until(c.began + warmup) {
		return
	}
	from := c.now()
	c.before.Store(c.received.Load())
	c.phase.Store(measuring)
	if !c.follow(c.began+warmup, c.began+warmup+measure) {
		return
	}
	c.askSockets() // within the time that it takes from the load
	c.within.Store(c.received.Load())
	c.over.Store(int64(c.began + warmup + measure))
	c.took.Store(int64(c.now() - from))
	c.phase.Store(draining)
	close(c.drain)
}

// follow makes the series until the end of the measured time; false when the crew ends before.
func (c *Crew) follow(at, end time.Duration) bool {
	counters := func() []int64 {
		out := make([]int64, len(c.visitors))
		for i, w := range c.visitors {
			out[i] = w.got.Load()
		}
		return out
	}
	packets := func() (p series.Point) {
		for _, w := range c.visitors {
			p.OK, p.Worst = p.OK+w.done.Load(), max(p.Worst, time.Duration(w.worst.Swap(0)))
		}
		return p
	}
	rec, before := series.NewRecorder(counters()), packets()
	for at += series.Window; at <= end; at += series.Window {
		if !c.until(at) {
			return false
		}
		now := packets()
		rec.Tick(counters(), series.Point{OK: now.OK - before.OK, Worst: now.Worst})
		before = now
	}
	part := rec.Part()
	c.series = &part
	return c.until(end)
}

// until waits for an instant since epoch; false when the crew ends before.
func (c *Crew) until(at time.Duration) bool {
	return pace.Sleep(c.ctx, at-c.now()) == nil
}

// zero is when the measured time begins, since epoch.
func (c *Crew) zero() time.Duration { return time.Duration(c.measured.Load()) }

func (c *Crew) now() time.Duration { return time.Since(c.epoch) }

// Close ends all connections and waits for everyone.
func (c *Crew) Close() {
	c.cancel()
	c.wg.Wait()
}

func (c *Crew) isGone() bool { return c.ctx.Err() != nil }

// watch ends connections without progress, so that no packet needs a deadline of its own.
func (c *Crew) watch() {
	tick := time.NewTicker(max(c.Timeout/50, time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-c.ctx.Done():
			return
		case <-tick.C:
		}
		for _, w := range c.visitors {
			since := w.progress.Load()
			if since == 0 || c.now()-time.Duration(since) < c.Timeout {
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
