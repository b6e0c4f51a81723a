package server

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/adit-tunnel/adit/reference/forward"
	"github.com/adit-tunnel/adit/reference/mapping"
)

// port is a mapped port: its listener, and the account of its visitors. It is a [mapping.Listener].
type port struct {
	server   *Server
	listener *net.TCPListener // nil: no visitors come by TCP
	datagram *net.UDPConn     // nil: none come by UDP
	web      chan struct{}    // visitors come by a host, until it is closed; nil: they do not
	binding  *binding         // that it is the port of; nil: a mapping's
	terms    atomic.Pointer[terms]
	serving  chan struct{}  // closed once Serve has begun
	running  sync.WaitGroup // pools and serveDatagrams
	open     context.Context
	end      context.CancelFunc

	mu       sync.Mutex // guards the following fields
	closed   bool
	live     map[*visit]struct{}
	over     mapping.Traffic  // of visits that are over; but Total is of all, and Active and Failures unused
	failures map[string]int64 // what ended them before their time
	drops    map[string]int64 // datagrams, by why
}

// terms are what a mapping says of its visitors. A visitor has those that it came by, whatever changes.
type terms struct {
	mapping mapping.Mapping
	clients netip.Prefix // whose tunnels may serve it; zero: any
	door    *door
	pool    *forward.Pool // nil: it uses the tunnel
	end     context.CancelFunc
}

// listenPort binds the port of a mapping.
func (s *Server) listenPort(m mapping.Mapping) (mapping.Listener, error) {
	if m.Host != "" {
		return s.listenWeb(m)
	}
	if who := s.groups.holder(m.Port); who != "" {
		return nil, &mapping.Error{Kind: mapping.Conflict, Field: "port", Reason: fmt.Sprintf("%d is one that a client has asked for (%s); use another, or end that client", m.Port, who)}
	}
	p := newPort(s, nil, m)
	var err error
	if m.TCP() {
		p.listener, err = s.listen(s.cfg.VisitorHost, m.Port)
	}
	if m.UDP() && err == nil {
		p.datagram, err = listenUDP(s.cfg.VisitorHost, m.Port)
	}
	if err != nil {
		p.Close()
		return nil, &mapping.Error{Kind: mapping.Conflict, Field: "port", Reason: err.Error()}
	}
	return p, nil
}

func newPort(s *Server, l *net.TCPListener, m mapping.Mapping) *port {
	p := &port{server: s, listener: l, serving: make(chan struct{}), live: map[*visit]struct{}{}, failures: map[string]int64{}, drops: map[string]int64{}}
	p.open, p.end = context.WithCancel(s.relaying)
	p.terms.Store(p.newTerms(m))
	s.ports.Store(p, nil)
	return p
}

func (p *port) newTerms(m mapping.Mapping) *terms {
	t := &terms{mapping: m, clients: m.Clients(), door: newDoor(m, &p.server.visitors), end: func() {}}
	if !m.UseTunnel {
		t.pool = forward.NewPool(forward.PoolConfig{
			Targets: m.AllTargets(), Balance: m.Balance, Check: time.Duration(m.HealthCheck),
			Changed: func(target string, up bool, err error) { p.targetChanged(m.Attr(), target, up, err) },
		})
	}
	return t
}

// watch has the targets of a mapping checked, until its terms change or the port closes.
func (p *port) watch(t *terms) {
	if t.pool != nil {
		ctx, end := context.WithCancel(p.open)
		t.end = end
		p.running.Go(func() { t.pool.Run(ctx) })
	}
}

// Serve accepts visitors until Close is called.
func (p *port) Serve() {
	t := p.terms.Load()
	p.watch(t)
	close(p.serving)
	if p.datagram != nil {
		p.running.Go(p.serveDatagrams)
	}
	if p.listener != nil {
		p.server.acceptLoop(p.listener, p.server.log.With(t.mapping.Attr()), p.acceptVisitor)
		p.end()
	}
	if p.web != nil {
		p.serveWeb(t.mapping)
		p.end()
	}
	p.running.Wait()
	p.end()
}

// Change has the port go by m, from the next visitor on. It reports whether it can: those that come by UDP keep what they came
// by for as long as the port is open.
func (p *port) Change(m mapping.Mapping) bool {
	<-p.serving
	old := p.terms.Load()
	if p.web != nil || m.UDP() || old.mapping.UDP() {
		return false
	}
	t := p.newTerms(m)
	t.door.here = old.door.here // whoever is there counts
	t.door.here.bound(m.MaxConnections, m.MaxPerAddress)
	p.watch(t)
	p.terms.Store(t)
	old.end()
	return true
}

// Close closes the port to new visitors, and of UDP to those that are there. A second time does no harm.
func (p *port) Close() {
	if p.listener != nil {
		p.listener.Close()
	}
	if p.datagram != nil {
		p.datagram.Close()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.web != nil && !p.closed {
		close(p.web)
	}
	p.closed = true
	p.end() // also of a port that never served
	p.forgetLocked()
}

// targetChanged logs what checks found.
func (p *port) targetChanged(place slog.Attr, target string, up bool, err error) {
	log := p.server.log.With(place, "target", target)
	if up {
		log.Info("target up again")
	} else {
		log.Warn("target down: visitors go to others first", "error", err)
	}
}

// forgetLocked forgets a port that is closed and has no visitors any more.
func (p *port) forgetLocked() {
	if p.closed && len(p.live) == 0 {
		p.server.ports.Delete(p)
	}
}

// Traffic is that of all visitors so far.
func (p *port) Traffic() mapping.Traffic {
	p.mu.Lock()
	defer p.mu.Unlock()
	sum := p.over
	sum.Active, sum.Failures, sum.Drops = len(p.live), maps.Clone(p.failures), maps.Clone(p.drops)
	for v := range p.live {
		v.addTo(&sum)
	}
	if t := p.terms.Load(); t.pool != nil && (len(t.mapping.Targets) > 0 || t.mapping.HealthCheck > 0) {
		t.pool.State(func(target string, up bool, active, failed int64) {
			sum.Targets = append(sum.Targets, mapping.TargetState{Target: target, Up: up, Active: active, Failed: failed})
		})
	}
	return sum
}
