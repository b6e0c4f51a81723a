package workload

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/adit-tunnel/adit/loadgen/payload"
)

// retryPause is how long a visitor waits after a failure before it dials again.
const retryPause = 10 * time.Millisecond

// A visitor keeps one connection busy; when it fails it dials a new one, a new stream.
type visitor struct {
	*Crew
	id int

	mu     sync.Mutex
	conn   net.Conn // guarded by mu
	stream uint64   // guarded by mu; 0: none now
	slow   bool     // the watchman ended conn; guarded by mu

	slot     atomic.Int64  // the next packet of the schedule; it goes on over new connections
	progress atomic.Int64  // when the last octet moved, since epoch; 0: nothing is under way
	sent     atomic.Int64  // octets on the stream
	in       *atomic.Int64 // octets received and right; guarded by mu
	got      atomic.Int64  // octets received and right, on all streams so far
	done     atomic.Int64  // packets, churn: connections, that were ok so far
	worst    atomic.Int64  // the longest time of one since the series looked last
	asked    time.Duration // when the packet under way was due; owned by work
	slowest  []Slow        // owned by work
	life     *Life         // of the stream; nil: nobody watches. Its reader has it, with upload its writer
}

// work is the life of a visitor.
func (w *visitor) work() {
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
		if err != nil && !w.pause() {
			return
		}
	}
}

// pause waits before the next dial; false when there is to be none.
func (w *visitor) pause() bool {
	t := time.NewTimer(retryPause)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-w.drain:
	case <-w.ctx.Done():
	}
	return false
}

// dialError marks a failure to connect.
type dialError struct{ error }

// dial opens a connection and says on it what it is for.
func (w *visitor) dial() (net.Conn, error) {
	select {
	case w.dialling <- struct{}{}:
		defer func() { <-w.dialling }()
	case <-w.ctx.Done():
		return nil, dialError{w.ctx.Err()}
	}
	ctx, cancel := context.WithTimeout(w.ctx, w.Timeout)
	defer cancel()
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", w.Addrs[w.id%len(w.Addrs)])
	if err != nil {
		return nil, dialError{err}
	}
	stream := w.First + w.next.Add(1)
	w.mu.Lock()
	w.conn, w.stream, w.slow, w.in = c, stream, false, new(atomic.Int64)
	w.mu.Unlock()
	w.sent.Store(0)
	w.life = w.witness.begin(stream)
	p := payload.Preface{Service: w.Group.Service(), Group: w.Index, Size: int(w.Group.Size), Stream: stream, Seed: w.v.Seed}
	_, err = c.Write(p.Bytes())
	return c, err
}
