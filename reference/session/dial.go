package session

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"

	"github.com/adit-tunnel/adit/reference/sock"
	"github.com/adit-tunnel/adit/spec/wire"
)

// checkRequestLocked returns the failure that answers a request at once, or success when it can be dialled.
func (s *Session) checkRequestLocked(r wire.ConnectRequest) wire.Status {
	switch {
	case r.Port == 0: // OPEN-008
		return wire.StatusGeneral
	case !r.Short && !wire.ValidHost(r.Host): // OPEN-009
		return wire.StatusGeneral
	case s.refusing:
		return wire.StatusGeneral
	case s.fullLocked():
		return wire.StatusTooMany
	}
	return wire.StatusSuccess
}

// startDialLocked begins to connect c to its service (OPEN-013: not on the reader).
func (s *Session) startDialLocked(c *conn, target Target) {
	ctx, cancel := context.WithTimeout(s.ctx, s.cfg.DialTimeout)
	c.local.target, c.local.cancel = target, cancel
	s.wg.Go(func() { s.dial(ctx, c, target) })
}

// dialSlot waits for one of the dials that may run at a time, and returns what gives it back.
func (s *Session) dialSlot(ctx context.Context, c *conn) (done func(), err error) {
	if _, ext := c.kind.(*extConn); !ext {
		return func() {}, nil
	}
	select {
	case s.dials <- struct{}{}:
		return func() { <-s.dials }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// dial connects c to its service. startDialLocked starts it; it ends soon after ctx, and leaves an open
// connection to readLocal.
func (s *Session) dial(ctx context.Context, c *conn, target Target) {
	var socket sock.Socket
	done, err := s.dialSlot(ctx, c)
	if err == nil {
		socket, err = s.cfg.Dial(ctx, target)
		done()
	}
	s.mu.Lock()
	defer s.unlock()
	if c.local.cancel != nil {
		c.local.cancel()
		c.local.cancel = nil
	} else {
		s.cancelled-- // XOPEN-013
	}
	switch {
	case !s.ended && c.kind.dialledLocked(socket, target, err):
		s.wg.Go(c.readLocal)
	case err == nil: // a late result
		s.effects = append(s.effects, effect{sock: socket, do: resetSocket})
	}
	s.startWriteLocked()
}

// DialError is a failed dial with the status that answers the request.
type DialError struct {
	Status wire.Status
	Err    error
}

func (e *DialError) Error() string { return fmt.Sprintf("dial: %v: %v", e.Status, e.Err) }
func (e *DialError) Unwrap() error { return e.Err }

// StatusOf is the status that answers a request whose dial ended with err (OPEN-007).
func StatusOf(err error) wire.Status {
	if e, ok := errors.AsType[*DialError](err); ok && e.Status != wire.StatusSuccess {
		return e.Status
	}
	if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
		return wire.StatusTooMany // a resolver that has no descriptor included
	}
	if e, ok := errors.AsType[*net.DNSError](err); ok && !e.IsTimeout {
		return wire.StatusNotResolved
	}
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return wire.StatusRefused
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return wire.StatusUnreachable
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, syscall.ETIMEDOUT):
		return wire.StatusTimedOut
	}
	return wire.StatusGeneral
}
