package session

import (
	"sync"
	"sync/atomic"
)

// Memory bounds what the tunnels of a process hold together, of received Data and of what is read ahead from local sockets:
// WIN-008's rule then chooses among the connections of all of them.
type Memory struct {
	most int64
	held atomic.Int64

	mu      sync.Mutex // taken before that of a session, never the other way round
	tunnels map[*Session]struct{}
}

// NewMemory returns a bound of that many bytes.
func NewMemory(most int64) *Memory {
	return &Memory{most: most, tunnels: map[*Session]struct{}{}}
}

// Held is how many bytes the tunnels hold.
func (m *Memory) Held() int64 { return m.held.Load() }

func (m *Memory) add(s *Session) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tunnels[s] = struct{}{}
}

func (m *Memory) remove(s *Session) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.tunnels, s)
}

// fit ends connections, of whichever tunnel, until the tunnels hold no more than they may.
func (m *Memory) fit() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for m.held.Load() > m.most {
		var from *Session
		var longest instant
		for s := range m.tunnels {
			if took, any := s.starved(); any && (from == nil || took > longest) {
				from, longest = s, took
			}
		}
		if from == nil {
			return
		}
		from.starve()
	}
}

// starved is for how long the connection has taken nothing that goes first when there is no memory, if there is one.
func (s *Session) starved() (instant, bool) {
	s.mu.Lock()
	defer s.unlock()
	c := s.hungriestLocked()
	if c == nil {
		return 0, false
	}
	return s.now() - c.in.took, true
}

// starve ends that connection.
func (s *Session) starve() {
	s.mu.Lock()
	defer s.unlock()
	if c := s.hungriestLocked(); c != nil {
		s.endOverBudgetLocked(c)
		s.startWriteLocked()
	}
}

// hungriestLocked is the connection whose local socket has taken nothing for longest, of those for which something is held.
func (s *Session) hungriestLocked() (hungriest *conn) {
	for c := range s.live {
		if c.in.held > 0 && c.local.takes() && (hungriest == nil || c.in.took < hungriest.in.took) {
			hungriest = c
		}
	}
	return hungriest
}

func (s *Session) endOverBudgetLocked(c *conn) {
	s.stats.OverBudget++
	c.kind.overBudgetLocked()
}

// holdLocked counts n bytes more that are held; fewer, if it is negative.
func (s *Session) holdLocked(n int) {
	s.held += n
	if s.cfg.Together != nil {
		s.cfg.Together.held.Add(int64(n))
	}
}

// scarceLocked reports whether half of the memory is in use: from then on nothing is read ahead (WIN-001).
func (s *Session) scarceLocked() bool {
	m := s.cfg.Together
	return s.held > s.cfg.Memory/2 || m != nil && m.held.Load() > m.most/2
}

// fitLocked ends connections while too much is held: of an extended tunnel by itself, or of all tunnels, those whose local
// socket took nothing for longest (WIN-008).
func (s *Session) fitLocked() {
	for s.phase == up && s.held > s.cfg.Memory {
		c := s.hungriestLocked()
		if c == nil {
			break
		}
		s.endOverBudgetLocked(c)
	}
	if m := s.cfg.Together; m != nil && m.held.Load() > m.most {
		s.effects = append(s.effects, effect{do: tellOnly, over: func(error) { m.fit() }})
	}
}
