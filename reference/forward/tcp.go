package forward

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/adit-tunnel/adit/reference/sock"
)

// ErrBusy is returned for a visitor beyond [Options.Max], which was reset.
var ErrBusy = errors.New("forward: as many connections as allowed are open")

// TCP forwards visitors to targets. Its methods may be called at the same time from any number of goroutines.
type TCP struct{ active atomic.Int64 }

// Options say how a visitor is forwarded.
type Options struct {
	Limits
	From   netip.Addr // the visitor's address
	Header []byte     // for the target, before anything of the visitor

	DialTimeout time.Duration // bounds resolving and dialling; 0: 10 s
	Max         int64         // most visitors at once, those still dialling included; 0: no bound
}

// Forward dials one of targets, and relays until both directions have ended, adding to counts as it
// goes, as o says. It owns visitor from the call on. A visitor that cannot be served, because the dials fail or too
// many are open, is reset with no byte sent. The end of ctx ends the dial, or resets both sockets.
func (t *TCP) Forward(ctx context.Context, visitor *sock.TCP, targets *Pool, counts *sock.Counts, o Options) error {
	service, done, err := t.Dial(ctx, targets, o)
	if err != nil {
		visitor.Reset()
		return err
	}
	defer done()
	if len(o.Header) > 0 { // which a socket that is new takes at once
		if _, err := service.Conn.Write(o.Header); err != nil {
			visitor.Reset()
			service.Reset()
			return fmt.Errorf("forward to %v: %w", service.Conn.RemoteAddr(), err)
		}
	}
	return Relay(ctx, visitor, service, counts, o.Limits)
}

// Dial connects to one of targets for a visitor, unless too many are there. Done is to be called when the visitor is gone.
func (t *TCP) Dial(ctx context.Context, targets *Pool, o Options) (service *sock.TCP, done func(), err error) {
	if n := t.active.Add(1); o.Max > 0 && n > o.Max {
		t.active.Add(-1)
		return nil, nil, ErrBusy
	}
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(o.DialTimeout, 10*time.Second))
	defer cancel()
	service, left, err := targets.Dial(ctx, o.From)
	if err != nil {
		t.active.Add(-1)
		return nil, nil, err
	}
	return service, func() { left(); t.active.Add(-1) }, nil
}

// Active is the number of visitors being served or dialled for.
func (t *TCP) Active() int64 { return t.active.Load() }
