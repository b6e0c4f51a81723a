package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// tick is how often the monitor looks at the clock.
const tick = 20 * time.Millisecond

// starvedBy is the lateness of a tick from which on a missed deadline says
// nothing about the subject.
const starvedBy = 500 * time.Millisecond

// idleShare is the share of all processors' time that a machine has left at least, unless it is saturated: what
// starts then may take any time.
const idleShare = 0.05

// glance is how often the monitor looks at the processors.
const glance = time.Second

// A monitor measures how late the machine runs the suite's own timers, and how much
// of its processors' time is left. One goroutine, watch, runs until its ctx ends.
type monitor struct {
	mu     sync.Mutex
	late   []lateness                           // the ticks that were late, oldest first
	spent  []spending                           // glances at the processors, oldest first
	readIt func() (idle, total uint64, ok bool) // nil: readCPU
}

// A spending is what all processors have spent so far, in ticks of the system.
type spending struct {
	at          time.Time
	idle, total uint64
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
		m.glance()
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

// glance notes what the processors have spent, once in a while.
func (m *monitor) glance() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n := len(m.spent); n > 0 && time.Since(m.spent[n-1].at) < glance {
		return
	} else if n > 2048 {
		m.spent = append([]spending(nil), m.spent[n/2:]...)
	}
	if now, ok := m.look(); ok {
		m.spent = append(m.spent, now)
	}
}

// look is what the processors have spent; false where the system does not say.
func (m *monitor) look() (spending, bool) {
	read := readCPU
	if m.readIt != nil {
		read = m.readIt
	}
	idle, total, ok := read()
	return spending{time.Now(), idle, total}, ok
}

// busy reports whether the machine was too busy since t to say how long a process takes to start.
func (m *monitor) busy(t time.Time) bool {
	if m.worst(t) >= starvedBy {
		return true
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	now, ok := m.look()
	if !ok || len(m.spent) == 0 {
		return false
	}
	then := m.spent[0]
	for _, s := range m.spent {
		if s.at.After(t) {
			break
		}
		then = s
	}
	return now.total > then.total && float64(now.idle-then.idle) < idleShare*float64(now.total-then.total)
}

// readCPU reads what all processors have spent since the system began: Linux says it.
func readCPU() (idle, total uint64, ok bool) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, 0, false
	}
	var user, nice, system, free, iowait, irq, softirq, steal uint64
	if _, err := fmt.Sscanf(string(text), "cpu %d %d %d %d %d %d %d %d", &user, &nice, &system, &free, &iowait, &irq, &softirq, &steal); err != nil {
		return 0, 0, false
	}
	idle = free + iowait
	return idle, idle + user + nice + system + irq + softirq + steal, true
}

// busyTries is how many times as long as on another machine a first contact may take on one that is too busy.
const busyTries = 4

// patiently tries to meet a subject within a time, again when it is not there in time and the machine was too busy since
// begun. It says how long it waited in all, if it did.
func (m *monitor) patiently(begun time.Time, within time.Duration, try func() error) (waited time.Duration, err error) {
	for n := 0; n < busyTries && (n == 0 || late(err) && m.busy(begun)); n++ {
		err = try()
		waited += within
	}
	return waited, err
}

// tooLate is what went wrong last, while there was time to try again.
type tooLate struct{ error }

func (e tooLate) Unwrap() error { return e.error }
func (tooLate) Timeout() bool   { return true }

// late reports whether an error says that something was not there in time, rather than what is wrong with it.
func late(err error) bool {
	timeout, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](err)
	return ok && timeout.Timeout()
}

// tooBusy ends the reason of what a busy machine may have caused.
const tooBusy = ", on a machine without idle processors: less beside the run, or a smaller --jobs, would tell"
