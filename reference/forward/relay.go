package forward

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/adit-tunnel/adit/reference/sock"
)

// Relay copies both ways between visitor and target until both directions have ended, adding to counts as
// it goes. It owns both sockets from the call on and has closed them when it returns. End of stream is
// passed on as a half-close. When a direction fails, or ctx ends, both sockets are reset and the error says
// which came first.
func Relay(ctx context.Context, visitor, target *sock.TCP, counts *sock.Counts) error {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	r := &relay{visitor: visitor, target: target, fail: fail}
	stop := context.AfterFunc(ctx, r.reset)

	var back sync.WaitGroup
	back.Go(func() { r.copyHalf(visitor, target, &counts.ToVisitor) })
	r.copyHalf(target, visitor, &counts.ToService)
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
// the end of src's stream, which it passes on, or at the first error, by which it ends the other one too.
func (r *relay) copyHalf(dst, src *sock.TCP, count *atomic.Int64) {
	h := half{dst: dst, src: src, count: count}
	err := h.copy()
	if err == nil {
		err = dst.CloseWrite()
	}
	if err != nil {
		r.fail(err)
	}
}

func (r *relay) reset() {
	r.visitor.Reset()
	r.target.Reset()
}
