package server

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/adit-tunnel/adit/reference/forward"
	"github.com/adit-tunnel/adit/reference/mapping"
)

// port is a mapped port: its listener, and the account of its visitors. It is a [mapping.Listener].
type port struct {
	server   *Server
	listener *net.TCPListener // nil: no visitors come by TCP
	datagram *net.UDPConn     // nil: none come by UDP
	mapping  mapping.Mapping  // set by Serve, as are the next three
	clients  netip.Prefix     // whose tunnels may serve it; zero: any
	door     *door
	pool     *forward.Pool // nil: it uses the tunnel
	binding  *binding      // that it is the port of; nil: a mapping's

	mu       sync.Mutex // guards the following fields
	closed   bool
	live     map[*visit]struct{}
	over     mapping.Traffic  // of visits that are over; but Total is of all, and Active and Failures unused
	failures map[string]int64 // what ended them before their time
	drops    map[string]int64 // datagrams, by why
}

// listenPort binds the port of a mapping.
func (s *Server) listenPort(m mapping.Mapping) (mapping.Listener, error) {
	if who := s.groups.holder(m.Port); who != "" {
		return nil, &mapping.Error{Kind: mapping.Conflict, Field: "port", Reason: fmt.Sprintf("%d is one that a client has asked for (%s); use another, or end that client", m.Port, who)}
	}
	p := newPort(s, nil)
	var err error
	if m.TCP() {
		p.listener, err = listen(s.cfg.VisitorHost, m.Port)
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

func newPort(s *Server, l *net.TCPListener) *port {
	p := &port{server: s, listener: l, live: map[*visit]struct{}{}, failures: map[string]int64{}, drops: map[string]int64{}}
	s.ports.Store(p, nil)
	return p
}

// Serve accepts visitors of m until Close is called.
func (p *port) Serve(m mapping.Mapping) {
	p.mu.Lock() // Traffic may be asked for already
	p.mapping, p.clients, p.door = m, m.Clients(), newDoor(m, &p.server.visitors)
	ctx, end := context.WithCancel(p.server.relaying)
	var both sync.WaitGroup
	if !m.UseTunnel {
		p.pool = forward.NewPool(forward.PoolConfig{
			Targets: m.AllTargets(), Balance: m.Balance, Check: time.Duration(m.HealthCheck), Changed: p.targetChanged,
		})
		both.Go(func() { p.pool.Run(ctx) })
	}
	p.mu.Unlock()
	if p.datagram != nil {
		both.Go(p.serveDatagrams)
	}
	if p.listener != nil {
		p.server.acceptLoop(p.listener, p.server.log.With("port", m.Port), p.acceptVisitor)
		end()
	}
	both.Wait()
	end()
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
	p.closed = true
	p.forgetLocked()
}

// targetChanged logs what checks found.
func (p *port) targetChanged(target string, up bool, err error) {
	log := p.server.log.With("port", p.mapping.Port, "target", target)
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
	if m := p.mapping; p.pool != nil && (len(m.Targets) > 0 || m.HealthCheck > 0) {
		p.pool.State(func(target string, up bool, active, failed int64) {
			sum.Targets = append(sum.Targets, mapping.TargetState{Target: target, Up: up, Active: active, Failed: failed})
		})
	}
	return sum
}
