package load

import (
	"math"
	"sync"
	"time"

	"github.com/adit-tunnel/adit/loadgen/scenario"
)

// A Life is one stream, from its dial to its end. Times count from the start
// of the measured time; what did not happen is Never.
type Life struct {
	Stream    uint64        `json:"stream,omitempty"` // 0: the dial failed
	Connected time.Duration `json:"connected"`        // to whoever listens: that may be the near end of a tunnel
	First     time.Duration `json:"first"`            // the first byte came; upload: went
	Last      time.Duration `json:"last"`             // the last one so far
	Ended     time.Duration `json:"ended"`            // before the block did
	How       string        `json:"how,omitempty"`    // it ended; empty: in order
}

// A Wait is a packet, or a pause in a stream, that took longer than Late.
type Wait struct {
	Stream uint64        `json:"stream"`
	From   time.Duration `json:"from"`
	To     time.Duration `json:"to"` // Never: it did not end well
}

// Never is the time of what did not happen.
const Never = time.Duration(math.MaxInt64)

// Late is how long a packet, or a pause in a stream, takes before it counts as a Wait.
const Late = 100 * time.Millisecond

// most is how many lives, and how many waits, a witness writes down.
const most = 20_000

// A witness sees what a time line does to the streams of a group. Blocks without
// a time line have none: a nil witness sees nothing.
type witness struct {
	g        *Visitors
	timeline []scenario.Event
	stalls   []scenario.Event // those that stop readers of this group
	last     time.Duration    // the end of the last event

	mu    sync.Mutex
	lives []Life // guarded by mu
	waits []Wait // guarded by mu
}

func newWitness(g *Visitors) *witness {
	if len(g.Timeline) == 0 {
		return nil
	}
	s := &witness{g: g, timeline: g.Timeline}
	for _, e := range g.Timeline {
		s.last = max(s.last, time.Duration(e.At+e.For))
		if e.Do == scenario.ReaderStall && e.Group == g.Group.Name {
			s.stalls = append(s.stalls, e)
		}
	}
	return s
}

// record puts a packet into its part of the time line, by when it was due or sent.
func (s *witness) record(conn int, from, took time.Duration) {
	if s == nil {
		return
	}
	from -= s.g.zero()
	if from >= s.last {
		s.g.times[After].Record(conn, took)
		return
	}
	for _, e := range s.timeline {
		if from >= time.Duration(e.At) && from < time.Duration(e.At+e.For) {
			s.g.times[During].Record(conn, took)
			return
		}
	}
}

// begin begins a life; nil when nobody watches. Until seen, times count from the visitors' epoch.
func (s *witness) begin(stream uint64) *Life {
	if s == nil {
		return nil
	}
	now := s.g.now()
	return &Life{Stream: stream, Connected: now, First: Never, Last: now, Ended: Never}
}

// moved writes down that bytes moved, for which the stream had waited since an instant.
func (s *witness) moved(l *Life, since time.Duration) {
	if l == nil {
		return
	}
	now := s.g.now()
	if now-since > Late {
		s.wait(Wait{l.Stream, since, now})
	}
	l.First, l.Last = min(l.First, now), now
}

// paused is moved for a stream that waits whenever nothing moves.
func (s *witness) paused(l *Life) {
	if l != nil {
		s.moved(l, l.Last)
	}
}

// close ends a life in order.
func (s *witness) close(l *Life) {
	if l != nil {
		l.Ended = s.g.now()
		s.end(l, "", 0)
	}
}

// end ends a life, how being empty for one that stood to the last; since is
// when the packet under way was sent, 0 for none.
func (s *witness) end(l *Life, how string, since time.Duration) {
	if s == nil || l == nil && how == "" { // it has ended before
		return
	}
	now := s.g.now()
	if l == nil {
		l = &Life{Connected: Never, First: Never, Last: Never}
	}
	if how != "" {
		l.How, l.Ended = how, now
		if since != 0 && now-since > Late {
			s.wait(Wait{l.Stream, since, Never})
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.lives) < most {
		s.lives = append(s.lives, *l)
	}
}

// seen is all that was written down, counted from the start of the measured time.
func (s *witness) seen() ([]Life, []Wait) {
	shift := func(times ...*time.Duration) {
		for _, t := range times {
			if *t != Never {
				*t -= s.g.zero()
			}
		}
	}
	for i := range s.lives {
		l := &s.lives[i]
		shift(&l.Connected, &l.First, &l.Last, &l.Ended)
	}
	for i := range s.waits {
		shift(&s.waits[i].From, &s.waits[i].To)
	}
	return s.lives, s.waits
}

func (s *witness) wait(w Wait) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.waits) < most {
		s.waits = append(s.waits, w)
	}
}

// stalled is how long a reader is not to read, by the time line.
func (s *witness) stalled() time.Duration {
	if s == nil || len(s.stalls) == 0 || s.g.phase.Load() != measuring {
		return 0
	}
	now := s.g.now() - s.g.zero()
	for _, e := range s.stalls {
		if over := time.Duration(e.At + e.For); now >= time.Duration(e.At) && now < over {
			return over - now
		}
	}
	return 0
}
