package forward

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"
)

// A target that never answers has its share of the time, and no more.
func TestATargetThatDoesNotAnswerHasItsShareOfTheTime(t *testing.T) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil { // its queue has room for one
		t.Fatal(err)
	}
	name, _ := syscall.Getsockname(fd)
	silent := fmt.Sprintf("127.0.0.1:%d", name.(*syscall.SockaddrInet4).Port)
	for range 2 {
		if c, err := net.DialTimeout("tcp", silent, 50*time.Millisecond); err == nil {
			defer c.Close()
		}
	}
	_, addrs := targets(t, 1)
	p := NewPool(PoolConfig{Targets: []string{silent, addrs[0]}})
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	start := time.Now()
	s, done, err := p.Dial(ctx, netip.MustParseAddr("192.0.2.1"))
	if err != nil || s.Conn.RemoteAddr().String() != addrs[0] || time.Since(start) < 900*time.Millisecond {
		t.Fatalf("Dial = %v after %v; want the second target after half of the time", err, time.Since(start))
	}
	s.Reset()
	done()
}
