package engine

import (
	"errors"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// A Crowd is strangers at the tunnel port of a server: sockets that connect, say what they are told to, and wait. The record has
// them as one. The recorder's mu guards the ends. A goroutine reads each; the end of the attempt ends it.
type Crowd struct {
	t    *T
	ends []time.Duration // by the case's clock; 0: the server has not ended it
}

// Crowd lets n strangers connect, one after the other: each from an address of loopback of its own, or all from the suite's.
func (t *T) Crowd(n int, apart bool, says []byte) *Crowd {
	defer t.inSetup()()
	if at, err := netip.ParseAddrPort(t.At.Tunnel); err != nil || !at.Addr().Unmap().IsLoopback() {
		t.NotApplicable("strangers come from addresses of loopback alone, and the server is at %s", t.At.Tunnel)
	}
	c := &Crowd{t: t, ends: make([]time.Duration, n)}
	from := netip.MustParseAddr("127.0.0.1")
	for i := range n {
		if apart {
			from = from.Next()
		}
		d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0))}
		conn, err := d.DialContext(t.ctx, "tcp", t.At.Tunnel)
		if errors.Is(err, syscall.ECONNRESET) { // accepted, and closed before that was seen
			t.rec.mu.Lock()
			c.ends[i] = t.Now()
			t.rec.mu.Unlock()
			continue
		}
		if err != nil {
			t.failed(t.expect("a stranger can connect to the tunnel address "+t.At.Tunnel, Ending, 0, nil), "a TCP connection", err.Error())
		}
		t.closers = append(t.closers, func() { _ = conn.Close() })
		_, _ = conn.Write(says) // that the server has ended it shows when it is read
		t.wg.Go(func() { c.await(i, conn) })
	}
	t.rec.note("strangers", "%d have connected, each saying %d octets", n, len(says))
	return c
}

// await reads a stranger's socket to its end.
func (c *Crowd) await(i int, conn net.Conn) {
	for b := make([]byte, 1<<10); ; {
		if _, err := conn.Read(b); err != nil {
			break
		}
	}
	c.t.rec.mu.Lock()
	defer c.t.rec.mu.Unlock()
	c.ends[i] = max(c.t.Now(), 1)
	c.t.rec.wake()
}

// Left is how many the server has not ended.
func (c *Crowd) Left() int {
	c.t.rec.mu.Lock()
	defer c.t.rec.mu.Unlock()
	n := 0
	for _, end := range c.ends {
		if end == 0 {
			n++
		}
	}
	return n
}
