package server

import (
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/adit-tunnel/adit/reference/mapping"
	"github.com/adit-tunnel/adit/spec/wire"
)

// ofClient is the server's end of a client's only tunnel.
func (r *running) ofClient(t *testing.T, a *asker) *tunnel {
	t.Helper()
	var found *tunnel
	eventually(t, "the server's end of a tunnel", func() bool {
		for _, u := range r.registry.clients() {
			if u.remote.String() == a.local && u.group.Load() != nil {
				found = u
			}
		}
		return found != nil
	})
	return found
}

// stateOf is what the API shows of a port; "": nothing.
func (r *running) stateOf(port int) string {
	for _, row := range r.groups.stats() {
		if row.Port == port {
			return row.State + " for " + row.Service
		}
	}
	return ""
}

// suspended is a BIND of b for what a has, which waits for the outcome of a probe that the test decides.
func (k *keyed) suspended(t *testing.T, a, b *asker, port int) (p *probe, id uint32) {
	t.Helper()
	old := k.ofClient(t, a)
	eventually(t, "the answer to the first PING, which would be a sign of life", func() bool { return old.session.Stats().RTT > 0 })
	a.frozen.shut.Store(true)
	id = b.Bind(wire.Bind{Service: "ssh", Port: uint16(port), HasPort: true})
	eventually(t, "a probe", func() bool {
		k.groups.mu.Lock()
		defer k.groups.mu.Unlock()
		for _, one := range k.groups.probes {
			p = one
		}
		return p != nil
	})
	return p, id
}

// next fails unless the next BOUND has that ID and code.
func (a *asker) next(t *testing.T, what string, id uint32, code wire.Code) wire.Bound {
	t.Helper()
	select {
	case v := <-a.bound:
		if v.ID != id || v.Code != code {
			t.Fatalf("%s: BOUND %+v; want %v for %d", what, v, code, id)
		}
		return v
	case <-time.After(soon):
		t.Fatalf("%s: no BOUND", what)
	}
	return wire.Bound{}
}

// none fails if a BOUND has come.
func (a *asker) none(t *testing.T, what string) {
	t.Helper()
	select {
	case v := <-a.bound:
		t.Errorf("%s: BOUND %+v; want none", what, v)
	default:
	}
}

// portRow is ports that are free and next to each other.
func portRow(t *testing.T, n int) int {
	t.Helper()
	for range 100 {
		first := freePort(t)
		if first+n > 65000 {
			continue
		}
		var open []net.Listener
		for i := range n {
			if l, err := net.Listen("tcp", local(first+i)); err == nil {
				open = append(open, l)
			}
		}
		for _, l := range open {
			l.Close()
		}
		if len(open) == n {
			return first
		}
	}
	t.Fatalf("no %d free ports in a row", n)
	return 0
}

// TestAnyPortIsTheFirstThatIsFree: of the range, to its last, without what is mapped, forbidden, another client's or program's.
func TestAnyPortIsTheFirstThatIsFree(t *testing.T) {
	from := portRow(t, 5)
	k := runKeyed(t, func(cfg *Config) {
		cfg.Rules.PortFrom, cfg.Rules.PortEnd, cfg.Rules.Blacklist = 1024, 65535, []int{from + 1}
	})
	if _, err := k.mappings.Create(t.Context(), mapping.Request{Port: from}); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", local(from+2))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	k.groups.server.cfg.Rules.PortFrom, k.groups.server.cfg.Rules.PortEnd = from, from+4
	a := k.ask(t, who{key: &k.home, instance: 1})
	a.gets(t, "a number", "ssh", from+3, wire.CodeOK)
	if got := a.gets(t, "any", "web", 0, wire.CodeOK); got != from+4 {
		t.Errorf("any port is %d; want the last of the range, %d", got, from+4)
	}
	a.gets(t, "any when all are taken", "db", 0, wire.CodeInUse, "free", "another program")
}

// TestWhoMayAskNoMore: a tunnel that drains, one that is lost, and any when the server ends.
func TestWhoMayAskNoMore(t *testing.T) {
	r := runOpen(t)
	a, b, c := r.ask(t, who{instance: 1}), r.ask(t, who{instance: 2}), r.ask(t, who{instance: 3})
	r.ofClient(t, a).draining.Store(true)
	a.gets(t, "one that drains", "ssh", 0, wire.CodeDrain)
	lost := r.ofClient(t, b)
	r.groups.leave(lost)
	r.groups.bind(ask{lost, wire.Bind{ID: 9, Service: "ssh", HasPort: true}})
	if rows := r.groups.stats(); len(rows) != 0 {
		t.Errorf("one that is lost has %+v", rows)
	}
	c.gets(t, "a port", "ssh", 0, wire.CodeOK)
	r.groups.close()
	c.wantUnbound(t, "its port when the server ends", "1 general")
	c.gets(t, "one more then", "ssh", 0, wire.CodeDrain)
}

// TestIDsAreOfTheirTunnel: clients use the same IDs, and give up their own.
func TestIDsAreOfTheirTunnel(t *testing.T) {
	r := runOpen(t)
	a, b := r.ask(t, who{instance: 1}), r.ask(t, who{instance: 2})
	one, two := a.gets(t, "a port", "ssh", 0, wire.CodeOK), b.gets(t, "a port", "ssh", 0, wire.CodeOK)
	a.Session.Unbind(1)
	wantShut(t, "the port that was given up", one)
	wantEcho(t, "the other's of the same ID", local(two))
}

// TestWithoutAnInstance: tunnels of one key that do not say that they are one client's are none's; and one that is lost while it
// joins leaves nothing.
func TestWithoutAnInstance(t *testing.T) {
	k := runKeyed(t)
	a, b := k.ask(t, who{key: &k.home}), k.ask(t, who{key: &k.home})
	port := a.gets(t, "a port", "ssh", 0, wire.CodeOK)
	b.gets(t, "its port", "ssh", port, wire.CodeInUse, "lives")
	lost := k.ofClient(t, b)
	b.cut()
	await(t, "the loss", lost.session.Lost())
	k.groups.leave(lost)
	k.groups.join(lost)
	k.groups.mu.Lock()
	defer k.groups.mu.Unlock()
	if len(k.groups.all) != 1 {
		t.Errorf("%d groups are there; want that of the tunnel that lives", len(k.groups.all))
	}
}

// TestWhatIsCounted: bindings that move, are given up and end leave room for others.
func TestWhatIsCounted(t *testing.T) {
	k := runKeyed(t)
	a, b := k.ask(t, who{key: &k.home, instance: 1}), k.ask(t, who{key: &k.home, instance: 1})
	count := func(what string, x *asker, want int) {
		t.Helper()
		k.groups.mu.Lock()
		defer k.groups.mu.Unlock()
		if of := k.ofGroup(x); of.bindings != want || len(k.groups.bindingsLocked(of)) != want {
			t.Errorf("%s: %d bindings are counted, and there are %d; want %d", what, of.bindings, len(k.groups.bindingsLocked(of)), want)
		}
	}
	port := a.gets(t, "any", "ssh", 0, wire.CodeOK)
	a.gets(t, "a name", "db", -1, wire.CodeOK)
	count("two", a, 2)
	b.gets(t, "the port again", "ssh", port, wire.CodeOK)
	b.gets(t, "the name again", "db", -1, wire.CodeOK)
	count("moved within the group", a, 2)
	b.Session.Unbind(2)
	eventually(t, "a name that is given up", func() bool { return len(k.groups.stats()) == 1 })
	count("one given up", b, 1)
	// What was asked for by its number is no answer to any.
	if got := b.gets(t, "any with its service", "ssh", 0, wire.CodeOK); got == port {
		t.Error("a port that was asked for by its number is given as any")
	}
	count("any more", b, 2)
}

// ofGroup is the group of a client; the lock is held.
func (k *keyed) ofGroup(a *asker) *group {
	for _, of := range k.groups.all {
		for _, u := range of.tunnels {
			if u.remote.String() == a.local {
				return of
			}
		}
	}
	return nil
}

// TestTheTimeOfAHoldEndsWithIt: a client that comes back stops it, and a further loss begins a new one.
func TestTheTimeOfAHoldEndsWithIt(t *testing.T) {
	k := runKeyed(t, func(cfg *Config) { cfg.BindHold = time.Hour })
	port, timer := 0, (*time.Timer)(nil)
	for i := range 2 {
		a := k.ask(t, who{key: &k.home, instance: byte(i + 1)})
		if port == 0 {
			port = a.gets(t, "any", "ssh", 0, wire.CodeOK)
		} else {
			a.gets(t, "the port that is held", "ssh", port, wire.CodeOK)
			if timer.Stop() {
				t.Error("the time of a hold runs on behind it")
			}
		}
		a.cut()
		eventually(t, "a hold", func() bool { return k.stateOf(port) == "held for ssh" })
		k.groups.mu.Lock()
		timer = k.groups.held[place{port: port}].hold
		k.groups.mu.Unlock()
	}
	// And the key's end stops it, too.
	k.write(t, k.work.Line())
	k.refreshKeys()
	wantShut(t, "the port of a key that is gone", port)
	if timer.Stop() {
		t.Error("the time of a hold runs on behind its binding")
	}
}

// TestTheOutcomeOfAProbe: what each outcome leaves to whom.
func TestTheOutcomeOfAProbe(t *testing.T) {
	begin := func(t *testing.T) (k *keyed, a, b *asker, port int) {
		k = runKeyed(t, func(cfg *Config) { cfg.BindHold = time.Hour })
		a, b = k.ask(t, who{key: &k.home, instance: 1}), k.ask(t, who{key: &k.home, instance: 2})
		return k, a, b, a.gets(t, "any", "ssh", 0, wire.CodeOK)
	}
	t.Run("dead", func(t *testing.T) {
		k, a, b, port := begin(t)
		other := a.gets(t, "another port", "web", 0, wire.CodeOK)
		old := k.ofClient(t, a)
		p, id := k.suspended(t, a, b, port)
		again := b.Bind(wire.Bind{Service: "db", Port: uint16(port), HasPort: true})
		eventually(t, "both wait", func() bool { k.groups.mu.Lock(); defer k.groups.mu.Unlock(); return len(p.asks) == 2 })
		b.none(t, "before the outcome")
		k.groups.outcome(p, false)
		b.next(t, "the first", id, wire.CodeOK)
		b.wantUnbound(t, "the first, when the same client asks again", fmt.Sprint(id, " replaced"))
		b.next(t, "the second", again, wire.CodeOK)
		if got := k.stateOf(port); got != "served for db" {
			t.Errorf("the port is %q", got)
		}
		if got := k.stateOf(other); got != "held for web" {
			t.Errorf("what nobody asked for is %q; want it held", got)
		}
		k.groups.bind(ask{old, wire.Bind{ID: 9, Service: "late", HasPort: true}})
		for _, row := range k.groups.stats() {
			if row.Service == "late" {
				t.Error("a dead tunnel gets a port")
			}
		}
		k.groups.outcome(p, false) // is over
		b.none(t, "a second outcome")
	})
	t.Run("given up meanwhile", func(t *testing.T) {
		k, a, b, port := begin(t)
		p, id := k.suspended(t, a, b, port)
		k.groups.unbind(k.ofClient(t, a), 1)
		k.groups.outcome(p, false)
		b.next(t, "what nobody holds any more", id, wire.CodeOK)
		wantEcho(t, "a visitor", local(port))
	})
	t.Run("another took it meanwhile", func(t *testing.T) {
		k, a, b, port := begin(t)
		c := k.ask(t, who{key: &k.home, instance: 3})
		p, id := k.suspended(t, a, b, port)
		k.groups.unbind(k.ofClient(t, a), 1)
		c.gets(t, "a port that is free", "ssh", port, wire.CodeOK)
		k.groups.outcome(p, false)
		if v := b.next(t, "too late", id, wire.CodeInUse); v.Text == "" {
			t.Error("no text says why")
		}
		wantEcho(t, "a visitor", local(port))
		if a.lastServed() != "" || b.lastServed() != "" || c.lastServed() != "ssh" {
			t.Error("somebody else serves it")
		}
	})
	t.Run("the holder lives, and drains", func(t *testing.T) {
		k, a, b, port := begin(t)
		p, id := k.suspended(t, a, b, port)
		k.ofClient(t, a).draining.Store(true)
		k.groups.outcome(p, true)
		b.next(t, "from one that drains", id, wire.CodeOK)
	})
	t.Run("who asked is gone", func(t *testing.T) {
		k, a, b, port := begin(t)
		p, _ := k.suspended(t, a, b, port)
		k.groups.leave(k.ofClient(t, b))
		k.groups.outcome(p, false)
		if got := k.stateOf(port); got != "held for ssh" {
			t.Errorf("the port is %q; want it held", got)
		}
	})
	t.Run("one of two tunnels lives", func(t *testing.T) {
		k, a, b, port := begin(t)
		k.ask(t, who{key: &k.home, instance: 1})
		a.frozen.shut.Store(true)
		b.gets(t, "the second tunnel speaks", "ssh", port, wire.CodeInUse, "lives")
	})
	t.Run("a new tunnel of the holder", func(t *testing.T) {
		k, a, b, port := begin(t)
		p, id := k.suspended(t, a, b, port)
		k.ask(t, who{key: &k.home, instance: 1})
		b.next(t, "it lives", id, wire.CodeInUse)
		if p.timer.Stop() {
			t.Error("the time of a probe runs on behind it")
		}
	})
	t.Run("the holder is lost", func(t *testing.T) {
		k, a, b, port := begin(t)
		p, id := k.suspended(t, a, b, port)
		k.groups.leave(k.ofClient(t, a))
		b.next(t, "its port is held, and the names are the same", id, wire.CodeOK)
		if p.timer.Stop() {
			t.Error("the time of a probe runs on behind it")
		}
	})
	t.Run("the server ends", func(t *testing.T) {
		k, a, b, port := begin(t)
		p, id := k.suspended(t, a, b, port)
		k.groups.close()
		b.next(t, "what waits", id, wire.CodeDrain)
		if p.timer.Stop() || len(k.groups.probes) != 0 {
			t.Error("a probe goes on")
		}
	})
	t.Run("an ID of another tunnel", func(t *testing.T) {
		k, a, b, port := begin(t)
		c := k.ask(t, who{key: &k.home, instance: 3})
		_, id := k.suspended(t, a, b, port)
		k.groups.unbind(k.ofClient(t, c), id)
		b.none(t, "an UNBIND of another tunnel")
		k.groups.unbind(k.ofClient(t, b), id)
		b.next(t, "its own", id, wire.CodeCancelled)
		k.groups.mu.Lock()
		defer k.groups.mu.Unlock()
		for _, p := range k.groups.probes {
			if len(p.asks) != 0 {
				t.Errorf("%d wait", len(p.asks))
			}
		}
	})
}
