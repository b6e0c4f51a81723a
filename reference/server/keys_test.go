package server

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/adit-tunnel/adit/reference/client"
	"github.com/adit-tunnel/adit/reference/keys"
	"github.com/adit-tunnel/adit/reference/session"
	"github.com/adit-tunnel/adit/reference/trust"
	"github.com/adit-tunnel/adit/spec/wire"
)

// keyed is a server that asks for auth, and its file of keys.
type keyed struct {
	*running
	file       string
	home, work keys.Key
	log        *lines
	visitors   string // where they connect
}

func runKeyed(t *testing.T, change ...func(*Config)) *keyed {
	t.Helper()
	k := &keyed{file: filepath.Join(t.TempDir(), "keys"), log: &lines{}}
	var err error
	if k.home, err = keys.Add(k.file, "home", keys.Rights{}); err != nil {
		t.Fatal(err)
	}
	if k.work, err = keys.Add(k.file, "work", keys.Rights{}); err != nil {
		t.Fatal(err)
	}
	cfg := config(t)
	cfg.Logger = k.log.logger()
	cfg.Session.Protocol, cfg.Session.Grease = session.Auto, -1
	if cfg.Keys, err = keys.Open(k.file); err != nil {
		t.Fatal(err)
	}
	for _, f := range change {
		f(&cfg)
	}
	k.running = run(t, cfg)
	k.visitors = k.mapped(t, service(t, echo), nil)
	return k
}

// write puts lines into the file of keys.
func (k *keyed) write(t *testing.T, lines ...string) {
	t.Helper()
	if err := os.WriteFile(k.file, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// client starts one with a key, nil for none, whose log is returned.
func (k *keyed) client(t *testing.T, key *keys.Key, protocol session.Protocol) (log *lines, end func()) {
	t.Helper()
	log = &lines{}
	return log, k.begin(t, "127.0.0.1", func(c *client.Config) {
		c.Session.Key, c.Session.Protocol, c.Logger = key, protocol, log.logger()
	})
}

func (l *lines) wait(t *testing.T, words ...string) {
	t.Helper()
	eventually(t, fmt.Sprintf("a line with %q", words), func() bool { return l.has(words...) })
}

func TestOnlyAClientWithAKeyIsServed(t *testing.T) {
	k := runKeyed(t)
	wrong, unknown := k.home, k.home
	wrong.Secret, unknown.ID = k.work.Secret, "nobody"
	for what, c := range map[string]struct {
		key      *keys.Key
		protocol session.Protocol
		server   []string // in its log
		client   string
	}{
		"a wrong secret": {&wrong, session.Auto, []string{"client without proof", "key=home", "another secret"}, "the server does not have this client's key"},
		"an unknown key": {&unknown, session.Auto, []string{"client without proof", "key=nobody", "none of this server's"}, "the server does not have this client's key"},
		"no key":         {nil, session.Auto, []string{"client denied", "it has no key"}, "the server asks for a key"},
		"Core":           {nil, session.CoreOnly, []string{"protocol violation", "AUTH-007"}, "tunnel lost"},
	} {
		log, end := k.client(t, c.key, c.protocol)
		k.log.wait(t, c.server...)
		log.wait(t, c.client)
		if log.has("msg=connected") {
			t.Errorf("%s: the client says that it is connected", what)
		}
		wantReset(t, what, k.visitors)
		end()
	}
	log, _ := k.client(t, &k.home, session.Auto)
	log.wait(t, "msg=connected", "key=home")
	k.log.wait(t, "tunnel connected", "key=home")
	wantEcho(t, "a client with a key", k.visitors)
	if shown := k.tunnelStats(); len(shown) != 1 || shown[0].Key != "home" || shown[0].Profile != "extended" {
		t.Errorf("stats = %+v; want one tunnel, of the key home", shown)
	}
	k.client(t, &k.work, session.ExtendedOnly)
	k.log.wait(t, "tunnel connected", "key=work")
	for _, secret := range []string{k.home.Line()[len("adit1:home:"):], k.work.Line()[len("adit1:work:"):]} {
		if k.log.has(secret) || log.has(secret) {
			t.Error("a log has a secret")
		}
	}
}

// AUTH-018
func TestAKeyThatIsTakenAwayEndsItsTunnels(t *testing.T) {
	k := runKeyed(t)
	log, _ := k.client(t, &k.home, session.Auto)
	log.wait(t, "msg=connected")
	visitor := dial(t, k.visitors)
	wantEchoOn(t, "before", visitor)

	k.write(t, k.home.Line(), "adit1:work:"+k.work.Line()[12:]) // one character short
	k.log.wait(t, "cannot be used", k.file+":2: the secret has 42 characters")
	wantEchoOn(t, "a file that is broken changes nothing", visitor)

	k.write(t, "# home is gone", k.work.Line())
	if _, err := visitor.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the visitor reads %v; want a reset", err)
	}
	k.log.wait(t, "its key was taken away", "key=home")
	log.wait(t, "the server denies the key home")
	eventually(t, "the tunnel's end", func() bool { return len(k.registry.all()) == 0 })
	wantReset(t, "afterwards", k.visitors)

	// A key is good at once: who makes one starts the client.
	again, err := keys.Add(k.file, "home", keys.Rights{})
	if err != nil {
		t.Fatal(err)
	}
	log, _ = k.client(t, &again, session.Auto)
	log.wait(t, "msg=connected")
	wantEcho(t, "with a new key", k.visitors)
	if log.has("denies") {
		t.Error("the new key was denied first")
	}
}

// Over TLS the proofs are bound to it, and a tunnel is a client's when they are right and not before (AUTH-010).
func TestKeysOverTLS(t *testing.T) {
	var id identity
	k := runKeyed(t, func(c *Config) { id = encrypted(t, c, false) })
	without := k.start(t, id.trusted(t, ""), session.Auto)
	without.wait(t, "the server asks for a key")
	wantReset(t, "with a client that has no key", k.visitors)
	log := &lines{}
	k.begin(t, "127.0.0.1", func(c *client.Config) {
		c.Session.Key, c.Session.Protocol, c.Logger, c.TLS = &k.home, session.Auto, log.logger(), id.trusted(t, "")
	})
	log.wait(t, "msg=connected", "key=home", "tls=true")
	k.log.wait(t, "tunnel connected", "key=home", "tls=true")
	wantEcho(t, "a client with a key", k.visitors)
	if shown := k.tunnelStats(); len(shown) != 1 || shown[0].Key != "home" || !shown[0].TLS {
		t.Errorf("stats = %+v; want one tunnel, of the key home, over TLS", shown)
	}
	if k.log.has("keys without TLS") || log.has("a key without TLS") {
		t.Error("a log warns of keys without TLS")
	}
	// The same by hand, with each binding (AUTH-021).
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(id.ca.PEM)
	for binding, right := range map[uint8]bool{wire.BindingNone: false, wire.BindingExporter: true, wire.BindingCertificate: true, 3: false} {
		conn, err := tls.Dial("tcp", k.TunnelAddr().String(), &tls.Config{RootCAs: pool, ServerName: "127.0.0.1", NextProtos: []string{"adit/1"}})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(soon))
		state := conn.ConnectionState()
		var cb wire.CB
		switch binding {
		case wire.BindingExporter:
			exported, err := state.ExportKeyingMaterial("EXPORTER-Channel-Binding", nil, 32)
			if err != nil {
				t.Fatal(err)
			}
			cb = wire.CB(exported)
		case wire.BindingCertificate:
			cb = sha256.Sum256(state.PeerCertificates[0].Raw)
		}
		hello := wire.AppendHello(nil, wire.Hello{Auth: &wire.Auth{Scheme: wire.SchemeHMAC, Binding: binding, KeyID: "home"}}, true)
		conn.Write(hello)
		frames := make([]byte, 2*wire.HeaderLen+8+4+34+wire.ProofLen)
		if _, err := io.ReadFull(conn, frames); err != nil {
			t.Fatal(err)
		}
		split := len(frames) - wire.HeaderLen - wire.ProofLen
		said, err := wire.ParseHello(frames[wire.HeaderLen:split], false, wire.TagAuth)
		if err != nil || said.Auth.Binding != binding && right || !right && said.Auth.Binding != wire.BindingExporter {
			t.Errorf("binding %d: the server's HELLO has %+v, %v", binding, said.Auth, err)
		}
		transcript := wire.TranscriptOf(hello, frames[:split])
		if proof := wire.AppendAuth(nil, k.home.Secret.ServerProof(cb, transcript)); bytes.Equal(proof, frames[split:]) != right {
			t.Errorf("binding %d: the server's proof is right: %v; want %v", binding, !right, right)
		}
		conn.Write(wire.AppendAuth(nil, k.home.Secret.ClientProof(cb, transcript)))
		got := make([]byte, wire.HeaderLen)
		if _, err := io.ReadFull(conn, got); err != nil || bytes.Equal(got, wire.AppendAuthEmpty(nil)) != right {
			t.Errorf("binding %d: the proof is answered by %x, %v; want it taken: %v", binding, got, err, right)
		}
	}
}

// stranger is a raw connection to the tunnel port; nil if the server reset it at once.
func (k *keyed) stranger(t *testing.T, from string) *net.TCPConn {
	t.Helper()
	d := net.Dialer{Timeout: soon, LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(from), 0))}
	c, err := d.Dial("tcp", k.TunnelAddr().String())
	if errors.Is(err, syscall.ECONNRESET) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(soon))
	return c.(*net.TCPConn)
}

func helloWith(id string, nonce byte) []byte {
	return wire.AppendHello(nil, wire.Hello{Window: 1, Auth: &wire.Auth{Scheme: wire.SchemeHMAC, Nonce: [wire.NonceLen]byte{nonce}, KeyID: id}}, true)
}

// What a stranger says over TCP, in pieces of any size, and all that it hears.
func TestStrangersAtAServerWithKeys(t *testing.T) {
	k := runKeyed(t)
	hello := helloWith("home", 1)
	for _, c := range []struct {
		what  string
		says  []byte
		piece int
		hears string // types of frames, and the codes of GOAWAY
	}{
		{"nothing", nil, 1, ""},
		{"a KeepAlive", wire.AppendKeepAlive(nil), 1, ""},
		{"a HELLO without auth", wire.AppendHello(nil, wire.Hello{}, true), 1, "GOAWAY denied"},
		{"64 KiB of Data", wire.AppendHeader(nil, wire.TypeData, 64<<10), 6, ""},
		{"64 KiB of Data behind HELLO", append(bytes.Clone(hello), wire.AppendHeader(nil, wire.TypeData, 64<<10)...), 1, "HELLO AUTH GOAWAY protocol"},
		{"a wrong proof", wire.AppendAuth(bytes.Clone(hello), wire.Proof{}), 1, "HELLO AUTH GOAWAY denied"},
		{"a wrong proof at once", wire.AppendAuth(bytes.Clone(hello), wire.Proof{}), 1 << 10, "HELLO AUTH GOAWAY denied"},
		{"a wrong proof for a key that is none", wire.AppendAuth(helloWith("nobody", 1), wire.Proof{}), 1, "HELLO AUTH GOAWAY denied"},
		{"an empty proof", wire.AppendAuthEmpty(bytes.Clone(hello)), 1, "HELLO AUTH GOAWAY denied"},
		{"PING behind a wrong proof", wire.AppendPing(wire.AppendAuth(bytes.Clone(hello), wire.Proof{}), wire.Mark{}), 1 << 10, "HELLO AUTH GOAWAY denied"},
	} {
		conn := k.stranger(t, "127.0.0.2")
		conn.SetNoDelay(true)
		for says := c.says; len(says) > 0; {
			n := min(c.piece, len(says))
			if _, err := conn.Write(says[:n]); err != nil {
				break // it has heard enough
			}
			says = says[n:]
		}
		conn.CloseWrite()
		heard, _ := io.ReadAll(conn) // the end may be a reset
		if got := typesOf(heard); got != c.hears {
			t.Errorf("who says %s hears %q; want %q", c.what, got, c.hears)
		}
	}
	wantReset(t, "a visitor", k.visitors)
}

// typesOf lists frames by their types.
func typesOf(b []byte) string {
	var all []string
	for len(b) >= wire.HeaderLen {
		h, err := wire.ParseHeader(b)
		n := wire.HeaderLen + int(h.Length)
		if err != nil || len(b) < n {
			return fmt.Sprintf("%x", b)
		}
		if all = append(all, h.Type.String()); h.Type == wire.TypeGoAway {
			code, _, _ := wire.ParseGoAway(b[wire.HeaderLen:n])
			all = append(all, code.String())
		}
		b = b[n:]
	}
	return strings.Join(all, " ")
}

// A session that was overheard opens nothing when it is said again, nor does the server's own proof.
func TestAReplayAtAServerWithKeys(t *testing.T) {
	k := runKeyed(t)
	answer := func(conn *net.TCPConn) (server []byte) {
		frames := make([]byte, 2*wire.HeaderLen+8+4+34+wire.ProofLen)
		if _, err := io.ReadFull(conn, frames); err != nil {
			t.Fatal(err)
		}
		return frames
	}
	hello := helloWith("home", 1)
	conn := k.stranger(t, "127.0.0.2")
	conn.Write(hello)
	frames := answer(conn)
	split := len(frames) - wire.HeaderLen - wire.ProofLen
	proof := wire.AppendAuth(nil, k.home.Secret.ClientProof(wire.CB{}, wire.TranscriptOf(hello, frames[:split])))
	conn.Write(proof)
	got := make([]byte, wire.HeaderLen)
	if _, err := io.ReadFull(conn, got); err != nil || !bytes.Equal(got, wire.AppendAuthEmpty(nil)) {
		t.Fatalf("the right proof: %x, %v; want AUTH without octets", got, err)
	}
	k.log.wait(t, "tunnel connected", "key=home")
	conn.Close()
	for what, second := range map[string]func(frames []byte) []byte{
		"a replay":     func([]byte) []byte { return proof },
		"a reflection": func(frames []byte) []byte { return frames[split:] },
	} {
		conn := k.stranger(t, "127.0.0.2")
		conn.Write(hello)
		conn.Write(second(answer(conn)))
		if heard, _ := io.ReadAll(conn); typesOf(heard) != "GOAWAY denied" {
			t.Errorf("%s: heard %q; want GOAWAY denied", what, typesOf(heard))
		}
	}
}

// AUTH-016: silent peers win a race at best, with TLS as without.
func TestSilentPeersKeepNoClientOut(t *testing.T) {
	for what, known := range map[string]*trust.Client{"plain": nil, "TLS": byKey(t, "", "")} {
		t.Run(what, func(t *testing.T) {
			k := runKeyed(t, func(c *Config) {
				if known != nil {
					c.TLS = selfMade(t)
				}
			})
			for i := range 300 {
				k.stranger(t, fmt.Sprintf("127.0.1.%d", 1+i/20))
			}
			eventually(t, "full seats", func() bool { return len(k.registry.all()) == 256 })
			began := time.Now()
			log, _ := k.with(t, &k.home, known)
			log.wait(t, "msg=connected")
			if took := time.Since(began); took > 8*time.Second {
				t.Errorf("the client is connected after %v; want it before the silent ones are ended", took)
			}
			wantEcho(t, "beside silent peers", k.visitors)
			if n := k.refused.all()["no-seat"]; n < 300-256 {
				t.Errorf("%d tunnels were refused for want of a seat; want at least 44", n)
			}
		})
	}
}

// AUTH-016: a stranger who was denied keeps his seat until his transport is closed; a client's tunnel that is lost leaves at once.
func TestADeniedStrangerKeepsHisSeat(t *testing.T) {
	const enough = 500 * time.Millisecond // in which the server has not closed it by itself (AWAY-009)
	for try := range 20 {
		k := runKeyed(t)
		began := time.Now()
		c := k.stranger(t, "127.0.0.1")
		c.Write(wire.AppendHello(nil, wire.Hello{}, true))
		if got, err := io.ReadAll(c); err != nil || !bytes.Equal(got, wire.AppendGoAway(nil, wire.CodeDenied, "")) {
			t.Fatalf("a stranger reads %x, %v; want GOAWAY denied", got, err)
		}
		eventually(t, "the attempt is counted", func() bool { n := k.refused.all(); return len(n) > 0 })
		seats := len(k.registry.all())
		if took := time.Since(began); took > enough {
			t.Logf("try %d took %v", try, took)
			continue
		}
		if seats != 1 {
			t.Errorf("%d seats are taken behind GOAWAY; want 1", seats)
		}
		c.Close()
		eventually(t, "the seat is free", func() bool { return len(k.registry.all()) == 0 })
		return
	}
	t.Skip("the machine is too busy to look in time")
}
