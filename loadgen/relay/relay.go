// Package relay is the plain one-hop copy that tunnels are measured against.
package relay

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// Run copies every connection of l to the address to and back, until ctx
// is done: the cheapest hop there can be. Two goroutines a connection.
func Run(ctx context.Context, l net.Listener, to string) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	defer context.AfterFunc(ctx, func() { _ = l.Close() })()
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil { // out of descriptors; some come back when connections end
			time.Sleep(10 * time.Millisecond)
			continue
		}
		wg.Go(func() { relay(ctx, c, to) })
	}
}

// relay joins one connection with a new one to the target, until both ways have ended.
func relay(ctx context.Context, a net.Conn, to string) {
	defer a.Close()
	b, err := (&net.Dialer{}).DialContext(ctx, "tcp", to)
	if err != nil {
		return
	}
	defer b.Close()
	defer context.AfterFunc(ctx, func() { _, _ = a.Close(), b.Close() })()
	var wg sync.WaitGroup
	wg.Go(func() { copyWay(b, a) })
	copyWay(a, b)
	wg.Wait()
}

// copyWay copies until the end and passes the end on; a broken way ends the connection.
func copyWay(dst, src net.Conn) {
	if _, err := io.Copy(dst, src); err != nil {
		_, _ = src.Close(), dst.Close()
		return
	}
	if t, ok := dst.(*net.TCPConn); ok {
		_ = t.CloseWrite()
	}
}
