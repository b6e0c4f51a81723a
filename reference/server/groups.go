package server

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"

	"github.com/adit-tunnel/adit/reference/keys"
	"github.com/adit-tunnel/adit/reference/mapping"
	"github.com/adit-tunnel/adit/reference/trust"
	"github.com/adit-tunnel/adit/spec"
	"github.com/adit-tunnel/adit/spec/wire"
)

var (
	mostOfGroup    = int(spec.LimitOf("group").Default)
	mostBindings   = int(spec.LimitOf("bindings").Default)
	takeoverProbe  = spec.LimitOf("takeover-probe").Time()
	errGroupIsFull = fmt.Errorf("%d tunnels of this client are connected, as many as one may have", mostOfGroup)
	errAllTaken    = errors.New("all of them are taken")
	errRights      = errors.New("too many visitors at a time for a key's rights")
	errGroupDead   = errors.New("nothing came from its client for a while, and another one of its owner wants its port")
)

// An owner is whose a tunnel is (PROTOCOL.md section 32); the zero value is nobody.
type owner struct {
	key         string // the ID of the key that its client has proven
	certificate string // the pin of the certificate that it has shown; "" where there is a key
}

func (o owner) String() string {
	switch {
	case o.key != "":
		return "key " + o.key
	case o.certificate != "":
		return "certificate " + o.certificate
	}
	return "nobody"
}

// group is the tunnels of one client: those of one owner with the same instance.
type group struct {
	owner owner
	name  string // what the client calls itself
	key   groupKey

	tunnels  []*tunnel // in order of arrival; guarded by groups.mu
	bindings int       // how many it has; guarded by groups.mu
}

// groupKey tells groups apart. One that has no owner or no instance is a group of its own.
type groupKey struct {
	owner    owner
	instance string
	alone    *tunnel
}

// groups are the clients with the Extended profile, and what they have asked for. Safe for use from any number of goroutines;
// what it calls of a session takes that one's lock within its own, and no session calls it under a lock.
type groups struct {
	server *Server

	mu      sync.Mutex // guards the following fields, and those of groups, bindings and probes
	all     []*group   // in order of arrival; none is empty
	held    map[place]*binding
	probes  map[*group]*probe
	closed  bool
	serving sync.WaitGroup // the ports of bindings

	counting sync.Mutex    // guards the following field, which the end of a visit changes, under whatever lock that is
	visitors map[owner]int // at this moment
}

func newGroups(s *Server) *groups {
	return &groups{server: s, held: map[place]*binding{}, probes: map[*group]*probe{}, visitors: map[owner]int{}}
}

// ownerOf is whose a tunnel is that is up.
func (t *tunnel) ownerOf() owner {
	if key, ok := t.session.Key(); ok {
		return owner{key: key.ID}
	}
	if t.secure != nil {
		if shown := t.secure.State().PeerCertificates; len(shown) > 0 {
			return owner{certificate: trust.PinOf(shown[0]).String()}
		}
	}
	return owner{}
}

// rights are what an owner may have.
func (g *groups) rights(o owner) keys.Rights {
	if o.key == "" {
		return keys.Rights{}
	}
	rights, _ := g.server.cfg.Keys.Rights(o.key)
	return rights
}

// join makes a tunnel that is up one of its group, or ends it if its owner has too many.
func (g *groups) join(t *tunnel) {
	peer, who := t.session.Peer(), t.ownerOf()
	key := groupKey{owner: who, instance: string(peer.Instance)}
	if who == (owner{}) || peer.Instance == nil {
		key.alone = t
	}
	err := g.enter(t, key, peer.Name)
	if err == nil {
		select {
		case <-t.session.Lost(): // who forgets it may not have seen it
			g.leave(t)
		default:
		}
		return
	}
	t.log.Warn("tunnel refused", append([]any{"error", err}, t.keyed()...)...)
	code := wire.CodeTooMany
	if _, denied := errors.AsType[*deniedError](err); denied {
		code = wire.CodeDenied
	}
	t.session.Part(err, code, err.Error())
}

// deniedError is what the rights of a key forbid.
type deniedError struct{ why string }

func (e *deniedError) Error() string { return e.why }

// outside says that the rights of an owner have no room for something, and the remedy.
func outside(o owner, format string, args ...any) error {
	return &deniedError{fmt.Sprintf(format, args...) + "; the server's operator gives rights behind the key " + o.key + " in the file of keys"}
}

func (g *groups) enter(t *tunnel, key groupKey, name string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	rights := g.rights(key.owner)
	if !rights.AllowsAddress(t.addr) {
		return outside(key.owner, "address %v is not one of this key's (addresses)", t.addr)
	}
	if most := rights.Tunnels; most > 0 && len(g.tunnelsLocked(key.owner)) >= most {
		return fmt.Errorf("as many tunnels as this key may have are connected: %d (tunnels, in the server's file of keys)", most)
	}
	of := g.groupLocked(key)
	switch {
	case of == nil:
		of = &group{owner: key.owner, key: key, name: name}
		g.all = append(g.all, of)
	case len(of.tunnels) >= mostOfGroup: // GROUP-003
		return errGroupIsFull
	}
	of.tunnels = append(of.tunnels, t)
	t.group.Store(of)
	g.server.arrivals.tell()
	if p := g.probes[of]; p != nil {
		g.decideLocked(p, of) // this is a sign of life
	}
	return nil
}

func (g *groups) groupLocked(key groupKey) *group {
	if i := slices.IndexFunc(g.all, func(o *group) bool { return o.key == key }); i >= 0 {
		return g.all[i]
	}
	return nil
}

// tunnelsLocked are those of an owner.
func (g *groups) tunnelsLocked(o owner) (all []*tunnel) {
	for _, of := range g.all {
		if of.owner == o {
			all = append(all, of.tunnels...)
		}
	}
	return all
}

// leave forgets a tunnel that is lost. A second time does no harm.
func (g *groups) leave(t *tunnel) {
	g.mu.Lock()
	defer g.mu.Unlock()
	of := t.group.Load()
	if of == nil {
		return
	}
	i := slices.Index(of.tunnels, t)
	if i < 0 {
		return
	}
	of.tunnels = slices.Delete(of.tunnels, i, i+1)
	g.forgetAsksLocked(t)
	for _, b := range g.bindingsLocked(of) {
		if b.tunnel == t {
			b.tunnel = nil // GROUP-002: the binding stays
		}
	}
	if len(of.tunnels) == 0 {
		g.dissolveLocked(of, t.session.PeerDone())
	}
}

// dissolveLocked ends a group that has no tunnel any more: in good order, or by a loss.
func (g *groups) dissolveLocked(of *group, done bool) {
	g.all = slices.DeleteFunc(g.all, func(o *group) bool { return o == of })
	for _, b := range g.bindingsLocked(of) {
		if done || of.owner == (owner{}) || b.port == nil {
			g.releaseLocked(b) // BIND-008
		} else {
			g.holdLocked(b)
		}
	}
	if p := g.probes[of]; p != nil {
		g.decideLocked(p, nil)
	}
}

// drains reports whether no tunnel of the group takes visitors.
func (of *group) drains() bool {
	return !slices.ContainsFunc(of.tunnels, func(t *tunnel) bool { return !t.draining.Load() })
}

// pick returns the tunnel of a group with the fewest connections, of those that take visitors (GROUP-001); nil when there is
// none.
func (of *group) pick() *tunnel {
	var best *tunnel
	for _, t := range of.tunnels {
		if !t.draining.Load() && (best == nil || t.session.Active() < best.session.Active()) {
			best = t
		}
	}
	return best
}

// pickFor returns a tunnel for a mapping that names an owner, a client or a service: of the group that is there for longest.
func (g *groups) pickFor(m mapping.Mapping) *tunnel {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, of := range g.all {
		if m.Key != "" && of.owner.key != m.Key || m.Name != "" && of.name != m.Name || m.Service != "" && !g.servesLocked(of, m.Service) {
			continue
		}
		if client := m.Clients(); client != (netip.Prefix{}) && !client.Contains(of.tunnels[0].addr) {
			continue
		}
		if t := of.pick(); t != nil {
			return t
		}
	}
	return nil
}

func (g *groups) servesLocked(of *group, service string) bool {
	return slices.ContainsFunc(g.bindingsLocked(of), func(b *binding) bool { return b.service == service })
}

// enterVisitor counts a visitor of an owner, if that may have one more.
func (g *groups) enterVisitor(t *tunnel) (leave func(), err error) {
	of := t.group.Load()
	if of == nil || of.owner == (owner{}) {
		return func() {}, nil
	}
	most := g.rights(of.owner).Connections
	g.counting.Lock()
	defer g.counting.Unlock()
	if most > 0 && g.visitors[of.owner] >= most {
		return nil, fmt.Errorf("%w: %v may have %d (connections, in the file of keys)", errRights, of.owner, most)
	}
	g.visitors[of.owner]++
	return func() {
		g.counting.Lock()
		defer g.counting.Unlock()
		if g.visitors[of.owner]--; g.visitors[of.owner] == 0 {
			delete(g.visitors, of.owner)
		}
	}, nil
}

// recheck ends what the rights of an owner, which have changed, do not allow any more.
func (g *groups) recheck() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, b := range g.listLocked() {
		if code, text := g.forbiddenLocked(b.owner, b.place, b.service); code != wire.CodeOK {
			g.server.log.Warn("binding ended", "binding", b.place, "service", b.service, "owner", b.owner, "reason", text)
			g.endLocked(b, wire.CodeDenied)
		}
	}
	seen := map[owner]bool{}
	for _, of := range g.all {
		rights := g.rights(of.owner)
		if seen[of.owner] {
			continue
		}
		seen[of.owner] = true
		for i, t := range g.tunnelsLocked(of.owner) {
			var err error
			switch {
			case !rights.AllowsAddress(t.addr):
				err = outside(of.owner, "address %v is not one of this key's any more (addresses)", t.addr)
			case rights.Tunnels > 0 && i >= rights.Tunnels:
				err = outside(of.owner, "this key may have %d tunnels now (tunnels)", rights.Tunnels)
			default:
				continue
			}
			t.log.Warn("tunnel ended", "error", err)
			t.session.Part(err, wire.CodeDenied, err.Error())
		}
	}
}

// listLocked are all bindings, by their ports and names.
func (g *groups) listLocked() []*binding {
	all := make([]*binding, 0, len(g.held))
	for _, b := range g.held {
		all = append(all, b)
	}
	slices.SortFunc(all, func(a, b *binding) int {
		return cmp.Or(cmp.Compare(a.place.port, b.place.port), cmp.Compare(a.place.name, b.place.name), cmp.Compare(a.owner.String(), b.owner.String()))
	})
	return all
}
