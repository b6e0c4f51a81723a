package server

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"testing"

	"github.com/adit-tunnel/adit/reference/api"
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
			c := dial(t, s.mapped(t, target, func(r *api.CreateRequest) { r.UseTunnel = &tunnel }))
			var writing sync.WaitGroup
			writing.Go(func() { c.Write(up) })
			got, err := io.ReadAll(c)
			writing.Wait()
			if err != nil || !bytes.Equal(got, down) {
				t.Errorf("the visitor read %d octets, %v; want the %d that were sent", len(got), err, size)
			}
			c.Close()
			eventually(t, "the visitor's end", func() bool { return s.Stats().Mappings[0].Active == 0 })
			m := s.Stats().Mappings[0]
			if m.In != size || m.Out != size || m.Total != 1 || m.Failed != 0 || m.UseTunnel != tunnel {
				t.Errorf("stats = %+v; want %d octets each way, one visitor", m, size)
			}
		})
	}
}

func TestManyVisitorsAtOnce(t *testing.T) {
	const visitors = 200
	s := run(t, config(t))
	s.connect(t, "127.0.0.1")
	for _, tunnel := range []bool{true, false} {
		addr := s.mapped(t, service(t, echo), func(r *api.CreateRequest) { r.UseTunnel = &tunnel })
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
					t.Errorf("visitor %d of a mapping with use_tunnel %v did not get its own octets, %v", i, tunnel, err)
				}
				c.Close()
			})
		}
		all.Wait()
	}
	stats := s.Stats()
	if len(stats.Tunnels) != 1 || stats.Tunnels[0].Total != visitors || stats.Tunnels[0].In == 0 {
		t.Errorf("stats of tunnels = %+v; want one with %d connections", stats.Tunnels, visitors)
	}
}

func TestVisitorsWithoutAClientAreReset(t *testing.T) {
	s := run(t, config(t))
	addr := s.mapped(t, service(t, echo), nil)
	wantReset(t, "before a client came", addr)
	end := s.connect(t, "127.0.0.1")
	if enabled, connected := s.Health(); !enabled || !connected {
		t.Errorf("Health() = %v, %v; want both", enabled, connected)
	}
	wantEcho(t, "with a client", addr)
	c := dial(t, addr)
	wantEchoOn(t, "an open visitor", c)
	end()
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("the open visitor goes on without its client")
	}
	eventually(t, "the tunnel's end", func() bool { _, connected := s.Health(); return !connected })
	wantReset(t, "after the client went", addr)
	s.connect(t, "127.0.0.1")
	wantEcho(t, "when it came back", addr)
	if m := s.Stats().Mappings[0]; m.Failed != 3 || m.Total != 5 {
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
	for i, m := range s.Stats().Mappings {
		if m.Failed != 1 || m.Active != 0 || m.In+m.Out != 0 {
			t.Errorf("stats of mapping %d = %+v; want one failed visitor and no octets", i, m)
		}
	}
	direct := false
	wantReset(t, "a direct target that refuses", s.mapped(t, local(freePort(t)), func(r *api.CreateRequest) { r.UseTunnel = &direct }))
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
	firstOnly := s.mapped(t, target, func(r *api.CreateRequest) { r.Client = &first })
	secondOnly := s.mapped(t, target, func(r *api.CreateRequest) { r.Client = &second })
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
			t.Errorf("the refused client reads %d octets, %v; want its end", n, err)
		}
	}
	if _, connected := s.Health(); connected {
		t.Error("the refused client counts as connected")
	}
}

func random(seed uint64, n int) []byte {
	data := make([]byte, n)
	rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)}).Read(data)
	return data
}
