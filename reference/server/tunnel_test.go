package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"testing"

	"github.com/adit-tunnel/adit/reference/mapping"
	"github.com/adit-tunnel/adit/reference/session"
	"github.com/adit-tunnel/adit/reference/sock"
	"github.com/adit-tunnel/adit/spec/wire"
)

func TestLargeTransferBothWaysAtOnce(t *testing.T) {
	const size = 32 << 20
	up, down := random(1, size), random(2, size)
	target := service(t, func(c *net.TCPConn) {
		var reading sync.WaitGroup
		reading.Go(func() {
			got := make([]byte, size)
			if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, up) {
				t.Errorf("the service read something else, %v", err)
			}
		})
		c.Write(down)
		reading.Wait()
	})
	for _, tunnel := range []bool{true, false} {
		t.Run(fmt.Sprintf("use_tunnel=%v", tunnel), func(t *testing.T) {
			s := run(t, config(t))
			s.connect(t, "127.0.0.1")
			c := dial(t, s.mapped(t, target, func(r *mapping.Request) { r.UseTunnel = &tunnel }))
			var writing sync.WaitGroup
			writing.Go(func() { c.Write(up) })
			got, err := io.ReadAll(c)
			writing.Wait()
			if err != nil || !bytes.Equal(got, down) {
				t.Errorf("the visitor read %d bytes, %v; want the %d that were sent", len(got), err, size)
			}
			c.Close()
			eventually(t, "the visitor's end", func() bool { return s.mappings.List()[0].Active == 0 })
			m := s.mappings.List()[0]
			if m.In != size || m.Out != size || m.Total != 1 || m.Failed != 0 || m.UseTunnel != tunnel {
				t.Errorf("stats = %+v; want %d bytes each way, one visitor", m, size)
			}
		})
	}
}

// In and out mean the same of a mapping and of a tunnel: from visitors, and to them.
func TestBytesOfAMappingAndOfItsTunnelAreTheSame(t *testing.T) {
	s := run(t, config(t))
	s.connect(t, "127.0.0.1")
	addr := s.mapped(t, service(t, func(c *net.TCPConn) {
		io.ReadFull(c, make([]byte, 3))
		io.WriteString(c, "twelve bytes")
	}), nil)
	c := dial(t, addr)
	io.WriteString(c, "abc")
	if got, err := io.ReadAll(c); len(got) != 12 {
		t.Fatalf("the visitor read %q, %v", got, err)
	}
	c.Close()
	eventually(t, "the visitor's end", func() bool { return s.mappings.List()[0].Active == 0 })
	m, tunnel := s.mappings.List()[0], s.tunnelStats()[0]
	if m.In != 3 || m.Out != 12 || tunnel.In != 3 || tunnel.Out != 12 {
		t.Errorf("the mapping had %d and %d bytes, its tunnel %d and %d; want 3 in, 12 out of both", m.In, m.Out, tunnel.In, tunnel.Out)
	}
}

// WIN-008: a visitor who does not read is reset when the memory of all tunnels is full, and one who does is served.
func TestMemoryOfAllTunnels(t *testing.T) {
	const size = 64 << 20 // more than lies in sockets
	cfg := config(t)
	cfg.Memory, cfg.Session.Protocol = 1, session.Auto
	s := run(t, cfg)
	s.connect(t, "127.0.0.1")
	addr := s.mapped(t, service(t, func(c *net.TCPConn) { c.Write(make([]byte, size)) }), nil)
	slow := dial(t, addr)
	eventually(t, "the end of a visitor who does not read", func() bool { return s.mappings.List()[0].Failed == 1 })
	if n, err := io.Copy(io.Discard, slow); !errors.Is(err, syscall.ECONNRESET) || n == size {
		t.Errorf("it then reads %d bytes, and %v; want a part, and a reset", n, err)
	}
	if m := s.mappings.List()[0]; m.Active != 0 || m.Failures["over-budget"] != 1 {
		t.Errorf("the mapping has %d visitors, failures %v; want none, and one over-budget", m.Active, m.Failures)
	}
}

func TestManyVisitorsAtOnce(t *testing.T) {
	const visitors = 200
	s := run(t, config(t))
	s.connect(t, "127.0.0.1")
	for _, tunnel := range []bool{true, false} {
		addr := s.mapped(t, service(t, echo), func(r *mapping.Request) { r.UseTunnel = &tunnel })
		var all, arrived sync.WaitGroup
		arrived.Add(visitors)
		for i := range visitors {
			all.Go(func() {
				c := dial(t, addr)
				arrived.Done()
				arrived.Wait() // all of them are open at the same time
				sent := random(uint64(i), 1000+i)
				c.Write(sent)
				got := make([]byte, len(sent))
				if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, sent) {
					t.Errorf("visitor %d of a mapping with use_tunnel %v did not get its own bytes, %v", i, tunnel, err)
				}
				c.Close()
			})
		}
		all.Wait()
	}
	if stats := s.tunnelStats(); len(stats) != 1 || stats[0].Total != visitors || stats[0].In == 0 {
		t.Errorf("stats of tunnels = %+v; want one with %d connections", stats, visitors)
	}
}

func TestVisitorsWithoutAClientAreReset(t *testing.T) {
	s := run(t, config(t))
	addr := s.mapped(t, service(t, echo), nil)
	wantReset(t, "before a client came", addr)
	end := s.connect(t, "127.0.0.1")
	wantEcho(t, "with a client", addr)
	c := dial(t, addr)
	wantEchoOn(t, "an open visitor", c)
	eventually(t, "the end of the one before", func() bool { return s.mappings.List()[0].Active == 1 })
	end()
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("the open visitor goes on without its client")
	}
	eventually(t, "the tunnel's end", func() bool { return len(s.registry.all()) == 0 })
	wantReset(t, "after the client went", addr)
	s.connect(t, "127.0.0.1")
	wantEcho(t, "when it came back", addr)
	eventually(t, "the visitors' ends", func() bool { return s.mappings.List()[0].Active == 0 })
	m := s.mappings.List()[0]
	if m.Failed != 3 || m.Total != 5 || !maps.Equal(m.Failures, map[string]int64{"no-tunnel": 2, "tunnel-lost": 1}) {
		t.Errorf("stats = %+v; want 3 failed of 5: two without a client, one cut", m)
	}
}

func TestFailedDialsResetTheVisitor(t *testing.T) {
	s := run(t, config(t))
	s.connect(t, "127.0.0.1")
	for what, target := range map[string]string{
		"nobody listens":              local(freePort(t)),
		"the client's policy forbids": "192.0.2.1:80",
	} {
		wantReset(t, what, s.mapped(t, target, nil))
	}
	wantReset(t, "a direct target that refuses", s.mapped(t, local(freePort(t)), func(r *mapping.Request) { r.UseTunnel = new(false) }))
	eventually(t, "the visitors' ends", func() bool {
		return !slices.ContainsFunc(s.mappings.List(), func(m mapping.Status) bool { return m.Active > 0 })
	})
	for _, m := range s.mappings.List() {
		want := "refused"
		if m.TargetHost == "192.0.2.1" {
			want = "denied"
		}
		if m.Failed != 1 || m.Failures[want] != 1 || len(m.Failures) != 1 || m.In+m.Out != 0 {
			t.Errorf("stats of the mapping to %s = %+v; want one failed visitor, %s, and no bytes", m.Target(), m, want)
		}
	}
	if tunnels := s.tunnelStats(); len(tunnels) != 1 || tunnels[0].Total != 2 || tunnels[0].Failed != 2 || tunnels[0].Active != 0 {
		t.Errorf("stats of tunnels = %+v; want one with two connections, failed", tunnels)
	}
}

func TestTheFormOfRequestsIsThatOfTheRules(t *testing.T) {
	for _, short := range []bool{true, false} {
		cfg := config(t)
		cfg.Rules.ShortRequests = short
		s := run(t, cfg)
		tunnel := dial(t, s.TunnelAddr().String())
		eventually(t, "the tunnel", func() bool { return len(s.registry.all()) == 1 })
		dial(t, s.mapped(t, "", func(r *mapping.Request) { r.TargetPort = new(22) }))
		want := wire.AppendConnectRequest(nil, wire.ConnectRequest{Port: 22, Short: short, Host: map[bool]string{false: "127.0.0.1"}[short]})
		got := make([]byte, len(want))
		if _, err := io.ReadFull(tunnel, got); err != nil || !bytes.Equal(got, want) {
			t.Errorf("short: %v: the request is %x, %v; want %x", short, got, err, want)
		}
		tunnel.Close()
	}
}

func TestMappingsAreServedByTheirClient(t *testing.T) {
	s := run(t, config(t))
	if l, err := net.Listen("tcp", "127.0.0.2:0"); err != nil {
		t.Skipf("not run: this system has no second loopback address: %v", err)
	} else {
		l.Close()
	}
	target := service(t, echo)
	first, second := "127.0.0.1", "127.0.0.2"
	firstOnly := s.mapped(t, target, func(r *mapping.Request) { r.Client = first })
	secondOnly := s.mapped(t, target, func(r *mapping.Request) { r.Client = second })
	s.connect(t, first)
	wantEcho(t, "the first client's mapping", firstOnly)
	wantReset(t, "the second client's mapping without it", secondOnly)
	end := s.connect(t, second)
	wantEcho(t, "the second client's mapping", secondOnly)
	end()
	eventually(t, "the second tunnel's end", func() bool { return len(s.registry.all()) == 1 })
	wantReset(t, "the second client's mapping after it went", secondOnly)
	wantEcho(t, "the first client's mapping still", firstOnly)
}

func TestClientsNotAllowedAreRefused(t *testing.T) {
	cfg := config(t)
	cfg.AllowedClients = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	s := run(t, cfg)
	c := dial(t, s.TunnelAddr().String())
	if c != nil {
		if n, err := c.Read(make([]byte, 1)); n != 0 || err == nil {
			t.Errorf("the refused client reads %d bytes, %v; want its end", n, err)
		}
	}
	if len(s.registry.all()) > 0 {
		t.Error("the refused client counts as connected")
	}
}

func TestNoMoreTunnelsThanAllowed(t *testing.T) {
	cfg := config(t)
	cfg.MaxTunnels = 2
	s := run(t, cfg)
	end := s.connect(t, "127.0.0.1")
	s.connect(t, "127.0.0.1")
	if c := dial(t, s.TunnelAddr().String()); c != nil {
		c.Write(wire.AppendKeepAlive(nil))
		if n, err := c.Read(make([]byte, 1)); n != 0 || err == nil {
			t.Errorf("a third tunnel reads %d bytes, %v; want its end", n, err)
		}
	}
	if n := len(s.registry.all()); n != 2 {
		t.Errorf("%d tunnels are connected; want 2", n)
	}
	end()
	eventually(t, "the first tunnel's end", func() bool { return len(s.registry.all()) == 1 })
	s.connect(t, "127.0.0.1")
}

// A tunnel that has ended, and whose goroutine has not said so yet, does not cost a visitor its service.
func TestTheNextTunnelServesWhenThePickedOneHasJustEnded(t *testing.T) {
	s := run(t, config(t))
	addr := s.mapped(t, service(t, echo), nil)
	socket, err := sock.NewTCP(dial(t, service(t, echo)))
	if err != nil {
		t.Fatal(err)
	}
	ended := session.New(socket, session.Config{Role: session.Server})
	over, cancel := context.WithCancel(t.Context())
	cancel()
	ended.Run(over)
	first := &tunnel{id: "ended", addr: netip.MustParseAddr("192.0.2.1"), session: ended} // in line
	s.registry.add(first)
	s.registry.prove(first, 0)
	s.connect(t, "127.0.0.1")
	wantEcho(t, "the visitor", addr)
	if n := len(s.registry.all()); n != 1 {
		t.Errorf("%d tunnels are registered; want the living one", n)
	}
}

// A port monitor, or the scanner of somebody else, connects to the tunnel port and says nothing.
func TestASilentConnectionTakesNoVisitors(t *testing.T) {
	s := run(t, config(t))
	addr := s.mapped(t, service(t, echo), nil)
	before := dial(t, s.TunnelAddr().String())
	eventually(t, "the silent connection", func() bool { return len(s.registry.all()) == 1 })
	if n := len(s.tunnelStats()); n != 0 {
		t.Errorf("%d clients are connected; want none, of one that never sent a frame", n)
	}
	s.connect(t, "127.0.0.1")
	wantEcho(t, "a visitor, with a silent connection older than the client", addr)
	dial(t, s.TunnelAddr().String())
	eventually(t, "a newer silent connection", func() bool { return len(s.registry.all()) == 3 })
	wantEcho(t, "a visitor, with a silent connection newer than the client", addr)
	for range 20 {
		dial(t, s.TunnelAddr().String())
	}
	if n, err := before.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("the oldest silent connection reads %d bytes, %v; want its end", n, err)
	}
	wantEcho(t, "a visitor, among many silent connections", addr)
}

func random(seed uint64, n int) []byte {
	data := make([]byte, n)
	rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)}).Read(data)
	return data
}
