package server

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/adit-tunnel/adit/reference/client"
	"github.com/adit-tunnel/adit/reference/mapping"
	"github.com/adit-tunnel/adit/reference/session"
)

// from connects a visitor from a local address; nil: it was reset before its dial returned.
func from(t *testing.T, local, addr string) *net.TCPConn {
	t.Helper()
	c, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(local)}, Timeout: soon}).Dial("tcp", addr)
	if err != nil {
		return nil
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(soon))
	return c.(*net.TCPConn)
}

// served reports whether a visitor's byte comes back.
func served(c *net.TCPConn) bool {
	if c == nil {
		return false
	}
	c.Write([]byte("x"))
	_, err := io.ReadFull(c, make([]byte, 1))
	return err == nil
}

// visits reports whether a visitor from a local address is served, and ends it.
func visits(t *testing.T, local, addr string) bool {
	t.Helper()
	c := from(t, local, addr)
	if c != nil {
		defer c.Close()
	}
	return served(c)
}

// failures are those of the only mapping.
func (r *running) failures() map[string]int64 { return r.mappings.List()[0].Failures }

func direct(o mapping.Options) func(*mapping.Request) {
	return func(q *mapping.Request) { q.UseTunnel, q.Options = new(false), o }
}

func through(o mapping.Options) func(*mapping.Request) {
	return func(q *mapping.Request) { q.Options = o }
}

func TestAllowAndDenySayWhoMayVisit(t *testing.T) {
	for name, kind := range map[string]func(mapping.Options) func(*mapping.Request){"direct": direct, "tunnel": through} {
		t.Run(name, func(t *testing.T) {
			s := run(t, config(t))
			s.connect(t, "127.0.0.1")
			addr := s.mapped(t, service(t, echo), kind(mapping.Options{Allow: []string{"127.0.0.0/24"}, Deny: []string{"127.0.0.8/31", "::1"}}))
			for who, want := range map[string]bool{"127.0.0.7": true, "127.0.0.8": false, "127.0.0.9": false, "127.0.0.10": true, "127.0.1.7": false} {
				if got := visits(t, who, addr); got != want {
					t.Errorf("a visitor from %s is served: %v; want %v", who, got, want)
				}
			}
			eventually(t, "the account", func() bool { return s.failures()["not-allowed"] == 3 })
			if u := s.mappings.List()[0]; u.Total != 5 || u.Failed != 3 {
				t.Errorf("%d visitors, %d failed; want 5 and 3", u.Total, u.Failed)
			}
		})
	}
}

func TestBoundsOfVisitors(t *testing.T) {
	for name, c := range map[string]struct {
		change  func(*Config)
		options mapping.Options
		failure string
	}{
		"of a mapping":                {func(*Config) {}, mapping.Options{MaxConnections: 2}, "too-many"},
		"of all":                      {func(c *Config) { c.MaxVisitors = 2 }, mapping.Options{}, "too-many"},
		"of one address":              {func(c *Config) { c.MaxVisitorsPerAddress = 2 }, mapping.Options{}, "too-many-of-address"},
		"of one address of a mapping": {func(*Config) {}, mapping.Options{MaxPerAddress: 2}, "too-many-of-address"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := config(t)
			c.change(&cfg)
			s := run(t, cfg)
			s.connect(t, "127.0.0.1")
			target := service(t, echo)
			addrs := []string{s.mapped(t, target, direct(c.options)), s.mapped(t, target, through(c.options))}
			for i, addr := range addrs {
				first, second := from(t, "127.0.0.7", addr), from(t, "127.0.0.7", addr)
				if !served(first) || !served(second) {
					t.Fatal("the first two are not served")
				}
				if visits(t, "127.0.0.7", addr) {
					t.Error("one too many is served")
				}
				if ofAddress := c.failure == "too-many-of-address"; visits(t, "127.0.0.8", addr) != ofAddress {
					t.Errorf("one from another address is served: %v; want %v", !ofAddress, ofAddress)
				}
				if other := addrs[1-i]; strings.Contains(name, "mapping") && !visits(t, "127.0.0.7", other) {
					t.Error("one of another mapping is not served")
				}
				first.Close()
				eventually(t, "room", func() bool { return visits(t, "127.0.0.7", addr) })
				second.Close()
				eventually(t, "everybody's end", func() bool {
					all := s.mappings.List()
					return all[0].Active+all[1].Active == 0
				})
			}
		})
	}
}

// A visitor that is kept out costs one line, of a kind that the log counts (failure is among what it tells apart).
func TestWhatIsKeptOutIsLogged(t *testing.T) {
	cfg := config(t)
	log := &logged{}
	cfg.Logger = slog.New(slog.NewTextHandler(log, nil))
	s := run(t, cfg)
	addr := s.mapped(t, service(t, echo), direct(mapping.Options{Deny: []string{"127.0.0.0/8"}}))
	if visits(t, "127.0.0.1", addr) {
		t.Error("it is served")
	}
	eventually(t, "the line", func() bool { return strings.Contains(log.String(), `msg="visitor gone"`) })
	for _, want := range []string{"level=INFO", "visitor=127.0.0.1:", "failure=not-allowed", "the mapping's allow or deny keeps this address out"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log says %s; want %s in it", log, want)
		}
	}
}

// The rates of a mapping hold for all its visitors together, through tunnels of the Extended profile and without any.
func TestAMappingKeepsItsRates(t *testing.T) {
	const rate = 256 << 10
	cfg := config(t)
	cfg.Session.Protocol = session.Auto
	s := run(t, cfg)
	s.begin(t, "127.0.0.1", func(c *client.Config) { c.Session.Protocol = session.Auto })
	target := service(t, func(c *net.TCPConn) {
		io.CopyN(io.Discard, c, rate/2)
		c.Write(make([]byte, rate/2))
	})
	for name, kind := range map[string]func(mapping.Options) func(*mapping.Request){"direct": direct, "tunnel": through} {
		for way, o := range map[string]mapping.Options{"up": {RateUp: rate}, "down": {RateDown: rate}, "free": {}} {
			addr := s.mapped(t, target, kind(o))
			if name == "tunnel" {
				eventually(t, "the tunnel", func() bool {
					all := s.registry.clients()
					return len(all) == 1 && all[0].session.Stats().Protocol == session.ExtendedOnly
				})
			}
			start := time.Now()
			var both sync.WaitGroup
			for range 2 {
				both.Go(func() {
					c := dial(t, addr)
					c.Write(make([]byte, rate/2))
					if n, err := io.Copy(io.Discard, c); n != rate/2 || err != nil {
						t.Errorf("%s, %s: %d bytes came back, %v; want %d", name, way, n, err, rate/2)
					}
				})
			}
			both.Wait()
			if took := time.Since(start); way != "free" && took < 550*time.Millisecond || way == "free" && took > 500*time.Millisecond {
				t.Errorf("%s, %s: two visitors that move half a second's bytes each are done after %v; want a second, but for what is moved before it is paid for (free: at once)", name, way, took)
			}
		}
	}
}

// In Core a bound of what goes to one visitor would stop the others: it is not kept, and the log says so.
func TestARateTowardsVisitorsIsNotKeptInCore(t *testing.T) {
	cfg := config(t)
	log := &logged{}
	cfg.Logger = slog.New(slog.NewTextHandler(log, nil))
	s := run(t, cfg)
	s.connect(t, "127.0.0.1")
	addr := s.mapped(t, service(t, echo), through(mapping.Options{RateDown: 1024}))
	c := dial(t, addr)
	start := time.Now()
	go c.Write(make([]byte, 64<<10))
	if _, err := io.ReadFull(c, make([]byte, 64<<10)); err != nil || time.Since(start) > 10*time.Second {
		t.Errorf("64 KiB took %v, %v; want them at once", time.Since(start), err)
	}
	if !strings.Contains(log.String(), "rate_down not kept: the client speaks Core") {
		t.Error("the log does not say that the rate is not kept")
	}
}

func TestAnIdleVisitorOfADirectMappingIsReset(t *testing.T) {
	s := run(t, config(t))
	addr := s.mapped(t, service(t, echo), direct(mapping.Options{IdleTimeout: mapping.Duration(time.Second)}))
	c := dial(t, addr)
	wantEchoOn(t, "at first", c)
	start := time.Now()
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) || time.Since(start) < 900*time.Millisecond {
		t.Errorf("an idle visitor reads %v after %v; want a reset after a second", err, time.Since(start))
	}
	eventually(t, "the account", func() bool { return s.failures()["idle"] == 1 })
}

// Through the tunnel it is the session that ends an idle visitor. The rules let no mapping have so short a time.
func TestAnIdleVisitorOfATunnelIsReset(t *testing.T) {
	s := run(t, config(t))
	s.connect(t, "127.0.0.1")
	host, port, _ := net.SplitHostPort(service(t, echo))
	n, _ := strconv.Atoi(port)
	m := mapping.Mapping{Port: freePort(t), TargetHost: host, TargetPort: n, UseTunnel: true, Options: mapping.Options{IdleTimeout: mapping.Duration(time.Second)}}
	l, err := s.listenPort(m)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); l.Serve() }()
	c := dial(t, local(m.Port))
	wantEchoOn(t, "at first", c)
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("an idle visitor reads %v; want a reset", err)
	}
	eventually(t, "the account", func() bool { return l.Traffic().Failures["idle"] == 1 })
	l.Close()
	<-done
}

// logged keeps what is written to it.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// Whom a mapping keeps out takes no place of all visitors', and who has left has none.
func TestPlacesAreGivenBack(t *testing.T) {
	everywhere := &crowd{most: 2, mostOfAddr: 2}
	d := newDoor(mapping.Mapping{Options: mapping.Options{MaxConnections: 1}}, everywhere)
	a, b := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2") // one address, as seats count them
	for range 3 {
		if err := d.enter(a); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if err := d.enter(b); err != errTooManyVisitors {
				t.Errorf("a second visitor = %v; want %v", err, errTooManyVisitors)
			}
		}
		if everywhere.n != 1 || len(everywhere.of) != 1 {
			t.Errorf("%d places are taken, of %d addresses; want one", everywhere.n, len(everywhere.of))
		}
		d.leave(b)
	}
	if everywhere.n != 0 || len(everywhere.of) != 0 || d.here.n != 0 {
		t.Errorf("%d and %d places are taken still", everywhere.n, d.here.n)
	}
}
