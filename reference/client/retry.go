package client

import (
	"time"

	"github.com/cenkalti/backoff/v5"
)

const (
	// stableAfter is how long a tunnel has to live for its loss to count as the first again.
	stableAfter = 10 * time.Second

	// mostBetweenDials bounds the time from one attempt to the next (LOSS-003).
	mostBetweenDials = 60 * time.Second
)

// retry decides when to dial again: at once after the first loss of a tunnel, then after waits that grow
// exponentially and differ at random, so that the clients of a server that comes back do not all arrive
// at the same instant.
type retry struct {
	waits *backoff.ExponentialBackOff
	lost  bool // a tunnel was lost since the last stable one, and dialled again at once
}

func newRetry(first, most time.Duration) *retry {
	waits := backoff.NewExponentialBackOff()
	waits.InitialInterval, waits.MaxInterval, waits.Multiplier = first, most, 2
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
	// LOSS-003: no more than 60 s between two attempts.
	return max(0, min(r.waits.NextBackOff(), mostBetweenDials-dialled))
}
