package session

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/adit-tunnel/adit/reference/session/memsocket"
)

// pair is two sessions joined by a tunnel; every visitor reaches an end that the test gets.
type pair struct {
	server, client *Session
	services       chan far
	wg             sync.WaitGroup
}

func newPair(a, b Socket, dial DialFunc) *pair {
	p := &pair{services: make(chan far, 100)}
	p.server = New(a, Config{Role: Server})
	p.client = New(b, Config{Role: Client, Dial: dial})
	for _, s := range []*Session{p.server, p.client} {
		p.wg.Go(func() { s.Run(context.Background()) })
	}
	return p
}

// down ends both and waits for all their goroutines.
func (p *pair) down() {
	p.server.cut(nil)
	p.client.cut(nil)
	p.wg.Wait()
}

// saturate carries random octets both ways on several connections at once, with readers as fast as the
// writers, and compares them.
func saturate(t *testing.T, limit int) {
	a, b := memsocket.Pipe(limit)
	services := make(chan far, 100)
	p := newPair(a, b, func(context.Context, Target) (Socket, error) {
		near, end := memsocket.Pipe(limit)
		services <- end
		return near, nil
	})
	defer p.down()
	var wg sync.WaitGroup
	for i := range 4 {
		near, visitor := memsocket.Pipe(limit)
		if err := p.server.Open(near, home); err != nil {
			t.Fatalf("Open = %v; want nil", err)
		}
		service := <-services
		wg.Go(func() { stream(t, visitor, service, uint64(i), 300<<10) })
		wg.Go(func() { stream(t, service, visitor, uint64(i+100), 300<<10) })
	}
	wg.Wait()
}

// stream writes n random octets at one end and reads them at the other.
func stream(t *testing.T, from, to far, seed uint64, n int) {
	sent := make([]byte, n)
	rand.NewChaCha8([32]byte{byte(seed)}).Read(sent)
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := from.Write(sent); err != nil {
			t.Errorf("write: %v", err)
		}
	})
	got := make([]byte, n)
	if _, err := io.ReadFull(to, got); err != nil {
		t.Errorf("read: %v", err)
	} else if !bytes.Equal(got, sent) {
		t.Error("octets changed on the way")
	}
	wg.Wait()
}

func TestAPairOverTCP(t *testing.T) {
	a, b := tcpPair(t)
	services := make(chan far, 100)
	p := newPair(asSocket(t, a), asSocket(t, b), func(context.Context, Target) (Socket, error) {
		near, end := tcpPair(t)
		services <- end
		return TCP(near)
	})
	defer p.down()
	var wg sync.WaitGroup
	for i := range 8 {
		near, visitor := tcpPair(t)
		if err := p.server.Open(asSocket(t, near), home); err != nil {
			t.Fatalf("Open = %v; want nil", err)
		}
		service := <-services
		defer visitor.Close()
		defer service.Close()
		for _, c := range []net.Conn{visitor, service.(net.Conn)} {
			c.SetDeadline(time.Now().Add(time.Minute))
		}
		wg.Go(func() { stream(t, visitor, service, uint64(i), 8<<20) })
		wg.Go(func() { stream(t, service, visitor, uint64(i+100), 8<<20) })
	}
	wg.Wait()
}

func asSocket(t testing.TB, c *net.TCPConn) Socket {
	t.Helper()
	s, err := TCP(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
