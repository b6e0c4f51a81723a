package rig

import (
	"container/heap"
	"context"
	"sync"
	"time"

	"github.com/adit-tunnel/adit/loadgen/load"
)

// An alarm wakes goroutines at their times, more exactly than timers do.
type alarm struct {
	mu    sync.Mutex
	calls calls         // guarded by mu
	done  bool          // guarded by mu
	wake  chan struct{} // somebody waits for an earlier instant
}

type call struct {
	at time.Time
	up chan struct{} // closed when it is time
}

// calls is a heap, the next one first.
type calls []call

func (c calls) Len() int           { return len(c) }
func (c calls) Less(i, j int) bool { return c[i].at.Before(c[j].at) }
func (c calls) Swap(i, j int)      { c[i], c[j] = c[j], c[i] }
func (c *calls) Push(x any)        { *c = append(*c, x.(call)) }
func (c *calls) Pop() any {
	last := (*c)[len(*c)-1]
	*c = (*c)[:len(*c)-1]
	return last
}

func newAlarm() *alarm { return &alarm{wake: make(chan struct{}, 1)} }

// wait blocks until an instant, or until run ends.
func (a *alarm) wait(at time.Time) {
	if !at.After(time.Now()) {
		return
	}
	up := make(chan struct{})
	a.mu.Lock()
	if a.done {
		a.mu.Unlock()
		return
	}
	heap.Push(&a.calls, call{at, up})
	first := a.calls[0].up == up
	a.mu.Unlock()
	if first {
		select {
		case a.wake <- struct{}{}:
		default:
		}
	}
	<-up
}

// slice is the longest sleep that cannot be cut short.
const slice = 250 * time.Microsecond

// run wakes everyone in time until ctx ends, and then all that are left.
func (a *alarm) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		left := a.ring()
		if 0 < left && left <= load.Coarse {
			load.SleepFinely(min(left, slice))
			continue
		}
		if left > 0 {
			timer.Reset(left - load.Coarse)
		} else {
			timer.Reset(time.Hour)
		}
		select {
		case <-timer.C:
		case <-a.wake:
		case <-ctx.Done():
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.done = true
	for _, c := range a.calls {
		close(c.up)
	}
}

// ring wakes all whose time has come, and says how long the next one has; 0: there is none.
func (a *alarm) ring() time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	for len(a.calls) > 0 {
		if left := time.Until(a.calls[0].at); left > 0 {
			return left
		}
		close(heap.Pop(&a.calls).(call).up)
	}
	return 0
}
