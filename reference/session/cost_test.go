package session

import (
	"context"
	"io"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/adit-tunnel/adit/reference/sock"
)

// TestNoAllocationPerFrame carries bytes there and back over TCP and counts what that allocates.
func TestNoAllocationPerFrame(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	for _, c := range []struct {
		protocol Protocol
		size     int
	}{{CoreOnly, 1 << 10}, {CoreOnly, 100 << 10}, {ExtendedOnly, 1 << 10}, {ExtendedOnly, 100 << 10}} {
		size := c.size
		visitor, service, down := tcpPath(t, c.protocol)
		b := make([]byte, size)
		turn := func() {
			for _, way := range [][2]net.Conn{{visitor, service}, {service, visitor}} {
				if _, err := way[0].Write(b); err != nil {
					t.Fatal(err)
				}
				if _, err := io.ReadFull(way[1], b); err != nil {
					t.Fatal(err)
				}
			}
		}
		for range 100 {
			turn()
		}
		if got := testing.AllocsPerRun(300, turn); got > 2 {
			t.Errorf("%d bytes there and back: %v allocations; want at most 2", size, got)
		}
		down()
	}
}

// tcpPath is one connection through a pair of sessions.
func tcpPath(t *testing.T, protocol Protocol) (visitor, service net.Conn, down func()) {
	a, b := tcpPair(t)
	services := make(chan *net.TCPConn, 1)
	p := newPair(t, protocol, asSocket(t, a), asSocket(t, b), func(context.Context, Target) (sock.Socket, error) {
		near, end := tcpPair(t)
		services <- end
		return sock.NewTCP(near)
	})
	near, v := tcpPair(t)
	if err := p.server.Open(Visitor{Socket: asSocket(t, near), Target: home}); err != nil {
		t.Fatalf("Open = %v; want nil", err)
	}
	s := <-services
	for _, c := range []net.Conn{v, s} {
		c.SetDeadline(time.Now().Add(time.Minute))
	}
	return v, s, func() {
		p.down()
		v.Close()
		s.Close()
	}
}

// TestAnIdleConnectionHoldsNoBuffer bounds what both ends of an idle connection hold, stacks included.
func TestAnIdleConnectionHoldsNoBuffer(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector takes memory of its own")
	}
	for _, protocol := range []Protocol{CoreOnly, ExtendedOnly} {
		t.Run(protocol.String(), func(t *testing.T) { idleConnections(t, protocol) })
	}
}

func idleConnections(t *testing.T, protocol Protocol) {
	const conns = 300
	a, b := tcpPair(t)
	services := make(chan *net.TCPConn, conns)
	p := newPair(t, protocol, asSocket(t, a), asSocket(t, b), func(context.Context, Target) (sock.Socket, error) {
		near, end := tcpPair(t)
		services <- end
		return sock.NewTCP(near)
	})
	defer p.down()
	before := footprint()
	byte := []byte{1}
	for range conns {
		near, visitor := tcpPair(t)
		defer visitor.Close()
		if err := p.server.Open(Visitor{Socket: asSocket(t, near), Target: home}); err != nil {
			t.Fatal(err)
		}
		service := <-services
		defer service.Close()
		// Used once, so that whatever it would keep for good is there.
		visitor.Write(byte)
		if _, err := io.ReadFull(service, byte); err != nil {
			t.Fatal(err)
		}
	}
	// The test's own two sockets of each connection are counted, too.
	if got := (footprint() - before) / conns; got > 12<<10 {
		t.Errorf("an idle connection holds %d bytes; want at most 12 KiB", got)
	} else {
		t.Logf("an idle connection holds %d bytes, the test's own sockets included", got)
	}
}

// footprint is the memory in use, after a collection has shrunk stacks and emptied pools.
func footprint() int64 {
	for range 3 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}
