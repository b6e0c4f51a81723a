package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"

	"github.com/adit-tunnel/adit/reference/forward"
	"github.com/adit-tunnel/adit/reference/session"
)

// tunnel is one client's connection, in the registry while its session runs.
type tunnel struct {
	id      string
	remote  netip.AddrPort
	addr    netip.Addr // of remote
	log     *slog.Logger
	session *session.Session
}

// acceptTunnel takes what the tunnel listener accepted, and serves visitors through it at once: a client may
// be silent for its first 15 s (TUN-001). One that lost its tunnel comes back the same way (LOSS-004).
func (s *Server) acceptTunnel(conn *net.TCPConn) {
	t := &tunnel{id: fmt.Sprintf("t%d", s.lastTunnel.Add(1)), remote: addrPort(conn.RemoteAddr())}
	t.addr = t.remote.Addr()
	t.log = s.log.With("tunnel", t.id, "remote", t.remote)
	if err := s.admit(t.addr); err != nil {
		t.log.Warn("tunnel refused", "error", err)
		forward.Reset(conn)
		return
	}
	socket, err := session.TCP(conn)
	if err != nil {
		t.log.Warn("tunnel lost before it began", "error", err)
		forward.Reset(conn)
		return
	}
	cfg := s.cfg.Session
	cfg.Role, cfg.Logger = session.Server, t.log
	t.session = session.New(socket, cfg)
	s.registry.add(t)
	t.log.Info("tunnel connected")
	s.tunnels.Go(func() { s.serveTunnel(t) })
}

// admit decides by policy whether a client may connect (MULTI-001).
func (s *Server) admit(addr netip.Addr) error {
	allowed := s.cfg.AllowedClients
	if len(allowed) > 0 && !slices.ContainsFunc(allowed, func(p netip.Prefix) bool { return p.Contains(addr) }) {
		return errors.New("its address is not in tunnel.allowed_clients; add it there to allow it")
	}
	if n := len(s.registry.all()); s.cfg.MaxTunnels > 0 && n >= s.cfg.MaxTunnels {
		return fmt.Errorf("%d tunnels are connected, as many as tunnel.max_tunnels allows; raise it or end some", n)
	}
	return nil
}

// serveTunnel runs a session to its end. acceptTunnel starts it; the loss of the tunnel, a tunnel error
// or Close ends it. Other tunnels never notice (ERR-003).
func (s *Server) serveTunnel(t *tunnel) {
	err := t.session.Run(context.Background())
	s.registry.remove(t)
	if err == nil { // else the session has said why
		t.log.Info("tunnel closed")
	}
}

// addrPort is the address of a TCP peer, an IPv4 one always in IPv4 form.
func addrPort(a net.Addr) netip.AddrPort {
	ap := a.(*net.TCPAddr).AddrPort() // what a TCP socket has
	return netip.AddrPortFrom(ap.Addr().Unmap().WithZone(""), ap.Port())
}
