// Package target is the service at the far end of a path: it echoes, takes or
// sends what the first octets of a connection ask for, and checks every octet
// that it receives.
package target

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/adit-tunnel/adit/loadgen/control"
	"github.com/adit-tunnel/adit/loadgen/payload"
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
	streams   map[uint64]*stream
	sinks     []*stream      // those that take octets, in the order in which they came
	ended     []uint64       // echo streams that ended in order, oldest first, as many as are remembered
	past      map[byte]int64 // octets received on those that are forgotten, by group
	forgotten int            // streams
	strays    int            // connections without a preface
	total     Total          // of the blocks before
	stop      chan struct{}  // closed when sources must stop; reset makes a new one
	verifier  *payload.Verifier
	follower  *follower // nil: before the first mark
}

// A stream is one connection as the target has it.
type stream struct {
	conn    net.Conn
	group   byte
	in, out atomic.Int64 // octets received and right; sent
	fault   atomic.Pointer[payload.Fault]
}

// New serves connections on data, and the leader's requests on ctl, until Close.
func New(data, ctl net.Listener, token string) *Target {
	t := &Target{data: data, conns: map[net.Conn]struct{}{}, began: time.Now()}
	t.reset()
	t.control = control.Serve(ctl, t.requests(), token)
	t.wg.Go(t.accept)
	return t
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

const acceptPause = 10 * time.Millisecond

// accept serves the listener until it is closed.
func (t *Target) accept() {
	for {
		c, err := t.data.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // out of descriptors; some come back when connections end
			time.Sleep(acceptPause)
			continue
		}
		t.mu.Lock()
		if t.closed {
			_ = c.Close()
		} else {
			t.conns[c] = struct{}{}
		}
		t.mu.Unlock()
		t.wg.Go(func() { t.hold(c) })
	}
}

// hold serves one connection to its end.
func (t *Target) hold(c net.Conn) {
	t.serve(c)
	_ = c.Close()
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.conns, c)
}

// reset forgets all streams, and ends those that still run.
func (t *Target) reset() {
	t.unfollow()
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.streams {
		_ = s.conn.Close()
	}
	t.total = t.sum()
	t.sinks = nil
	t.streams, t.ended, t.past, t.forgotten, t.strays, t.stop = map[uint64]*stream{}, nil, map[byte]int64{}, 0, 0, make(chan struct{})
}

// enter registers a stream.
func (t *Target) enter(p payload.Preface, c net.Conn) (*stream, *payload.Verifier, <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.verifier == nil || t.verifier.Seed != p.Seed {
		t.verifier = payload.NewVerifier(payload.NewRing(p.Seed), "target")
	}
	s := &stream{conn: c, group: p.Group}
	t.streams[p.Stream] = s
	if p.Service == payload.Sink || p.Service == payload.Exchange {
		t.sinks = append(t.sinks, s)
	}
	return s, t.verifier, t.stop
}

// remembered is how many streams that ended in order are kept.
const remembered = 10_000

// leave forgets the oldest of the streams that ended in order, so that a long
// run with many short connections needs no more memory than a short one.
func (t *Target) leave(id uint64, s *stream) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.streams[id] != s {
		return
	}
	t.ended = append(t.ended, id)
	if len(t.ended) > remembered {
		old := t.streams[t.ended[0]]
		t.past[old.group] += old.in.Load()
		t.forgotten++
		delete(t.streams, t.ended[0])
		t.ended = t.ended[1:]
	}
}

// serve does what the preface asks for.
func (t *Target) serve(c net.Conn) {
	b := make([]byte, payload.PrefaceSize)
	n, err := io.ReadFull(c, b)
	if n == 0 { // somebody looked whether the port is open
		return
	}
	p, bad := payload.Preface{}, err
	if err == nil {
		p, bad = payload.ParsePreface(b)
	}
	if bad != nil {
		t.mu.Lock()
		t.strays++
		t.mu.Unlock()
		return
	}
	s, v, stop := t.enter(p, c)
	check := v.Checker(p.Stream, payload.Up)
	defer v.Done(check)
	if p.Service.Waits() {
		if _, err := io.ReadFull(c, b[:1]); err != nil || b[0] != payload.Go {
			return
		}
	}
	switch p.Service {
	case payload.Echo:
		if echo(c, p, s, check) {
			t.leave(p.Stream, s)
		}
	case payload.Sink:
		sink(c, s, check)
	case payload.Source:
		source(c, p, s, v.Ring, stop)
		sink(c, s, check)
	case payload.Exchange:
		var wg sync.WaitGroup
		wg.Go(func() { source(c, p, s, v.Ring, stop) })
		sink(c, s, check)
		_ = c.Close() // ends a source that is stuck
		wg.Wait()
	}
}

// echo sends every packet back once it is complete, so that a peer which
// writes a whole packet before it reads cannot lock itself up. True says that
// the stream ended in order between two packets.
func echo(c net.Conn, p payload.Preface, s *stream, check *payload.Checker) bool {
	b := make([]byte, p.Size)
	for {
		for have := 0; have < p.Size; {
			n, err := c.Read(b[have:min(have+payload.MaxPiece, p.Size)])
			if !take(s, check, b[have:have+n]) || err != nil {
				return errors.Is(err, io.EOF) && have+n == 0
			}
			have += n
		}
		n, err := c.Write(b)
		s.out.Add(int64(n))
		if err != nil {
			return false
		}
	}
}

// sink takes octets until the stream ends.
func sink(c net.Conn, s *stream, check *payload.Checker) {
	b := make([]byte, 256<<10)
	for {
		n, err := c.Read(b)
		if !take(s, check, b[:n]) || err != nil {
			return
		}
	}
}

// take checks and counts octets; false says that they are wrong, which ends the connection.
func take(s *stream, check *payload.Checker, b []byte) bool {
	if f := check.Check(b, s.conn); f != nil {
		s.fault.Store(f)
		return false
	}
	s.in.Add(int64(len(b)))
	return true
}

// source sends packets until stop is closed or the connection ends.
func source(c net.Conn, p payload.Preface, s *stream, r *payload.Ring, stop <-chan struct{}) {
	start := r.Start(p.Stream, payload.Down)
	for off := int64(0); ; {
		select {
		case <-stop:
			return
		default:
		}
		n, err := c.Write(r.At(start, off, min(p.Size, payload.MaxPiece)))
		off += int64(n)
		s.out.Store(off)
		if err != nil {
			return
		}
	}
}

// Addr is where the target serves connections.
func (t *Target) Addr() net.Addr { return t.data.Addr() }
