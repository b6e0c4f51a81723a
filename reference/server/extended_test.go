package server

import (
	"net/netip"
	"testing"
	"time"

	"github.com/adit-tunnel/adit/reference/session"
)

func TestWhatTheAPIShowsOfAnExtendedTunnel(t *testing.T) {
	cfg := config(t)
	cfg.Session.Protocol, cfg.Session.Agent = session.Auto, "adit/test"
	s := run(t, cfg)
	addr := s.mapped(t, service(t, echo), nil)
	s.connect(t, "127.0.0.1")
	visitor := dial(t, addr)
	wantEchoOn(t, "a visitor", visitor)
	eventually(t, "the round trip", func() bool { return s.tunnelStats()[0].RTT > 0 })
	got := s.tunnelStats()[0]
	if got.Profile != "extended" || got.WhyCore != "" || got.Agent != "adit/test" || got.Draining || len(got.Connections) != 1 {
		t.Fatalf("the tunnel is shown as %+v", got)
	}
	c := got.Connections[0]
	if c.Origin != visitor.LocalAddr().String() || c.State != "open" || c.Credit == 0 || c.Window == 0 || c.Queue != 0 {
		t.Errorf("the connection is shown as %+v; want one that is open, from %s, with credit", c, visitor.LocalAddr())
	}
}

// AWAY-008: visitors that come while a tunnel is drained go to another of the client's.
func TestATunnelThatIsDrainedGetsNoVisitors(t *testing.T) {
	var r registry
	older, newer := &tunnel{addr: netip.MustParseAddr("192.0.2.1")}, &tunnel{addr: netip.MustParseAddr("192.0.2.1")}
	for _, x := range []*tunnel{older, newer} {
		r.add(x)
		if err := r.prove(x, 0); err != nil {
			t.Fatal(err)
		}
	}
	if got := r.pick(netip.Prefix{}); got != newer {
		t.Fatal("the newest does not serve")
	}
	newer.draining.Store(true)
	if got := r.pick(netip.Prefix{}); got != older {
		t.Error("while the newest is drained the one before does not serve")
	}
	older.draining.Store(true)
	if got := r.pick(netip.Prefix{}); got != nil {
		t.Error("a tunnel that is drained serves")
	}
	if len(r.all()) != 2 || len(r.clients()) != 2 {
		t.Error("a tunnel that is drained is not shown")
	}
}

// A server that is told to stop lets an extended client's connections end, and tells it to dial again.
func TestStopDrainsAnExtendedTunnel(t *testing.T) {
	cfg := config(t)
	cfg.Session.Protocol = session.Auto
	s := run(t, cfg)
	addr := s.mapped(t, service(t, echo), nil)
	s.connect(t, "127.0.0.1")
	visitor := dial(t, addr)
	wantEchoOn(t, "before", visitor)
	s.stop()
	eventually(t, "the drain", func() bool { return s.tunnelStats()[0].Draining })
	wantEchoOn(t, "during the drain", visitor)
	visitor.Close()
	began := time.Now()
	await(t, "the server's end", s.done)
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("the server ends %v after its last visitor; want it at once, as the client says that it is done", took)
	}
}
