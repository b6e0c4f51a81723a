package load

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/adit-tunnel/adit/loadgen/load/payload"
)

// retryPause is how long a visitor waits after a failure before it dials again.
const retryPause = 10 * time.Millisecond

// A visitor keeps one connection busy; when it fails it dials a new one, a new stream.
type visitor struct {
	*Visitors
	id int

	mu     sync.Mutex
	conn   net.Conn // guarded by mu
	stream uint64   // guarded by mu; 0: none now
	slow   bool     // the watchman ended conn; guarded by mu

	slot     atomic.Int64  // the next packet of the schedule; it goes on over new connections
	progress atomic.Int64  // when the last byte moved, since epoch; 0: nothing is under way
	sent     atomic.Int64  // bytes on the stream
	in       *atomic.Int64 // bytes received and right; guarded by mu
	got      atomic.Int64  // bytes received and right, on all streams so far
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
		if err != nil && Sleep(w.busy, retryPause) != nil {
			return
		}
	}
}

// dialError marks a failure to connect.
type dialError struct{ error }

func (e dialError) Unwrap() error { return e.error }

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
	_, err = c.Write(w.v.Preface(payload.Preface{Service: w.Group.Service(), Group: w.Index, Pace: paceOf(&w.Group), Size: int(w.Group.Size), Stream: stream}))
	return c, err
}

// leave forgets the connection and writes down why it ended.
func (w *visitor) leave(err error) {
	since := time.Duration(w.progress.Swap(0))
	conn, end, slow := w.part()
	if conn != nil {
		_ = conn.Close()
	}
	if err == nil || w.isGone() { // Close counts what was under way as unfinished
		w.witness.end(w.life, "", 0)
		w.account.close(end, w.isGone(), false)
		return
	}
	if lacks := ownEnd(err); lacks != "" {
		w.account.mu.Lock()
		defer w.account.mu.Unlock()
		if w.own == nil {
			w.own = map[string]int64{}
		}
		w.own[lacks]++
		return
	}
	defer func() { w.witness.end(w.life, end.How, since) }()
	end.How = Reset
	fault, corrupt := errors.AsType[*payload.Fault](err)
	_, dialling := errors.AsType[dialError](err)
	if dialling {
		w.life = nil
	}
	switch {
	case corrupt:
		end.How = Corrupt
	case slow, errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), errors.Is(err, syscall.ETIMEDOUT):
		end.How = TimedOut
	case dialling:
		end.How = Refused
	}
	if end.How == TimedOut && w.Group.Rate > 0 && w.phase.Load() == measuring { // left out it would make the response look good
		took := max(w.now()-w.asked, w.Timeout)
		w.times[Response].Record(w.id, took)
		w.witness.record(w.id, w.now()-took, took)
	}
	w.account.mu.Lock()
	defer w.account.mu.Unlock()
	if dialling {
		w.failedDials++
		w.ends = append(w.ends, End{How: end.How})
		return
	}
	w.ends = append(w.ends, end)
	if corrupt {
		w.faults = append(w.faults, fault)
	}
}

// ownEnd is what this end lacked when a dial failed; empty: it is not to blame.
func ownEnd(err error) string {
	if _, dialling := errors.AsType[dialError](err); !dialling {
		return ""
	}
	switch {
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return NoPorts
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return NoFiles
	}
	return ""
}

// part takes the connection away from the visitor.
func (w *visitor) part() (conn net.Conn, end End, slow bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	conn, slow, end.Stream, end.Sent = w.conn, w.slow, w.stream, w.sent.Load()
	if w.in != nil {
		end.In = w.in.Load()
	}
	w.conn, w.stream = nil, 0
	return conn, end, slow
}
