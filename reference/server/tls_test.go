package server

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/adit-tunnel/adit/reference/certtest"
	"github.com/adit-tunnel/adit/reference/client"
	"github.com/adit-tunnel/adit/reference/session"
	"github.com/adit-tunnel/adit/reference/sock"
	"github.com/adit-tunnel/adit/reference/trust"
	"github.com/adit-tunnel/adit/spec/wire"
)

// identity is a server's files, and those of its clients.
type identity struct {
	dir string
	ca  *certtest.CA
}

// encrypted makes cfg that of a server over TLS. With clients set they need certificates of the same authority.
func encrypted(t *testing.T, cfg *Config, clients bool) identity {
	t.Helper()
	id := identity{dir: t.TempDir(), ca: certtest.NewCA()}
	cert, key := id.ca.Issue(time.Hour, "127.0.0.1").Write(id.dir, "server")
	clientCA := ""
	if clients {
		clientCA = id.caFile()
	}
	var err error
	if cfg.TLS, err = trust.NewServer(cert, key, clientCA); err != nil {
		t.Fatal(err)
	}
	return id
}

func (id identity) caFile() string { return certtest.File(id.dir, "ca.crt", id.ca.PEM) }

// trusted is a client that knows the server; with a name it has a certificate of that.
func (id identity) trusted(t *testing.T, name string) *trust.Client {
	t.Helper()
	cert, key := "", ""
	if name != "" {
		cert, key = id.ca.Issue(time.Hour, name).Write(id.dir, name)
	}
	c, err := trust.NewClient(id.caFile(), "", cert, key, false)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// lines is a log to look into.
type lines struct {
	mu   sync.Mutex // guards text
	text bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) has(words ...string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
next:
	for line := range strings.Lines(l.text.String()) {
		for _, word := range words {
			if !strings.Contains(line, word) {
				continue next
			}
		}
		return true
	}
	return false
}

func (l *lines) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// start runs a client with a log of its own until the test ends.
func (r *running) start(t *testing.T, known *trust.Client, protocol session.Protocol) *lines {
	t.Helper()
	log := &lines{}
	c := client.New(client.Config{
		Server: r.TunnelAddr().String(), TLS: known, Logger: log.logger(), TargetHost: "127.0.0.1",
		Session: session.Config{Protocol: protocol}, ConnectTimeout: soon, RetryFirst: 10 * time.Millisecond, RetryMost: time.Second,
	})
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); c.Run(ctx) }()
	t.Cleanup(func() { stop(); await(t, "the client's end", done) })
	return log
}

// Core and Extended tunnels serve through TLS as they do without, and are shown as what they are.
func TestTunnelsOverTLS(t *testing.T) {
	const size = 4 << 20
	for _, protocol := range []session.Protocol{session.CoreOnly, session.ExtendedOnly} {
		t.Run(protocol.String(), func(t *testing.T) {
			cfg, log := config(t), &lines{}
			cfg.Session.Protocol, cfg.Logger = session.Auto, log.logger()
			id := encrypted(t, &cfg, true)
			s := run(t, cfg)
			clientLog := s.start(t, id.trusted(t, "workshop"), protocol)
			eventually(t, "a tunnel", func() bool { return len(s.tunnelStats()) == 1 })
			if stats := s.tunnelStats(); !stats[0].TLS {
				t.Errorf("stats = %+v; want TLS", stats)
			}
			if !log.has("tunnel connected", "tls=true", "certificate=", "CN=workshop") || !log.has("msg=ready", "tls=true", "pin=") {
				t.Error("the log does not say that the tunnel is encrypted, and whose it is")
			}
			eventually(t, "the client's line", func() bool { return clientLog.has("msg=connected", "tls=true") })
			addr := s.mapped(t, service(t, echo), nil)
			wantEcho(t, "a visitor", addr)
			c := dial(t, addr)
			var writing sync.WaitGroup
			sent, got := random(7, size), make([]byte, size)
			writing.Go(func() { c.Write(sent) })
			if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, sent) {
				t.Errorf("%d bytes do not come back, %v", size, err)
			}
			writing.Wait()
		})
	}
}

func TestAPlainTunnelIsShownAsOne(t *testing.T) {
	s := run(t, config(t))
	s.connect(t, "127.0.0.1")
	if stats := s.tunnelStats(); stats[0].TLS {
		t.Errorf("stats = %+v; want no TLS", stats)
	}
}

// Who does not fit is told, at both ends where they can know, and no visitor reaches it.
func TestWhoDoesNotFitATunnelOverTLS(t *testing.T) {
	for _, c := range []struct {
		what       string
		server     bool // it has TLS
		clients    bool // and wants certificates
		known      func(t *testing.T, id identity) *trust.Client
		logs, says []string // of the server, and the client
	}{
		{
			"a plain client", true, false, func(*testing.T, identity) *trust.Client { return nil },
			[]string{"tunnel refused", "does not speak TLS", "start it with --tls"},
			[]string{"the server speaks TLS", "start it with --tls"},
		},
		{
			"a plain server", false, false, func(t *testing.T, id identity) *trust.Client { return id.trusted(t, "") },
			[]string{"the client speaks TLS", "give it keys (adit-server keygen NAME) or set security.tunnel.enable_tls"},
			[]string{"set security.tunnel.enable_tls there"},
		},
		{
			"a client without certificate", true, true, func(t *testing.T, id identity) *trust.Client { return id.trusted(t, "") },
			[]string{"tunnel refused", "didn't provide a certificate"},
			[]string{"wants a certificate of this client", "--cert_file"},
		},
		{"a client with another's certificate", true, true, func(t *testing.T, id identity) *trust.Client {
			cert, key := certtest.NewCA().Issue(time.Hour, "stranger").Write(id.dir, "stranger")
			known, err := trust.NewClient(id.caFile(), "", cert, key, false)
			if err != nil {
				t.Fatal(err)
			}
			return known
		}, []string{"tunnel refused", "unknown authority"}, []string{"refuses this client's certificate"}},
		{"a client that does not trust the server", true, false, func(t *testing.T, id identity) *trust.Client {
			known, err := trust.NewClient(certtest.File(id.dir, "other.crt", certtest.NewCA().PEM), "", "", "", false)
			if err != nil {
				t.Fatal(err)
			}
			return known
		}, []string{"tunnel refused", "the client refuses this server"}, []string{"nobody whom this client trusts", "--ca", "--pin "}},
	} {
		for _, protocol := range []session.Protocol{session.CoreOnly, session.Auto} {
			t.Run(c.what+", "+protocol.String(), func(t *testing.T) {
				cfg, log := config(t), &lines{}
				cfg.Session.Protocol, cfg.Logger = protocol, log.logger()
				id := encrypted(t, &cfg, c.clients)
				if !c.server {
					cfg.TLS = nil
				}
				s := run(t, cfg)
				clientLog := s.start(t, c.known(t, id), protocol)
				eventually(t, "the server's line", func() bool { return log.has(c.logs...) })
				eventually(t, "the client's line", func() bool { return clientLog.has(append(c.says, "msg=waiting")...) })
				wantReset(t, "a visitor", s.mapped(t, service(t, echo), nil))
				if clientLog.has("msg=connected") || log.has("tunnel connected") || len(s.tunnelStats()) > 0 {
					t.Error("the client counts as connected")
				}
			})
		}
	}
}

// TLS-005: whatever a stranger says before its handshake is over, or without one, is not served.
func TestAStrangerInItsHandshakeIsNotServed(t *testing.T) {
	cfg, log := config(t), &lines{}
	cfg.Logger = log.logger()
	id := encrypted(t, &cfg, false)
	s := run(t, cfg)
	addr := s.mapped(t, service(t, echo), nil)
	silent := dial(t, s.TunnelAddr().String())
	eventually(t, "the silent connection", func() bool { return len(s.registry.all()) == 1 })
	wantReset(t, "a visitor, with one in its handshake", addr)
	s.start(t, id.trusted(t, ""), session.Auto)
	eventually(t, "a tunnel beside it", func() bool { return len(s.tunnelStats()) == 1 })
	wantEcho(t, "a visitor, with a tunnel beside it", addr)
	if _, err := silent.Write(wire.AppendKeepAlive(nil)); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(silent); string(got) != "\x15\x03\x03\x00\x02\x02\x0a" || err != nil {
		t.Errorf("who speaks without TLS reads % x, %v; want an alert and the end", got, err)
	}
	other, err := tls.Dial("tcp", s.TunnelAddr().String(), &tls.Config{InsecureSkipVerify: true})
	if err == nil {
		t.Error("a TLS client without ALPN is taken")
		other.Close()
	}
	eventually(t, "the line about it", func() bool { return log.has("this is not an adit client", "ALPN") })
}

// A stop does not wait for handshakes.
func TestAStopEndsHandshakes(t *testing.T) {
	cfg := config(t)
	encrypted(t, &cfg, false)
	s := run(t, cfg)
	silent := dial(t, s.TunnelAddr().String())
	eventually(t, "the silent connection", func() bool { return len(s.registry.all()) == 1 })
	begin := time.Now()
	s.end(t)
	if took := time.Since(begin); took > handshakeTime/2 {
		t.Errorf("the stop took %v", took)
	}
	if n, err := silent.Read(make([]byte, 1)); n > 0 || err == nil {
		t.Errorf("the silent connection reads %d bytes, %v; want its end", n, err)
	}
}

// A handshake has its time and no more, and costs a place as any tunnel that is not proven does.
func TestAHandshakeHasItsTime(t *testing.T) {
	cfg := Config{}
	encrypted(t, &cfg, false)
	synctest.Test(t, func(t *testing.T) {
		log := &lines{}
		s := &Server{log: log.logger(), tls: cfg.TLS.Config(log.logger())}
		s.groups = newGroups(s)
		near, far := sock.Pipe(1 << 10)
		silent := &tunnel{id: "silent", addr: netip.MustParseAddr("192.0.2.1"), secure: sock.ServerTLS(near, s.tls), log: s.log}
		s.registry.add(silent)
		begin := time.Now()
		if s.shakeHands(t.Context(), silent) || time.Since(begin) != 10*time.Second {
			t.Errorf("a silent client is done with after %v; want 10 s, and a failure", time.Since(begin))
		}
		if _, err := far.Read(sock.NewPool(0, 16), 16); !errors.Is(err, syscall.ECONNRESET) || len(s.registry.all()) != 0 || !log.has("tunnel refused", "needs a key, or --tls") {
			t.Errorf("it reads %v, and %d tunnels are there; want a reset, none, and a line", err, len(s.registry.all()))
		}
	})
}

// One that is not taken has as long again to say HELLO and be told, and no longer.
func TestOneTooManyDoesNotStay(t *testing.T) {
	cfg := Config{}
	id := encrypted(t, &cfg, false)
	known := id.trusted(t, "")
	synctest.Test(t, func(t *testing.T) {
		log := &lines{}
		s := &Server{log: log.logger(), tls: cfg.TLS.Config(log.logger())}
		s.groups = newGroups(s)
		near, far := sock.Pipe(1 << 20)
		full := errors.New("too many are here")
		ctx, end := context.WithCancelCause(t.Context())
		extra := &tunnel{id: "extra", addr: netip.MustParseAddr("192.0.2.1"), secure: sock.ServerTLS(near, s.tls), log: s.log, end: end, taken: func() error { return full }}
		extra.session = session.New(extra.secure, session.Config{Role: session.Server})
		begin := time.Now()
		s.tunnels.Go(func() { s.serveTunnel(ctx, extra) })
		if err := sock.ClientTLS(far, known.Config("127.0.0.1", s.log)).Handshake(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.tunnels.Wait()
		if took, err := time.Since(begin), extra.session.Err(); took != 10*time.Second || !errors.Is(err, full) {
			t.Errorf("it ends after %v with %v; want 10 s, and why", took, err)
		}
	})
}

func TestHandshakesMakeRoomForEachOtherWhenTheyAreSlow(t *testing.T) {
	var r registry
	arrive := func(name, addr string, ago time.Duration) (t, evicted *tunnel) {
		t = &tunnel{id: name, addr: netip.MustParseAddr(addr), accepted: time.Now().Add(-ago)}
		t.shaking.Store(true)
		return t, r.add(t)
	}
	first, _ := arrive("a0", "192.0.2.1", 0)
	for i := range 7 {
		if _, evicted := arrive(fmt.Sprint("a", i+1), "192.0.2.1", 0); evicted != nil {
			t.Errorf("handshake %d of one address: %s had to go; want nobody", i+2, evicted.id)
		}
	}
	if ninth, evicted := arrive("a8", "192.0.2.1", 0); evicted != ninth {
		t.Errorf("the ninth of one address, all young: %v had to go; want itself", evicted)
	}
	first.accepted = time.Now().Add(-seatKept)
	if _, evicted := arrive("a9", "192.0.2.1", 0); evicted != first {
		t.Errorf("the ninth of one address, with one that is slow: %v had to go; want that one", evicted)
	}
	if got := r.pick(netip.Prefix{}); got != nil {
		t.Errorf("pick = %s; want nobody of those in a handshake", got.id)
	}
	var others []*tunnel
	for i := range 56 {
		other, _ := arrive(fmt.Sprint("b", i), fmt.Sprint("192.0.3.", i), 0)
		others = append(others, other)
	}
	if last, evicted := arrive("c", "192.0.4.1", 0); evicted != last || len(r.all()) != 64 {
		t.Errorf("the 65th of all, all young: %v had to go, %d are there; want itself, 64", evicted, len(r.all()))
	}
	r.all()[0].accepted = time.Now().Add(-seatKept) // of the address that has most
	others[3].accepted = time.Now().Add(-2 * seatKept)
	if _, evicted := arrive("d", "192.0.4.2", 0); evicted != others[3] {
		t.Errorf("the 65th of all, beside two that are slow: %v had to go; want the older", evicted)
	}
}

// The accept loop does not wait for anybody's handshake.
func TestHandshakesDoNotHoldUpOthers(t *testing.T) {
	cfg := config(t)
	id := encrypted(t, &cfg, false)
	s := run(t, cfg)
	for range mostUnprovenOfAddr - 1 {
		dial(t, s.TunnelAddr().String())
	}
	half, err := net.Dial("tcp", s.TunnelAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer half.Close()
	half.Write([]byte{22, 3, 1, 2}) // the beginning of a handshake
	eventually(t, "the silent connections", func() bool { return len(s.registry.all()) == mostUnprovenOfAddr })
	all := s.registry.all()
	s.registry.mu.Lock()
	for _, one := range all {
		one.accepted = time.Now().Add(-seatKept) // as if they had been there for a while
	}
	s.registry.mu.Unlock()
	s.start(t, id.trusted(t, ""), session.Auto)
	eventually(t, "a tunnel beside them", func() bool { return len(s.tunnelStats()) == 1 })
}

// A client that finished its handshake is one, whatever it says; one too many is told so when it has said HELLO.
func TestNoMoreTunnelsOverTLSThanAllowed(t *testing.T) {
	cfg, log := config(t), &lines{}
	cfg.MaxTunnels, cfg.Logger, cfg.Session.Protocol = 1, log.logger(), session.Auto
	id := encrypted(t, &cfg, false)
	s := run(t, cfg)
	silent, err := tls.Dial("tcp", s.TunnelAddr().String(), &tls.Config{RootCAs: id.ca.Pool(), NextProtos: []string{"adit/1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	eventually(t, "a tunnel without a frame", func() bool { return len(s.tunnelStats()) == 1 })
	second := s.start(t, id.trusted(t, ""), session.Auto)
	eventually(t, "the client's line", func() bool { return second.has("msg=waiting", "too-many", "tunnel.max_tunnels") })
	if !log.has("tunnel refused", "tunnel.max_tunnels") || len(s.registry.clients()) != 1 { // the client may be in its next handshake
		t.Errorf("%d tunnels are there; want one, and a line", len(s.registry.clients()))
	}
}

// Section 32: without a key whoever shows a certificate is known by its public key, and a tunnel on which none was asked for is nobody's.
func TestTheOwnerByCertificate(t *testing.T) {
	for name, asked := range map[string]bool{"asked for": true, "not asked for": false} {
		t.Run(name, func(t *testing.T) {
			var id identity
			cfg := config(t)
			cfg.Session.Protocol = session.Auto
			id = encrypted(t, &cfg, asked)
			r := run(t, cfg)
			var owners []owner
			for i, who := range []string{"a", "b"} {
				known := id.trusted(t, who)
				r.begin(t, "127.0.0.1", func(c *client.Config) { c.TLS, c.Session.Protocol = known, session.Auto })
				eventually(t, "a client", func() bool { return len(r.registry.clients()) == i+1 })
				for _, one := range r.registry.clients() {
					if own := one.ownerOf(); !slices.Contains(owners, own) || !asked {
						owners = append(owners, own)
						break
					}
				}
				pair, err := tls.LoadX509KeyPair(filepath.Join(id.dir, who+".crt"), filepath.Join(id.dir, who+".key"))
				if err != nil {
					t.Fatal(err)
				}
				want := owner{}
				if asked {
					want.certificate = trust.PinOf(pair.Leaf).String()
				}
				if len(owners) != i+1 || owners[i] != want {
					t.Errorf("the owners are %v; want %v behind %d", owners, want, i)
				}
			}
		})
	}
}
