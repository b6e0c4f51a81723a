package load

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// A Relay is the plain hop that tunnels are measured against: the cheapest hop there
// can be. Each connection has three goroutines; Close ends them all.
type Relay struct {
	listener net.Listener
	cancel   context.CancelFunc
	wg       sync.WaitGroup
}

// NewRelay copies every connection of l to the address to and back, until Close.
func NewRelay(l net.Listener, to string) *Relay {
	ctx, cancel := context.WithCancel(context.Background())
	p := &Relay{listener: l, cancel: cancel}
	p.wg.Go(func() { Accept(l, func(c net.Conn) { Forward(ctx, c, to) }) })
	return p
}

// Close ends the listener and all connections.
func (p *Relay) Close() error {
	err := p.listener.Close()
	p.cancel()
	p.wg.Wait()
	return err
}

// acceptPause is how long a listener waits that is out of descriptors: some come back when connections end.
const acceptPause = 10 * time.Millisecond

// Accept serves the connections of l, each with a goroutine, until l is closed and all of them have ended.
func Accept(l net.Listener, serve func(net.Conn)) {
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		c, err := l.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			time.Sleep(acceptPause)
		default:
			wg.Go(func() { serve(c) })
		}
	}
}

// Forward joins a connection with a new one to an address, until both ways have
// ended. When that cannot be, or one of them breaks, both ends see a reset.
func Forward(ctx context.Context, a net.Conn, to string) {
	defer a.Close()
	b, err := (&net.Dialer{}).DialContext(ctx, "tcp", to)
	if err != nil {
		Cut(a)
		return
	}
	defer b.Close()
	defer context.AfterFunc(ctx, func() { Cut(a, b) })()
	var wg sync.WaitGroup
	for _, way := range [2][2]net.Conn{{a, b}, {b, a}} {
		wg.Go(func() {
			if _, err := io.Copy(way[1], way[0]); err != nil || way[1].(*net.TCPConn).CloseWrite() != nil {
				Cut(a, b)
			}
		})
	}
	wg.Wait()
}

// Cut ends connections with a reset.
func Cut(conns ...net.Conn) {
	for _, c := range conns {
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
		_ = c.Close()
	}
}
