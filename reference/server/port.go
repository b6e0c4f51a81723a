package server

import (
	"fmt"
	"maps"
	"net"
	"net/netip"
	"sync"

	"github.com/adit-tunnel/adit/reference/mapping"
)

// port is a mapped port: its listener, and the account of its visitors. It is a [mapping.Listener].
type port struct {
	server   *Server
	listener *net.TCPListener
	mapping  mapping.Mapping // set by Serve, as is clients
	clients  netip.Prefix    // whose tunnels may serve it; zero: any
	binding  *binding        // that it is the port of; nil: a mapping's

	mu       sync.Mutex // guards the following fields
	live     map[*visit]struct{}
	over     mapping.Traffic  // of visits that are over; but Total is of all, and Active and Failures unused
	failures map[string]int64 // what ended them before their time
}

// listenPort binds a port for visitors.
func (s *Server) listenPort(number int) (mapping.Listener, error) {
	if who := s.groups.holder(number); who != "" {
		return nil, &mapping.Error{Kind: mapping.Conflict, Field: "port", Reason: fmt.Sprintf("%d is one that a client has asked for (%s); use another, or end that client", number, who)}
	}
	l, err := listen(s.cfg.VisitorHost, number)
	if err != nil {
		return nil, &mapping.Error{Kind: mapping.Conflict, Field: "port", Reason: err.Error()}
	}
	return newPort(s, l), nil
}

func newPort(s *Server, l *net.TCPListener) *port {
	return &port{server: s, listener: l, live: map[*visit]struct{}{}, failures: map[string]int64{}}
}

// Serve accepts visitors of m until Close is called.
func (p *port) Serve(m mapping.Mapping) {
	p.mapping, p.clients = m, m.Clients()
	p.server.acceptLoop(p.listener, p.server.log.With("port", m.Port), p.acceptVisitor)
}

// Close closes the port to new visitors. A second time does no harm.
func (p *port) Close() { p.listener.Close() }

// Traffic is that of all visitors so far.
func (p *port) Traffic() mapping.Traffic {
	p.mu.Lock()
	defer p.mu.Unlock()
	sum := p.over
	sum.Active, sum.Failures = len(p.live), maps.Clone(p.failures)
	for v := range p.live {
		v.addTo(&sum)
	}
	return sum
}
