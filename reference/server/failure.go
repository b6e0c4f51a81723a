package server

import (
	"context"
	"errors"
	"syscall"

	"github.com/adit-tunnel/adit/reference/forward"
	"github.com/adit-tunnel/adit/reference/session"
)

// failures name what ended visits before their time, for people who look at statistics. What is not among them has
// the name of the status of section 6.2 that a client would answer.
var failures = []struct {
	name string
	errs []error
}{
	{"no-tunnel", []error{errNoTunnel, errAway}},
	{"tunnel-off", []error{errTunnelOff}},
	{"no-descriptors", []error{errExhausted}},
	{"no-proxy-header", []error{errNoHeader}},
	{"not-allowed", []error{errNotAllowed}},
	{"too-many", []error{session.ErrTooMany, forward.ErrBusy, errTooManyVisitors, errRights}},
	{"too-many-of-address", []error{errTooManyOfAddress}},
	{"idle", []error{forward.ErrIdle}},
	{"tunnel-lost", []error{session.ErrEnded, session.ErrClosing}},
	{"stopped", []error{context.Canceled}},
	{"reset", []error{syscall.ECONNRESET, syscall.EPIPE}},
}

// failureOf names what ended a visit with err: "" for an end in order.
func failureOf(err error) string {
	if err == nil {
		return ""
	}
	switch session.RuleOf(err) {
	case "":
	case "OPEN-022", "XOPEN-008":
		return "no-answer"
	case "FLOW-002", "FLOW-003", "CLOSE-006", "FIN-004", "WIN-008":
		return "slow-visitor"
	default:
		return "violation"
	}
	if e, ok := errors.AsType[*session.ResetError](err); ok {
		return e.Code.String()
	}
	for _, f := range failures {
		for _, e := range f.errs {
			if errors.Is(err, e) {
				return f.name
			}
		}
	}
	return session.StatusOf(err).String()
}
