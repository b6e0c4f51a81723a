package server

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/adit-tunnel/adit/reference/client"
	"github.com/adit-tunnel/adit/reference/forward"
	"github.com/adit-tunnel/adit/reference/mapping"
	"github.com/adit-tunnel/adit/reference/session"
	"github.com/adit-tunnel/adit/reference/sock"
)

var (
	named     = netip.MustParseAddrPort("192.0.2.1:50000") // whom balancers name
	front     = netip.MustParseAddrPort("198.51.100.1:443")
	balancers = []netip.Prefix{netip.MustParsePrefix("127.0.0.2/32")} // where balancers are
)

// heard is a service that sends back what it reads until the visitor has ended its stream.
func heard(t *testing.T) string {
	return service(t, func(c *net.TCPConn) {
		text, _ := io.ReadAll(c)
		c.Write(text)
	})
}

// says is what comes back to a visitor that says something.
func says(t *testing.T, local, addr, text string) string {
	t.Helper()
	c := from(t, local, addr)
	if c == nil {
		return "reset"
	}
	defer c.Close()
	io.WriteString(c, text)
	c.CloseWrite()
	got, err := io.ReadAll(c)
	if err != nil {
		return "reset"
	}
	return string(got)
}

// A balancer is believed whom it names, and must name somebody; nobody else is. The service is told by the same protocol.
func TestVisitorsBehindABalancer(t *testing.T) {
	cfg := config(t)
	cfg.VisitorProxies = balancers
	s := run(t, cfg)
	addr := s.mapped(t, heard(t), direct(mapping.Options{ProxyProtocol: "v1", Deny: []string{"192.0.2.66"}}))
	hello := func(version string, from string) string {
		return string(forward.ProxyHeader(version, netip.MustParseAddrPort(from), front)) + "hello"
	}
	for _, c := range []struct{ what, local, says, want string }{
		{"v1 of a balancer", "127.0.0.2", hello("v1", "192.0.2.1:50000"), "PROXY TCP4 192.0.2.1 198.51.100.1 50000 443\r\nhello"},
		{"v2 of a balancer", "127.0.0.2", hello("v2", "192.0.2.1:50000"), "PROXY TCP4 192.0.2.1 198.51.100.1 50000 443\r\nhello"},
		{"one whom the mapping denies", "127.0.0.2", hello("v2", "192.0.2.66:1"), "reset"},
		{"a balancer that sends none", "127.0.0.2", "GET / HTTP/1.1\r\n\r\n", "reset"},
		{"a balancer that says nothing", "127.0.0.2", "", "reset"},
	} {
		if got := says(t, c.local, addr, c.says); got != c.want {
			t.Errorf("%s: the service hears %q; want %q", c.what, got, c.want)
		}
	}
	port := addr[strings.LastIndex(addr, ":")+1:]
	if got := says(t, "127.0.0.2", addr, "PROXY UNKNOWN\r\nhello"); !strings.HasPrefix(got, "PROXY TCP4 127.0.0.2 127.0.0.1 ") || !strings.HasSuffix(got, " "+port+"\r\nhello") {
		t.Errorf("a balancer that checks our health: the service hears %q; want the balancer's address", got)
	}
	if got := says(t, "127.0.0.3", addr, hello("v1", "192.0.2.1:50000")); !strings.HasPrefix(got, "PROXY TCP4 127.0.0.3 ") || !strings.HasSuffix(got, "\r\nPROXY TCP4 192.0.2.1 198.51.100.1 50000 443\r\nhello") {
		t.Errorf("anybody else: the service hears %q; want its own address, and the header as its octets", got)
	}
	eventually(t, "the account", func() bool { f := s.failures(); return f["no-proxy-header"] == 2 && f["not-allowed"] == 1 })
}

// The time for a header is over when it has come.
func TestAVisitorBehindABalancerMayBeSilent(t *testing.T) {
	cfg := config(t)
	cfg.VisitorProxies = balancers
	s := run(t, cfg)
	c := from(t, "127.0.0.2", s.mapped(t, service(t, echo), direct(mapping.Options{})))
	c.Write(forward.ProxyHeader("v2", named, front))
	wantEchoOn(t, "behind the header", c)
	c.SetReadDeadline(time.Now().Add(headerTime + time.Second))
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a silent visitor reads %v; want it to stay", err)
	}
	c.SetDeadline(time.Now().Add(soon))
	wantEchoOn(t, "later", c)
}

// The address that a balancer names goes through the tunnel, and the client tells the service.
func TestTheVisitorsAddressComesThroughTheTunnel(t *testing.T) {
	for protocol, want := range map[session.Protocol]string{
		session.Auto: "PROXY TCP4 192.0.2.1 198.51.100.1 50000 443\r\nhello", session.CoreOnly: "PROXY UNKNOWN\r\nhello",
	} {
		cfg := config(t)
		cfg.VisitorProxies, cfg.Session.Protocol = balancers, protocol
		s := run(t, cfg)
		target := service(t, echo)
		s.begin(t, "127.0.0.1", func(c *client.Config) {
			if err := c.Services.ParseProxyProtocol([]string{target + "=v1"}); err != nil {
				t.Fatal(err)
			}
		})
		eventually(t, "a tunnel", func() bool { return len(s.registry.clients()) > 0 })
		addr := s.mapped(t, target, nil)
		c := from(t, "127.0.0.2", addr)
		io.WriteString(c, string(forward.ProxyHeader("v2", named, front))+"hello")
		got := make([]byte, len(want))
		if _, err := io.ReadFull(c, got); err != nil || string(got) != want {
			t.Errorf("%v: the service hears %q, %v; want %q", protocol, got, err, want)
		}
	}
}

// AUTH-016, MULTI-001: a client behind a balancer counts by the address that the balancer names.
func TestClientsBehindABalancer(t *testing.T) {
	cfg := config(t)
	cfg.TunnelProxies, cfg.AllowedClients = balancers, []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	s := run(t, cfg)
	through := func(c *client.Config) {
		dial := c.DialServer
		c.DialServer = func(ctx context.Context, server string) (sock.Socket, error) {
			socket, err := dial(ctx, server)
			if err == nil {
				_, err = socket.(*sock.TCP).Conn.Write(forward.ProxyHeader("v2", named, front))
			}
			return socket, err
		}
	}
	s.begin(t, "127.0.0.2", through)
	eventually(t, "a tunnel", func() bool { return len(s.registry.clients()) == 1 })
	if got := s.registry.clients()[0].remote; got != named {
		t.Errorf("the client is known as %v; want %v", got, named)
	}
	wantEcho(t, "through it", s.mapped(t, service(t, echo), func(q *mapping.Request) { q.Client = "192.0.2.1" }))
	for who, text := range map[string]string{"127.0.0.3": string(forward.ProxyHeader("v2", named, front)), "127.0.0.2": "\x01\x05\x00\x00\x00\x00 no header"} {
		if got := says(t, who, s.TunnelAddr().String(), text); got != "reset" {
			t.Errorf("%s, who is not allowed or sends no header: %q; want a reset", who, got)
		}
	}
}

// A server that stops does not wait for headers, and a balancer has 5 s.
func TestWaitingForAHeaderEnds(t *testing.T) {
	cfg := config(t)
	cfg.VisitorProxies, cfg.TunnelProxies = balancers, balancers
	s := run(t, cfg)
	addr := s.mapped(t, service(t, echo), direct(mapping.Options{}))
	slow := from(t, "127.0.0.2", addr)
	start := time.Now()
	if _, err := slow.Read(make([]byte, 1)); err == nil || time.Since(start) < headerTime-time.Second {
		t.Errorf("a balancer that says nothing is ended by %v after %v; want a reset after %v", err, time.Since(start), headerTime)
	}
	for _, addr := range []string{addr, s.TunnelAddr().String()} {
		from(t, "127.0.0.2", addr)
	}
	eventually(t, "a visitor that waits", func() bool { return s.mappings.List()[0].Active == 1 })
	start = time.Now()
	s.end(t)
	if time.Since(start) > headerTime/2 {
		t.Errorf("the server's end took %v; want it at once", time.Since(start))
	}
}
