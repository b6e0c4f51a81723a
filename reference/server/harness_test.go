package server

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/adit-tunnel/adit/reference/client"
	"github.com/adit-tunnel/adit/reference/mapping"
	"github.com/adit-tunnel/adit/reference/session"
	"github.com/adit-tunnel/adit/reference/sock"
	"github.com/adit-tunnel/adit/reference/store"
)

// soon is the deadline of what happens at once on an idle machine.
const soon = 15 * time.Second

// config is that of a server under test: any free port, a database of its own.
func config(t *testing.T) Config {
	t.Helper()
	db := filepath.Join(t.TempDir(), "mappings.db")
	return Config{
		Rules:      mapping.Rules{TunnelEnabled: true, PortFrom: 1024, PortEnd: 65535, TargetOffset: 10000},
		TunnelHost: "127.0.0.1", APIHost: "127.0.0.1", VisitorHost: "127.0.0.1", DrainTimeout: 2 * soon,
		Store: openStore(t, db), Logger: testLogger(t),
	}
}

func openStore(t *testing.T, path string) *store.Store {
	t.Helper()
	s, err := store.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// testLogger writes to the test's log until the test has ended.
func testLogger(t *testing.T) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// running is a server between Run and its end.
type running struct {
	*Server
	stop context.CancelFunc // begins the graceful stop
	done chan struct{}      // closed when Run has returned
}

// run starts a server, and ends it with the test at the latest.
func run(t *testing.T, cfg Config) *running {
	t.Helper()
	s, err := Listen(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	r := &running{Server: s, stop: stop, done: make(chan struct{})}
	go func() { defer close(r.done); s.Run(ctx) }()
	t.Cleanup(func() { r.end(t) })
	return r
}

// end stops the server and waits for it.
func (r *running) end(t *testing.T) {
	t.Helper()
	r.stop()
	await(t, "the server's end", r.done)
}

// connect starts a client of the server from a local address, waits until the server has its tunnel, and
// returns what ends it.
func (r *running) connect(t *testing.T, from string, rules ...string) (end func()) {
	t.Helper()
	policy, err := client.ParsePolicy(rules)
	if err != nil {
		t.Fatal(err)
	}
	before := r.registry.clients()
	end = r.begin(t, from, func(c *client.Config) { c.Policy = policy })
	eventually(t, "a tunnel", func() bool {
		return slices.ContainsFunc(r.registry.clients(), func(t *tunnel) bool { return !slices.Contains(before, t) })
	})
	return end
}

// begin starts a client of the server from a local address, changed by the test, and returns what ends it.
func (r *running) begin(t *testing.T, from string, change func(*client.Config)) (end func()) {
	t.Helper()
	cfg := client.Config{
		Server: r.TunnelAddr().String(), Logger: r.cfg.Logger,
		Session:        session.Config{Protocol: r.cfg.Session.Protocol, Agent: r.cfg.Session.Agent},
		ConnectTimeout: soon, RetryFirst: 10 * time.Millisecond, RetryMost: time.Second,
		DialServer: func(ctx context.Context, server string) (sock.Socket, error) {
			local := net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(from), 0))
			conn, err := (&net.Dialer{LocalAddr: local}).DialContext(ctx, "tcp", server)
			if err != nil {
				return nil, err
			}
			return sock.NewTCP(conn.(*net.TCPConn))
		},
	}
	change(&cfg)
	c := client.New(cfg)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); c.Run(ctx) }()
	end = sync.OnceFunc(func() { stop(); await(t, "the client's end", done) })
	t.Cleanup(end)
	return end
}

// mapped creates a mapping to a target as the API does, and returns where visitors connect.
func (r *running) mapped(t *testing.T, target string, change func(*mapping.Request)) string {
	t.Helper()
	port := freePort(t)
	request := mapping.Request{Port: port}
	if target != "" {
		host, p, err := net.SplitHostPort(target)
		if err != nil {
			t.Fatal(err)
		}
		n, _ := strconv.Atoi(p)
		request.TargetHost, request.TargetPort = host, &n
	}
	if change != nil {
		change(&request)
	}
	if _, err := r.mappings.Create(t.Context(), request); err != nil {
		t.Fatalf("Create(%+v) = %v", request, err)
	}
	return local(port)
}

func local(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// freePort is a port that nobody has, and that the system does not soon give to somebody else.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// service listens until the test ends, and gives each connection to serve, which it closes afterwards.
func service(t *testing.T, serve func(*net.TCPConn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer c.Close()
				c.SetDeadline(time.Now().Add(time.Minute))
				serve(c.(*net.TCPConn))
			})
		}
	})
	t.Cleanup(func() { l.Close(); all.Wait() })
	return l.Addr().String()
}

// echo sends back what it reads.
func echo(c *net.TCPConn) { io.Copy(c, c) }

// dial connects a visitor that fails rather than hangs. A server that resets a visitor at once may do so
// before the dial has returned; the visitor is then nil.
func dial(t *testing.T, addr string) *net.TCPConn {
	t.Helper()
	c, err := net.DialTimeout("tcp", addr, soon)
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

// wantReset fails unless a visitor is accepted and then reset with no byte.
func wantReset(t *testing.T, what, addr string) {
	t.Helper()
	c := dial(t, addr)
	if c == nil {
		return
	}
	if n, err := c.Read(make([]byte, 1)); n != 0 || !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%s: the visitor reads %d bytes, %v; want a reset", what, n, err)
	}
}

// wantEcho fails unless a visitor's bytes come back.
func wantEcho(t *testing.T, what, addr string) {
	t.Helper()
	c := dial(t, addr)
	if c == nil {
		t.Fatalf("%s: the visitor was reset", what)
	}
	wantEchoOn(t, what, c)
	c.Close()
}

func wantEchoOn(t *testing.T, what string, c *net.TCPConn) {
	t.Helper()
	const text = "does it come back?"
	io.WriteString(c, text)
	got := make([]byte, len(text))
	if _, err := io.ReadFull(c, got); err != nil || string(got) != text {
		t.Fatalf("%s: the visitor reads %q, %v; want %q", what, got, err, text)
	}
}

func await(t *testing.T, what string, done <-chan struct{}) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(soon):
		t.Fatalf("waited for %s in vain", what)
	}
}

// eventually waits for a condition that nothing announces.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(soon)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited for %s in vain", what)
		}
	}
}
