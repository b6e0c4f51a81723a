package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/adit-tunnel/adit/reference/api"
	"github.com/adit-tunnel/adit/reference/mapping"
	"github.com/adit-tunnel/adit/reference/session"
	"github.com/adit-tunnel/adit/reference/sock"
)

// tunnel is one client's connection. It is in the registry from the moment its session can open visitors until the
// session ends.
type tunnel struct {
	id      string
	remote  netip.AddrPort
	addr    netip.Addr // of remote
	log     *slog.Logger
	session *session.Session
	end     context.CancelCauseFunc
	secure  *sock.TLS    // nil: it is not encrypted
	taken   func() error // makes a client of it, the first time that it is called; an error says why not

	accepted time.Time
	shaking  atomic.Bool           // its TLS handshake is not over
	client   atomic.Bool           // it is, or was, a client's
	draining atomic.Bool           // it takes no new visitors
	group    atomic.Pointer[group] // that it is one of; nil: its HELLO has not come
}

// acceptTunnel takes what the tunnel listener accepted, and serves visitors through it at once where no proven
// tunnel does: a client may be silent for its first 15 s (TUN-001). One that lost its tunnel comes back the same way
// (LOSS-004). A tunnel that is to be encrypted counts as unproven from the start, and serves when its handshake is over.
func (s *Server) acceptTunnel(conn *net.TCPConn) {
	s.learnAddrs(conn, s.now().TunnelProxies, &s.accepting, func(from, _ netip.AddrPort, err error) {
		if err != nil {
			s.log.Warn("tunnel refused", "remote", from, "error", err)
			sock.Reset(conn)
			return
		}
		s.beginTunnel(conn, from)
	})
}

// beginTunnel begins a tunnel of the client at remote.
func (s *Server) beginTunnel(conn *net.TCPConn, remote netip.AddrPort) {
	t := &tunnel{id: fmt.Sprintf("t%d", s.lastTunnel.Add(1)), remote: remote, accepted: time.Now()}
	t.addr = t.remote.Addr()
	t.log = s.log.With("tunnel", t.id, "remote", t.remote)
	if !mapping.Allows(s.now().AllowedClients, t.addr) { // MULTI-001
		s.refused.add(refusalOf(errAddress, ""))
		t.log.Warn("tunnel refused", "error", errAddress)
		sock.Reset(conn)
		return
	}
	plain, err := sock.NewTCP(conn)
	if err != nil {
		t.log.Warn("tunnel lost before it began", "error", err)
		sock.Reset(conn)
		return
	}
	var socket sock.Socket = plain
	if s.tls != nil {
		t.secure = sock.ServerTLS(plain, s.tls)
		t.shaking.Store(true)
		socket = t.secure
	}
	cfg := s.now().Session
	cfg.Role, cfg.Logger, cfg.ShortRequests = session.Server, t.log, s.cfg.Rules.ShortRequests
	t.taken = sync.OnceValue(func() error { return s.prove(t) })
	cfg.Proven = t.taken
	cfg.Draining = func() { t.draining.Store(true); s.groups.drain(t) }
	cfg.Binder, cfg.Up = binder{s.groups, t}, func() { s.groups.join(t) }
	if s.cfg.Keys != nil {
		cfg.Keys, cfg.AuthOptional = s.cfg.Keys.Find, s.cfg.AuthOptional
	}
	if t.secure != nil && !s.cfg.TLSEndsBefore {
		cfg.Binding = session.TLSBinding(t.secure)
	}
	ctx, end := context.WithCancelCause(s.relaying)
	t.session, t.end = session.New(socket, cfg), end
	switch evicted := s.registry.add(t); evicted {
	case nil:
		s.arrivals.tell()
	case t:
		why := errNoRoom
		if s.cfg.Keys != nil {
			why = errNoSeat
		}
		s.refused.add(refusalOf(why, ""))
		t.log.Warn("tunnel refused", "error", why)
		end(why)
		socket.Reset()
		return
	default:
		evicted.end(errMadeRoom)
	}
	t.log.Debug("tunnel accepted")
	s.tunnels.Go(func() { s.serveTunnel(ctx, t) })
}

// prove makes a client of whoever is at the other end of t, which sent its first frame, or finished its TLS handshake; or
// refuses it by policy (MULTI-001).
func (s *Server) prove(t *tunnel) error {
	err := s.registry.prove(t, s.now().MaxTunnels)
	if err == nil {
		t.client.Store(true)
		s.arrivals.tell()
		t.log.Info("tunnel connected", append(t.secured(), t.keyed()...)...)
		s.events.Send("client.connected", func() any { return t.who() })
		s.checkKey(t) // which may have been taken away since the proof was right
	} else {
		t.log.Warn("tunnel refused", "error", err)
	}
	return err
}

// serveTunnel runs a session to its end. acceptTunnel starts it; the loss of the tunnel, a tunnel error,
// Close or the end of ctx ends it. Other tunnels never notice (ERR-003).
func (s *Server) serveTunnel(ctx context.Context, t *tunnel) {
	defer t.end(nil)
	s.refreshKeys() // whoever has made a key starts its client at once
	if t.secure != nil && !s.shakeHands(ctx, t) {
		return
	}
	if t.secure != nil && s.cfg.Keys == nil { // with keys it takes a proof
		if err := t.taken(); err != nil { // which is also the answer to its first frame, if one comes
			late := time.AfterFunc(handshakeTime, func() { t.end(err) })
			defer late.Stop()
		}
	}
	s.tunnels.Go(func() { // Run goes on for connections that linger
		<-t.session.Lost()
		if t.client.Load() || s.cfg.Keys == nil { // else it has its seat until its transport is closed
			s.registry.remove(t)
		}
		s.groups.leave(t)
		err := t.session.Err()
		if t.client.Load() {
			s.events.Send("client.gone", func() any { return api.ClientGone{Client: t.who(), Error: api.ErrorText(err)} })
		}
		if err == nil { // else the session has said why
			t.log.Info("tunnel closed")
		}
		if !t.client.Load() {
			s.refused.add(refusalOf(err, "silent"))
		}
		if e, foreign := errors.AsType[*session.ForeignError](err); foreign && e.Speaks == "TLS" {
			t.log.Warn("the client speaks TLS, and this server does not: " + s.whyPlain())
		}
	})
	t.session.Run(ctx)
	s.registry.remove(t)
}

// addrPort is the address of a TCP peer, an IPv4 one always in IPv4 form.
func addrPort(a net.Addr) netip.AddrPort {
	return plain(a.(*net.TCPAddr).AddrPort()) // what a TCP socket has
}

// mostShown is how many connections of a tunnel the API shows.
const mostShown = 100

// connections returns what the API shows of a tunnel's connections.
func connections(s *session.Session) []api.Connection {
	all := []api.Connection{}
	for _, c := range s.Connections(mostShown) {
		shown := api.Connection{ID: c.ID, Target: c.Target.String(), State: c.State, Credit: c.Credit, Window: c.Window, Queue: c.Queue}
		if c.Origin.IsValid() {
			shown.Origin = c.Origin.String()
		}
		all = append(all, shown)
	}
	return all
}

// tunnelStats returns what the API shows of the clients that are connected now.
func (s *Server) tunnelStats() []api.Tunnel {
	var all []api.Tunnel
	for _, t := range s.registry.clients() {
		n := t.session.Stats()
		profile := "core"
		if n.Protocol == session.ExtendedOnly {
			profile = "extended"
		}
		all = append(all, api.Tunnel{
			ID: t.id, Profile: profile, TLS: t.secure != nil, Key: n.Key, WhyCore: n.Why, Agent: n.Agent, Name: n.Name, Draining: n.Draining,
			RTT: float64(n.RTT) / float64(time.Millisecond), Grown: n.Grown, Held: n.Held, Queued: n.Queued, OverBudget: n.OverBudget,
			Connections: connections(t.session),
			Remote:      t.remote.String(), Since: n.Start, Active: n.Active, Total: n.Opened + n.Failed, Failed: n.Failed,
			In: n.PayloadOut, Out: n.PayloadIn, KeepAlive: n.LastKeepAlive,
		})
	}
	return all
}
