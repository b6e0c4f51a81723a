package session

import (
	"context"
	"io"
	"net"
	"runtime"
	"testing"
	"time"
)

// TestNoAllocationPerFrame carries octets there and back over TCP and counts what that allocates.
func TestNoAllocationPerFrame(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	for _, size := range []int{1 << 10, 100 << 10} {
		visitor, service, down := tcpPath(t)
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
			t.Errorf("%d octets there and back: %v allocations; want at most 2", size, got)
		}
		down()
	}
}

// tcpPath is one connection through a pair of sessions.
func tcpPath(t *testing.T) (visitor, service net.Conn, down func()) {
	a, b := tcpPair(t)
	services := make(chan *net.TCPConn, 1)
	p := newPair(asSocket(t, a), asSocket(t, b), func(context.Context, Target) (Socket, error) {
		near, end := tcpPair(t)
		services <- end
		return TCP(near)
	})
	near, v := tcpPair(t)
	if err := p.server.Open(asSocket(t, near), home); err != nil {
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
	const conns = 300
	a, b := tcpPair(t)
	services := make(chan *net.TCPConn, conns)
	p := newPair(asSocket(t, a), asSocket(t, b), func(context.Context, Target) (Socket, error) {
		near, end := tcpPair(t)
		services <- end
		return TCP(near)
	})
	defer p.down()
	before := footprint()
	octet := []byte{1}
	for range conns {
		near, visitor := tcpPair(t)
		defer visitor.Close()
		if err := p.server.Open(asSocket(t, near), home); err != nil {
			t.Fatal(err)
		}
		service := <-services
		defer service.Close()
		// Used once, so that whatever it would keep for good is there.
		visitor.Write(octet)
		if _, err := io.ReadFull(service, octet); err != nil {
			t.Fatal(err)
		}
	}
	// The test's own two sockets of each connection are counted, too.
	if got := (footprint() - before) / conns; got > 12<<10 {
		t.Errorf("an idle connection holds %d octets; want at most 12 KiB", got)
	} else {
		t.Logf("an idle connection holds %d octets, the test's own sockets included", got)
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
