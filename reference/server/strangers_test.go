package server

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/adit-tunnel/adit/reference/certtest"
	"github.com/adit-tunnel/adit/reference/client"
	"github.com/adit-tunnel/adit/reference/keys"
	"github.com/adit-tunnel/adit/reference/session"
	"github.com/adit-tunnel/adit/reference/sock"
	"github.com/adit-tunnel/adit/reference/trust"
)

// selfMade is a server's certificate of its own making.
func selfMade(t *testing.T) *trust.Server {
	t.Helper()
	s, err := trust.NewServer("", "", "")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// byKey is a client that knows its server by the key alone, unless it is told an authority or a pin.
func byKey(t *testing.T, ca, pin string) *trust.Client {
	t.Helper()
	c, err := trust.NewClient(ca, pin, "", "", true)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// with starts a client with a key, as both ends are told.
func (k *keyed) with(t *testing.T, key *keys.Key, known *trust.Client, change ...func(*client.Config)) (log *lines, end func()) {
	t.Helper()
	log = &lines{}
	return log, k.begin(t, "127.0.0.1", func(c *client.Config) {
		c.Session.Key, c.Session.Protocol, c.Logger, c.TLS = key, session.Auto, log.logger(), known
		for _, f := range change {
			f(c)
		}
	})
}

// The way of two commands: a certificate that nobody vouches for, and a key that says whether it is the right server.
func TestAKeyIsAllThatAClientNeeds(t *testing.T) {
	k := runKeyed(t, func(c *Config) { c.TLS = selfMade(t) })
	log, end := k.with(t, &k.home, byKey(t, "", ""))
	log.wait(t, "msg=connected", "tls=true", "key=home")
	k.log.wait(t, "tunnel connected", "tls=true", "key=home")
	wantEcho(t, "a visitor", k.visitors)
	if !k.log.has("msg=ready", "auth=required", "keys="+k.file, "tls=true") || k.log.has("msg=ready", "pin=") {
		t.Error("the line that the server is ready does not say who may be a client, or has a pin that does not last")
	}
	for _, l := range []*lines{k.log, log} {
		if l.has("level=WARN") {
			t.Error("a log warns")
		}
	}
	end()
	eventually(t, "the tunnel's end", func() bool { return len(k.registry.all()) == 0 })
	if got := k.refused.all(); len(got) > 0 {
		t.Errorf("a client that ends counts as refused: %v", got)
	}

	// A check that cannot succeed is refused in words that say what can.
	log, end = k.with(t, &k.home, byKey(t, "", strings.Repeat("0f", 32)))
	log.wait(t, "the server has made its certificate when it started", "its pin does not last; leave --pin out, as the key says whether it is the right server")
	end()
	ca := identity{dir: t.TempDir(), ca: certtest.NewCA()}.caFile()
	log, end = k.with(t, &k.home, byKey(t, ca, ""))
	log.wait(t, "the server has made its certificate when it started", "leave --ca out, as the key says")
	end()
	known, err := trust.NewClient(ca, "", "", "", false)
	if err != nil {
		t.Fatal(err)
	}
	log, _ = k.with(t, nil, known)
	log.wait(t, "the server has made its certificate when it started", "start this client with a key of it (adit-server keygen NAME there)")
	wantReset(t, "with none of them", k.visitors)
}

// middle stands between clients and a server with keys. It ends TLS with a certificate of its own, and passes on what each says.
type middle struct {
	addr string

	mu   sync.Mutex // guards said
	said []string   // types of frames that the client said, for each connection
}

func standBetween(t *testing.T, server string) *middle {
	t.Helper()
	made, m := selfMade(t), &middle{}
	m.addr = service(t, func(c *net.TCPConn) {
		inner := tls.Server(c, made.Config(testLogger(t)))
		outer, err := tls.Dial("tcp", server, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"adit/1"}})
		if err != nil {
			return
		}
		defer outer.Close()
		outer.SetDeadline(time.Now().Add(soon))
		var back sync.WaitGroup
		back.Go(func() { io.Copy(inner, outer); inner.CloseWrite() })
		var said strings.Builder
		io.Copy(io.MultiWriter(outer, &said), inner)
		outer.Close()
		back.Wait()
		m.mu.Lock()
		defer m.mu.Unlock()
		m.said = append(m.said, typesOf([]byte(said.String())))
	})
	return m
}

// TLS-004: who stands between passes on both HELLOs and the server's proof, which is bound to another connection: the client
// says nothing more.
func TestAManInTheMiddleGetsAHello(t *testing.T) {
	k := runKeyed(t, func(c *Config) { c.TLS = selfMade(t) })
	m := standBetween(t, k.TunnelAddr().String())
	log, end := k.with(t, &k.home, byKey(t, "", ""), func(c *client.Config) { c.Server = m.addr })
	log.wait(t, "the server does not have this client's key", "somebody stands between")
	end()
	eventually(t, "the end of what stands between", func() bool { m.mu.Lock(); defer m.mu.Unlock(); return len(m.said) > 0 })
	if m.said[0] != "HELLO" {
		t.Errorf("the client said %q to who stands between; want HELLO alone", m.said[0])
	}
	if log.has("msg=connected") {
		t.Error("the client says that it is connected")
	}
	k.log.wait(t, "client without proof", "key=home", "somebody stands between")
	wantReset(t, "a visitor", k.visitors)
	eventually(t, "the count", func() bool { return k.refused.all()["wrong-proof"] == 1 })
}

// A balancer ends TLS: both ends are told, and the client knows the balancer by its certificate (AUTH-010).
func TestTLSEndsBeforeTheServer(t *testing.T) {
	id := identity{dir: t.TempDir(), ca: certtest.NewCA()}
	k := runKeyed(t, func(c *Config) { c.TLSEndsBefore = true })
	pair := id.ca.Issue(time.Hour, "127.0.0.1").TLS()
	balancer := service(t, func(c *net.TCPConn) {
		inner := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"adit/1"}})
		outer, err := net.Dial("tcp", k.TunnelAddr().String())
		if err != nil {
			return
		}
		defer outer.Close()
		var back sync.WaitGroup
		back.Go(func() { io.Copy(inner, outer); inner.CloseWrite() })
		io.Copy(outer, inner)
		outer.Close()
		back.Wait()
	})
	known, err := trust.NewClient(id.caFile(), "", "", "", false)
	if err != nil {
		t.Fatal(err)
	}
	log, end := k.with(t, &k.home, known, func(c *client.Config) { c.Server, c.TLSEndsBefore = balancer, true })
	log.wait(t, "msg=connected", "tls=true", "key=home")
	wantEcho(t, "a visitor", k.visitors)
	if log.has("level=WARN") || k.log.has("level=WARN") {
		t.Error("a log warns")
	}
	end()
	log, end = k.with(t, &k.home, known, func(c *client.Config) { c.Server = balancer })
	log.wait(t, "AUTH-022", "tls_ends_before")
	end()
	log, _ = k.with(t, &k.home, known)
	k.log.wait(t, "the client speaks TLS", "has come past that")
	log.wait(t, "the server ends what begins with TLS")
}

// One end is told to do without TLS, and the other is not: both say so, and what to do.
func TestPlainAtOneEnd(t *testing.T) {
	for _, c := range []struct {
		what           string
		server, client bool // it has TLS
		logs, says     string
	}{
		{"at the client", true, false, "give it a key, and leave --plain out (or start both ends with --plain)", "the server speaks TLS, and this client does not; leave --plain out, or start the server with it too"},
		{"at the server", false, true, "leave --plain out here, or start the client with --plain", "it was started with --plain: leave that out there, or start this client with --plain too"},
	} {
		k := runKeyed(t, func(cfg *Config) {
			if c.server {
				cfg.TLS = selfMade(t)
			}
		})
		var known *trust.Client
		if c.client {
			known = byKey(t, "", "")
		}
		log, end := k.with(t, &k.home, known)
		k.log.wait(t, c.logs)
		log.wait(t, c.says)
		wantReset(t, c.what, k.visitors)
		eventually(t, "the count", func() bool { return k.refused.all()["foreign"] > 0 })
		end()
	}
}

// AUTH-026: old clients and those with keys are served side by side, whatever visitor waits.
func TestAuthThatIsOptional(t *testing.T) {
	k := runKeyed(t, func(c *Config) { c.AuthOptional = true })
	if !k.log.has("msg=ready", "auth=optional") || !k.log.has("level=WARN", "clients without a key are served, too") {
		t.Error("the log does not say who is served")
	}
	silent := k.stranger(t, "127.0.0.1")
	eventually(t, "a silent tunnel", func() bool { return len(k.registry.all()) == 1 })
	wantReset(t, "with a silent tunnel", k.visitors)
	k.log.wait(t, "visitor gone", "failure=no-tunnel")
	silent.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if n, err := silent.Read(make([]byte, 1)); n > 0 || err == nil {
		t.Error("something is said to a silent client")
	}
	for what, c := range map[string]struct {
		key      *keys.Key
		protocol session.Protocol
		words    []string
	}{
		"Core":           {nil, session.CoreOnly, nil},
		"without a key":  {nil, session.Auto, nil},
		"with a key":     {&k.home, session.Auto, []string{"key=home"}},
		"with a key too": {&k.work, session.ExtendedOnly, []string{"key=work"}},
	} {
		log, end := k.client(t, c.key, c.protocol)
		log.wait(t, append(c.words, "msg=connected")...)
		eventually(t, "a tunnel", func() bool { return len(k.tunnelStats()) == 1 })
		wantEcho(t, what, k.visitors)
		if shown := k.tunnelStats(); c.key != nil && shown[0].Key != c.key.ID || c.key == nil && shown[0].Key != "" {
			t.Errorf("%s: stats = %+v", what, shown)
		}
		end()
		eventually(t, "its end", func() bool { return len(k.tunnelStats()) == 0 })
	}
	wrong := k.home
	wrong.Secret = k.work.Secret
	log, _ := k.client(t, &wrong, session.Auto)
	log.wait(t, "the server does not have this client's key")
	wantReset(t, "with a wrong secret", k.visitors)
}

// Every attempt that comes to nothing is counted once, by why.
func TestAttemptsThatFailAreCounted(t *testing.T) {
	k := runKeyed(t, func(c *Config) { c.MaxTunnels = 1 })
	wrong, unknown := k.home, k.home
	wrong.Secret, unknown.ID = k.work.Secret, "nobody"
	want := map[string]int64{}
	count := func(what string, begin func() (end func())) {
		t.Helper()
		want[what]++
		end := begin()
		eventually(t, "a count of "+what, func() bool { return k.refused.all()[what] >= want[what] })
		end()
	}
	with := func(key *keys.Key, protocol session.Protocol) func() func() {
		return func() func() {
			_, end := k.with(t, key, nil, func(c *client.Config) { c.Session.Protocol, c.RetryFirst, c.RetryMost = protocol, time.Hour, time.Hour })
			return end
		}
	}
	says := func(text string) func() func() {
		return func() func() {
			conn := k.stranger(t, "127.0.0.2")
			io.WriteString(conn, text)
			conn.CloseWrite()
			return func() {}
		}
	}
	count("wrong-proof", with(&wrong, session.Auto))
	count("unknown-key", with(&unknown, session.Auto))
	count("no-key", with(nil, session.Auto))
	count("foreign", says("GET / HTTP/1.1\r\n\r\n"))
	count("silent", says(""))
	count("violation", says("\x01\x10\x00\x00\x00\x02\x00\x00"))
	count("no-key", says("\x01\x05\x00\x00\x00\x00"))
	log, _ := k.client(t, &k.home, session.Auto)
	log.wait(t, "msg=connected")
	k.log.wait(t, "tunnel connected", "key=home")
	count("too-many", with(&k.work, session.Auto))
	got := k.refused.all()
	want["too-many"] = max(1, got["too-many"]) // it may have dialled again at once, as after every loss
	if !maps.Equal(got, want) {
		t.Errorf("counted %v; want %v", got, want)
	}
	answer, err := http.Get("http://" + k.APIAddr().String() + "/api/stats")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if body, err := io.ReadAll(answer.Body); err != nil || !bytes.Contains(body, []byte(`"refused":{"foreign":1,"no-key":2,`)) {
		t.Errorf("/api/stats = %s, %v; want what was refused", body, err)
	}
	if got := refusalOf(context.Canceled, "silent"); got != "" {
		t.Errorf("the server's own end counts as %q", got)
	}
	for _, c := range []struct {
		err  error
		want string
	}{
		{errNoHandshake, "late"},
		{errNoSeat, "no-seat"},
		{errMadeRoom, "no-seat"},
		{errNoRoom, "no-seat"},
		{errAddress, "address"},
		{session.ErrCoreOnly, "core"},
		{sock.ErrNoProtocol, "tls"},
		{io.EOF, "tls"},
	} {
		if got := refusalOf(c.err, "tls"); got != c.want {
			t.Errorf("%v counts as %q; want %q", c.err, got, c.want)
		}
	}
}

func TestAnAddressThatMayNotConnectIsCounted(t *testing.T) {
	k := runKeyed(t, func(c *Config) { c.AllowedClients = []netip.Prefix{netip.MustParsePrefix("127.0.0.9/32")} })
	k.stranger(t, "127.0.0.2")
	eventually(t, "the count", func() bool { return k.refused.all()["address"] == 1 })
}

// A balancer may encrypt anew: the server has TLS, and the proofs are not bound to it.
func TestABalancerThatEncryptsAnew(t *testing.T) {
	k := runKeyed(t, func(c *Config) { c.TLS, c.TLSEndsBefore = selfMade(t), true })
	log, _ := k.with(t, &k.home, byKey(t, "", ""), func(c *client.Config) { c.TLSEndsBefore = true })
	log.wait(t, "msg=connected", "key=home", "tls=true")
}

// When it is ready a server without keys says whose clients it takes.
func TestAServerWithoutKeysSaysWhomItTakes(t *testing.T) {
	const here, all = "clients of this machine alone are taken; make a key with: adit-server keygen NAME, or take every client with --open", "every client is taken"
	for _, c := range []struct {
		what      string
		change    func(c *Config)
		here, all bool
	}{
		{"this machine", func(*Config) {}, true, false},
		{"this machine, open", func(c *Config) { c.AuthOptional = true }, false, false},
		{"open", func(c *Config) { c.AuthOptional, c.TunnelHost = true, "" }, false, true},
		{"open over TLS", func(c *Config) { c.AuthOptional, c.TunnelHost = true, ""; encrypted(t, c, false) }, false, true},
		{"certificates", func(c *Config) { c.TunnelHost = ""; encrypted(t, c, true) }, false, false},
		{"no tunnels", func(c *Config) { c.Rules.TunnelEnabled = false }, false, false},
	} {
		cfg, log := config(t), &lines{}
		cfg.Logger = log.logger()
		c.change(&cfg)
		s := run(t, cfg)
		log.wait(t, "msg=ready")
		if log.has("level=INFO", here) != c.here || log.has("level=WARN", all) != c.all {
			t.Errorf("%s: the log says this machine alone: %v, everybody: %v; want %v, %v", c.what, !c.here, !c.all, c.here, c.all)
		}
		s.end(t)
	}
	empty := runKeyed(t, func(c *Config) {
		file := filepath.Join(t.TempDir(), "keys")
		if err := os.WriteFile(file, []byte("# none\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		var err error
		if c.Keys, err = keys.Open(file); err != nil {
			t.Fatal(err)
		}
	})
	empty.log.wait(t, "level=WARN", "the file of keys has none, so every client is denied")
}
