package load

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/adit-tunnel/adit/loadgen/load/control"
	"github.com/adit-tunnel/adit/loadgen/load/payload"
)

// A Target serves connections. One goroutine accepts; each connection has
// one, for an exchange two; Close ends them all.
type Target struct {
	data    net.Listener
	control *control.Server
	wg      sync.WaitGroup
	began   time.Time

	mu        sync.Mutex
	closed    bool
	conns     map[net.Conn]struct{}
	block     uint64 // that is served; of another one's streams nothing is
	streams   map[uint64]*stream
	sinks     []*stream         // those that take bytes, in the order in which they came
	ended     []uint64          // echo streams that ended in order, oldest first, as many as are remembered
	past      map[byte]int64    // bytes received on those that are forgotten, by group
	tally     Tally             // of these
	forgotten int               // streams
	remembers int               // how many streams that ended in order are kept
	strays    int               // connections without a preface of this run, or with another's
	total     Total             // of the blocks before
	stop      chan struct{}     // closed when sources must stop; reset makes a new one
	verifier  *payload.Verifier // nil: before the first reset
	follower  *follower         // nil: before the first mark
}

// A stream is one connection as the target has it.
type stream struct {
	payload.Preface
	conn    net.Conn
	in, out atomic.Int64 // bytes received and right; sent
	under   atomic.Int64 // bytes that are being sent
	reset   atomic.Bool  // it ended with one where it could have ended in order
	fault   atomic.Pointer[payload.Fault]
}

// NewTarget serves connections on data, and the leader's requests on ctl, until
// Close; no streams before the first reset.
func NewTarget(data, ctl net.Listener, token string) *Target {
	t := &Target{data: data, conns: map[net.Conn]struct{}{}, began: time.Now(), remembers: remembered, stop: make(chan struct{})}
	t.control = control.Serve(ctl, t.requests(), token)
	t.wg.Go(func() { Accept(t.data, t.hold) })
	return t
}

// requests are answered as requests.go lists them.
func (t *Target) requests() *control.Mux {
	m := control.NewMux()
	TargetReset.Answer(m, func(_ context.Context, to NewBlock) (control.None, error) {
		t.reset(to)
		return control.None{}, nil
	})
	TargetLook.Answer(m, func(context.Context, control.None) (Marked, error) { return t.look(), nil })
	TargetMark.Answer(m, func(context.Context, control.None) (Marked, error) { return t.mark(), nil })
	TargetStop.Answer(m, func(context.Context, control.None) (control.None, error) {
		t.mu.Lock()
		defer t.mu.Unlock()
		select {
		case <-t.stop:
		default:
			close(t.stop)
		}
		return control.None{}, nil
	})
	TargetReport.Answer(m, func(context.Context, control.None) (Reported, error) { return t.reported(), nil })
	TargetCount.Answer(m, func(context.Context, control.None) (Counted, error) { return t.count(), nil })
	return m
}

func (t *Target) reported() Reported {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := Reported{Strays: t.strays, Past: t.tally}
	for id, s := range t.streams {
		under := s.under.Load() // first: what it has not got any more stands in out
		out.Streams = append(out.Streams, Stream{id, s.Group, s.in.Load(), s.out.Load(), under, s.reset.Load(), s.fault.Load()})
	}
	return out
}

func (t *Target) count() Counted {
	t.mu.Lock()
	defer t.mu.Unlock()
	return Counted{Come: len(t.streams) + t.forgotten, Open: len(t.conns)}
}

// hold serves one connection to its end.
func (t *Target) hold(c net.Conn) {
	defer c.Close()
	t.mu.Lock()
	closed := t.closed
	t.conns[c] = struct{}{}
	t.mu.Unlock()
	if !closed {
		t.serve(c)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.conns, c)
}

// serve does what the preface asks for.
func (t *Target) serve(c net.Conn) {
	b := make([]byte, payload.PrefaceSize)
	n, _ := io.ReadFull(c, b)
	if n == 0 { // somebody looked whether the port is open
		return
	}
	s, v, stop := t.enter(b[:n], c)
	if s == nil {
		return
	}
	check := v.Checker(s.Stream)
	defer v.Done(check)
	if s.Service.Waits() {
		if _, err := io.ReadFull(c, b[:1]); err != nil || b[0] != payload.Go {
			return
		}
	}
	switch s.Service {
	case payload.Echo:
		if s.echo(v.Ring, check) {
			t.leave(s)
		}
	case payload.Sink:
		s.reset.Store(s.sink(check, &pacer{rate: int64(s.Pace) * payload.PaceUnit, over: stop}))
	case payload.Answer:
		if s.answer(v.Ring, check) {
			t.leave(s)
		}
	case payload.Source:
		s.source(v.Ring, stop)
		s.sink(check, nil)
	case payload.Exchange:
		var wg sync.WaitGroup
		wg.Go(func() { s.source(v.Ring, stop) })
		s.sink(check, nil)
		_ = c.Close() // ends a source that is stuck
		wg.Wait()
	}
}

// enter registers the stream that a preface begins; nil when it is none of the
// present block, or is there already. Probes are served, and nothing else.
func (t *Target) enter(preface []byte, c net.Conn) (*stream, *payload.Verifier, <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.verifier == nil || len(preface) < payload.PrefaceSize {
		t.strays++
		return nil, nil, nil
	}
	p, err := t.verifier.ParsePreface(preface)
	switch {
	case err != nil, t.streams[p.Stream] != nil:
		t.strays++
		return nil, nil, nil
	case p.Stream >= Probes:
		return &stream{Preface: p, conn: c}, t.verifier, t.stop
	case p.Stream>>BlockBits != t.block: // it has been on its way since then
		return nil, nil, nil
	}
	s := &stream{Preface: p, conn: c}
	t.streams[p.Stream] = s
	if p.Service == payload.Sink || p.Service == payload.Exchange {
		t.sinks = append(t.sinks, s)
	}
	return s, t.verifier, t.stop
}

// echo answers every packet once it is complete, so that a peer which writes a
// whole packet before it reads cannot lock itself up. True says that the stream
// ended between two packets.
func (s *stream) echo(r *payload.Ring, check *payload.Checker) bool {
	b := make([]byte, min(s.Size, payload.MaxPiece))
	for packet := uint64(0); ; packet++ {
		for have := 0; have < s.Size; {
			n, err := s.conn.Read(b[:min(len(b), s.Size-have)])
			if !s.take(check, b[:n]) {
				return false
			}
			if have += n; err != nil && have < s.Size {
				s.reset.Store(have == 0 && errors.Is(err, syscall.ECONNRESET))
				return have == 0
			}
		}
		start := r.Answer(s.Stream, packet)
		for off := 0; off < s.Size; off += len(b) {
			if s.send(r.At(start, int64(off), min(len(b), s.Size-off))) != nil {
				return false
			}
		}
	}
}

// answer takes all bytes until the end of the other side, and sends as many. True
// says that the stream ended in order.
func (s *stream) answer(r *payload.Ring, check *payload.Checker) bool {
	b := make([]byte, 256<<10)
	for {
		n, err := s.conn.Read(b)
		if !s.take(check, b[:n]) {
			return false
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			s.reset.Store(errors.Is(err, syscall.ECONNRESET))
			return false
		}
	}
	start, all := r.Answer(s.Stream, 0), s.in.Load()
	for s.out.Load() < all {
		if s.send(r.At(start, s.out.Load(), int(min(all-s.out.Load(), payload.MaxPiece)))) != nil {
			return false
		}
	}
	return true
}

// sink takes bytes until the stream ends; true says that a reset ended it.
func (s *stream) sink(check *payload.Checker, p *pacer) bool {
	b := make([]byte, 256<<10)
	for {
		n, err := s.conn.Read(b[:p.most(len(b))])
		if !s.take(check, b[:n]) || err != nil {
			return errors.Is(err, syscall.ECONNRESET)
		}
		p.took(n)
	}
}

// take checks and counts bytes; false says that they are wrong, which ends the connection.
func (s *stream) take(check *payload.Checker, b []byte) bool {
	if f := check.Check(b, s.conn); f != nil {
		s.fault.Store(f)
		return false
	}
	s.in.Add(int64(len(b)))
	return true
}

// source sends packets until stop is closed or the connection ends.
func (s *stream) source(r *payload.Ring, stop <-chan struct{}) {
	start := r.Start(s.Stream, payload.Down)
	for {
		select {
		case <-stop:
			return
		default:
		}
		if s.send(r.At(start, s.out.Load(), min(s.Size, payload.MaxPiece))) != nil {
			return
		}
	}
}

// send sends and counts bytes. Some may have arrived long before all are sent.
func (s *stream) send(b []byte) error {
	s.under.Store(int64(len(b)))
	n, err := s.conn.Write(b)
	s.out.Add(int64(n))
	s.under.Store(0)
	return err
}

// remembered is how many streams that ended in order are kept.
const remembered = 10_000

// leave forgets the oldest of the streams that ended in order, so that a long
// run with many short connections needs no more memory than a short one.
func (t *Target) leave(s *stream) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.streams[s.Stream] != s {
		return
	}
	t.ended = append(t.ended, s.Stream)
	if len(t.ended) > t.remembers {
		old := t.streams[t.ended[0]]
		t.past[old.Group] += old.in.Load()
		t.tally.Add(old.Stream, old.in.Load(), old.out.Load(), old.reset.Load())
		t.forgotten++
		delete(t.streams, old.Stream)
		t.ended = t.ended[1:]
	}
}

// reset forgets all streams, and ends those that still run.
func (t *Target) reset(to NewBlock) {
	t.unfollow()
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.streams {
		_ = s.conn.Close()
	}
	t.total = t.sum()
	if t.verifier == nil || t.verifier.Key != to.Key {
		t.verifier = payload.NewVerifier(payload.NewRing(to.Key), "target")
	}
	t.block, t.sinks, t.tally = to.Block, nil, Tally{}
	t.streams, t.ended, t.past, t.forgotten, t.strays, t.stop = map[uint64]*stream{}, nil, map[byte]int64{}, 0, 0, make(chan struct{})
}

// Close ends everything and waits for it.
func (t *Target) Close() error {
	err := errors.Join(t.data.Close(), t.control.Close())
	t.unfollow()
	t.mu.Lock()
	t.closed = true
	for c := range t.conns {
		_ = c.Close()
	}
	t.mu.Unlock()
	t.wg.Wait()
	return err
}

// Addr is where the target serves connections.
func (t *Target) Addr() net.Addr { return t.data.Addr() }
