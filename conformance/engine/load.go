package engine

import (
	"context"
	"sync"
	"time"
)

// tick is how often the monitor looks at the clock.
const tick = 20 * time.Millisecond

// starvedBy is the lateness of a tick from which on a missed deadline says
// nothing about the subject.
const starvedBy = 500 * time.Millisecond

// A monitor measures how late the machine runs the suite's own timers. One
// goroutine, watch, runs from newMonitor until ctx ends.
type monitor struct {
	mu   sync.Mutex
	late []lateness // the ticks that were late, oldest first
}

type lateness struct {
	at time.Time
	by time.Duration
}

// watch notes each tick that comes late by more than tick. The Runner starts it; ctx ends it.
func (m *monitor) watch(ctx context.Context) {
	t := time.NewTimer(tick)
	defer t.Stop()
	for due := time.Now().Add(tick); ; due = time.Now().Add(tick) {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		if by := time.Since(due); by > tick {
			m.mu.Lock()
			m.late = append(m.late, lateness{time.Now(), by})
			if n := len(m.late); n > 4096 {
				m.late = append([]lateness(nil), m.late[n/2:]...)
			}
			m.mu.Unlock()
		}
		t.Reset(tick)
	}
}

// worst is the greatest lateness of a tick since t.
func (m *monitor) worst(t time.Time) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	var worst time.Duration
	for i := len(m.late) - 1; i >= 0 && m.late[i].at.After(t); i-- {
		worst = max(worst, m.late[i].by)
	}
	return worst
}
