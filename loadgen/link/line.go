package link

import (
	"math/rand/v2"
	"sync"
	"time"
)

// Settings say what a link is like, each way.
type Settings struct {
	Delay  time.Duration `json:"delay"`  // from one end to the other
	Jitter time.Duration `json:"jitter"` // up to this much more; the order stays
	Rate   float64       `json:"rate"`   // bits per second of all connections; 0: no limit
}

// A line is one direction of a link: the bandwidth that its connections share.
type line struct {
	mu     sync.Mutex
	s      Settings
	free   time.Time // when all that was sent has left
	until  time.Time // frozen: nothing arrives before
	rng    *rand.Rand
	octets int64 // that were sent
	busy   int   // connections that have octets under way
}

func newLine(seed uint64) *line { return &line{rng: rand.New(rand.NewPCG(seed, 1))} }

// send says when n octets that are sent now arrive at the far end.
func (l *line) send(n int) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	at := now
	if l.s.Rate > 0 {
		if l.free.Before(now) {
			l.free = now
		}
		l.free = l.free.Add(time.Duration(float64(n) * 8 / l.s.Rate * float64(time.Second)))
		at = l.free
	}
	at = at.Add(l.s.Delay)
	if l.s.Jitter > 0 {
		at = at.Add(time.Duration(l.rng.Int64N(int64(l.s.Jitter))))
	}
	l.octets += int64(n)
	return at
}

// thawed is when the line carries again; a time gone by when it does.
func (l *line) thawed() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.until
}

// Room for octets under way on one connection.
const (
	most   = 16 << 20
	least  = 16 << 10
	bloat  = 100 * time.Millisecond // that a full line may add to its delay
	octets = 8                      // bits
)

// room is how many octets a connection may have under way: its part of what
// fits into the line's delay, and into the queue in front of it, which is one
// for all connections.
func (l *line) room() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.s.Rate == 0 {
		return most
	}
	return min(most, max(least, int(l.s.Rate/octets*(l.s.Delay+bloat).Seconds())/max(l.busy, 1)))
}

// enter and leave count the connections that have octets under way.
func (l *line) enter() { l.count(1) }
func (l *line) leave() { l.count(-1) }

func (l *line) count(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.busy += n
}
