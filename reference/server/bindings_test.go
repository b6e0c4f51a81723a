package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/adit-tunnel/adit/reference/keys"
	"github.com/adit-tunnel/adit/reference/mapping"
	"github.com/adit-tunnel/adit/reference/session"
	"github.com/adit-tunnel/adit/reference/sock"
	"github.com/adit-tunnel/adit/spec/wire"
)

// asker is a client's tunnel that asks for bindings as a test says, and sends every visitor to an echo.
type asker struct {
	*session.Session
	bound   chan wire.Bound
	unbound chan string
	frozen  *freezer
	lost    chan struct{}
	local   string // the address of its end
	cut     context.CancelFunc

	mu     sync.Mutex
	served []string // the services that were asked for
}

func (a *asker) Serves(string) bool { return true }

func (a *asker) Bound(v wire.Bound) { a.bound <- v }

func (a *asker) Unbound(id uint32, code wire.Code) { a.unbound <- fmt.Sprintf("%d %v", id, code) }

// freezer is a socket that nothing is read from while it is closed.
type freezer struct {
	sock.Socket
	shut atomic.Bool
	open chan struct{}
}

func (g *freezer) Read(pool *sock.Pool, size int) (*sock.Buf, error) {
	buf, err := g.Socket.Read(pool, size)
	if g.shut.Load() {
		<-g.open
	}
	return buf, err
}

// who is a client of a test.
type who struct {
	key      *keys.Key
	name     string
	instance byte // 0: it has none
	from     string
}

func (w who) instanceBytes() []byte {
	if w.instance == 0 {
		return nil
	}
	return append(make([]byte, 15), w.instance)
}

// ask begins a tunnel and waits until it is up.
func (r *running) ask(t *testing.T, w who) *asker {
	t.Helper()
	a, up := r.begins(t, w)
	await(t, "a tunnel that is up", up)
	return a
}

func (r *running) begins(t *testing.T, w who) (*asker, chan struct{}) {
	t.Helper()
	local := net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(or(w.from, "127.0.0.1")), 0))
	conn, err := (&net.Dialer{LocalAddr: local}).Dial("tcp", r.TunnelAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	plain, err := sock.NewTCP(conn.(*net.TCPConn))
	if err != nil {
		t.Fatal(err)
	}
	echoes := service(t, echo)
	a := &asker{
		bound: make(chan wire.Bound, 100), unbound: make(chan string, 100), lost: make(chan struct{}),
		frozen: &freezer{Socket: plain, open: make(chan struct{})}, local: conn.LocalAddr().String(),
	}
	up := make(chan struct{})
	a.Session = session.New(a.frozen, session.Config{
		Role: session.Client, Protocol: session.ExtendedOnly, Key: w.key, Name: w.name, Instance: w.instanceBytes(), Grease: -1,
		Logger: testLogger(t).With("client", w.instance), Publisher: a, Up: func() { close(up) },
		Dial: func(ctx context.Context, target session.Target) (sock.Socket, error) {
			a.mu.Lock()
			a.served = append(a.served, target.String())
			a.mu.Unlock()
			return sock.Dial(ctx, echoes)
		},
	})
	ctx, cut := context.WithCancel(context.Background())
	a.cut = cut
	go func() { defer close(a.lost); a.Run(ctx) }()
	t.Cleanup(func() {
		cut()
		if a.frozen.shut.Swap(false) {
			close(a.frozen.open)
		}
		await(t, "a client's end", a.lost)
	})
	return a, up
}

func or(a, b string) string {
	if a == "" {
		return b
	}
	return a
}

// bind asks for a port (-1: a name) and returns the answer.
func (a *asker) bind(t *testing.T, service string, port int) wire.Bound {
	t.Helper()
	id := a.Bind(wire.Bind{Service: service, Port: uint16(max(port, 0)), HasPort: port >= 0})
	if id == 0 {
		t.Fatal("the tunnel takes no BIND")
	}
	select {
	case v := <-a.bound:
		if v.ID != id {
			t.Fatalf("BOUND for %d; asked with %d", v.ID, id)
		}
		return v
	case <-time.After(soon):
		t.Fatalf("no BOUND for %s", service)
	}
	return wire.Bound{}
}

// gets fails unless a BIND is answered with that code and a text that has these words; it returns the port.
func (a *asker) gets(t *testing.T, what, service string, port int, code wire.Code, words ...string) int {
	t.Helper()
	v := a.bind(t, service, port)
	for _, w := range words {
		if !strings.Contains(v.Text, w) {
			t.Errorf("%s: the text is %q; want %q in it", what, v.Text, w)
		}
	}
	if v.Code != code || code == wire.CodeOK && port > 0 && int(v.Port) != port || code != wire.CodeOK && (v.Port != 0 || v.Text == "" && code != wire.CodeDrain) {
		t.Fatalf("%s: BOUND %+v; want %v", what, v, code)
	}
	return int(v.Port)
}

// wantUnbound fails unless an UNBIND of the server is the next.
func (a *asker) wantUnbound(t *testing.T, what, want string) {
	t.Helper()
	select {
	case got := <-a.unbound:
		if got != want {
			t.Errorf("%s: UNBIND %s; want %s", what, got, want)
		}
	case <-time.After(soon):
		t.Errorf("%s: no UNBIND; want %s", what, want)
	}
}

func (a *asker) lastServed() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.served) == 0 {
		return ""
	}
	return a.served[len(a.served)-1]
}

// wantShut fails unless a port refuses, soon.
func wantShut(t *testing.T, what string, port int) {
	t.Helper()
	eventually(t, what, func() bool {
		c, err := net.Dial("tcp", local(port))
		if err == nil {
			c.Close()
		}
		return errors.Is(err, syscall.ECONNREFUSED)
	})
}

// open is a server that lets nameless clients ask.
func open(cfg *Config) { cfg.AllowBind = true }

func runOpen(t *testing.T, change ...func(*Config)) *running {
	t.Helper()
	cfg := config(t)
	cfg.Session.Protocol, cfg.Session.Grease = session.Auto, -1
	for _, f := range append(change, open) {
		f(&cfg)
	}
	return run(t, cfg)
}

func TestPortsThatAClientAsksFor(t *testing.T) {
	r := runOpen(t)
	a := r.ask(t, who{instance: 1, name: "workshop"})
	port := freePort(t)
	a.gets(t, "a number", "ssh", port, wire.CodeOK)
	wantEcho(t, "a visitor", local(port))
	if got := a.lastServed(); got != "ssh" {
		t.Errorf("the client was asked for %q; want its service", got)
	}
	any := a.gets(t, "any", "web", 0, wire.CodeOK)
	if any == port || any < 1024 {
		t.Errorf("any port is %d", any)
	}
	wantEcho(t, "a visitor of any", local(any))
	a.gets(t, "a name", "db", -1, wire.CodeOK)
	rows := r.groups.stats()
	if len(rows) != 3 || rows[0].Service != "db" || rows[0].Port != 0 || rows[0].State != "served" || rows[0].Name != "workshop" || rows[0].Remote == "" || time.Since(rows[0].Since) > time.Minute {
		t.Errorf("stats = %+v; want three, the name first", rows)
	}
	text, _ := json.Marshal(rows)
	if want := `"total":1,"failed":0,"octets_in":18,"octets_out":18`; strings.Count(string(text), want) != 2 {
		t.Errorf("stats = %s; want %s twice", text, want)
	}
	// A mapping of a port that a client holds names the holder.
	if _, err := r.mappings.Create(t.Context(), mapping.Request{Port: port}); err == nil || !strings.Contains(err.Error(), "service ssh") {
		t.Errorf("Create of a port that is held = %v; want who holds it", err)
	}
	a.Session.Unbind(1)
	wantShut(t, "a port that was given up", port)
	wantEcho(t, "the other", local(any))
	a.gets(t, "the same again", "ssh", port, wire.CodeOK)
	wantEcho(t, "it", local(port))
}

func TestWhatIsRefused(t *testing.T) {
	taken := freePort(t)
	k := runKeyed(t, func(cfg *Config) {
		cfg.Rules.PortFrom, cfg.Rules.PortEnd, cfg.Rules.Blacklist = 20000, 65000, []int{20001}
		cfg.Rules.Keys = true
	})
	k.mapped(t, "", func(q *mapping.Request) { q.Port = taken })
	a, other := k.ask(t, who{key: &k.home, instance: 1}), k.ask(t, who{key: &k.work, instance: 1})
	a.gets(t, "below the range", "ssh", 19999, wire.CodeDenied, "port_range")
	a.gets(t, "above it", "ssh", 65001, wire.CodeDenied, "port_range")
	a.gets(t, "blacklisted", "ssh", 20001, wire.CodeDenied, "blacklist")
	a.gets(t, "mapped", "ssh", taken, wire.CodeInUse, "mapping")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	a.gets(t, "another program's", "ssh", l.Addr().(*net.TCPAddr).Port, wire.CodeInUse, "another program")
	port := a.gets(t, "any", "ssh", 0, wire.CodeOK)
	if port < 20000 || port == 20001 {
		t.Errorf("any port is %d", port)
	}
	other.gets(t, "another owner's port", "ssh", port, wire.CodeInUse, "another client")
	a.gets(t, "a name", "ssh", -1, wire.CodeOK)
	other.gets(t, "the same name of another owner", "ssh", -1, wire.CodeOK)
	for i := range mostBindings - 2 {
		a.gets(t, "a name more", "n"+strconv.Itoa(i), -1, wire.CodeOK)
	}
	a.gets(t, "one too many", "last", -1, wire.CodeTooMany, "64")
	a.gets(t, "again, which is none more", "n0", -1, wire.CodeOK)
	wantEcho(t, "a visitor", local(port))
}

func TestNamelessClientsAskWhereTheyMay(t *testing.T) {
	cfg := config(t)
	cfg.Session.Protocol = session.Auto
	r := run(t, cfg)
	a := r.ask(t, who{instance: 1})
	a.gets(t, "a port", "ssh", 0, wire.CodeDenied, "tunnel.allow_bind")
	a.gets(t, "a name", "ssh", -1, wire.CodeDenied, "key")

	r = runOpen(t)
	a, b := r.ask(t, who{instance: 1}), r.ask(t, who{instance: 1})
	port := a.gets(t, "a port", "ssh", 0, wire.CodeOK)
	// Instances count among tunnels with an owner alone: this one is another group, and the holder lives.
	b.gets(t, "its port", "ssh", port, wire.CodeInUse, "lives")
	a.cut()
	wantShut(t, "the port of a nameless client that is lost", port)
	b.gets(t, "its port", "ssh", port, wire.CodeOK)
}

func TestTheSameGroupGoesOn(t *testing.T) {
	k := runKeyed(t)
	a := k.ask(t, who{key: &k.home, instance: 1})
	port := a.gets(t, "any", "ssh", 0, wire.CodeOK)
	b := k.ask(t, who{key: &k.home, instance: 1})
	// For 0 with the same service: the same port, on the new tunnel.
	if got := b.gets(t, "any again", "ssh", 0, wire.CodeOK); got != port {
		t.Errorf("the port is %d; want %d again", got, port)
	}
	a.wantUnbound(t, "the old tunnel", "1 replaced")
	if got := b.gets(t, "any with another service", "web", 0, wire.CodeOK); got == port {
		t.Error("another service has the same port")
	}
	b.gets(t, "its number, and another service", "db", port, wire.CodeOK)
	b.wantUnbound(t, "the same tunnel", "1 replaced")
	wantEcho(t, "a visitor", local(port))
	for _, x := range []*asker{a, b} {
		if got := x.lastServed(); got != "" && got != "db" {
			t.Errorf("the client was asked for %q; want db", got)
		}
	}
	// Visitors go to the tunnel with the fewest connections: two to each.
	eventually(t, "the end of the first visitor", func() bool { return a.Active()+b.Active() == 0 })
	var open []*net.TCPConn
	for range 4 {
		c := dial(t, local(port))
		wantEchoOn(t, "a visitor", c)
		open = append(open, c)
	}
	if a.Active() != 2 || b.Active() != 2 {
		t.Errorf("%d and %d connections; want 2 and 2", a.Active(), b.Active())
	}
	// GROUP-002: the loss of the tunnel that asked ends its connections, and the binding stays.
	b.cut()
	<-b.lost
	reset, alive := 0, 0
	for _, c := range open {
		io.WriteString(c, "x")
		if _, err := io.ReadFull(c, make([]byte, 1)); err == nil {
			alive++
		} else {
			reset++
		}
	}
	if reset != 2 || alive != 2 {
		t.Errorf("%d were reset and %d live; want 2 and 2", reset, alive)
	}
	wantEcho(t, "a visitor behind the loss", local(port))
	a.gets(t, "the port, on the tunnel that is left", "ssh", port, wire.CodeOK)
	for _, c := range open {
		c.Close()
	}
	// An end in order leaves nothing, long before the time of bind-hold is over (BIND-008).
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	if err := a.Session.Close(ctx); err != nil {
		t.Fatal(err)
	}
	eventually(t, "nothing left", func() bool { return len(k.groups.stats()) == 0 })
	wantShut(t, "its port", port)
}

func TestAPortIsHeldForItsOwner(t *testing.T) {
	const hold = 600 * time.Millisecond
	k := runKeyed(t, func(cfg *Config) { cfg.BindHold = hold })
	home := func(name string, instance byte) *asker {
		return k.ask(t, who{key: &k.home, name: name, instance: instance})
	}
	a := home("one", 1)
	port := a.gets(t, "a port", "ssh", 0, wire.CodeOK)
	a.gets(t, "a name", "db", -1, wire.CodeOK)
	start := time.Now()
	a.cut()
	eventually(t, "the state held", func() bool {
		rows := k.groups.stats()
		return len(rows) == 1 && rows[0].State == "held" && rows[0].Port == port && rows[0].Key == "home" && rows[0].Remote == ""
	})
	wantReset(t, "a visitor of a port that is held", local(port))
	k.ask(t, who{key: &k.work, name: "one", instance: 1}).gets(t, "another owner", "ssh", port, wire.CodeInUse)
	two := home("two", 2)
	two.gets(t, "another name", "ssh", port, wire.CodeInUse, `"one"`)
	again := home("one", 3)
	again.gets(t, "the same name", "ssh", port, wire.CodeOK)
	if time.Since(start) > hold {
		t.Log("the machine is slow: the port was free again")
	}
	wantEcho(t, "a visitor", local(port))
	again.cut()
	wantShut(t, "a port whose time is over", port)
	two.gets(t, "another name then", "ssh", port, wire.CodeOK)
	// An end in order leaves nothing.
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	if err := two.Session.Close(ctx); err != nil {
		t.Fatal(err)
	}
	eventually(t, "nothing left", func() bool { return len(k.groups.stats()) == 0 })
	wantShut(t, "its port", port)
}

func TestTakingOver(t *testing.T) {
	k := runKeyed(t)
	home := func(name string, instance byte) *asker {
		return k.ask(t, who{key: &k.home, name: name, instance: instance})
	}
	a := home("", 1)
	port := a.gets(t, "a port", "ssh", 0, wire.CodeOK)
	busy := dial(t, local(port))
	wantEchoOn(t, "a visitor", busy)

	b := home("", 2)
	start := time.Now()
	b.gets(t, "from one that lives", "ssh", port, wire.CodeInUse, "lives")
	if took := time.Since(start); took > takeoverProbe {
		t.Errorf("it took %v to see that the holder lives", took)
	}

	// From one that drains, while its transfer goes on.
	closed := make(chan error, 1)
	go func() { closed <- a.Session.Close(context.Background()) }()
	eventually(t, "a drain", func() bool { return k.groups.stats()[0].State == "draining" })
	wantReset(t, "a visitor during the drain", local(port))
	k.ask(t, who{key: &k.work, instance: 2}).gets(t, "another owner", "ssh", port, wire.CodeInUse)
	home("other", 4).gets(t, "another name", "ssh", port, wire.CodeInUse, "kept")
	b.gets(t, "from one that drains", "ssh", port, wire.CodeOK)
	wantEcho(t, "a new visitor", local(port))
	wantEchoOn(t, "the old visitor", busy)
	busy.Close()
	if err := <-closed; err != nil {
		t.Errorf("the drain ended with %v", err)
	}

	// From one that is frozen, after exactly the time of the probe; a second one that asks meanwhile is too late.
	b.frozen.shut.Store(true)
	c, d := home("", 5), home("", 6)
	start = time.Now()
	c.Bind(wire.Bind{Service: "ssh", Port: uint16(port), HasPort: true})
	eventually(t, "a probe", func() bool {
		k.groups.mu.Lock()
		defer k.groups.mu.Unlock()
		return len(k.groups.probes) == 1
	})
	d.Bind(wire.Bind{Service: "ssh", Port: uint16(port), HasPort: true})
	first, second := <-c.bound, <-d.bound
	took := time.Since(start)
	if first.Code != wire.CodeOK || second.Code != wire.CodeInUse || took < takeoverProbe || took > takeoverProbe+5*time.Second {
		t.Errorf("BOUND %v for the first and %v for the second after %v; want ok and in-use after %v", first.Code, second.Code, took, takeoverProbe)
	}
	wantEcho(t, "a visitor", local(port))
	eventually(t, "the end of the dead one", func() bool {
		for _, u := range k.registry.clients() {
			if of := u.group.Load(); of.owner.key == "home" && of.key.instance == string(append(make([]byte, 15), 2)) {
				return false
			}
		}
		return true
	})
}

func TestAWaitingBindIsTakenBack(t *testing.T) {
	k := runKeyed(t)
	a, b := k.ask(t, who{key: &k.home, instance: 1}), k.ask(t, who{key: &k.home, instance: 2})
	port := a.gets(t, "a port", "ssh", 0, wire.CodeOK)
	a.frozen.shut.Store(true)
	id := b.Bind(wire.Bind{Service: "ssh", Port: uint16(port), HasPort: true})
	b.Session.Unbind(id)
	select {
	case v := <-b.bound:
		if v.ID != id || v.Code != wire.CodeCancelled {
			t.Errorf("BOUND %+v; want cancelled", v)
		}
	case <-time.After(soon):
		t.Error("no BOUND behind the UNBIND")
	}
	// And one of a tunnel that drains.
	c := k.ask(t, who{key: &k.home, instance: 3})
	busy := dial(t, local(c.gets(t, "a port of its own", "web", 0, wire.CodeOK)))
	wantEchoOn(t, "a visitor that keeps the tunnel", busy)
	c.Bind(wire.Bind{Service: "ssh", Port: uint16(port), HasPort: true})
	ctx, stop := context.WithTimeout(t.Context(), soon)
	defer stop()
	go c.Session.Close(ctx)
	select {
	case v := <-c.bound:
		if v.Code != wire.CodeDrain {
			t.Errorf("BOUND %+v; want drain", v)
		}
	case <-ctx.Done():
		t.Error("no BOUND during the drain")
	}
}

func TestRights(t *testing.T) {
	k := runKeyed(t)
	low, next := freePort(t), freePort(t)
	k.write(t, k.home.Line()+fmt.Sprintf(" ports=%d services=ssh,web connections=2 tunnels=2 addresses=127.0.0.0/30", low), k.work.Line())
	k.refreshKeys()
	a := k.ask(t, who{key: &k.home, instance: 1})
	a.gets(t, "another port", "ssh", next, wire.CodeDenied, "(ports)", "home")
	a.gets(t, "another name", "db", -1, wire.CodeDenied, "(services)")
	a.gets(t, "its name", "web", -1, wire.CodeOK)
	if got := a.gets(t, "any", "ssh", 0, wire.CodeOK); got != low {
		t.Errorf("any port is %d; want the only one, %d", got, low)
	}
	a.gets(t, "any again, when there is none", "web", 0, wire.CodeInUse, "free")

	// Connections, of all tunnels together.
	one, two := dial(t, local(low)), dial(t, local(low))
	wantEchoOn(t, "the first", one)
	wantEchoOn(t, "the second", two)
	wantReset(t, "the third", local(low))
	one.Close()
	eventually(t, "a seat", func() bool {
		c := dial(t, local(low))
		if c == nil {
			return false
		}
		defer c.Close()
		io.WriteString(c, "y")
		_, err := io.ReadFull(c, make([]byte, 1))
		return err == nil
	})
	two.Close()

	// Tunnels and addresses.
	b := k.ask(t, who{key: &k.home, instance: 2})
	for what, w := range map[string]who{"a third tunnel": {key: &k.home, instance: 3}, "a foreign address": {key: &k.home, instance: 1, from: "127.0.0.9"}} {
		c, _ := k.begins(t, w)
		await(t, what, c.lost)
		if e, ok := errors.AsType[*session.GoAwayError](c.Session.Err()); !ok || e.Code != map[string]wire.Code{"a third tunnel": wire.CodeTooMany, "a foreign address": wire.CodeDenied}[what] {
			t.Errorf("%s ends with %v", what, c.Session.Err())
		}
	}
	// A file that changes: what is outside ends, what is inside stays.
	k.write(t, k.home.Line()+" ports="+strconv.Itoa(next)+" tunnels=1", k.work.Line())
	k.refreshKeys()
	a.wantUnbound(t, "a port outside of new rights", "4 denied")
	wantShut(t, "it", low)
	await(t, "the tunnel that is one too many", b.lost)
	a.gets(t, "what is inside", "ssh", next, wire.CodeOK)
	// A key that is taken away leaves nothing, not even a port that is held.
	k.write(t, k.work.Line())
	k.refreshKeys()
	a.wantUnbound(t, "a name of a key that is gone", "3 denied")
	a.wantUnbound(t, "a port of a key that is gone", "6 denied")
	await(t, "the tunnel", a.lost)
	wantShut(t, "its port", next)
	if rows := k.groups.stats(); len(rows) != 0 {
		t.Errorf("stats = %+v; want none", rows)
	}
}

func TestAGroupHasABound(t *testing.T) {
	k := runKeyed(t)
	for range mostOfGroup {
		k.ask(t, who{key: &k.home, instance: 1})
	}
	one, _ := k.begins(t, who{key: &k.home, instance: 1})
	await(t, "one too many", one.lost)
	if e, ok := errors.AsType[*session.GoAwayError](one.Session.Err()); !ok || e.Code != wire.CodeTooMany {
		t.Errorf("it ends with %v; want GOAWAY too-many", one.Session.Err())
	}
	k.ask(t, who{key: &k.home, instance: 2})
}

func TestMappingsOfServicesAndOwners(t *testing.T) {
	k := runKeyed(t, func(cfg *Config) { cfg.Rules.Keys = true })
	a, b := k.ask(t, who{key: &k.home, name: "one", instance: 1}), k.ask(t, who{key: &k.work, name: "two", instance: 1})
	ssh := k.mapped(t, "", func(q *mapping.Request) { q.Service, q.Key = "ssh", "work" })
	wantReset(t, "a service that nobody has", ssh)
	a.gets(t, "the name of another owner", "ssh", -1, wire.CodeOK)
	wantReset(t, "a service of another owner", ssh)
	b.gets(t, "the name", "ssh", -1, wire.CodeOK)
	wantEcho(t, "the service", ssh)
	if got := b.lastServed(); got != "ssh" || a.lastServed() != "" {
		t.Errorf("asked for %q, and the other for %q", got, a.lastServed())
	}
	for key, x := range map[string]*asker{"home": a, "work": b} {
		wantEcho(t, "a target of "+key, k.mapped(t, "127.0.0.1:4321", func(q *mapping.Request) { q.Key = key }))
		if got := x.lastServed(); got != "127.0.0.1:4321" {
			t.Errorf("the client of %s was asked for %q", key, got)
		}
	}
	wantEcho(t, "by name", k.mapped(t, "127.0.0.1:4322", func(q *mapping.Request) { q.Name = "two" }))
	if got := b.lastServed(); got != "127.0.0.1:4322" {
		t.Errorf("the client named two was asked for %q", got)
	}
	wantReset(t, "a name that nobody has", k.mapped(t, "127.0.0.1:4323", func(q *mapping.Request) { q.Name = "three" }))
	for field, q := range map[string]mapping.Request{
		"key":         {Service: "ssh"},
		"service":     {Service: "SSH", Key: "home"},
		"name":        {Name: "a b"},
		"target_port": {Service: "ssh", Key: "home", TargetPort: new(22)},
		"target_host": {Service: "ssh", Key: "home", TargetHost: "127.0.0.1"},
	} {
		q.Port = freePort(t)
		_, err := k.mappings.Create(t.Context(), q)
		if e, ok := errors.AsType[*mapping.Error](err); !ok || e.Field != field {
			t.Errorf("Create(%+v) = %v; want field %s", q, err, field)
		}
	}
}
