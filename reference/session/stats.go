package session

import (
	"cmp"
	"net/netip"
	"slices"
	"time"
)

// Stats are the counters of a session at one instant.
type Stats struct {
	// Start is when the session was made.
	Start time.Time
	// PayloadIn counts bytes written to local sockets or queued for them, PayloadOut those read from them
	// and sent.
	PayloadIn, PayloadOut int64
	// Opened counts connections that opened, Failed requests that did not.
	Opened, Failed int64
	// Active is the number of connections that have a local socket or wait for one.
	Active int
	// Protocol is CoreOnly or ExtendedOnly: the profile that is spoken. Why says why it is Core where more was wanted, or
	// that nothing is known yet.
	Protocol Protocol
	Why      string
	// Agent and Name are what the peer's HELLO says.
	Agent, Name string
	// Key is the ID of the key that both ends have proven to have; "": none.
	Key string
	// RTT is the smallest round trip of the last minute; 0: none is known.
	RTT time.Duration
	// Grown is what the windows of connections have grown by, in all.
	Grown int64
	// Held is the memory of received Data that local sockets have not taken, Queued what waits to be sent, in bytes.
	Held, Queued int
	// Draining: no new connection comes.
	Draining bool
	// OverBudget counts connections that were ended because the tunnel held too much.
	OverBudget int64
	// LastKeepAlive is when a KeepAlive last came from the peer (zero: never).
	LastKeepAlive time.Time
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
	st.Grown = s.grown
	st.Held, st.Queued = s.held, s.urgent.size+s.queued.size+s.inFlight.size
	st.Draining = s.drained || s.peerDrains
	st.Agent, st.Name, st.RTT, st.Why = s.peer.Agent, s.peer.Name, s.ping.path.trip, s.why
	switch {
	case s.phase == up:
		st.Protocol, st.Key = ExtendedOnly, s.proofs.key.ID
	case s.guarded():
		st.Why = "no proof of a key yet"
	case s.phase == greeting:
		st.Why = "no answer to the greeting yet"
	}
	return st
}

// ConnStats is one connection at one instant.
type ConnStats struct {
	ID     uint32
	Target Target
	Origin netip.AddrPort // of the visitor; the zero value: not known
	State  string         // of PROTOCOL.md's tables
	// Extended: the connection is none of Core's, and Credit and Window mean something.
	Extended bool
	// Credit is how much more this side may send, Window how much more than was taken the peer may have sent.
	Credit, Window uint64
	// Queue is how many bytes wait for the local socket.
	Queue int
}

// Connections returns the connections of this instant that have a local socket or wait for one, the oldest IDs first, at
// most that many.
func (s *Session) Connections(most int) []ConnStats {
	s.mu.Lock()
	all := make([]ConnStats, 0, len(s.live))
	for c := range s.live {
		st := ConnStats{ID: c.id, Target: c.local.target, Origin: c.local.origin, Queue: c.in.queue.Len()}
		switch k := c.kind.(type) {
		case *coreConn:
			st.State = k.state.String()
		case *extConn:
			st.Extended, st.State = true, k.state.String()
			st.Credit, st.Window = k.credit.limit-k.out.sent, k.granted.window
		}
		all = append(all, st)
	}
	s.mu.Unlock()
	slices.SortFunc(all, func(a, b ConnStats) int { return cmp.Compare(a.ID, b.ID) })
	return all[:min(len(all), most)]
}

// Active is the number of connections that have a local socket or wait for one.
func (s *Session) Active() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.live)
}
