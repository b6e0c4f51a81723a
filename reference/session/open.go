package session

import (
	"fmt"

	"github.com/adit-tunnel/adit/spec/wire"
)

// Open requests a connection for v and returns at once. The session owns the visitor's socket from then on,
// unless an error is returned: ErrEnded, ErrClosing, ErrTooMany, or one that names an unusable target.
func (s *Session) Open(v Visitor) error {
	if s.cfg.Role != Server {
		panic("session: internal error: Open on a client")
	}
	if len(v.Target.Host) > 255 {
		return fmt.Errorf("session: target host has %d bytes, at most 255 can be sent", len(v.Target.Host))
	}
	s.mu.Lock()
	defer s.unlock()
	switch {
	case s.ended:
		return ErrEnded
	case s.refusing:
		return ErrClosing
	case s.fullLocked():
		return ErrTooMany
	}
	if s.guarded() || s.unheard() {
		return ErrNotUp // AUTH-001, AUTH-026
	}
	if s.phase == greeting && s.cfg.Protocol == ExtendedOnly {
		return ErrCoreOnly // it is not known yet to be more
	}
	if v.Target.Service != "" && s.phase != up {
		return ErrCoreOnly // which knows no services
	}
	c, err := s.requestLocked(v)
	if err != nil {
		return err
	}
	c.local.target, c.local.sock, c.local.counts, c.local.over = v.Target, v.Socket, v.Counts, v.Over
	c.local.origin = v.Origin
	if v.Idle > 0 {
		c.local.idle, c.local.movedAt = v.Idle, s.now()
		c.setDueLocked(&c.local.idleDue, v.Idle/4)
	}
	c.setDueLocked(&c.idDue, s.cfg.ConnectTimeout)
	s.wg.Go(c.readLocal)
	s.startWriteLocked()
	return nil
}

// requestLocked asks the client for a connection, by the profile of the tunnel.
func (s *Session) requestLocked(v Visitor) (*conn, error) {
	if s.phase == up {
		return s.openExtLocked(v) // HELLO-008
	}
	c := s.addCoreLocked(s.ids.allocate(), requested)
	r := wire.ConnectRequest{ID: c.id, Port: v.Target.Port, Short: s.cfg.ShortRequests}
	if !r.Short {
		r.Host = v.Target.Host
		if r.Host == "" {
			r.Host = "127.0.0.1"
		}
	}
	// OPEN-001
	s.queueLocked(wire.AppendConnectRequest(s.frame[:0], r), false)
	return &c.conn, nil
}

// fullLocked reports whether there are as many connections as allowed, those counted whose ID is idle again but
// whose local socket is not finished with.
func (s *Session) fullLocked() bool {
	n := max(len(s.ids.conns), len(s.live))
	if s.phase == up {
		n += s.cancelled // XOPEN-013
	}
	return n >= s.cfg.MaxConnections
}
