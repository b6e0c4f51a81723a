package session

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"

	"github.com/adit-tunnel/adit/spec/wire"
)

// Errors that Open and Run return; all but ErrTooMany match net.ErrClosed.
var (
	// ErrEnded: the tunnel is gone.
	ErrEnded = fmt.Errorf("session: tunnel ended: %w", net.ErrClosed)
	// ErrDraining: the session is about to close and takes no new connection.
	ErrDraining = fmt.Errorf("session: draining: %w", net.ErrClosed)
	// ErrTooMany: Config.MaxConnections is reached.
	ErrTooMany = errors.New("session: too many connections")
	// ErrDeadPeer: nothing was read from the peer for Config.DeadPeer.
	ErrDeadPeer = fmt.Errorf("session: peer silent for too long: %w", os.ErrDeadlineExceeded)
)

// DialError is a failed dial with the status that answers the request.
type DialError struct {
	Status wire.Status
	Err    error
}

func (e *DialError) Error() string { return fmt.Sprintf("dial: %v: %v", e.Status, e.Err) }
func (e *DialError) Unwrap() error { return e.Err }

// StatusOf is the status that answers a request whose dial ended with err.
func StatusOf(err error) wire.Status {
	if e, ok := errors.AsType[*DialError](err); ok && e.Status != wire.StatusSuccess {
		return e.Status
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

// Status answers a request. Every value but success is a failure.
type Status = wire.Status

// The failures that a Dial names.
const (
	StatusGeneral     = wire.StatusGeneral
	StatusRefused     = wire.StatusRefused
	StatusTimedOut    = wire.StatusTimedOut
	StatusUnreachable = wire.StatusUnreachable
	StatusNotResolved = wire.StatusNotResolved
	StatusDenied      = wire.StatusDenied
	StatusTooMany     = wire.StatusTooMany
)
