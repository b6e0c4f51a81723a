package server

import (
	"context"
	"errors"
	"maps"
	"net"
	"os"
	"sync"

	"github.com/adit-tunnel/adit/reference/session"
	"github.com/adit-tunnel/adit/reference/sock"
)

// refused counts the tunnels that never were a client's, by why, for people who look at statistics. The log has a line of
// each, up to its bound.
type refused struct {
	mu     sync.Mutex // guards counts
	counts map[string]int64
}

// add counts one; "" is none.
func (r *refused) add(reason string) {
	if reason == "" {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.counts == nil {
		r.counts = map[string]int64{}
	}
	r.counts[reason]++
}

func (r *refused) all() map[string]int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.counts)
}

// refusals name why a tunnel never was a client's.
var refusals = []struct {
	name string
	errs []error
}{
	{"", []error{net.ErrClosed, context.Canceled}}, // the server ends
	{"no-key", []error{session.ErrNoKey}},
	{"unknown-key", []error{session.ErrUnknownKey}},
	{"wrong-proof", []error{session.ErrWrongProof}},
	{"no-seat", []error{errNoSeat, errNoRoom, errMadeRoom}},
	{"too-many", []error{errTooMany}},
	{"address", []error{errAddress}},
	{"core", []error{session.ErrCoreOnly}},
	{"late", []error{errNoHandshake, os.ErrDeadlineExceeded}},
}

// refusalOf names why a tunnel that ended with err never was a client's; rest is the name where nothing better is known.
func refusalOf(err error, rest string) string {
	for _, r := range refusals {
		for _, e := range r.errs {
			if errors.Is(err, e) {
				return r.name
			}
		}
	}
	_, notTLS := errors.AsType[*sock.NotTLSError](err)
	_, foreign := errors.AsType[*session.ForeignError](err)
	switch rule := session.RuleOf(err); {
	case notTLS, foreign:
		return "foreign"
	case rule == "AUTH-007": // it speaks Core
		return "no-key"
	case rule != "":
		return "violation"
	}
	return rest
}
