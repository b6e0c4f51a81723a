package server

import (
	"net"
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

// required reports whether a client without a key is denied.
func (s *Server) required() bool { return s.cfg.Keys != nil && !s.cfg.AuthOptional }

// guarded is what the line that the server is ready says of who may be a client, and who can listen.
func (s *Server) guarded() []any {
	auth, args := "none", []any{}
	switch {
	case s.tunnelListener == nil:
		return nil
	case s.required():
		auth = "required"
	case s.cfg.Keys != nil:
		auth = "optional"
	}
	args = append(args, "auth", auth)
	if s.cfg.Keys != nil {
		args = append(args, "keys", s.cfg.Keys.Path())
	}
	args = append(args, "tls", s.cfg.TLS != nil)
	if s.cfg.TLS != nil {
		if pin, lasts := s.cfg.TLS.Pin(s.log); lasts {
			args = append(args, "pin", pin.String())
		}
	}
	return args
}

// warnOfStrangers says whom the server lets in, where that is not those alone who have a key and TLS.
func (s *Server) warnOfStrangers() {
	switch {
	case s.tunnelListener == nil:
	case s.cfg.Keys == nil && s.here() && s.cfg.AuthOptional: // as it was told
	case s.cfg.Keys == nil && s.here():
		s.log.Info("no keys: clients of this machine alone are taken; make a key with: adit-server keygen NAME, or take every client with --open")
	case s.cfg.Keys == nil && (s.cfg.TLS == nil || !s.cfg.TLS.AsksClients()):
		s.log.Warn("every client is taken: whoever reaches this address serves visitors; make a key for each client with: adit-server keygen NAME")
	case s.cfg.Keys == nil:
	case s.required() && s.cfg.Keys.Len() == 0:
		s.log.Warn("the file of keys has none, so every client is denied; make one with: adit-server keygen NAME")
	case !s.required():
		s.log.Warn("clients without a key are served, too: whoever reaches this address serves visitors; leave --open out when all clients have keys")
	}
	if s.cfg.Keys != nil && s.cfg.TLS == nil && !s.cfg.TLSEndsBefore {
		s.log.Warn("keys without TLS keep strangers out, and no more: who stands between this server and a client reads and changes everything, and can take the tunnel over; leave --plain out, here and at the clients, where the path is not trusted")
	}
}

// here reports whether clients of this machine alone reach the server.
func (s *Server) here() bool {
	addr, ok := s.tunnelListener.Addr().(*net.TCPAddr)
	return ok && addr.IP.IsLoopback()
}
