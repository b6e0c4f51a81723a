package loadgen

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Outcomes of a packet that was not ok.
const (
	TimedOut   = "timeout"    // no progress within the scenario's timeout
	Reset      = "reset"      // the connection ended under it
	Refused    = "refused"    // no connection
	Corrupt    = "corrupt"    // wrong octets
	Unfinished = "unfinished" // neither at the end of the drain
)

// Phases of a block.
const (
	warming int32 = iota
	measuring
	draining
)

// retryPause is how long a worker waits after a failure before it dials again.
const retryPause = 10 * time.Millisecond

// A crew is the generator's side of one block: a worker for each connection.
// Each worker has one goroutine, and with mode both a second one; a watchman
// ends connections without progress. close ends them all.
type crew struct {
	load    Load
	addr    string
	timeout time.Duration
	v       *verifier
	next    *atomic.Uint64 // stream numbers
	epoch   time.Time

	phase    atomic.Int32
	start    chan struct{}   // closed when warm-up begins: everyone has dialled
	began    time.Duration   // when that was, since epoch: the schedule's beginning; set before start is closed
	drain    chan struct{}   // closed when the measured time is over
	over     atomic.Int64    // when that was, since epoch; 0: not yet
	ctx      context.Context // done when the crew is to end
	cancel   context.CancelFunc
	dialled  sync.WaitGroup
	wg       sync.WaitGroup
	workers  []*worker
	received atomic.Int64 // octets that came from the target and are right

	service, response, lag timing // of packets that ended in the measured time

	ok, late atomic.Int64 // pingpong packets ended in the measured time; in the drain

	mu          sync.Mutex // guards below
	ends        []ended
	failedDials int64
	faults      []*Fault
}

// ended is a packet that was not ok, and how far its stream had come.
type ended struct {
	stream   uint64
	how      string
	sent, in int64
}

// A worker keeps one connection busy; when it fails it dials a new one, a new stream.
type worker struct {
	*crew
	id int

	mu     sync.Mutex
	conn   net.Conn // guarded by mu
	stream uint64   // guarded by mu; 0: none now
	slow   bool     // the watchman ended conn; guarded by mu

	slot     atomic.Int64  // the next packet of the schedule; it goes on over new connections
	progress atomic.Int64  // when the last octet moved, since epoch; 0: nothing is under way
	sent     atomic.Int64  // octets on the stream
	in       *atomic.Int64 // octets received and right; guarded by mu
}

func newCrew(ctx context.Context, load Load, addr string, timeout time.Duration, v *verifier, next *atomic.Uint64, shards int) *crew {
	c := &crew{
		load: load, addr: addr, timeout: timeout, v: v, next: next, epoch: time.Now(),
		start: make(chan struct{}), drain: make(chan struct{}),
		service: newTiming(shards),
	}
	if load.Rate > 0 {
		c.response, c.lag = newTiming(shards), newTiming(shards)
	}
	c.ctx, c.cancel = context.WithCancel(ctx)
	for i := range int(load.Connections) {
		c.workers = append(c.workers, &worker{crew: c, id: i})
	}
	return c
}

// open starts the workers and waits until each has dialled once.
func (c *crew) open() {
	c.dialled.Add(len(c.workers))
	for _, w := range c.workers {
		c.wg.Go(w.work)
	}
	c.wg.Go(c.watch)
	c.dialled.Wait()
}

// begin lets the load begin.
func (c *crew) begin() {
	c.began = c.now()
	close(c.start)
}

// end ends the measured time: no packet that was not due by now is sent.
func (c *crew) end() {
	c.over.Store(int64(c.now()))
	c.phase.Store(draining)
	close(c.drain)
}

func (c *crew) now() time.Duration { return time.Since(c.epoch) }

// close ends all connections and waits for everyone.
func (c *crew) close() {
	c.cancel()
	c.wg.Wait()
}

func (c *crew) isGone() bool { return c.ctx.Err() != nil }

// watch ends connections without progress, so that no packet needs a deadline of its own.
func (c *crew) watch() {
	tick := time.NewTicker(max(c.timeout/50, time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-c.ctx.Done():
			return
		case <-tick.C:
		}
		for _, w := range c.workers {
			since := w.progress.Load()
			if since == 0 || c.now()-time.Duration(since) < c.timeout {
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

// work is the life of a worker.
func (w *worker) work() {
	for first := true; ; first = false {
		conn, err := w.dial()
		if first {
			w.dialled.Done()
			select {
			case <-w.start:
			case <-w.ctx.Done():
			}
		}
		if err == nil {
			cut := context.AfterFunc(w.ctx, func() { _ = conn.Close() })
			err = w.run(conn)
			cut()
		}
		w.leave(err)
		if w.phase.Load() == draining || w.isGone() {
			return
		}
		pause := time.NewTimer(retryPause)
		select {
		case <-pause.C:
		case <-w.drain:
			pause.Stop()
			return
		case <-w.ctx.Done():
			pause.Stop()
			return
		}
	}
}

// dialError marks a failure to connect.
type dialError struct{ error }

// dial opens a connection and says on it what it is for.
func (w *worker) dial() (net.Conn, error) {
	ctx, cancel := context.WithTimeout(w.ctx, w.timeout)
	defer cancel()
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", w.addr)
	if err != nil {
		return nil, dialError{err}
	}
	stream := w.next.Add(1)
	w.mu.Lock()
	w.conn, w.stream, w.slow, w.in = c, stream, false, new(atomic.Int64)
	w.mu.Unlock()
	w.sent.Store(0)
	_, err = c.Write(preface{w.load.Mode, int(w.load.Size), stream, w.v.seed}.bytes())
	return c, err
}

// leave forgets the connection and writes down why it ended.
func (w *worker) leave(err error) {
	w.progress.Store(0)
	w.mu.Lock()
	conn, stream, slow, in := w.conn, w.stream, w.slow, w.in
	w.conn, w.stream = nil, 0
	w.mu.Unlock()
	if conn != nil {
		_ = conn.Close()
	}
	if err == nil || w.isGone() { // close counts what was under way as unfinished
		return
	}
	how := Reset
	fault, corrupt := errors.AsType[*Fault](err)
	_, dialling := errors.AsType[dialError](err)
	switch {
	case corrupt:
		how = Corrupt
	case slow, errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), errors.Is(err, syscall.ETIMEDOUT):
		how = TimedOut
	case dialling:
		how = Refused
	}
	w.crew.mu.Lock()
	defer w.crew.mu.Unlock()
	if dialling {
		w.failedDials++
		w.ends = append(w.ends, ended{how: how})
		return
	}
	w.ends = append(w.ends, ended{stream, how, w.sent.Load(), in.Load()})
	if corrupt {
		w.faults = append(w.faults, fault)
	}
}

// run keeps the connection busy until the drain (nil), or until it fails.
func (w *worker) run(c net.Conn) error {
	switch w.load.Mode {
	case PingPong:
		return w.pingpong(c)
	case Upload:
		return w.upload(c)
	case Download:
		return w.download(c)
	}
	var wg sync.WaitGroup
	var upErr error
	wg.Go(func() { // reader and writer apart: neither may wait for the other
		if upErr = w.upload(c); upErr != nil {
			_ = c.Close()
		}
	})
	err := w.download(c)
	_ = c.Close()
	wg.Wait()
	if err == nil || errors.Is(err, net.ErrClosed) && upErr != nil {
		return upErr
	}
	return err
}

// pingpong sends packets and waits for the echo of each. A packet belongs to the
// phase in which its echo was complete.
func (w *worker) pingpong(c net.Conn) error {
	check := w.v.checker(w.stream, up)
	defer w.v.done(check)
	size, b := int(w.load.Size), make([]byte, w.load.Size)
	for {
		due, ok := w.turn()
		if !ok {
			return nil
		}
		sent := w.now()
		w.progress.Store(int64(sent))
		if _, err := c.Write(w.v.at(check.start, w.sent.Load(), size)); err != nil {
			return err
		}
		w.sent.Add(int64(size))
		for have := 0; have < size; {
			n, err := c.Read(b[have:])
			if f := check.check(b[have : have+n]); f != nil {
				return f
			}
			w.in.Add(int64(n))
			if have += n; err != nil && have < size {
				return err
			}
			if have < size { // a large packet on a slow path takes its time
				w.progress.Store(int64(w.now()))
			}
		}
		done := w.now()
		w.progress.Store(0)
		w.echoed(sent, due, done)
	}
}

// echoed counts a packet that came back.
func (w *worker) echoed(sent, due, done time.Duration) {
	switch w.phase.Load() {
	case measuring:
		w.service.record(w.id, done-sent)
		if w.load.Rate > 0 {
			w.response.record(w.id, done-due)
			w.lag.record(w.id, sent-due)
		}
		w.ok.Add(1)
	case draining:
		w.late.Add(1)
	}
}

// turn waits until the next packet may be sent: at once, or with a rate at the
// instant at which it is due. False says that it was not due in the measured
// time; what was due is sent even when it is late.
func (w *worker) turn() (due time.Duration, ok bool) {
	if w.load.Rate == 0 {
		return 0, w.phase.Load() != draining
	}
	due = w.due(w.slot.Load())
	if d := due - w.now() - coarse; d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-t.C:
		case <-w.drain:
		case <-w.ctx.Done():
		}
	}
	for w.phase.Load() != draining && !w.isGone() {
		d := due - w.now()
		if d <= 0 {
			break
		}
		sleepFinely(d)
	}
	if over := time.Duration(w.over.Load()); over > 0 && due >= over || w.isGone() {
		return 0, false
	}
	w.slot.Add(1)
	return due, true
}

// due is when a packet of the schedule is due.
func (w *worker) due(slot int64) time.Duration {
	return w.began + pace{float64(w.load.Rate), int(w.load.Connections)}.due(w.id, int(slot))
}

// overdue is how many packets were due in the measured time and have not been sent.
func (w *worker) overdue() (n int64) {
	if w.load.Rate == 0 {
		return 0
	}
	for slot := w.slot.Load(); w.due(slot) < time.Duration(w.over.Load()); slot++ {
		n++
	}
	return n
}

// upload writes packets until the drain, then waits for close.
func (w *worker) upload(c net.Conn) error {
	start := w.v.start(w.stream, up)
	for w.phase.Load() != draining {
		w.progress.Store(int64(w.now()))
		n, err := c.Write(w.v.at(start, w.sent.Load(), int(w.load.Size)))
		w.sent.Add(int64(n))
		if err != nil {
			return err
		}
	}
	w.progress.Store(0)
	<-w.ctx.Done()
	return nil
}

// download takes packets until close.
func (w *worker) download(c net.Conn) error {
	check := w.v.checker(w.stream, down)
	defer w.v.done(check)
	b := make([]byte, 256<<10)
	for {
		if w.load.Mode == Download && w.phase.Load() != draining {
			w.progress.Store(int64(w.now()))
		}
		n, err := c.Read(b)
		if f := check.check(b[:n]); f != nil {
			return f
		}
		w.in.Add(int64(n))
		w.received.Add(int64(n))
		if err != nil {
			if w.isGone() {
				return nil
			}
			if err == io.EOF {
				return io.ErrUnexpectedEOF
			}
			return err
		}
	}
}
