package forward

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
)

// Counts is the traffic of one relay or of many, in octets. It grows while data flows, so that it may be
// read at any time.
type Counts struct {
	In  atomic.Int64 // from the visitor to the target
	Out atomic.Int64 // from the target to the visitor
}

// Relay copies both ways between visitor and target until both directions have ended, adding to counts as
// it goes. It owns both sockets from the call on and has closed them when it returns. End of stream is
// passed on as a half-close. When a direction fails, or ctx ends, both sockets are reset and the error says
// which came first.
func Relay(ctx context.Context, visitor, target *net.TCPConn, counts *Counts) error {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	r := &relay{visitor: visitor, target: target, fail: fail}
	stop := context.AfterFunc(ctx, r.reset)

	var back sync.WaitGroup
	back.Go(func() { r.copyHalf(visitor, target, &counts.Out) })
	r.copyHalf(target, visitor, &counts.In)
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
	visitor, target *net.TCPConn
	fail            context.CancelCauseFunc
}

// copyHalf copies one direction; Relay runs one on the caller's goroutine and one on its own. It ends at
// the end of src's stream, which it passes on, or at the first error, by which it ends the other one too.
func (r *relay) copyHalf(dst, src *net.TCPConn, count *atomic.Int64) {
	h := half{dst: dst, src: src, count: count}
	err := h.reader.init(src)
	if err == nil {
		err = h.copy()
	}
	if err == nil {
		err = dst.CloseWrite()
	}
	if err != nil {
		r.fail(err)
	}
}

func (r *relay) reset() {
	Reset(r.visitor)
	Reset(r.target)
}

// Reset closes c so that its peer sees a reset instead of an orderly end, where the system can do that.
// Closing twice does no harm.
func Reset(c *net.TCPConn) {
	c.SetLinger(0) // an error here means closed already
	c.Close()
}
