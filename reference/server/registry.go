package server

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/adit-tunnel/adit/spec"
)

// What tunnels that are not proven may take up, in all and of one address. They cost a descriptor each, and
// everyone can open them.
const (
	mostUnproven       = 64
	mostUnprovenOfAddr = 8
)

var (
	// mostSeats and mostSeatsOfAddr are the same where the server asks for auth (AUTH-016).
	mostSeats       = int(spec.LimitOf("seats").Default)
	mostSeatsOfAddr = int(spec.LimitOf("seats-address").Default)
	// seatKept is how long one that has to prove its key, or is in its TLS handshake, keeps its place: many clients that come
	// back at once from one address would end each other before any was done.
	seatKept = spec.LimitOf("seat-kept").Time()
)

var (
	errMadeRoom = errors.New("it sent no frame, or proved no key, and made room for a newer connection")
	errTooMany  = errors.New("tunnels are connected, as many as tunnel.max_tunnels allows; raise it or end some")
	errAddress  = errors.New("its address is not in tunnel.allowed_clients; add it there to allow it")
	errNoSeat   = errors.New("as many tunnels as may, from its address or in all, are about to prove their keys")
)

// registry holds the live tunnels, and decides which of them serves a mapping (PROTOCOL.md section 18). A tunnel
// is proven once a frame came through it, or its TLS handshake is over (TLS-010). Before that it may be a stranger's, or
// that of a client which is silent for its first 15 s: it serves (TUN-001), but only where no proven one does, and in its
// TLS handshake not at all. Where the server has keys a tunnel is proven when its client has proven a key, and serves
// nobody before (AUTH-001); where auth is optional it serves nobody before its first frame has come (AUTH-026).
// Safe for use from any number of goroutines.
type registry struct {
	auth bool // the server has keys

	mu               sync.Mutex // guards the following fields
	proven, unproven byAddress
}

// add makes t available to visitors, as one that is not proven. It returns the tunnel that has to make room for
// it, which is forgotten; nil when there is room. That is the oldest, of its address if that has too many: without TLS of
// the address that has most of them, in TLS handshakes (AUTH-016) t itself when no other is old enough.
func (r *registry) add(t *tunnel) (evicted *tunnel) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.unproven.add(t)
	if r.auth {
		return r.seatLocked(t)
	}
	var from []*tunnel
	switch i := r.unproven.find(t.addr); {
	case len(r.unproven[i].tunnels) > mostUnprovenOfAddr:
		from = r.unproven[i].tunnels
	case len(r.unproven.all()) > mostUnproven && t.shaking.Load():
		from = r.unproven.all()
		slices.SortFunc(from, func(a, b *tunnel) int { return a.accepted.Compare(b.accepted) })
	case len(r.unproven.all()) > mostUnproven:
		from = slices.MaxFunc(r.unproven, func(a, b ofAddress) int { return len(a.tunnels) - len(b.tunnels) }).tunnels
	default:
		return nil
	}
	evicted = t
	if i := slices.IndexFunc(from, func(o *tunnel) bool { return !o.shaking.Load() || time.Since(o.accepted) >= seatKept }); i >= 0 {
		evicted = from[i]
	}
	r.unproven.remove(evicted)
	return evicted
}

// seatLocked is add where the server has keys (AUTH-016): the oldest has to go, of t's address if that is the bound, but
// none that was accepted just now: if there is no other that is t itself.
func (r *registry) seatLocked(t *tunnel) (evicted *tunnel) {
	from := r.unproven.all()
	ofAddr := slices.DeleteFunc(slices.Clone(from), func(o *tunnel) bool { return seatOf(o.addr) != seatOf(t.addr) })
	switch {
	case len(ofAddr) > mostSeatsOfAddr:
		from = ofAddr
	case len(from) <= mostSeats:
		return nil
	}
	evicted = slices.MinFunc(from, func(a, b *tunnel) int { return a.accepted.Compare(b.accepted) })
	if time.Since(evicted.accepted) < seatKept {
		evicted = t
	}
	r.unproven.remove(evicted)
	return evicted
}

// seatOf is what counts as one address: of IPv6 the first 64 bits.
func seatOf(addr netip.Addr) netip.Addr {
	if addr.Is4() {
		return addr
	}
	return netip.PrefixFrom(addr.WithZone(""), 64).Masked().Addr()
}

// prove makes t a proven tunnel, if there are fewer than most of them (0: no bound); else it forgets t. One that had
// to make room stays forgotten.
func (r *registry) prove(t *tunnel, most int) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.unproven.remove(t) {
		return errMadeRoom
	}
	if n := len(r.proven.all()); most > 0 && n >= most {
		return fmt.Errorf("%d %w", n, errTooMany)
	}
	r.proven.add(t)
	return nil
}

// remove forgets t.
func (r *registry) remove(t *tunnel) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.proven.remove(t) {
		r.unproven.remove(t)
	}
}

// pick returns the tunnel for a mapping, of those from addresses in client (the zero prefix: any): of the proven
// ones if there are any, else of the others unless the server has keys. Nil when there is none.
func (r *registry) pick(client netip.Prefix) *tunnel {
	r.mu.Lock()
	defer r.mu.Unlock()
	if t := r.proven.pick(client); t != nil || r.auth {
		return t
	}
	return r.unproven.pick(client)
}

// clients returns the proven tunnels, grouped by address.
func (r *registry) clients() []*tunnel {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.proven.all()
}

// all returns the live tunnels, proven or not.
func (r *registry) all() []*tunnel {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append(r.proven.all(), r.unproven.all()...)
}

// byAddress are tunnels by their address, in the order in which the addresses arrived; none is empty.
type byAddress []ofAddress

// ofAddress is the tunnels of one client address. It keeps its place among the others as long as one of them
// lives, so that a client that reconnects before its old tunnel is known to be dead stays where it was.
type ofAddress struct {
	addr    netip.Addr
	tunnels []*tunnel // in order of arrival
}

func (g *byAddress) add(t *tunnel) {
	i := g.find(t.addr)
	if i < 0 {
		*g = append(*g, ofAddress{addr: t.addr})
		i = len(*g) - 1
	}
	(*g)[i].tunnels = append((*g)[i].tunnels, t)
}

// remove takes t out, and reports whether it was there.
func (g *byAddress) remove(t *tunnel) bool {
	i := g.find(t.addr)
	if i < 0 {
		return false
	}
	at := slices.Index((*g)[i].tunnels, t)
	if at < 0 {
		return false
	}
	(*g)[i].tunnels = slices.Delete((*g)[i].tunnels, at, at+1)
	if len((*g)[i].tunnels) == 0 {
		*g = slices.Delete(*g, i, i+1)
	}
	return true
}

// pick returns the newest tunnel, of those that take visitors, of the address that has been connected the longest; nil
// when none matches.
func (g byAddress) pick(client netip.Prefix) *tunnel {
	for _, of := range g {
		if client != (netip.Prefix{}) && !client.Contains(of.addr) {
			continue
		}
		for _, t := range slices.Backward(of.tunnels) {
			if !t.draining.Load() && !t.shaking.Load() {
				return t
			}
		}
	}
	return nil
}

func (g byAddress) all() []*tunnel {
	var all []*tunnel
	for _, of := range g {
		all = append(all, of.tunnels...)
	}
	return all
}

// find returns the place of addr, or -1.
func (g byAddress) find(addr netip.Addr) int {
	return slices.IndexFunc(g, func(of ofAddress) bool { return of.addr == addr })
}
