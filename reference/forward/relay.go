package forward

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/adit-tunnel/adit/reference/sock"
)

// ErrIdle ends a relay that carried nothing for as long as its limits allow.
var ErrIdle = errors.New("forward: no octet in either direction for the idle timeout")

// Limits bound what is relayed; the zero value does not.
type Limits struct {
	Up, Down *rate.Limiter // of [sock.NewRate], shared by as many relays as it is for: towards the target, and back
	Idle     time.Duration // a relay without an octet in either direction ends after this, or up to a quarter later
}

// Relay copies both ways between visitor and target until both directions have ended, adding to counts as
// it goes. It owns both sockets from the call on and has closed them when it returns. End of stream is
// passed on as a half-close. When a direction fails, or ctx ends, or nothing moves for too long, both sockets are reset and
// the error says which came first.
func Relay(ctx context.Context, visitor, target *sock.TCP, counts *sock.Counts, limits Limits) error {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	r := &relay{visitor: visitor, target: target, fail: fail}
	stop := context.AfterFunc(ctx, r.reset)
	if limits.Idle > 0 {
		defer watchIdle(counts, limits.Idle, func() { fail(ErrIdle) })()
	}

	var back sync.WaitGroup
	back.Go(func() { r.copyHalf(half{ctx, visitor, target, &counts.ToVisitor, limits.Down}) })
	r.copyHalf(half{ctx, target, visitor, &counts.ToService, limits.Up})
	back.Wait()

	if !stop() {
		r.reset() // the one started by ctx may not have come so far yet
		return context.Cause(ctx)
	}
	visitor.Close()
	target.Close()
	return nil
}

// relay is one pair of sockets being copied.
type relay struct {
	visitor, target *sock.TCP
	fail            context.CancelCauseFunc
}

// copyHalf copies one direction; Relay runs one on the caller's goroutine and one on its own. It ends at
// the end of its stream, which it passes on, or at the first error, by which it ends the other one too.
func (r *relay) copyHalf(h half) {
	err := h.copy()
	if err == nil {
		err = h.dst.CloseWrite()
	}
	if err != nil {
		r.fail(err)
	}
}

func (r *relay) reset() {
	r.visitor.Reset()
	r.target.Reset()
}

// watchIdle calls over when counts have stood still for idle. It returns what ends the watch.
func watchIdle(counts *sock.Counts, idle time.Duration, over func()) (stop func()) {
	var mu sync.Mutex // guards timer and stopped
	var timer *time.Timer
	stopped := false
	last, since := int64(0), time.Now()
	look := func() {
		mu.Lock()
		defer mu.Unlock()
		if stopped {
			return
		}
		if n := counts.ToService.Load() + counts.ToVisitor.Load(); n != last {
			last, since = n, time.Now()
		}
		if time.Since(since) >= idle {
			over()
			return
		}
		timer.Reset(idle / 4)
	}
	mu.Lock()
	defer mu.Unlock()
	timer = time.AfterFunc(idle/4, look)
	return func() {
		mu.Lock()
		defer mu.Unlock()
		stopped = true
		timer.Stop()
	}
}
