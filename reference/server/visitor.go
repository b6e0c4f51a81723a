package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/adit-tunnel/adit/reference/api"
	"github.com/adit-tunnel/adit/reference/forward"
	"github.com/adit-tunnel/adit/reference/mapping"
	"github.com/adit-tunnel/adit/reference/session"
	"github.com/adit-tunnel/adit/reference/sock"
)

// errExhausted ends a visit while the descriptors are short.
var errExhausted = errors.New("as many files are open as the system allows; raise the limit (ulimit -n), or lower tunnel.max_connections and direct.max_connections")

// errTunnelOff ends a visit of a mapping that was stored while the tunnel was on.
var errTunnelOff = errors.New("this mapping leads through the tunnel, which is off; set tunnel.enabled, or make the mapping anew with use_tunnel false")

// errNoTunnel ends a visit that no tunnel can serve.
var errNoTunnel = errors.New("no connected client serves this mapping: start one, or correct the mapping's client")

// errAway ends a visit of a port that is kept for a client.
var errAway = errors.New("the client that asked for this port is away, or drains")

// visit is one visitor, from its accept to its end.
type visit struct {
	port   *port
	terms  *terms
	start  time.Time
	id     uint64                 // in the log
	from   netip.AddrPort         // the port's lock guards it, and the next two
	local  netip.AddrPort         // that it connected to
	inside bool                   // the door let it in
	tunnel atomic.Pointer[tunnel] // that serves it; nil: none
	counts sock.Counts
	why    error  // what ended it; read by who sees its socket reset
	leave  func() // gives up its place among those of an owner; nil: it has none
}

// say logs something of a visit. At the usual level an orderly one says nothing, and costs no line.
func (v *visit) say(level slog.Level, msg string, attrs ...slog.Attr) {
	log, ctx := v.port.server.log, context.Background()
	if !log.Enabled(ctx, level) {
		return
	}
	who := []slog.Attr{slog.String("conn", fmt.Sprintf("%016x", v.id)), v.terms.mapping.Attr(), slog.Any("visitor", v.from)}
	log.LogAttrs(ctx, level, msg, append(who, attrs...)...)
}

// addTo adds the bytes of a visit so far.
func (v *visit) addTo(sum *mapping.Traffic) {
	sum.In += v.counts.ToService.Load()
	sum.Out += v.counts.ToVisitor.Load()
}

// acceptVisitor takes what the listener of p accepted. It waits for nothing; a visitor that has to wait for a tunnel does so
// on a goroutine of its own.
func (p *port) acceptVisitor(conn *net.TCPConn) {
	v := &visit{port: p, terms: p.terms.Load(), start: time.Now(), id: rand.Uint64(), from: addrPort(conn.RemoteAddr())}
	p.begin(v)
	p.server.learnAddrs(conn, p.server.now().VisitorProxies, &p.server.relays, func(from, local netip.AddrPort, err error) {
		p.mu.Lock()
		v.from, v.local = from, local
		p.mu.Unlock()
		if err == nil && p.server.mayWait(v) {
			p.server.relays.Go(func() { p.server.awaitTunnel(v); p.serveVisitor(v, conn, nil) })
			return
		}
		p.serveVisitor(v, conn, err)
	})
}

// serveVisitor serves a visitor whose address is known, unless err says that it is not.
func (p *port) serveVisitor(v *visit, conn *net.TCPConn, err error) {
	s := p.server
	if err == nil {
		err = v.terms.door.enter(v.from.Addr())
		v.inside = err == nil
	}
	if err != nil {
		sock.Reset(conn)
		v.end(err)
		return
	}
	socket, err := sock.NewTCP(conn)
	switch {
	case err != nil:
	case !s.reserve.fill():
		err = errExhausted
	case v.terms.mapping.UseTunnel && s.tunnelListener == nil:
		err = errTunnelOff
	case v.terms.mapping.UseTunnel:
		err = s.tunnelVisit(v, socket)
	default:
		s.relays.Go(func() { s.forwardVisit(v, socket) })
	}
	switch {
	case err == nil:
	case errors.Is(err, errExhausted):
		// An end and not a reset: some systems show a reset that comes with the connection as a failure to connect, and
		// that reads as if nobody listened.
		socket.Close()
		v.end(err)
	default:
		// OPEN-026: when no tunnel can serve a visitor, end it at once, with no byte sent to it.
		sock.Reset(conn)
		v.end(err)
	}
}

// begin enters a visit in the account of its port.
func (p *port) begin(v *visit) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over.Total++
	p.live[v] = struct{}{}
	p.server.events.Send("visitor.accepted", func() any { return v.show() })
}

// tunnelVisit hands a visitor to the tunnel that serves its mapping, whose session ends the visit. An error
// leaves that to the caller.
func (s *Server) tunnelVisit(v *visit, socket sock.Socket) error {
	m := v.terms.mapping
	visitor := session.Visitor{
		Target: session.Target{Host: m.TargetHost, Port: uint16(m.TargetPort)},
		Origin: v.from, Local: v.local,
		Counts: &v.counts, Over: v.end, Idle: time.Duration(m.IdleTimeout),
	}
	for {
		t, service := s.chooseTunnel(v)
		switch {
		case t == nil && v.port.binding != nil:
			return errAway
		case t == nil:
			return errNoTunnel
		}
		if service != "" {
			visitor.Target = session.Target{Service: service}
		}
		v.say(slog.LevelDebug, "visitor accepted", slog.Any("tunnel", t.id))
		v.tunnel.Store(t)
		visitor.Socket = v.bounded(socket, t)
		var err error
		if v.leave, err = s.groups.enterVisitor(t); err != nil {
			return err
		}
		if err = t.session.Open(visitor); err != nil {
			v.leave()
			v.leave = nil
		}
		switch {
		case errors.Is(err, session.ErrClosing):
			t.draining.Store(true) // AWAY-008: the next one serves
			continue
		case errors.Is(err, session.ErrTooMany):
			return fmt.Errorf("%w: tunnel.max_connections allows no more on %s", err, t.id)
		case !errors.Is(err, session.ErrEnded):
			return err
		}
		s.registry.remove(t) // it ended, and its goroutine has not said so yet: the next one serves
		s.groups.leave(t)
	}
}

// forwardVisit serves a visitor of a direct mapping. acceptVisitor starts it; the end of both directions ends it, or
// that of the server.
func (s *Server) forwardVisit(v *visit, socket *sock.TCP) {
	v.say(slog.LevelDebug, "visitor accepted", slog.Any("targets", v.terms.mapping.AllTargets()))
	m, cfg := v.terms.mapping, s.now()
	o := forward.Options{
		From: v.from.Addr(), DialTimeout: cfg.DialTimeout, Max: int64(cfg.MaxDirect),
		Limits: forward.Limits{Up: v.terms.door.up, Down: v.terms.door.down, Idle: time.Duration(m.IdleTimeout)},
	}
	if m.ProxyProtocol != "" {
		o.Header = forward.ProxyHeader(m.ProxyProtocol, v.from, v.local)
	}
	v.end(s.direct.Forward(s.relaying, socket, v.terms.pool, &v.counts, o))
}

// bounded is a visitor's socket within the rates of its mapping. In Core one that takes its bytes slowly stops all others of
// the tunnel, until it is ended for that (FLOW-003): there what goes to visitors has no bound.
func (v *visit) bounded(socket sock.Socket, t *tunnel) sock.Socket {
	up, down := v.terms.door.up, v.terms.door.down
	if down != nil && t.session.Stats().Protocol != session.ExtendedOnly {
		t.log.Warn("rate_down not kept: the client speaks Core, where a bound for one visitor would stop the others", v.terms.mapping.Attr())
		down = nil
	}
	return sock.Limit(socket, up, down)
}

// end ends the account of a visit. It is called once.
func (v *visit) end(err error) {
	failure := failureOf(err)
	v.why = err
	if v.inside {
		v.terms.door.leave(v.from.Addr())
	}
	if v.leave != nil {
		v.leave()
	}
	v.port.finish(v, failure)
	v.port.server.events.Send("visitor.gone", func() any { return api.Gone{Visit: v.show(), Failure: failure} })
	level := slog.LevelDebug
	if err != nil {
		level = slog.LevelInfo
	}
	v.say(level, "visitor gone", slog.Duration("after", time.Since(v.start)),
		slog.Int64("in", v.counts.ToService.Load()), slog.Int64("out", v.counts.ToVisitor.Load()), slog.String("failure", failure), slog.Any("error", err))
}

// finish counts what a visit came to.
func (p *port) finish(v *visit, failure string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.live, v)
	p.forgetLocked()
	v.addTo(&p.over)
	if failure != "" {
		p.over.Failed++
		p.failures[failure]++
	}
}
