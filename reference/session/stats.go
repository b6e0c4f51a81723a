package session

import "time"

// Stats are the counters of a session at one instant.
type Stats struct {
	// Start is when the session was made.
	Start time.Time
	// OctetsIn and OctetsOut count what was read from and written to the tunnel, headers included.
	OctetsIn, OctetsOut int64
	// PayloadIn counts octets written to local sockets or queued for them, PayloadOut those read from them
	// and sent.
	PayloadIn, PayloadOut int64
	// Opened counts connections that opened, Failed requests that did not.
	Opened, Failed int64
	// Active is the number of connections that have a local socket or wait for one.
	Active int
	// LastRead is when octets last came from the peer (at first: Start), LastKeepAlive when a KeepAlive did
	// (zero: never).
	LastRead, LastKeepAlive time.Time
	// Paused is how long the reader waited for local sockets, in all.
	Paused time.Duration
}

// Stats returns the counters of this instant.
func (s *Session) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.stats
	st.Start = s.start
	st.Active = len(s.live)
	st.LastRead = s.start.Add(s.lastRead)
	return st
}

// Active is the number of connections that have a local socket or wait for one.
func (s *Session) Active() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.live)
}
