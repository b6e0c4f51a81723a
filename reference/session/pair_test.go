package session

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/adit-tunnel/adit/reference/sock"
)

// pair is two sessions joined by a tunnel; every visitor reaches an end that the test gets.
type pair struct {
	server, client *Session
	services       chan far
	wg             sync.WaitGroup
}

func newPair(t testing.TB, protocol Protocol, a, b sock.Socket, dial DialFunc) *pair {
	p := &pair{services: make(chan far, 100)}
	// On a machine that stands still for seconds no timer ends what only has to be carried.
	cfg := Config{ConnectTimeout: time.Hour, DialTimeout: time.Hour, DeadPeer: time.Hour, StallLimit: time.Hour, StallBudget: time.Hour}
	greeted := make(chan struct{}, 2)
	cfg.Protocol = protocol
	cfg.Proven = func() error { greeted <- struct{}{}; return nil }
	cfg.Logger = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	p.server = New(a, cfg)
	cfg.Role, cfg.Dial = Client, dial
	p.client = New(b, cfg)
	for _, s := range []*Session{p.server, p.client} {
		p.wg.Go(func() { s.Run(context.Background()) })
	}
	if protocol != CoreOnly {
		<-greeted
		<-greeted
	}
	return p
}

// down ends both and waits for all their goroutines.
func (p *pair) down() {
	p.server.abort(nil)
	p.client.abort(nil)
	p.wg.Wait()
}

// saturate carries random bytes both ways on several connections at once, with readers as fast as the
// writers, and compares them. Sockets hold limit bytes, and one write takes most of them, 0: all that fit.
func saturate(t *testing.T, protocol Protocol, limit, most int) {
	pipe := func() (a, b *sock.Mem) {
		a, b = sock.Pipe(limit)
		a.WriteAtMost(most)
		b.WriteAtMost(most)
		return a, b
	}
	a, b := pipe()
	services := make(chan far, 100)
	p := newPair(t, protocol, a, b, func(context.Context, Target) (sock.Socket, error) {
		near, end := pipe()
		services <- end.Stream()
		return near, nil
	})
	defer p.down()
	var wg sync.WaitGroup
	for i := range 4 {
		near, end := pipe()
		visitor := end.Stream()
		if err := p.server.Open(Visitor{Socket: near, Target: home}); err != nil {
			t.Fatalf("Open = %v; want nil", err)
		}
		service := <-services
		wg.Go(func() { stream(t, visitor, service, uint64(i), 300<<10) })
		wg.Go(func() { stream(t, service, visitor, uint64(i+100), 300<<10) })
	}
	wg.Wait()
}

// stream writes n random bytes at one end and reads them at the other.
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
		t.Error("bytes changed on the way")
	}
	wg.Wait()
}

func TestAPairOverTCP(t *testing.T) {
	for _, protocol := range []Protocol{CoreOnly, ExtendedOnly} {
		t.Run(protocol.String(), func(t *testing.T) { pairOverTCP(t, protocol) })
	}
}

func pairOverTCP(t *testing.T, protocol Protocol) {
	a, b := tcpPair(t)
	services := make(chan far, 100)
	p := newPair(t, protocol, asSocket(t, a), asSocket(t, b), func(context.Context, Target) (sock.Socket, error) {
		near, end := tcpPair(t)
		services <- end
		return sock.NewTCP(near)
	})
	defer p.down()
	var wg sync.WaitGroup
	for i := range 8 {
		near, visitor := tcpPair(t)
		if err := p.server.Open(Visitor{Socket: asSocket(t, near), Target: home}); err != nil {
			t.Fatalf("Open = %v; want nil", err)
		}
		service := <-services
		defer visitor.Close()
		defer service.Close()
		for _, c := range []net.Conn{visitor, service.(net.Conn)} {
			c.SetDeadline(time.Now().Add(5 * time.Minute))
		}
		wg.Go(func() { stream(t, visitor, service, uint64(i), 8<<20) })
		wg.Go(func() { stream(t, service, visitor, uint64(i+100), 8<<20) })
	}
	wg.Wait()
}

func asSocket(t testing.TB, c *net.TCPConn) sock.Socket {
	t.Helper()
	s, err := sock.NewTCP(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
