package session

import "context"

// Drain makes the session refuse new connections from now on: Open fails, and a client answers requests
// with a failure.
func (s *Session) Drain() {
	s.mu.Lock()
	defer s.unlock()
	s.refusing = true
	s.checkIdle()
}

// Close drains the session, waits until its connections have ended and what it owes is written, and
// closes the tunnel. When ctx ends first, the tunnel and all its connections are cut, and the cause of
// ctx is returned. It needs Run, which returns nil afterwards.
func (s *Session) Close(ctx context.Context) error {
	s.Drain()
	var err error
	select {
	case <-s.idle:
	case <-s.done:
	default:
		select {
		case <-s.idle:
		case <-s.done:
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
	}
	s.cut(nil)
	return err
}

// checkIdle notes that a draining session has nothing left to do. Only the peer's last word for every
// connection proves that it has all octets: what the system still holds of them when the tunnel is closed
// may be lost. The lock is held.
func (s *Session) checkIdle() {
	if !s.refusing || s.dead || len(s.live)+len(s.ids.conns) > 0 || s.writing || s.out.size > 0 {
		return
	}
	select {
	case <-s.idle:
	default:
		close(s.idle)
	}
}
