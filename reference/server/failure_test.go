package server

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"

	"github.com/adit-tunnel/adit/reference/forward"
	"github.com/adit-tunnel/adit/reference/session"
	"github.com/adit-tunnel/adit/spec/wire"
)

func TestFailuresHaveNames(t *testing.T) {
	rule := func(req string) error { return &wire.Violation{Req: req, Scope: wire.ScopeConnection, Reason: "x"} }
	for _, c := range []struct {
		err  error
		want string
	}{
		{nil, ""},
		{errNoTunnel, "no-tunnel"},
		{errTunnelOff, "tunnel-off"},
		{errExhausted, "no-descriptors"},
		{session.ErrTooMany, "too-many"},
		{forward.ErrBusy, "too-many"},
		{errTooManyVisitors, "too-many"},
		{errTooManyOfAddress, "too-many-of-address"},
		{errNoHeader, "no-proxy-header"},
		{errNotAllowed, "not-allowed"},
		{forward.ErrIdle, "idle"},
		{&session.ResetError{Code: wire.CodeIdle}, "idle"},
		{session.ErrEnded, "tunnel-lost"},
		{session.ErrClosing, "tunnel-lost"},
		{context.Canceled, "stopped"},
		{os.NewSyscallError("read", syscall.ECONNRESET), "reset"},
		{syscall.EPIPE, "reset"},
		{rule("OPEN-022"), "no-answer"},
		{rule("FLOW-002"), "slow-visitor"},
		{rule("FLOW-003"), "slow-visitor"},
		{rule("CLOSE-006"), "slow-visitor"},
		{rule("OPEN-018"), "violation"},
		{&session.DialError{Status: wire.StatusDenied}, "denied"},
		{&session.DialError{Status: 99}, "failure"},
		{syscall.ECONNREFUSED, "refused"},
		{os.ErrDeadlineExceeded, "timed-out"},
		{errors.New("anything else"), "general"},
	} {
		if got := failureOf(c.err); got != c.want {
			t.Errorf("failureOf(%v) = %q; want %q", c.err, got, c.want)
		}
		if c.err == nil {
			continue
		}
		if got := failureOf(fmt.Errorf("about it: %w", c.err)); got != c.want {
			t.Errorf("failureOf(%v), wrapped, = %q; want %q", c.err, got, c.want)
		}
	}
}
