package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"
)

// block is what every pattern is cut from. Its length is a prime, so that no buffer size divides it: bytes
// lost, doubled, swapped or of another connection show at the first comparison.
var block = sync.OnceValue(func() []byte {
	b := make([]byte, 1<<20-3)
	rand.NewChaCha8([32]byte{'a', 'd', 'i', 't'}).Read(b)
	return b
})

// from returns the pattern of a seed at a position, as far as it is contiguous.
func from(seed, pos int64) []byte {
	b := block()
	return b[(seed*7919+pos)%int64(len(b)):]
}

// source reads as the first left bytes of a seed's pattern.
type source struct{ seed, pos, left int64 }

func (s *source) Read(b []byte) (int, error) {
	if s.left == 0 {
		return 0, io.EOF
	}
	n := copy(b[:min(int64(len(b)), s.left)], from(s.seed, s.pos))
	s.pos += int64(n)
	s.left -= int64(n)
	return n, nil
}

// checker takes the pattern of a seed and refuses the first byte that is not in its place.
type checker struct{ seed, pos int64 }

func (c *checker) Write(b []byte) (int, error) {
	for done := 0; done < len(b); {
		want := from(c.seed, c.pos)
		n := min(len(want), len(b)-done)
		got := b[done : done+n]
		if !bytes.Equal(got, want[:n]) {
			for got[0] == want[0] {
				got, want, c.pos = got[1:], want[1:], c.pos+1
			}
			return done, fmt.Errorf("byte %d of pattern %d is %#02x, not %#02x", c.pos, c.seed, got[0], want[0])
		}
		done += n
		c.pos += int64(n)
	}
	return len(b), nil
}

// service listens on a free loopback port and serves every connection. It ends with the test.
func service(t *testing.T, one func(*net.TCPConn)) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", loopback(freePort(t)))
	if err != nil {
		t.Fatal(err)
	}
	serve(t, l, one)
	return l.Addr().String()
}

// serve runs one for every connection that l accepts and closes the connection afterwards.
func serve(t *testing.T, l net.Listener, one func(*net.TCPConn)) {
	s := &listening{l: l.(*net.TCPListener), one: one, open: map[*net.TCPConn]bool{}}
	s.running.Go(s.accept)
	t.Cleanup(s.close)
}

type listening struct {
	l       *net.TCPListener
	one     func(*net.TCPConn)
	running sync.WaitGroup // accept, and one handle for each connection

	mu     sync.Mutex // guards the following fields
	open   map[*net.TCPConn]bool
	closed bool
}

// accept ends when close closes the listener.
func (s *listening) accept() {
	for {
		c, err := s.l.AcceptTCP()
		if err != nil {
			return
		}
		s.mu.Lock()
		if s.closed {
			c.Close()
		} else {
			s.open[c] = true
			s.running.Go(func() { s.handle(c) })
		}
		s.mu.Unlock()
	}
}

// handle ends when one does, at the latest after close closed its connection.
func (s *listening) handle(c *net.TCPConn) {
	s.one(c)
	c.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, c)
}

func (s *listening) close() {
	s.l.Close()
	s.mu.Lock()
	s.closed = true
	for c := range s.open {
		c.Close()
	}
	s.mu.Unlock()
	s.running.Wait()
}

// echo sends everything back; a serve function.
func echo(c *net.TCPConn) { io.Copy(c, c) }

func dial(t *testing.T, addr string) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c.(*net.TCPConn)
}

// echoed is one new visitor of an echo service: it sends n bytes of a seed's pattern and checks what comes back.
func echoed(addr string, seed, n int64) error {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	return echoedOn(c, seed, n, soon)
}

// echoedOn is echoed on an open connection, which stays open.
func echoedOn(c net.Conn, seed, n int64, within time.Duration) error {
	c.SetDeadline(time.Now().Add(within))
	defer c.SetDeadline(time.Time{})
	var sent error
	var sending sync.WaitGroup
	sending.Go(func() { _, sent = io.Copy(c, &source{seed: seed, left: n}) })
	got, err := io.CopyN(&checker{seed: seed}, c, n)
	if err != nil {
		c.SetDeadline(time.Now()) // frees the sender
		err = fmt.Errorf("echo of pattern %d after %d of %d bytes: %w", seed, got, n, err)
	}
	sending.Wait()
	return errors.Join(err, sent)
}
