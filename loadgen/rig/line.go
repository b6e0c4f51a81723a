package rig

import (
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/adit-tunnel/adit/loadgen/scenario"
)

// packetSize is how many bytes a packet carries: each packet, or part of one, may hold up its connection.
const packetSize = 1460

// carriesFrom says from when on a line that stops again and again carries, if
// it has worked for so long: a time gone by when it does now. Each time it
// carries first, then stops.
func carriesFrom(s scenario.Stall, worked time.Duration) time.Duration {
	every, long := time.Duration(s.Every), time.Duration(s.For)
	if every <= 0 {
		return 0
	}
	round := worked.Truncate(every)
	if worked-round < every-long {
		return round
	}
	return round + every
}

// A line is one direction of a link: the bandwidth that its connections share, and its outages.
type line struct {
	mu     sync.Mutex
	is     scenario.Link
	since  time.Time // when it was set
	free   time.Time // when all that was sent has left
	until  time.Time // frozen: nothing arrives before
	kernel bool      // which limits the rate
	rng    *rand.Rand
	bytes  int64 // that were sent
	busy   int   // connections that have bytes under way
}

// set changes the line; all of its ways change at the same instant.
func (l *line) set(link scenario.Link, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.is, l.since, l.free = link, now, time.Time{}
}

func newLine(seed uint64) *line { return &line{rng: rand.New(rand.NewPCG(seed, 1))} }

// delay is how long anything takes from one end to the other.
func (l *line) delay() time.Duration { return time.Duration(l.is.RTT) / 2 }

// send says when n bytes that are sent now arrive at the far end.
func (l *line) send(n int) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	at := now
	if l.is.Rate > 0 && !l.kernel {
		if l.free.Before(now) {
			l.free = now
		}
		l.free = l.free.Add(time.Duration(float64(n) * bits / float64(l.is.Rate) * float64(time.Second)))
		at = l.free
	}
	at = at.Add(l.delay())
	if l.is.Jitter > 0 {
		at = at.Add(time.Duration(l.rng.Int64N(int64(l.is.Jitter))))
	}
	if p := float64(l.is.Stall.P); p > 0 && l.rng.Float64() >= math.Pow(1-p, math.Ceil(float64(n)/packetSize)) {
		at = at.Add(time.Duration(l.is.Stall.For))
	}
	l.bytes += int64(n)
	return at
}

// thawed is when the line carries again; a time gone by when it does.
func (l *line) thawed() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	if at := l.since.Add(carriesFrom(l.is.Stall, time.Since(l.since))); at.After(l.until) {
		return at
	}
	return l.until
}

// Room for bytes under way on one connection.
const (
	most  = 16 << 20
	least = 16 << 10
	bloat = 100 * time.Millisecond // that a full line may add to its delay
	bits  = 8                      // of a byte
)

// room is how many bytes a connection may have under way: its part of what
// fits into the line's delay, and into the queue in front of it, which is one
// for all connections.
func (l *line) room() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.is.Rate == 0 {
		return most
	}
	return min(most, max(least, int(float64(l.is.Rate)/bits*(l.delay()+bloat).Seconds())/max(l.busy, 1)))
}

// enter and leave count the connections that have bytes under way.
func (l *line) enter() { l.count(1) }
func (l *line) leave() { l.count(-1) }

func (l *line) count(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.busy += n
}
