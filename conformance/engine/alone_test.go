package engine

import (
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/adit-tunnel/adit/conformance/wire"
)

// A used server has a tunnel port and a visitors' port; each accepts with a behaviour.
type usedServer struct {
	tunnel  func(c net.Conn)
	visitor func(c net.Conn, tunnel net.Conn) // tunnel: the newest, nil without any
}

// start serves until the test ends.
func (s usedServer) start(t *testing.T) Endpoints {
	var newest atomic.Pointer[net.Conn]
	accept := func(do func(net.Conn)) string {
		l, err := listen("")
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				t.Cleanup(func() { _ = c.Close() })
				do(c)
			}
		}()
		t.Cleanup(func() { _ = l.Close(); <-done })
		return l.Addr().String()
	}
	return Endpoints{
		Tunnel: accept(func(c net.Conn) { newest.Store(&c); s.tunnel(c) }),
		Visitor: accept(func(c net.Conn) {
			var n net.Conn
			if p := newest.Load(); p != nil {
				n = *p
			}
			s.visitor(c, n)
		}),
	}
}

// A server by address that somebody uses fails nothing: the run ends and says what to do.
func TestAlone(t *testing.T) {
	answer := func(c net.Conn) {
		if f, _, err := wire.Read(c); err == nil {
			_, _ = c.Write(f.Bytes())
		}
	}
	nothing := func(net.Conn) {}
	ends := func(c, _ net.Conn) { _ = c.Close() }
	for name, c := range map[string]struct {
		server usedServer
		want   string // of the reason or the error; empty: the suite is alone
		sure   bool
	}{
		"another client's service speaks first":  {usedServer{answer, func(c, _ net.Conn) { _, _ = c.Write([]byte("SSH-2.0")) }}, "gets octets though the suite has no tunnel yet: either another client", true},
		"another client's service waits":         {usedServer{answer, func(net.Conn, net.Conn) {}}, "stays though the suite has no tunnel yet: either another client", true},
		"another client's service refuses":       {usedServer{answer, ends}, "this port may not belong to the server", false},
		"it closes everything, as the cases say": {usedServer{func(c net.Conn) { _ = c.Close() }, ends}, "", false},
		"it never answers, as the cases say":     {usedServer{nothing, ends}, "", false},
		"nobody uses it": {usedServer{answer, func(c, tunnel net.Conn) {
			if tunnel == nil {
				_ = c.Close()
				return
			}
			_, _ = tunnel.Write(RequestTo(1, "127.0.0.1", 80).Bytes())
		}}, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hurry := 300*time.Millisecond - LocalEffect // in place of the path's slack
			got, err := alone(t.Context(), c.server.start(t), hurry)
			if err != nil {
				got = err.Error()
			}
			if (err != nil) != c.sure || (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
				t.Errorf("alone = %q, %v; want %q", got, err, c.want)
			}
		})
	}
}

// located is a server that somebody else runs.
type located struct {
	elsewhere
	at Endpoints
}

func (l located) Endpoints() Endpoints { return l.at }

// A visitor that is served without a tunnel of ours ends the run, unless it is said that there is no other client.
func TestAloneLeavesItToTheCases(t *testing.T) {
	s := usedServer{func(net.Conn) {}, func(c, _ net.Conn) { _, _ = c.Write([]byte("SSH-2.0")) }}
	at := located{at: s.start(t)}
	for said, ends := range map[bool]bool{false: true, true: false} {
		r := &Runner{Subject: at, Role: Server, Alone: said}
		if err := r.reachable(t.Context(), at); (err != nil) != ends || ends && !strings.Contains(err.Error(), "breaks OPEN-026") {
			t.Errorf("--alone %v: %v; want an error: %v", said, err, ends)
		}
	}
}
