package server

import (
	"net/netip"
	"slices"
	"sync"
)

// registry holds the live tunnels, and decides which of them serves a mapping (PROTOCOL.md section 18).
// Safe for use from any number of goroutines.
type registry struct {
	mu     sync.Mutex // guards the following fields
	groups []group    // in order of arrival; none is empty
}

// group is the tunnels of one client address. It keeps its place among the groups as long as one of them
// lives, so that a client that reconnects before its old tunnel is known to be dead stays where it was.
type group struct {
	addr    netip.Addr
	tunnels []*tunnel // in order of arrival
}

// add makes t available to visitors.
func (r *registry) add(t *tunnel) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := r.find(t.addr)
	if i < 0 {
		r.groups = append(r.groups, group{addr: t.addr})
		i = len(r.groups) - 1
	}
	r.groups[i].tunnels = append(r.groups[i].tunnels, t)
}

// remove forgets t.
func (r *registry) remove(t *tunnel) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := r.find(t.addr)
	if i < 0 {
		return
	}
	g := &r.groups[i]
	g.tunnels = slices.DeleteFunc(g.tunnels, func(other *tunnel) bool { return other == t })
	if len(g.tunnels) == 0 {
		r.groups = slices.Delete(r.groups, i, i+1)
	}
}

// pick returns the tunnel for a mapping: among those from addresses in client (the zero prefix: any), the
// newest of the address that has been connected the longest. Nil when there is none.
func (r *registry) pick(client netip.Prefix) *tunnel {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, g := range r.groups {
		if client == (netip.Prefix{}) || client.Contains(g.addr) {
			return g.tunnels[len(g.tunnels)-1]
		}
	}
	return nil
}

// all returns the live tunnels, grouped by address.
func (r *registry) all() []*tunnel {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []*tunnel
	for _, g := range r.groups {
		all = append(all, g.tunnels...)
	}
	return all
}

// find returns the index of addr's group, or -1. The caller holds mu.
func (r *registry) find(addr netip.Addr) int {
	return slices.IndexFunc(r.groups, func(g group) bool { return g.addr == addr })
}
