package client

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/adit-tunnel/adit/reference/session"
	"github.com/adit-tunnel/adit/spec"
	"github.com/adit-tunnel/adit/spec/wire"
)

// stableAfter is how long a tunnel has to live for its loss to count as the first again.
const stableAfter = 10 * time.Second

// retry decides when to dial again: at once after the first loss of a tunnel, then after waits that grow
// exponentially and differ at random, so that the clients of a server that comes back do not all arrive
// at the same instant.
type retry struct {
	waits   *backoff.ExponentialBackOff
	planned time.Time // when a tunnel whose end was planned was last followed at once
	lost    bool      // a tunnel was lost since the last stable one, and dialled again at once
}

// atOnce reports whether a tunnel whose end was planned is followed at once: not when another was less than a minute ago
// (AWAY-006).
func (r *retry) atOnce(now time.Time) bool {
	if !r.planned.IsZero() && now.Sub(r.planned) < time.Minute {
		return false
	}
	r.planned = now
	return true
}

// When the first attempt begins after one that the server refused for good, which only an operator can change.
const (
	refusedLeast = 30 * time.Second
	refusedMost  = 60 * time.Second
)

// refused reports whether a tunnel ended because the server does not want this client, or lacks what it needs; or is
// another server than this client's key is for (section 30.2).
func refused(err error) bool {
	e, ok := errors.AsType[*session.GoAwayError](err)
	return ok && (e.Code == wire.CodeDenied || e.Code == wire.CodeUnsupported) || errors.Is(err, session.ErrWrongServer) || errors.Is(err, session.ErrNoBind)
}

// whyDenied says in plain words what a server denies, and the remedy. Other errors it returns as they are.
func (c *Client) whyDenied(err error) error {
	e, ok := errors.AsType[*session.GoAwayError](err)
	switch key := c.cfg.Session.Key; {
	case !ok || e.Code != wire.CodeDenied:
		return err
	case key == nil:
		return fmt.Errorf("the server asks for a key; make one there (adit-server keygen NAME) and start this client with what it prints: %w", err)
	default:
		return fmt.Errorf("the server denies the key %s: it was taken away, or is not in the server's file of keys; look there, or make a new one (adit-server keygen NAME): %w", key.ID, err)
	}
}

// afterRefusal returns the wait after an attempt that was refused, and took that long.
func afterRefusal(took time.Duration) time.Duration {
	return max(0, refusedLeast+rand.N(refusedMost-refusedLeast)-took)
}

// newRetry returns waits that begin around first and never exceed most.
func newRetry(first, most time.Duration) *retry {
	waits := backoff.NewExponentialBackOff()
	// The intervals are what the waits vary around, by half an interval: the longest wait is the one that is varied upwards.
	waits.MaxInterval = time.Duration(float64(most) / (1 + waits.RandomizationFactor))
	waits.InitialInterval, waits.Multiplier = min(first, waits.MaxInterval), 2
	waits.Reset()
	return &retry{waits: waits}
}

// next returns the wait after an attempt that took dialled to fail, or to succeed with a tunnel that then
// lived that long; lived is 0 for a failure.
func (r *retry) next(dialled, lived time.Duration) time.Duration {
	if lived >= stableAfter {
		r.lost = false
		r.waits.Reset()
	}
	if lived > 0 && !r.lost {
		r.lost = true
		return 0
	}
	// LOSS-003: a bound from the beginning of one attempt to that of the next.
	return max(0, min(r.waits.NextBackOff(), spec.LimitOf("redial-delay").MaxTime()-dialled))
}
