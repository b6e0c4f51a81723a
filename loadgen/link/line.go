package link

import (
	"math"
	"math/rand/v2"
	"sync"
	"time"
)

// Settings say what a link is like, each way.
type Settings struct {
	Delay  time.Duration `json:"delay"`  // from one end to the other
	Jitter time.Duration `json:"jitter"` // up to this much more; the order stays
	Rate   float64       `json:"rate"`   // bits per second of all connections; 0: no limit
	Stall  Stall         `json:"stall"`
}

// A Stall is what a lost packet, or an outage that comes again and again, does
// to connections. Nothing is lost, but it arrives late.
type Stall struct {
	P     float64       `json:"p"`     // that a packet holds up its connection, 0 to 1; of each Packet octets or part of them
	Every time.Duration `json:"every"` // from one stop of the whole line to the next; 0: it does not stop
	For   time.Duration `json:"for"`   // how long either lasts
}

// Packet is how many octets a packet carries, where the length of one counts.
const Packet = 1460

// until says when a line that stalls carries again, if it has worked for so
// long: a time gone by when it does now. Each time it carries first, then stops.
func (s Stall) until(worked time.Duration) time.Duration {
	if s.Every <= 0 {
		return 0
	}
	round := worked.Truncate(s.Every)
	if worked-round < s.Every-s.For {
		return round
	}
	return round + s.Every
}

// A line is one direction of a link: the bandwidth that its connections share, and its outages.
type line struct {
	mu     sync.Mutex
	s      Settings
	since  time.Time // when it was set
	free   time.Time // when all that was sent has left
	until  time.Time // frozen: nothing arrives before
	kernel bool      // which limits the rate
	rng    *rand.Rand
	octets int64 // that were sent
	busy   int   // connections that have octets under way
}

// set changes the line; all of its ways change at the same instant.
func (l *line) set(s Settings, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.s, l.since, l.free = s, now, time.Time{}
}

func newLine(seed uint64) *line { return &line{rng: rand.New(rand.NewPCG(seed, 1))} }

// send says when n octets that are sent now arrive at the far end.
func (l *line) send(n int) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	at := now
	if l.s.Rate > 0 && !l.kernel {
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
	if p := l.s.Stall.P; p > 0 && l.rng.Float64() >= math.Pow(1-p, math.Ceil(float64(n)/Packet)) {
		at = at.Add(l.s.Stall.For)
	}
	l.octets += int64(n)
	return at
}

// thawed is when the line carries again; a time gone by when it does.
func (l *line) thawed() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	if at := l.since.Add(l.s.Stall.until(time.Since(l.since))); at.After(l.until) {
		return at
	}
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
