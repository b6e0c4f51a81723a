package server

import (
	"maps"
	"net"
	"net/netip"
	"sync"

	"github.com/adit-tunnel/adit/reference/mapping"
)

// port is a mapped port: its listener, and the account of its visitors. It is a [mapping.Listener].
type port struct {
	server   *Server
	listener *net.TCPListener // nil: no visitors come by TCP
	datagram *net.UDPConn     // nil: none come by UDP
	mapping  mapping.Mapping  // set by Serve, as are the next two
	clients  netip.Prefix     // whose tunnels may serve it; zero: any
	door     *door

	mu       sync.Mutex // guards the following fields
	live     map[*visit]struct{}
	over     mapping.Traffic  // of visits that are over; but Total is of all, and Active and Failures unused
	failures map[string]int64 // what ended them before their time
	drops    map[string]int64 // datagrams, by why
}

// listenPort binds the port of a mapping.
func (s *Server) listenPort(m mapping.Mapping) (mapping.Listener, error) {
	p := &port{server: s, live: map[*visit]struct{}{}, failures: map[string]int64{}, drops: map[string]int64{}}
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

// Serve accepts visitors of m until Close is called.
func (p *port) Serve(m mapping.Mapping) {
	p.mapping, p.clients, p.door = m, m.Clients(), newDoor(m, &p.server.visitors)
	var both sync.WaitGroup
	if p.datagram != nil {
		both.Go(p.serveDatagrams)
	}
	if p.listener != nil {
		p.server.acceptLoop(p.listener, p.server.log.With("port", m.Port), p.acceptVisitor)
	}
	both.Wait()
}

// Close closes the port to new visitors, and of UDP to those that are there. A second time does no harm.
func (p *port) Close() {
	if p.listener != nil {
		p.listener.Close()
	}
	if p.datagram != nil {
		p.datagram.Close()
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
	return sum
}
