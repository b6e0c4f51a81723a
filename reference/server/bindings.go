package server

import (
	"cmp"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/adit-tunnel/adit/reference/api"
	"github.com/adit-tunnel/adit/reference/mapping"
	"github.com/adit-tunnel/adit/spec/wire"
)

// place is what a binding holds: a port, or a name of an owner.
type place struct {
	port  int
	name  string // "": a port
	owner owner  // of a name
}

func (p place) String() string {
	if p.port != 0 {
		return fmt.Sprintf("port %d", p.port)
	}
	return "name " + p.name
}

// binding is what a client has asked for and got. All fields are guarded by groups.mu, but those that never change: place,
// owner, port and since.
type binding struct {
	place   place
	owner   owner
	port    *port // nil: a name
	since   time.Time
	service string  // that OPEN carries
	any     bool    // it was asked for by port 0
	group   *group  // nil: its time of bind-hold runs
	name    string  // of the client that has, or had it
	tunnel  *tunnel // that asked for it; nil: it is lost
	id      uint32  // the bind ID there
	hold    *time.Timer
}

// ask is a BIND that has no answer yet.
type ask struct {
	tunnel *tunnel
	wire.Bind
}

// probe finds out whether a group lives (BIND-007).
type probe struct {
	of    *group
	asks  []ask // for what it holds
	timer *time.Timer
}

// binder is a tunnel's [session.Binder].
type binder struct {
	groups *groups
	tunnel *tunnel
}

func (b binder) Bind(v wire.Bind) { b.groups.bind(ask{b.tunnel, v}) }

func (b binder) Unbind(id uint32) { b.groups.unbind(b.tunnel, id) }

// bind answers a BIND, or has it wait for a probe.
func (g *groups) bind(a ask) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.answerLocked(a)
}

// answerLocked answers a BIND, or has it wait for a probe. The order of the questions is that of section 32.2's table.
func (g *groups) answerLocked(a ask) {
	of := a.tunnel.group.Load()
	if of == nil || !slices.Contains(of.tunnels, a.tunnel) {
		return // the tunnel is lost, or about to be ended
	}
	p := place{port: int(a.Port)}
	if !a.HasPort {
		p = place{name: a.Service, owner: of.owner}
	}
	anyPort := a.HasPort && a.Port == 0
	held := g.held[p]
	if anyPort {
		held = g.anyLocked(of, a.Service)
	}
	code, text := g.forbiddenLocked(of.owner, p, a.Service)
	switch {
	case a.tunnel.draining.Load() || g.closed: // BIND-017
		code, text = wire.CodeDrain, ""
	case code != wire.CodeOK:
	case p.port != 0 && g.server.mappings.Has(p.port):
		code, text = wire.CodeInUse, fmt.Sprintf("port %d has a mapping of the server", p.port)
	case held == nil && of.bindings >= mostBindings:
		code, text = wire.CodeTooMany, fmt.Sprintf("this client has %d ports and names, as many as it may have", mostBindings)
	case held == nil:
		g.giveLocked(a, of, p, anyPort)
		return
	case held.owner != of.owner:
		code, text = wire.CodeInUse, fmt.Sprintf("%v is another client's", p)
	case held.group == of:
		g.moveLocked(held, a, of) // BIND-014
		return
	case held.group == nil || held.group.drains(): // BIND-008, BIND-016
		if held.name == of.name {
			g.moveLocked(held, a, of)
			return
		}
		code, text = wire.CodeInUse, fmt.Sprintf("%v is kept for the client named %q of the same owner", p, held.name)
	default:
		g.probeLocked(held.group, a)
		return
	}
	g.refuseLocked(a, code, text)
}

// anyLocked is the binding of a group that was asked for by port 0, for a service.
func (g *groups) anyLocked(of *group, service string) *binding {
	for _, b := range g.bindingsLocked(of) {
		if b.any && b.service == service {
			return b
		}
	}
	return nil
}

// forbiddenLocked says with which code, and why, an owner may not have a port or a name; a port that is 0 is any.
func (g *groups) forbiddenLocked(o owner, p place, service string) (wire.Code, string) {
	rights := g.rights(o)
	switch {
	case o.key != "" && !g.server.hasKey(o.key):
		return wire.CodeDenied, "the key was taken away"
	case o == (owner{}) && !g.server.now().AllowBind:
		return wire.CodeDenied, "clients without a key may not ask for ports here; start this client with a key, or let all ask by tunnel.allow_bind on the server"
	case !rights.AllowsNetwork("tcp"):
		return wire.CodeDenied, outside(o, "this key may not ask for TCP (networks)").Error()
	case p.name != "" && !rights.AllowsService(service):
		return wire.CodeDenied, outside(o, "the name %s is not one of this key's (services)", service).Error()
	case p.name != "" || p.port == 0:
		return wire.CodeOK, ""
	}
	if err := g.server.now().Rules.Allows(p.port); err != nil {
		return wire.CodeDenied, err.Error()
	}
	if !rights.AllowsPort(p.port) {
		return wire.CodeDenied, outside(o, "port %d is not one of this key's (ports)", p.port).Error()
	}
	return wire.CodeOK, ""
}

// giveLocked gives a group what nobody holds.
func (g *groups) giveLocked(a ask, of *group, p place, anyPort bool) {
	b := &binding{owner: of.owner, since: time.Now(), any: anyPort}
	var l *net.TCPListener
	var err error
	switch {
	case p.name != "":
	case anyPort:
		p.port, l, err = g.freePortLocked(of.owner)
	default:
		l, err = g.server.listen(g.server.cfg.VisitorHost, p.port)
	}
	if err != nil {
		g.refuseLocked(a, wire.CodeInUse, err.Error())
		return
	}
	b.place = p
	g.held[p] = b
	if l != nil {
		b.port = newPort(g.server, l, mapping.Mapping{Port: p.port, UseTunnel: true})
		b.port.binding = b
		g.serving.Go(b.port.Serve)
	}
	g.assignLocked(b, a, of, "binding made")
}

// freePortLocked binds a port that an owner may have and nobody has.
func (g *groups) freePortLocked(o owner) (int, *net.TCPListener, error) {
	rules, last := &g.server.now().Rules, error(nil)
	for n := rules.PortFrom; n <= rules.PortEnd; n++ {
		code, _ := g.forbiddenLocked(o, place{port: n}, "")
		if code != wire.CodeOK || g.held[place{port: n}] != nil || g.server.mappings.Has(n) {
			continue
		}
		l, err := g.server.listen(g.server.cfg.VisitorHost, n)
		if err == nil {
			return n, l, nil
		}
		last = err
	}
	return 0, nil, fmt.Errorf("no port that this client may have is free: %w", cmp.Or(last, errAllTaken))
}

// moveLocked gives a binding that is held to whoever asked, while its port stays open (BIND-014).
func (g *groups) moveLocked(b *binding, a ask, of *group) {
	if b.hold != nil {
		b.hold.Stop()
		b.hold = nil
	}
	if b.tunnel != nil {
		b.tunnel.session.Unbound(b.id, wire.CodeReplaced)
	}
	if b.group != nil {
		b.group.bindings--
	}
	b.any = a.Port == 0 && a.HasPort
	g.assignLocked(b, a, of, "binding moved")
}

// assignLocked makes a binding that of an ask, and answers that.
func (g *groups) assignLocked(b *binding, a ask, of *group, what string) {
	b.service, b.group, b.name, b.tunnel, b.id = a.Service, of, of.name, a.tunnel, a.ID
	of.bindings++
	a.tunnel.log.Info(what, "binding", b.place, "service", b.service, "owner", b.owner, "name", of.name)
	a.tunnel.session.Bound(wire.Bound{ID: a.ID, Port: uint16(b.place.port)})
}

func (g *groups) refuseLocked(a ask, code wire.Code, text string) {
	a.tunnel.log.Warn("binding refused", append([]any{"service", a.Service, "port", a.Port, "code", code.String(), "reason", text}, a.tunnel.keyed()...)...)
	a.tunnel.session.Bound(wire.Bound{ID: a.ID, Code: code, Text: text})
}

// probeLocked asks the tunnels of a group for a sign of life, and has a BIND wait for the outcome.
func (g *groups) probeLocked(of *group, a ask) {
	if p := g.probes[of]; p != nil {
		p.asks = append(p.asks, a)
		return
	}
	p := &probe{of: of, asks: []ask{a}}
	g.probes[of] = p
	for _, t := range of.tunnels {
		t.session.Probe(func() { g.outcome(p, true) })
	}
	p.timer = time.AfterFunc(takeoverProbe, func() { g.outcome(p, false) })
}

// outcome ends a probe: its group has given a sign of life, or none.
func (g *groups) outcome(p *probe, alive bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.probes[p.of] != p {
		return
	}
	if alive {
		g.decideLocked(p, p.of)
		return
	}
	delete(g.probes, p.of)
	for _, a := range p.asks { // the first that asked for a thing gets it; others lose it to that one
		b, of := g.held[placeOf(a, p.of.owner)], a.tunnel.group.Load()
		switch {
		case b == nil:
			g.answerLocked(a) // it was given up meanwhile
		case b.group == p.of || b.group == of:
			g.moveLocked(b, a, of)
		default:
			g.refuseLocked(a, wire.CodeInUse, "another client of the same owner has just taken it")
		}
	}
	dead := slices.Clone(p.of.tunnels)
	p.of.tunnels = nil
	g.dissolveLocked(p.of, false)
	for _, t := range dead {
		t.log.Warn("tunnel ended", "error", errGroupDead)
		t.session.Part(errGroupDead, wire.CodeDead, "no sign of life, and another client of the same owner asked for its port")
	}
}

// placeOf is what a BIND that was probed for asks for.
func placeOf(a ask, o owner) place {
	if !a.HasPort {
		return place{name: a.Service, owner: o}
	}
	return place{port: int(a.Port)}
}

// decideLocked ends a probe without a death: the group lives, or is gone of itself, so what waits is asked anew.
func (g *groups) decideLocked(p *probe, alive *group) {
	p.timer.Stop()
	delete(g.probes, p.of)
	for _, a := range p.asks {
		if alive == nil || alive.drains() {
			g.answerLocked(a)
			continue
		}
		g.refuseLocked(a, wire.CodeInUse, "another client of the same owner holds it, and lives")
	}
}

// forgetAsksLocked forgets what a tunnel waits for.
func (g *groups) forgetAsksLocked(t *tunnel) {
	for _, p := range g.probes {
		p.asks = slices.DeleteFunc(p.asks, func(a ask) bool { return a.tunnel == t })
	}
}

// drain answers what a tunnel waits for that begins to drain (BIND-017).
func (g *groups) drain(t *tunnel) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, p := range g.probes {
		for _, a := range p.asks {
			if a.tunnel == t {
				g.refuseLocked(a, wire.CodeDrain, "")
			}
		}
	}
	g.forgetAsksLocked(t)
}

// unbind answers a client's UNBIND (BIND-005).
func (g *groups) unbind(t *tunnel, id uint32) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, p := range g.probes {
		if i := slices.IndexFunc(p.asks, func(a ask) bool { return a.tunnel == t && a.ID == id }); i >= 0 {
			t.session.Bound(wire.Bound{ID: id, Code: wire.CodeCancelled})
			p.asks = slices.Delete(p.asks, i, i+1)
		}
	}
	for _, b := range g.held {
		if b.tunnel == t && b.id == id {
			t.log.Info("binding given up", "binding", b.place, "service", b.service)
			g.releaseLocked(b)
		}
	}
	t.session.Unbound(id, wire.CodeOK)
}

// bindingsLocked are those of a group.
func (g *groups) bindingsLocked(of *group) (all []*binding) {
	for _, b := range g.held {
		if b.group == of {
			all = append(all, b)
		}
	}
	return all
}

// holdLocked keeps a port for its owner, without a group.
func (g *groups) holdLocked(b *binding) {
	b.group, b.tunnel = nil, nil
	g.server.log.Info("binding held", "binding", b.place, "service", b.service, "owner", b.owner, "for", g.server.now().BindHold)
	b.hold = time.AfterFunc(g.server.now().BindHold, func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		if b.group == nil && g.held[b.place] == b {
			g.server.log.Info("binding over", "binding", b.place, "service", b.service, "owner", b.owner)
			g.releaseLocked(b)
		}
	})
}

// endLocked ends a binding of the server's own accord (BIND-006).
func (g *groups) endLocked(b *binding, code wire.Code) {
	if b.tunnel != nil {
		b.tunnel.session.Unbound(b.id, code)
	}
	g.releaseLocked(b)
}

// releaseLocked leaves nothing of a binding. Its connections go on.
func (g *groups) releaseLocked(b *binding) {
	if b.hold != nil {
		b.hold.Stop()
	}
	if b.group != nil {
		b.group.bindings--
	}
	delete(g.held, b.place)
	if b.port != nil {
		b.port.Close()
	}
}

// close ends all bindings, because the server ends.
func (g *groups) close() {
	g.mu.Lock()
	g.closed = true
	for _, b := range g.listLocked() {
		g.endLocked(b, wire.CodeGeneral)
	}
	for _, p := range g.probes {
		p.timer.Stop()
		for _, a := range p.asks {
			g.refuseLocked(a, wire.CodeDrain, "")
		}
	}
	clear(g.probes)
	g.mu.Unlock()
	g.serving.Wait()
}

// pickBound returns the tunnel for a visitor of a binding's port, and the service; nil when there is none.
func (g *groups) pickBound(b *binding) (*tunnel, string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if b.group == nil {
		return nil, ""
	}
	return b.group.pick(), b.service
}

// holder says whose a port is that a client has asked for; "" when it is none's.
func (g *groups) holder(port int) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	b := g.held[place{port: port}]
	if b == nil {
		return ""
	}
	return fmt.Sprintf("%v, service %s", b.owner, b.service)
}

// stats are what the API shows of bindings.
func (g *groups) stats() []api.Binding {
	g.mu.Lock()
	defer g.mu.Unlock()
	all := []api.Binding{}
	for _, b := range g.listLocked() {
		row := api.Binding{Port: b.place.port, Service: b.service, Key: b.owner.key, Certificate: b.owner.certificate, Name: b.name, Since: b.since, State: "held"}
		switch {
		case b.group != nil && b.group.drains():
			row.State = "draining"
		case b.group != nil:
			row.State = "served"
		}
		if b.group != nil {
			row.Remote = b.group.tunnels[0].remote.String()
		}
		if b.port != nil {
			row.Traffic(b.port.Traffic())
		}
		all = append(all, row)
	}
	return all
}

// chooseTunnel is tunnelVisit's choice of a tunnel, and of a service there: by a binding, by what a mapping names, or by the mapping's addresses.
func (s *Server) chooseTunnel(v *visit) (t *tunnel, service string) {
	switch m := v.terms.mapping; {
	case v.port.binding != nil:
		return s.groups.pickBound(v.port.binding)
	case m.Service != "" || m.Key != "" || m.Name != "":
		return s.groups.pickFor(m), m.Service
	}
	return s.registry.pick(v.terms.clients), ""
}
