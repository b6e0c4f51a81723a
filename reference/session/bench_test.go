package session

import (
	"context"
	"io"
	"net"
	"strconv"
	"sync"
	"testing"

	"github.com/adit-tunnel/adit/reference/sock"
)

// BenchmarkPaths compares a tunnel with a plain two-hop relay in the same run, over loopback TCP: compare
// the rows of one run only.
func BenchmarkPaths(b *testing.B) {
	service := serve(b, answer)
	paths := []struct{ name, addr string }{
		{"direct", service},
		{"relay", serve(b, relayTo(serve(b, relayTo(service))))},
		{"tunnel", tunnelTo(b, CoreOnly, service)},
		{"extended", tunnelTo(b, ExtendedOnly, service)},
	}
	for _, conns := range []int{1, 100} {
		for _, p := range paths {
			b.Run("ping-1KiB-"+strconv.Itoa(conns)+"/"+p.name, func(b *testing.B) { benchPing(b, p.addr, conns) })
		}
	}
	for _, conns := range []int{1, 10} {
		for _, p := range paths {
			b.Run("upload-"+strconv.Itoa(conns)+"/"+p.name, func(b *testing.B) { benchUpload(b, p.addr, conns) })
		}
	}
	for _, p := range paths {
		b.Run("connect/"+p.name, func(b *testing.B) { benchConnect(b, p.addr) })
	}
}

// benchPing sends 1 KiB and waits for it to come back, on that many connections at once.
func benchPing(b *testing.B, addr string, conns int) {
	var wg sync.WaitGroup
	for i := range conns {
		c := connect(b, addr, 'e')
		defer c.Close()
		n := b.N / conns
		if i == 0 {
			n += b.N % conns
		}
		wg.Go(func() {
			p := make([]byte, 1024)
			for range n {
				if _, err := c.Write(p); err != nil {
					b.Error(err)
					return
				}
				if _, err := io.ReadFull(c, p); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// benchUpload sends 64 KiB writes, b.N in all, and waits until the service has them.
func benchUpload(b *testing.B, addr string, conns int) {
	b.SetBytes(64 << 10)
	var wg sync.WaitGroup
	for i := range conns {
		c := connect(b, addr, 's')
		defer c.Close()
		n := b.N / conns
		if i == 0 {
			n += b.N % conns
		}
		wg.Go(func() {
			p := make([]byte, 64<<10)
			for range n {
				if _, err := c.Write(p); err != nil {
					b.Error(err)
					return
				}
			}
			c.Write([]byte{1}) // the last byte, which the service answers
			if _, err := io.ReadFull(c, p[:1]); err != nil {
				b.Error(err)
			}
		})
	}
	wg.Wait()
}

// benchConnect connects, sends a byte, gets it back, closes: b.N times.
func benchConnect(b *testing.B, addr string) {
	var wg sync.WaitGroup
	for i := range 50 {
		n := b.N / 50
		if i == 0 {
			n += b.N % 50
		}
		wg.Go(func() {
			p := []byte{0}
			for range n {
				c := connect(b, addr, 'e')
				c.Write(p)
				if _, err := io.ReadFull(c, p); err != nil {
					b.Error(err)
				}
				c.Close()
			}
		})
	}
	wg.Wait()
}

func connect(b *testing.B, addr string, mode byte) net.Conn {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	c.Write([]byte{mode})
	return c
}

// serve accepts on a free port until the benchmark ends and hands each connection to handle.
func serve(b *testing.B, handle func(*net.TCPConn)) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
	go accept(l, handle)
	return l.Addr().String()
}

func accept(l net.Listener, handle func(*net.TCPConn)) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go handle(c.(*net.TCPConn))
	}
}

// answer is the service: it echoes, or swallows all but a last byte of value 1.
func answer(c *net.TCPConn) {
	defer c.Close()
	p := make([]byte, 256<<10)
	if _, err := io.ReadFull(c, p[:1]); err != nil {
		return
	}
	echo := p[0] == 'e'
	for {
		n, err := c.Read(p)
		if err != nil {
			return
		}
		if echo {
			c.Write(p[:n])
		} else if p[n-1] == 1 {
			c.Write(p[:1])
		}
	}
}

// relayTo is a plain relay: two copies with a buffer of 64 KiB each.
func relayTo(addr string) func(*net.TCPConn) {
	return func(in *net.TCPConn) {
		out, err := net.Dial("tcp", addr)
		if err != nil {
			in.Close()
			return
		}
		var wg sync.WaitGroup
		wg.Go(func() { copyPlain(out, in) })
		copyPlain(in, out)
		wg.Wait()
		in.Close()
		out.Close()
	}
}

func copyPlain(to, from net.Conn) {
	p := make([]byte, 64<<10)
	for {
		n, err := from.Read(p)
		if n > 0 {
			if _, err := to.Write(p[:n]); err != nil {
				break
			}
		}
		if err != nil {
			break
		}
	}
	to.(*net.TCPConn).CloseWrite()
}

// tunnelTo is a pair of sessions over TCP, with a listener for visitors.
func tunnelTo(b *testing.B, protocol Protocol, service string) string {
	near, end := tcpPair(b)
	open := func(c *net.TCPConn) sock.Socket {
		s, err := sock.NewTCP(c)
		if err != nil {
			b.Fatal(err)
		}
		return s
	}
	server := New(open(near), Config{Role: Server, Protocol: protocol})
	client := New(open(end), Config{Role: Client, Protocol: protocol, Dial: func(context.Context, Target) (sock.Socket, error) {
		c, err := net.Dial("tcp", service)
		if err != nil {
			return nil, err
		}
		return sock.NewTCP(c.(*net.TCPConn))
	}})
	var wg sync.WaitGroup
	for _, s := range []*Session{server, client} {
		wg.Go(func() { s.Run(context.Background()) })
	}
	b.Cleanup(func() {
		server.abort(nil)
		client.abort(nil)
		wg.Wait()
	})
	return serve(b, func(c *net.TCPConn) {
		s, err := sock.NewTCP(c)
		if err != nil {
			c.Close()
			return
		}
		if err := server.Open(Visitor{Socket: s, Target: Target{Port: 1}}); err != nil {
			s.Reset()
		}
	})
}
