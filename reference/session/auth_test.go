package session

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/adit-tunnel/adit/reference/sock"
	"github.com/adit-tunnel/adit/spec"
	"github.com/adit-tunnel/adit/spec/wire"
)

var (
	testKey = wire.Key{ID: "home", Secret: wire.Secret([]byte("a secret of thirty-two characters"[:wire.SecretLen]))}
	other   = wire.Key{ID: "home", Secret: wire.Secret([]byte("another one of thirty-two letters"[:wire.SecretLen]))}
)

// withAuth is a rig's configuration for a side that asks for auth.
func withAuth(role Role) Config {
	cfg := extended(role)
	if role == Client {
		cfg.Key = &testKey
	} else {
		cfg.Keys = func(id string) (wire.Secret, bool) { return testKey.Secret, id == testKey.ID }
	}
	return cfg
}

// A handshakeOf the session under test with a scripted peer, which has a key and knows a binding and its CB.
type handshakeOf struct {
	*rig
	key            wire.Key
	binding        uint8
	cb             wire.CB
	client, server []byte // both HELLOs, as they were sent
}

func (r *rig) handshake() *handshakeOf { return &handshakeOf{rig: r, key: testKey} }

// hello is the peer's.
func (h *handshakeOf) hello() []byte {
	a := &wire.Auth{Scheme: wire.SchemeHMAC, Binding: h.binding, Nonce: [wire.NonceLen]byte([]byte("a nonce, made for all these tests!"))}
	peer := wire.Hello{Window: peerWindow, MaxConnections: 16384, Auth: a}
	if h.s.cfg.Role == Client {
		return wire.AppendHello(nil, peer, false)
	}
	a.KeyID = h.key.ID
	return wire.AppendHello(nil, peer, true)
}

// take reads a frame of a type.
func (r *rig) take(sentence string, typ wire.Type) []byte {
	r.t.Helper()
	f, err := r.next()
	if err != nil || wire.Type(f[1]) != typ {
		r.t.Fatalf("%s: got frame %.60x, %v; want %v", sentence, f, err, typ)
	}
	return f
}

// greet passes both HELLOs. Of a server the proof comes next.
func (h *handshakeOf) greet() {
	h.t.Helper()
	if h.s.cfg.Role == Client {
		h.client, h.server = h.take("the offer", wire.TypeHello), h.hello()
		h.send(h.server)
		synctest.Wait()
		return
	}
	h.client = h.hello()
	h.send(h.client)
	h.server = h.take("the answer", wire.TypeHello)
}

// serverProof and clientProof are frames with the right proofs.
func (h *handshakeOf) serverProof() []byte {
	return wire.AppendAuth(nil, h.key.Secret.ServerProof(h.cb, wire.TranscriptOf(h.client, h.server)))
}

func (h *handshakeOf) clientProof() []byte {
	return wire.AppendAuth(nil, h.key.Secret.ClientProof(h.cb, wire.TranscriptOf(h.client, h.server)))
}

// right is the peer's own proof.
func (h *handshakeOf) right() []byte {
	if h.s.cfg.Role == Client {
		return h.serverProof()
	}
	return h.clientProof()
}

// enter brings the tunnel into a state of the table.
func (h *handshakeOf) enter(state string) {
	h.t.Helper()
	server := h.s.cfg.Role == Server
	switch {
	case state == "new":
		return
	case state == "offered":
		h.client = h.take("the offer", wire.TypeHello)
		return
	}
	h.greet()
	if server {
		h.want("the server proves first", h.serverProof())
	}
	if state != "greeted" {
		h.send(h.right())
		if server {
			h.want("the client is let in", wire.AppendAuthEmpty(nil))
		} else {
			h.want("the client proves", h.clientProof())
		}
	}
	if !server && state == "up" {
		h.send(wire.AppendAuthEmpty(nil))
	}
	h.wantPhase("entered", state)
}

var phaseNames = map[Role]map[phase]string{
	Server: {greeting: "new", greeted: "greeted", up: "up"},
	Client: {greeting: "offered", greeted: "greeted", proving: "proving", up: "up"},
}

func (r *rig) wantPhase(sentence, want string) {
	r.t.Helper()
	synctest.Wait()
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	if got := phaseNames[r.s.cfg.Role][r.s.phase]; got != want {
		r.t.Fatalf("%s: the tunnel is %q; want %q", sentence, got, want)
	}
}

// cause makes an event of the table happen.
func (h *handshakeOf) cause(event string) {
	h.t.Helper()
	switch event {
	case "HELLO with auth":
		hello := h.hello()
		if h.s.cfg.Role == Server {
			h.client = hello
		}
		h.send(hello)
	case "HELLO without auth":
		h.send(hello(1-h.s.cfg.Role, peerWindow))
	case "AUTH that is right":
		h.send(h.right())
	case "AUTH that is wrong":
		h.send(wire.AppendAuth(nil, wire.Proof{}))
	case "AUTH without octets":
		h.send(wire.AppendAuthEmpty(nil))
	case "GOAWAY":
		h.send(goAway(wire.CodeDrain))
	case "another extended or unknown frame":
		h.send(pingFrame("12345678"))
	case "KeepAlive":
		h.send(keepAlive())
	case "a Core frame":
		h.send(closeFrame(77))
	case "visitor to be served":
		h.visit(home)
	case "handshake over":
		h.sleep(handshake + coarse)
	default:
		h.t.Fatalf("event %q is not known", event)
	}
	synctest.Wait()
}

// TestEveryCellOfTheAuthTables plays the tables of section 30.3 as the text has them.
func TestEveryCellOfTheAuthTables(t *testing.T) {
	for role, cells := range map[Role]int{Server: 24, Client: 39} {
		n := 0
		for _, row := range spec.States("auth-" + role.String()).Events {
			for _, cell := range row.Cells {
				if cell.To == "" {
					continue
				}
				n++
				t.Run(fmt.Sprintf("%v/%s/%s", role, cell.State, row.Event), func(t *testing.T) {
					inMemory(t, withAuth(role), func(r *rig) { r.handshake().play(row.Event, cell) })
				})
			}
		}
		if n != cells {
			t.Errorf("the table of the %v has %d cells; want %d", role, n, cells)
		}
	}
}

// play plays one cell.
func (h *handshakeOf) play(event string, cell spec.Cell) {
	h.enter(cell.State)
	h.cause(event)
	var broken, over, quiet bool
	for _, a := range cell.Actions() {
		switch a.Name {
		case "send HELLO":
			h.server = h.take(a.Name, wire.TypeHello)
		case "send the server's proof":
			h.want(a.Name, h.serverProof())
		case "send the client's proof":
			h.want(a.Name, h.clientProof())
		case "send AUTH without octets":
			h.want(a.Name, wire.AppendAuthEmpty(nil))
		case "send GOAWAY denied":
			h.want(a.Name, goAway(wire.CodeDenied))
		case "send GOAWAY timed-out":
			h.want(a.Name, goAway(wire.CodeTimedOut))
		case "send OPEN":
			h.want(a.Name, openFrame(1))
		case "tunnel error":
			broken = true
		case "end the tunnel":
			over = true
		case "ignore":
			quiet = true
		case "by Core", "by section 28", "by sections 24 to 28":
		default:
			h.t.Fatalf("action %q is not known", a.Name)
		}
	}
	switch {
	case broken || over:
		h.wantOver(broken)
	case quiet:
		h.wantAnswer("nothing comes of it")
	case cell.State == "up":
		h.answer() // the tunnel goes on
	default:
		h.wantIdle("nothing else is sent")
	}
	if !broken && !over {
		h.wantPhase("afterwards", cell.To)
	}
}

// wantOver checks that the tunnel has ended, with a tunnel error or without, and that nothing is sent but a GOAWAY that says so.
func (r *rig) wantOver(broken bool) error {
	r.t.Helper()
	err := <-r.ended
	r.ended <- err
	if (RuleOf(err) != "") != broken || err == nil {
		r.t.Errorf("Run = %v; want a tunnel error: %v", err, broken)
	}
	for {
		f, nothing := r.next()
		if nothing != nil {
			return err
		}
		if !broken || wire.Type(f[1]) != wire.TypeGoAway || f[wire.HeaderLen+1] != byte(wire.CodeProtocol) {
			r.t.Errorf("after the end: frame %x", f)
		}
	}
}

// wantDenied checks that a server denies its client, and says nothing more (AUTH-024).
func (h *handshakeOf) wantDenied(sentence string) {
	h.t.Helper()
	h.want(sentence, goAway(wire.CodeDenied))
	if err := h.wantOver(false); !errors.Is(err, ErrDenied) {
		h.t.Errorf("%s: Run = %v; want ErrDenied", sentence, err)
	}
}

// Both roles of this engine, with each binding; and nothing is the same twice (AUTH-014).
func TestProofsWithEveryBinding(t *testing.T) {
	cbs := map[uint8]wire.CB{wire.BindingExporter: {1: 0xEE}, wire.BindingCertificate: {2: 0xCE}}
	tls := func(binding uint8) (wire.CB, bool) { cb, ok := cbs[binding]; return cb, ok }
	certificate := func(binding uint8) (wire.CB, bool) { return cbs[2], binding == 2 }
	for _, c := range []struct {
		what    string
		role    Role
		binding func(uint8) (wire.CB, bool)
		told    uint8 // StateBinding
		peer    uint8 // the binding that the peer states
		cb      wire.CB
		stated  uint8  // by this side
		req     string // of a tunnel error
		denied  bool
		has     bool // this side has the peer's binding, though it did not state it
	}{
		{what: "without TLS", role: Server},
		{what: "the exporter", role: Server, binding: tls, peer: 1, cb: cbs[1], stated: 1},
		{what: "the certificate", role: Server, binding: tls, peer: 2, cb: cbs[2], stated: 2},
		{what: "the certificate, of a server that has it alone", role: Server, binding: certificate, peer: 2, cb: cbs[2], stated: 2},
		{what: "the exporter, of a server that has the certificate alone", role: Server, binding: certificate, peer: 1, cb: cbs[2], stated: 2, denied: true},
		{what: "the exporter, with another CB", role: Server, binding: tls, peer: 1, cb: cbs[2], stated: 1, denied: true},
		{what: "no TLS at the client", role: Server, binding: tls, cb: cbs[1], stated: 1, denied: true},
		{what: "a binding that nobody knows", role: Server, binding: tls, peer: 3, cb: cbs[1], stated: 1, denied: true},
		{what: "TLS at the client alone", role: Server, peer: 1, denied: true},
		{what: "without TLS", role: Client},
		{what: "the exporter", role: Client, binding: tls, peer: 1, cb: cbs[1], stated: 1},
		{what: "the certificate, of a client that has it alone", role: Client, binding: certificate, peer: 2, cb: cbs[2], stated: 2},
		{what: "the certificate, as it was told", role: Client, binding: tls, told: 2, peer: 2, cb: cbs[2], stated: 2},
		{what: "told what it does not have", role: Client, binding: certificate, told: 1, peer: 2, cb: cbs[2], stated: 2},
		{what: "told of TLS, without", role: Client, told: 2},
		{what: "the certificate for the exporter", role: Client, binding: tls, peer: 2, cb: cbs[2], stated: 1, req: "AUTH-022", has: true},
		{what: "the exporter for the certificate", role: Client, binding: certificate, peer: 1, cb: cbs[1], stated: 2, req: "AUTH-022"},
		{what: "no TLS at the server", role: Client, binding: tls, cb: cbs[1], stated: 1, req: "AUTH-022"},
		{what: "a binding that nobody knows, of a server", role: Client, binding: tls, peer: 9, cb: cbs[1], stated: 1, req: "AUTH-022"},
		{what: "TLS at the server alone", role: Client, peer: 1, req: "AUTH-022"},
	} {
		t.Run(fmt.Sprintf("%v/%s", c.role, c.what), func(t *testing.T) {
			cfg := withAuth(c.role)
			cfg.Binding, cfg.StateBinding = c.binding, c.told
			inMemory(t, cfg, func(r *rig) {
				h := r.handshake()
				h.binding, h.cb = c.peer, c.cb
				h.greet()
				own := h.server
				if c.role == Client {
					own = h.client
				}
				said, err := wire.ParseHello(own[wire.HeaderLen:], c.role == Client, wire.TagAuth)
				if err != nil || said.Auth == nil || said.Auth.Binding != c.stated {
					t.Fatalf("HELLO has %+v, %v; want binding %d", said.Auth, err, c.stated)
				}
				switch {
				case c.req != "":
					h.wantPart("another binding", c.req)
					var other *BindingError
					if err := r.s.Err(); !errors.As(err, &other) || other.Server != c.peer || other.Has != c.has {
						t.Errorf("Err = %v; want one that names binding %d, which this side has: %v", err, c.peer, c.has)
					}
					return
				case c.denied:
					h.take("a proof of some kind", wire.TypeAuth)
					h.send(h.right())
					h.wantDenied("the proof is of another CB")
					return
				case c.role == Server:
					h.want("the server proves first", h.serverProof())
					h.send(h.right())
					h.want("the client is let in", wire.AppendAuthEmpty(nil))
				default:
					h.send(h.right())
					h.want("the client proves", h.clientProof())
					h.send(wire.AppendAuthEmpty(nil))
				}
				h.wantAnswer("the tunnel is up")
				if key, ok := r.s.Key(); !ok || key != testKey || r.s.Stats().Key != "home" {
					t.Errorf("Key = %v, %v, and %q in Stats; want home", key, ok, r.s.Stats().Key)
				}
			})
		})
	}
}

// AUTH-006: a key ID that the server does not have, or that no key can have, has the same answer as one that it has.
func TestAnUnknownKeyIsAnsweredLikeAKnownOne(t *testing.T) {
	answers := map[string][]byte{} // proofs of the server, by ID
	for _, id := range []string{"home", "unknown", "no key", "\xff"} {
		for range 2 {
			inMemory(t, withAuth(Server), func(r *rig) {
				h := r.handshake()
				h.key.ID = id
				h.greet()
				said, err := wire.ParseHello(h.server[wire.HeaderLen:], false, wire.TagAuth)
				if err != nil || said.Auth.Binding != 0 || said.Auth.Scheme != 1 {
					t.Errorf("%q: HELLO has %+v, %v", id, said.Auth, err)
				}
				proof := h.take("a proof", wire.TypeAuth)
				if len(proof) != wire.HeaderLen+wire.ProofLen || bytes.Equal(proof, answers[id]) {
					t.Errorf("%q: AUTH is %x; want 32 octets, made for this tunnel", id, proof)
				}
				answers[id] = proof
				if (id == "home") != bytes.Equal(proof, h.serverProof()) {
					t.Errorf("%q: AUTH is %x", id, proof)
				}
				h.wantIdle("and nothing else")
				h.key = other
				h.send(h.right())
				h.wantDenied("the proof of another secret")
			})
		}
	}
	if a, b := decoy("a"), decoy("b"); a != decoy("a") || a == b {
		t.Error("secrets of unknown keys change, or are those of others")
	}
	if processSecret() == [wire.SecretLen]byte{} {
		t.Error("everybody knows the secret of this process")
	}
}

// AUTH-019: the number of another scheme is answered like no auth, whatever follows it.
func TestAClientOfAnotherScheme(t *testing.T) {
	for _, value := range [][]byte{{2}, {0, 1, 2}, append([]byte{2}, make([]byte, 40)...)} {
		inMemory(t, withAuth(Server), func(r *rig) {
			r.send(wire.AppendHello(nil, wire.Hello{}, true, wire.TLV{Tag: wire.TagAuth, Value: value}))
			r.handshake().wantDenied("another scheme")
		})
	}
}

// asked is a tunnel that notes how much is read of it at once.
type asked struct {
	sock.Socket
	sizes []int
}

func (a *asked) Read(pool *sock.Pool, size int) (*sock.Buf, error) {
	a.sizes = append(a.sizes, size)
	return a.Socket.Read(pool, size)
}

// AUTH-017: a stranger's bytes have no large buffer, not even for a moment.
func TestLittleIsReadOfAStranger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := sock.Pipe(8 << 10)
		tunnel := &asked{Socket: near}
		s := New(tunnel, withAuth(Server))
		ended := make(chan error, 1)
		go func() { ended <- s.Run(t.Context()) }()
		h := handshakeOf{rig: &rig{t: t, s: s, tunnel: far.Stream(), timed: true}, key: testKey}
		h.enter("greeted")
		h.send(make([]byte, 1))
		<-ended
		for i, size := range tunnel.sizes {
			if size > 4<<10 {
				t.Errorf("read %d asks for %d bytes; want 4 KiB at most", i+1, size)
			}
		}
		if len(tunnel.sizes) < 2 {
			t.Errorf("%d reads; want one of HELLO, and one of what is none", len(tunnel.sizes))
		}
	})
}

// What somebody has seen, or gets from this side, is of no use.
func TestNoProofOpensTwice(t *testing.T) {
	var seen []byte
	inMemory(t, withAuth(Server), func(r *rig) {
		h := r.handshake()
		h.enter("up")
		seen = h.right()
	})
	inMemory(t, withAuth(Server), func(r *rig) {
		h := r.handshake()
		h.enter("greeted")
		h.send(seen)
		h.wantDenied("a replay")
	})
	inMemory(t, withAuth(Server), func(r *rig) {
		h := r.handshake()
		h.enter("greeted")
		h.send(h.serverProof())
		h.wantDenied("the server's own proof")
	})
	inMemory(t, withAuth(Client), func(r *rig) {
		h := r.handshake()
		h.key = other
		h.greet()
		h.send(h.right())
		if err := h.wantOver(false); !errors.Is(err, ErrWrongServer) {
			t.Errorf("Run = %v; want ErrWrongServer", err)
		}
	})
}

// AUTH-001, AUTH-007: no KeepAlive, no grease, no connection before both proofs.
func TestNothingIsSaidBeforeTheProofs(t *testing.T) {
	cfg := withAuth(Client)
	cfg.Greet, cfg.Grease, cfg.KeepAliveInterval = true, 1, 15*time.Second
	inMemory(t, cfg, func(r *rig) {
		h := r.handshake()
		h.greet()
		h.sleep(9 * time.Second)
		h.wantIdle("HELLO and nothing else")
		h.send(h.right())
		h.want("the proof", h.clientProof())
		h.wantIdle("and nothing else")
		h.send(wire.AppendAuthEmpty(nil))
		if f, err := h.next(); err != nil || f[1]&0xEF != 0x2A {
			t.Errorf("behind the proofs: %x, %v; want a frame of grease", f, err)
		}
		h.sleep(15*time.Second - coarse)
		h.wantIdle("the times of section 13 count from there")
		h.sleep(2 * coarse)
		h.want("a KeepAlive", keepAlive())
	})
	inMemory(t, withAuth(Server), func(r *rig) {
		for _, state := range []string{"new", "greeted"} {
			h := r.handshake()
			h.enter(state)
			if _, ok := r.s.Key(); ok || r.s.Stats().Key != "" {
				t.Errorf("%s: the tunnel has an owner", state)
			}
			near, _ := r.pipe(1)
			if err := r.s.Open(Visitor{Socket: near, Target: home}); !errors.Is(err, ErrNotUp) {
				t.Errorf("%s: Open = %v; want ErrNotUp", state, err)
			}
		}
	})
}

// AUTH-015, AUTH-007: what is too long, or no part of a handshake, ends the tunnel at its header.
func TestFramesBeforeTheProofs(t *testing.T) {
	header := func(typ wire.Type, length int) []byte { return wire.AppendHeader(nil, typ, length) }
	for _, c := range []struct {
		what  string
		frame []byte
		req   string
	}{
		{"64 KiB of HELLO", header(wire.TypeHello, 64<<10), "AUTH-015"},
		{"a HELLO of one octet too many", header(wire.TypeHello, wire.MaxTLVs+1), "AUTH-015"},
		{"64 KiB of a type that nobody knows", header(0x77, 64<<10), "AUTH-015"},
		{"64 KiB of Data", header(wire.TypeData, 64<<10), "AUTH-015"},
		{"a type that nobody knows", header(0x77, 8), "AUTH-007"},
		{"grease", header(0x2A, 8), "AUTH-007"},
		{"Data", header(wire.TypeData, 8), "AUTH-007"},
		{"OPEN", header(wire.TypeOpen, 8), "AUTH-007"},
		{"OPENED", header(wire.TypeOpened, 8), "AUTH-007"},
		{"a bad GOAWAY", header(wire.TypeGoAway, 300), "FRAME-008"},
		{"a bad AUTH", append(header(wire.TypeAuth, 5), 1, 2, 3, 4, 5), "FRAME-008"},
	} {
		for role, states := range phaseNames {
			for _, state := range states {
				if state == "up" {
					continue
				}
				t.Run(fmt.Sprintf("%v/%s/%s", role, state, c.what), func(t *testing.T) {
					inMemory(t, withAuth(role), func(r *rig) {
						h := r.handshake()
						h.enter(state)
						h.send(c.frame)
						if err := h.wantOver(true); RuleOf(err) != c.req {
							t.Errorf("Run = %v; want a tunnel error by %s", err, c.req)
						}
					})
				})
			}
		}
	}
}

func TestAHandshakeInSingleBytes(t *testing.T) {
	inMemory(t, withAuth(Server), func(r *rig) {
		h := r.handshake()
		drip := func(frame []byte) {
			for _, b := range frame {
				h.send([]byte{b})
				synctest.Wait()
			}
		}
		h.client = h.hello()
		drip(h.client)
		h.server = h.take("the answer", wire.TypeHello)
		h.want("and the proof", h.serverProof())
		drip(h.right())
		h.want("the client is let in", wire.AppendAuthEmpty(nil))
		h.wantAnswer("the tunnel is up")
	})
	// All at once, with what may come behind a proof (AUTH-020).
	inMemory(t, withAuth(Client), func(r *rig) {
		h := r.handshake()
		h.client, h.server = h.take("the offer", wire.TypeHello), h.hello()
		h.send(bytes.Join([][]byte{h.server, h.serverProof(), wire.AppendAuthEmpty(nil), openFrame(1)}, nil))
		h.dialled().result <- nil
		h.want("the proof", h.clientProof())
		h.want("and the answer", wire.AppendOpened(nil, 1))
	})
}

// A peer is a client, or a server, when the tunnel is up; and a right proof is answered though there are too many.
func TestAPeerIsProvenByItsKey(t *testing.T) {
	tooMany := errors.New("too many of them")
	for _, result := range []error{nil, tooMany} {
		for _, role := range []Role{Server, Client} {
			cfg, calls := withAuth(role), 0
			cfg.Proven = func() error { calls++; return result }
			inMemory(t, cfg, func(r *rig) {
				h := r.handshake()
				h.enter("greeted")
				if calls != 0 {
					t.Errorf("%v: proven before the proof", role)
				}
				h.send(h.right())
				if role == Server {
					h.want("the client is let in", wire.AppendAuthEmpty(nil))
				} else {
					h.want("the proof", h.clientProof())
					h.send(wire.AppendAuthEmpty(nil))
				}
				if result != nil {
					h.want("and told", wire.AppendGoAway(nil, wire.CodeTooMany, tooMany.Error()))
				} else {
					h.wantAnswer("the tunnel goes on")
				}
				if calls != 1 {
					t.Errorf("%v: proven %d times; want once", role, calls)
				}
			})
		}
	}
}

// AUTH-018
func TestAKeyThatIsTakenAway(t *testing.T) {
	inMemory(t, withAuth(Server), func(r *rig) {
		h := r.handshake()
		h.enter("up")
		visitor := r.extOpened()
		r.s.Revoke()
		h.want("the client is told", wire.AppendGoAway(nil, wire.CodeDenied, "the key was taken away"))
		h.wantLocal(visitor, reset)
		if err := h.wantOver(false); !errors.Is(err, ErrRevoked) {
			t.Errorf("Run = %v; want ErrRevoked", err)
		}
	})
}

// AUTH-018: a key that is taken away between HELLO and proof, or is another by then, lets nobody in; and nobody learns that it was one.
func TestAKeyThatIsTakenAwayBeforeTheProof(t *testing.T) {
	for what, now := range map[string]func() (wire.Secret, bool){
		"no more":             func() (wire.Secret, bool) { return wire.Secret{}, false },
		"with another secret": func() (wire.Secret, bool) { return other.Secret, true },
	} {
		cfg := withAuth(Server)
		find := cfg.Keys
		var gone atomic.Bool
		cfg.Keys = func(id string) (wire.Secret, bool) {
			if gone.Load() {
				return now()
			}
			return find(id)
		}
		inMemory(t, cfg, func(r *rig) {
			h := r.handshake()
			h.enter("greeted")
			gone.Store(true)
			h.send(h.right())
			h.wantDenied("the key is " + what)
		})
	}
}

// AUTH-006, AUTH-008: whatever a key ID is, the server looks keys up and compares as often for it; the times of that are in BenchmarkDenied.
func TestTheSameWorkForEveryKeyID(t *testing.T) {
	work := map[string]int{}
	for _, id := range []string{"home", "unknown", "no key", "\xff", strings.Repeat("x", wire.MaxKeyID)} {
		cfg := withAuth(Server)
		find := cfg.Keys
		var lookups atomic.Int32
		cfg.Keys = func(id string) (wire.Secret, bool) { lookups.Add(1); return find(id) }
		inMemory(t, cfg, func(r *rig) {
			h := r.handshake()
			h.key = wire.Key{ID: id, Secret: other.Secret}
			h.greet()
			h.take("a proof", wire.TypeAuth)
			h.send(h.right())
			h.wantDenied("a proof by another secret")
		})
		work[id] = int(lookups.Load())
	}
	for id, n := range work {
		if n != work["home"] || n != 2 {
			t.Errorf("the key %q is looked up %d times, and one that there is %d times; want 2", id, n, work["home"])
		}
	}
}

// BenchmarkDenied is what a server does for a stranger from his HELLO to his denial, by turns in the name of a key that there is and of one
// that there is not: the medians differ by less than the noise, half of all times being in a range that is wider.
func BenchmarkDenied(b *testing.B) {
	cfg := withAuth(Server)
	proof := make([]byte, wire.ProofLen)
	hellos, peers := [2][]byte{}, [2]wire.Hello{}
	for i, id := range []string{testKey.ID, "nobody"} {
		hellos[i] = wire.AppendHello(nil, wire.Hello{Auth: &wire.Auth{Scheme: wire.SchemeHMAC, KeyID: id}}, true)
		var err error
		if peers[i], err = wire.ParseHello(hellos[i][wire.HeaderLen:], true, wire.TagAuth); err != nil {
			b.Fatal(err)
		}
	}
	var took [2][]time.Duration
	for n := 0; b.Loop(); n++ {
		which := n % 2
		near, far := sock.Pipe(1 << 10)
		s := New(near, cfg)
		begun := time.Now()
		s.mu.Lock()
		errHello, errProof := s.onClientHelloLocked(peers[which], hellos[which]), s.onAuthLocked(wire.Header{}, proof)
		s.unlock()
		took[which] = append(took[which], time.Since(begun))
		if errHello != nil || !errors.Is(errProof, ErrEnded) {
			b.Fatal(errHello, errProof)
		}
		far.Close()
	}
	var median, noise [2]time.Duration
	for i, all := range took {
		if len(all) < 1000 {
			return // says nothing
		}
		slices.Sort(all)
		median[i], noise[i] = all[len(all)/2], all[len(all)*3/4]-all[len(all)/4]
		b.ReportMetric(float64(median[i]), []string{"known-ns", "unknown-ns"}[i])
	}
	if apart := (median[0] - median[1]).Abs(); apart > max(noise[0], noise[1]) {
		b.Errorf("the medians differ by %v; the noise is %v", apart, noise)
	}
}

// A client with a key does not do without, and says why.
func TestAServerWithoutAuth(t *testing.T) {
	for what, answer := range map[string][]byte{
		"one that speaks Core":     keepAlive(),
		"one that opens by Core":   request(1, 22, "127.0.0.1"),
		"one without keys":         hello(Server, peerWindow),
		"one that says nothing":    nil,
		"one with another scheme":  wire.AppendHello(nil, wire.Hello{}, false, wire.TLV{Tag: wire.TagAuth, Value: []byte{2}}),
		"one that opens by itself": openFrame(1),
		"one of another kind":      wire.AppendHeader(nil, 0x77, 0),
	} {
		inMemory(t, withAuth(Client), func(r *rig) {
			h := r.handshake()
			h.enter("offered")
			start := time.Now()
			if answer != nil {
				h.send(answer)
			}
			err := h.wantOver(answer != nil)
			if took := time.Since(start); !errors.Is(err, ErrNoAuth) || (answer == nil) != (took >= handshake-coarse) || took > handshake+coarse {
				t.Errorf("%s: Run = %v after %v; want ErrNoAuth", what, err, took)
			}
		})
	}
}

// A side without the option takes it as section 24 and HELLO-006 have it.
func TestASideThatDoesNotAskForAuth(t *testing.T) {
	inMemory(t, extended(Server), func(r *rig) {
		h := r.handshake()
		h.send(h.hello())
		h.want("an answer without auth", r.hello())
		h.wantAnswer("the tunnel is up")
		h.send(wire.AppendAuthEmpty(nil))
		h.wantPart("AUTH, that was not agreed", "HELLO-006")
	})
	inMemory(t, extended(Client), func(r *rig) {
		h := r.handshake()
		h.take("the offer", wire.TypeHello)
		h.send(h.hello())
		h.wantPart("auth, that was not asked for", "HELLO-005")
	})
	inMemory(t, extended(Server), func(r *rig) {
		r.send(wire.AppendAuth(nil, wire.Proof{}), keepAlive())
		r.want("to Core it is a frame like others", keepAlive())
	})
}

// AUTH-017: what is held for a tunnel that is not up, its goroutine's stack included, with the longest frame all but come.
func TestAStrangerHoldsLittle(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	synctest.Test(t, func(t *testing.T) {
		const strangers = 200
		held := func() uint64 {
			synctest.Wait()
			runtime.GC()
			runtime.GC() // what pools keep
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			return m.HeapAlloc + m.StackInuse
		}
		part := append(wire.AppendHeader(nil, wire.TypeAuth, wire.MaxTLVs), make([]byte, wire.MaxTLVs-1)...)
		h := handshakeOf{rig: &rig{t: t, s: New(nil, withAuth(Server))}, key: testKey}
		before := held()
		var all sync.WaitGroup
		for range strangers {
			near, far := sock.Pipe(8 << 10)
			s := New(near, withAuth(Server))
			all.Go(func() { s.Run(t.Context()) })
			end := far.Stream()
			end.Write(h.hello())
			end.Write(part)
			defer end.Close()
		}
		if each := int64(held()-before) / strangers; each > 16<<10 {
			t.Errorf("%d bytes are held for each; want at most 16 KiB", each)
		} else {
			t.Logf("%d bytes are held for each", each)
		}
		time.Sleep(handshake + farewell + time.Second) // AUTH-009
		all.Wait()
	})
}

// optional is a server to which auth is optional.
func optional() Config {
	cfg := withAuth(Server)
	cfg.AuthOptional = true
	return cfg
}

// AUTH-026: a visitor is not served before the client's first frame is whole, and nothing is sent, however long that takes.
func TestAServerToWhichAuthIsOptionalWaitsForTheFirstFrame(t *testing.T) {
	near, _ := sock.Pipe(1 << 10)
	visitor := Visitor{Socket: near, Target: home}
	first := func(r *rig, frame []byte) {
		if err := r.s.Open(visitor); !errors.Is(err, ErrNotUp) {
			t.Errorf("Open on a silent tunnel = %v; want ErrNotUp", err)
		}
		r.sleep(handshake + time.Second)
		r.wantIdle("nothing is said to a silent client")
		r.send(frame[:len(frame)-1])
		synctest.Wait()
		if err := r.s.Open(visitor); !errors.Is(err, ErrNotUp) {
			t.Errorf("Open before the first frame is whole = %v; want ErrNotUp", err)
		}
		r.wantIdle("nothing is said before the first frame is whole")
		r.send(frame[len(frame)-1:])
		synctest.Wait()
	}
	inMemory(t, optional(), func(r *rig) { // a client of Core
		first(r, keepAlive())
		r.want("the answer", keepAlive())
		r.visit(home)
		r.want("a visitor is requested", request(1, home.Port, home.Host))
		if _, up := r.s.Key(); up {
			t.Error("a client of Core has a key")
		}
	})
	for what, hello := range map[string][]byte{
		"without auth":   hello(Client, peerWindow),
		"another scheme": wire.AppendHello(nil, wire.Hello{Window: peerWindow, MaxConnections: 16384, Auth: &wire.Auth{Scheme: 2}}, true),
	} {
		inMemory(t, optional(), func(r *rig) {
			first(r, hello)
			f := r.take(what, wire.TypeHello)
			if said, err := wire.ParseHello(f[wire.HeaderLen:], false, wire.TagAuth); err != nil || said.Auth != nil {
				t.Errorf("%s: the server's HELLO has %+v, %v; want no auth", what, said.Auth, err)
			}
			r.visit(home)
			r.want("a visitor is opened", openFrame(1))
			r.send(wire.AppendAuthEmpty(nil))
			r.wantPart("AUTH was not agreed", "HELLO-006")
		})
	}
	inMemory(t, optional(), func(r *rig) { // AUTH is of no type that a Core tunnel has
		r.send(wire.AppendAuthEmpty(nil), keepAlive())
		r.want("AUTH is skipped", keepAlive())
	})
	inMemory(t, optional(), func(r *rig) {
		r.send(wire.AppendHello(nil, wire.Hello{Auth: &wire.Auth{Scheme: wire.SchemeHMAC, KeyID: "x"}}, true)[:wire.HeaderLen+10])
		r.wantIdle("part of a HELLO")
	})
}

// From a HELLO with auth on the tables hold where auth is optional, as where the server asks for it.
func TestWhereAuthIsOptionalAKeyIsProven(t *testing.T) {
	for _, row := range spec.States("auth-server").Events {
		for _, cell := range row.Cells {
			if cell.To != "" && (cell.State != "new" || row.Event == "HELLO with auth") {
				t.Run(cell.State+"/"+row.Event, func(t *testing.T) {
					inMemory(t, optional(), func(r *rig) { r.handshake().play(row.Event, cell) })
				})
			}
		}
	}
	inMemory(t, optional(), func(r *rig) {
		h := r.handshake()
		h.enter("up")
		if key, up := r.s.Key(); !up || key.ID != testKey.ID {
			t.Errorf("Key = %v, %v; want home", key, up)
		}
	})
	inMemory(t, optional(), func(r *rig) { // the time counts from accept, as AUTH-009 has it
		r.sleep(handshake - time.Second)
		h := r.handshake()
		h.greet()
		h.want("the server proves first", h.serverProof())
		r.sleep(2 * time.Second)
		h.want("no proof in time", goAway(wire.CodeTimedOut))
		h.wantOver(false)
	})
}
