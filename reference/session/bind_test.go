package session

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/adit-tunnel/adit/spec/wire"
)

// notes is a Binder and a Publisher that writes down what it is told.
type notes struct {
	all   []string
	doing func(string) // what is done at once; nil: nothing
}

func (n *notes) note(text string) {
	n.all = append(n.all, text)
	if n.doing != nil {
		n.doing(text)
	}
}

func (n *notes) Bind(b wire.Bind) {
	n.note(fmt.Sprintf("BIND %d %s %d %v", b.ID, b.Service, b.Port, b.HasPort))
}
func (n *notes) Unbind(id uint32)     { n.note(fmt.Sprintf("UNBIND %d", id)) }
func (n *notes) Serves(s string) bool { return s == "ssh" }
func (n *notes) Bound(b wire.Bound) {
	n.note(fmt.Sprintf("BOUND %d %v %d %s", b.ID, b.Code, b.Port, b.Text))
}

func (n *notes) Unbound(id uint32, code wire.Code) {
	n.note(fmt.Sprintf("UNBIND %d %v", id, code))
}

func (n *notes) want(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	if !slices.Equal(n.all, want) {
		t.Errorf("told %q; want %q", n.all, want)
	}
}

// onBinding runs a test on a tunnel whose HELLOs have passed with the option bind.
func onBinding(t *testing.T, role Role, test func(r *rig, n *notes)) {
	t.Helper()
	cfg, n, up := extended(role), &notes{}, 0
	cfg.Up = func() { up++ }
	if role == Server {
		cfg.Binder = n
	} else {
		cfg.Publisher = n
	}
	inMemory(t, cfg, func(r *rig) {
		own := wire.AppendHello(nil, wire.Hello{Window: uint32(r.s.cfg.Window), MaxConnections: uint32(r.s.cfg.MaxConnections), Bind: true}, role == Client)
		peer := wire.AppendHello(nil, wire.Hello{Window: peerWindow, MaxConnections: 16384, Bind: true, Instance: instance(role)}, role == Server)
		if role == Server {
			r.send(peer)
			r.want("the answer", own)
			if got := r.s.Peer().Instance; string(got) != string(instance(role)) {
				t.Errorf("the client's instance is %x", got)
			}
		} else {
			r.want("the offer", own)
			r.want("and the barrier", keepAlive())
			r.send(peer)
		}
		synctest.Wait()
		if up != 1 {
			t.Fatalf("Up was called %d times", up)
		}
		test(r, n)
	})
}

func instance(role Role) []byte {
	if role == Server {
		return []byte("0123456789abcdef")
	}
	return nil
}

func bindFrame(id uint32, service string, port uint16) []byte {
	return wire.AppendBind(nil, wire.Bind{ID: id, Service: service, Port: port, HasPort: true})
}

func boundFrame(id uint32, code wire.Code, port uint16) []byte {
	return wire.AppendBound(nil, wire.Bound{ID: id, Code: code, Port: port})
}

func unbindFrame(id uint32, code wire.Code) []byte { return wire.AppendUnbind(nil, id, code) }

func TestBindOnAServer(t *testing.T) {
	onBinding(t, Server, func(r *rig, n *notes) {
		n.doing = func(text string) { // as the owner does
			switch text {
			case "BIND 0 ssh 22 true":
				r.s.Bound(wire.Bound{ID: 0, Port: 22})
			case "UNBIND 0", "UNBIND 9":
				r.s.Unbound(uint32(text[7]-'0'), wire.CodeOK)
			}
		}
		r.send(bindFrame(0, "ssh", 22))
		r.want("the answer", boundFrame(0, wire.CodeOK, 22))
		// What a BIND says that cannot be served is answered without the owner (BIND-003).
		r.send(bindFrame(3, "SSH", 22))
		r.want("no label", wire.AppendBound(nil, wire.Bound{ID: 3, Code: wire.CodeGeneral, Text: "no service, or a name that is no label"}))
		r.send(wire.AppendBind(nil, wire.Bind{ID: 4, Network: 2, Service: "ssh"}))
		r.want("udp", wire.AppendBound(nil, wire.Bound{ID: 4, Code: wire.CodeUnsupported, Text: "unknown network"}))
		// BIND-005: an UNBIND is owed in its place.
		r.send(unbindFrame(0, wire.CodeOK), pingFrame("12345678"), unbindFrame(9, wire.CodeReplaced))
		r.want("the first answer", unbindFrame(0, wire.CodeOK))
		r.want("the second", pongFrame("12345678"))
		r.want("the third, for an ID without binding", unbindFrame(9, wire.CodeOK))
		n.want(t, "BIND 0 ssh 22 true", "UNBIND 0", "UNBIND 9")
		r.send(bindFrame(9, "ssh", 22))
		r.wantPart("an ID that UNBIND has used", "BIND-001")
	})
	for what, f := range map[string][]byte{"an equal ID": bindFrame(5, "ssh", 1), "a lower ID": bindFrame(4, "ssh", 1)} {
		onBinding(t, Server, func(r *rig, n *notes) {
			r.send(bindFrame(5, "ssh", 22), f)
			r.wantPart(what, "BIND-001")
		})
	}
	onBinding(t, Server, func(r *rig, n *notes) {
		r.send(boundFrame(1, wire.CodeOK, 0))
		r.wantPart("BOUND from a client", "BIND-018")
	})
	// BIND-017
	onBinding(t, Server, func(r *rig, n *notes) {
		r.extOpened()
		r.send(wire.AppendGoAway(nil, wire.CodeDrain, ""))
		r.want("the answer", wire.AppendGoAway(nil, wire.CodeDrain, ""))
		r.send(bindFrame(1, "ssh", 22))
		r.want("a BIND behind a GOAWAY", boundFrame(1, wire.CodeDrain, 0))
		n.want(t)
	})
}

func TestBindOnAClient(t *testing.T) {
	ask := func(r *rig) {
		r.t.Helper()
		if id := r.s.Bind(wire.Bind{Service: "ssh", Port: 22, HasPort: true}); id != 1 {
			r.t.Fatalf("Bind = %d; want 1", id)
		}
		r.want("BIND", bindFrame(1, "ssh", 22))
	}
	onBinding(t, Client, func(r *rig, n *notes) {
		ask(r)
		if id := r.s.Bind(wire.Bind{Service: "web"}); id != 2 {
			t.Fatalf("the second Bind = %d", id)
		}
		r.want("BIND for a name", wire.AppendBind(nil, wire.Bind{ID: 2, Service: "web"}))
		r.send(wire.AppendBound(nil, wire.Bound{ID: 2, Code: wire.CodeDenied, Text: "no"}), boundFrame(1, wire.CodeOK, 22))
		r.wantAnswer("nothing is answered")
		r.send(unbindFrame(1, wire.CodeReplaced), unbindFrame(1, wire.CodeGeneral), unbindFrame(2, wire.CodeGeneral))
		r.wantAnswer("nothing is answered")
		n.want(t, "BOUND 2 denied 0 no", "BOUND 1 ok 22 ", "UNBIND 1 replaced")
	})
	// What it gives up itself is no news.
	onBinding(t, Client, func(r *rig, n *notes) {
		ask(r)
		r.s.Unbind(1)
		r.want("UNBIND", unbindFrame(1, wire.CodeOK))
		r.send(boundFrame(1, wire.CodeCancelled, 0), unbindFrame(1, wire.CodeOK))
		r.wantAnswer("nothing is answered")
		n.want(t, "BOUND 1 cancelled 0 ")
	})
	for what, frames := range map[string][][]byte{
		"BOUND for an ID that was not used":  {boundFrame(2, wire.CodeOK, 1)},
		"a second BOUND":                     {boundFrame(1, wire.CodeOK, 1), boundFrame(1, wire.CodeOK, 1)},
		"UNBIND before BOUND":                {unbindFrame(1, wire.CodeReplaced)},
		"UNBIND for an ID that was not used": {boundFrame(1, wire.CodeOK, 1), unbindFrame(2, wire.CodeReplaced)},
		"UNBIND for ID 0":                    {unbindFrame(0, wire.CodeReplaced)},
	} {
		onBinding(t, Client, func(r *rig, n *notes) {
			ask(r)
			r.send(frames...)
			r.wantPart(what, "BIND-011")
		})
	}
	onBinding(t, Client, func(r *rig, n *notes) {
		r.send(bindFrame(1, "ssh", 1))
		r.wantPart("BIND from a server", "BIND-018")
	})
	// BIND-010: services are dialled by their names, others refused.
	onBinding(t, Client, func(r *rig, n *notes) {
		r.send(wire.AppendOpen(nil, wire.Open{ID: 1, Service: "ssh", HasService: true}))
		call := r.dialled()
		if call.target != (Target{Service: "ssh"}) || call.target.String() != "ssh" {
			t.Errorf("dialled %+v; want the service", call.target)
		}
		call.result <- nil
		r.want("OPENED", wire.AppendOpened(nil, 1))
		r.send(wire.AppendOpen(nil, wire.Open{ID: 2, Service: "web", HasService: true}))
		r.want("one that it does not have", wire.AppendReset(nil, 2, wire.CodeUnknownService, "no service of that name"))
	})
	// Behind a GOAWAY nothing is asked for.
	onBinding(t, Client, func(r *rig, n *notes) {
		r.extOpened()
		r.send(wire.AppendGoAway(nil, wire.CodeDrain, ""))
		synctest.Wait()
		if id := r.s.Bind(wire.Bind{Service: "ssh"}); id != 0 {
			t.Errorf("Bind behind a GOAWAY = %d", id)
		}
	})
}

// Without the option its frames are against HELLO-006, and its tag is not answered.
func TestWithoutTheOptionBind(t *testing.T) {
	for _, f := range [][]byte{bindFrame(1, "ssh", 1), unbindFrame(1, wire.CodeOK)} {
		onExtended(t, extended(Server), func(r *rig) {
			r.send(f)
			r.wantPart("a frame of the option", "HELLO-006")
		})
	}
	cfg := extended(Server)
	cfg.Binder = &notes{}
	onExtended(t, cfg, func(r *rig) { // the client did not offer it
		r.send(bindFrame(1, "ssh", 1))
		r.wantPart("a BIND that was not offered", "HELLO-006")
	})
	cfg = extended(Client)
	cfg.Publisher = &notes{}
	inMemory(t, cfg, func(r *rig) {
		r.want("the offer", wire.AppendHello(nil, wire.Hello{Window: uint32(r.s.cfg.Window), MaxConnections: uint32(r.s.cfg.MaxConnections), Bind: true}, true))
		r.want("and the barrier", keepAlive())
		r.send(hello(Server, peerWindow))
		synctest.Wait()
		f, err := r.next()
		if code, _, perr := wire.ParseGoAway(f[wire.HeaderLen:]); err != nil || perr != nil || code != wire.CodeUnsupported {
			t.Errorf("a server without the option gets %x, %v; want GOAWAY unsupported", f, err)
		}
		if !errors.Is(r.s.Err(), ErrNoBind) {
			t.Errorf("the tunnel ends with %v; want ErrNoBind", r.s.Err())
		}
	})
}

// A visitor of a service gets an OPEN that names it, and only where it can be named.
func TestAVisitorOfAService(t *testing.T) {
	onExtended(t, extended(Server), func(r *rig) {
		r.visit(Target{Service: "ssh"})
		r.want("OPEN", wire.AppendOpen(nil, wire.Open{ID: 1, Service: "ssh", HasService: true}))
	})
	cfg := extended(Server)
	cfg.Protocol = CoreOnly
	inMemory(t, cfg, func(r *rig) {
		near, _ := r.pipe(1)
		if err := r.s.Open(Visitor{Socket: near, Target: Target{Service: "ssh"}}); !errors.Is(err, ErrCoreOnly) {
			t.Errorf("Open of a service on a Core tunnel = %v", err)
		}
	})
}

// BIND-007: what comes next is a sign of life, and what came before is none.
func TestProbe(t *testing.T) {
	onExtended(t, extended(Server), func(r *rig) {
		n := 0
		r.measured()
		r.s.Probe(func() { n++ })
		synctest.Wait()
		r.asked("a probe")
		synctest.Wait()
		if n != 0 {
			t.Error("silence is a sign of life")
		}
		r.send(keepAlive())
		r.want("the answer", keepAlive())
		r.send(keepAlive())
		r.want("the answer", keepAlive())
		if n != 1 {
			t.Errorf("told %d times; want once", n)
		}
		if r.s.PeerDone() {
			t.Error("the peer is done")
		}
		r.send(wire.AppendGoAway(nil, wire.CodeDone, ""))
		synctest.Wait()
		if !r.s.PeerDone() {
			t.Error("GOAWAY done is not noticed")
		}
	})
}
