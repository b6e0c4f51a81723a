package server

import (
	"time"
)

// lookAtKeys is how often the file of keys is looked at: a key that is taken away ends its tunnels at once (AUTH-018).
const lookAtKeys = time.Second

// watchKeys looks at the file of keys. Run starts it; the end of the last tunnel ends it.
func (s *Server) watchKeys() {
	tick := time.NewTicker(lookAtKeys)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.refreshKeys()
		case <-s.relaying.Done():
			return
		}
	}
}

// refreshKeys reads the keys again if their file has changed, and ends the tunnels of those that are no more.
func (s *Server) refreshKeys() {
	if s.cfg.Keys == nil {
		return
	}
	changed, err := s.cfg.Keys.Refresh()
	switch {
	case err != nil:
		s.log.Error("the file of keys has changed and cannot be used; the keys that were read before go on", "error", err)
	case changed:
		s.log.Info("the file of keys has changed, and was read again", "keys", s.cfg.Keys.Len())
		s.groups.recheck()
		for _, t := range s.registry.clients() {
			s.checkKey(t)
		}
	}
}

// hasKey reports whether there is a key of that ID.
func (s *Server) hasKey(id string) bool {
	_, ok := s.cfg.Keys.Rights(id)
	return ok
}

// checkKey ends the tunnel of a key that was taken away. A tunnel is checked when it is in the registry, and all that are
// there when the keys have changed: none slips through.
func (s *Server) checkKey(t *tunnel) {
	if key, ok := t.session.Key(); ok && !s.cfg.Keys.Has(key) {
		t.log.Warn("tunnel ended: its key was taken away", "key", key.ID)
		t.session.Revoke()
	}
}

// keyed is what the log says of a tunnel with a key.
func (t *tunnel) keyed() []any {
	if key, ok := t.session.Key(); ok {
		return []any{"key", key.ID}
	}
	return nil
}

// warnOfKeys says what the keys do not do.
func (s *Server) warnOfKeys() {
	if s.cfg.Keys == nil {
		return
	}
	if s.cfg.Keys.Len() == 0 {
		s.log.Warn("the file of keys has none, so every client is denied; make one with: adit-server keygen NAME")
	}
	if s.cfg.TLS == nil {
		s.log.Warn("keys without TLS keep strangers out, and no more: who stands between this server and a client reads and changes everything, and can take the tunnel over; set security.tunnel.enable_tls where the path is not trusted")
	}
}
