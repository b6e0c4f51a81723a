package client

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/adit-tunnel/adit/reference/session"
)

const soon = 15 * time.Second

// dials makes the results of a client's attempts to reach its server, and notes when they began.
type dials struct {
	lives []time.Duration // of the tunnels; 0, and beyond the last: the server refuses
	at    []time.Time
}

func (d *dials) dial(context.Context, string) (session.Socket, error) {
	d.at = append(d.at, time.Now())
	if n := len(d.at); n <= len(d.lives) && d.lives[n-1] > 0 {
		s := &doomed{closed: make(chan struct{})}
		time.AfterFunc(d.lives[n-1], s.Abort)
		return s, nil
	}
	return nil, syscall.ECONNREFUSED
}

// doomed is a tunnel that is silent, and lost after a time.
type doomed struct {
	once   sync.Once
	closed chan struct{}
}

func (s *doomed) ReadReady(session.Lender) (int, error) { <-s.closed; return 0, io.EOF }
func (s *doomed) TryWrite(b []byte) (int, error)        { return len(b), nil }
func (s *doomed) CloseWrite() error                     { return nil }
func (s *doomed) Abort()                                { s.Close() }

func (s *doomed) WriteSome(v [][]byte) (n int, err error) {
	for _, b := range v {
		n += len(b)
	}
	return n, nil
}

func (s *doomed) Close() error {
	s.once.Do(func() { close(s.closed) })
	return nil
}

// LOSS-003: a client dials again, at once after the first loss, and never stops trying.
func TestTheClientDialsAgainForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &dials{lives: []time.Duration{0, 30 * time.Second, time.Second, 30 * time.Second}}
		c, err := New(Config{Server: "server.example:9000", Dial: d.dial})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		start := time.Now()
		c.Run(ctx)
		if took := time.Since(start); took != time.Hour {
			t.Errorf("Run returned after %v; want it to go on until its context ends", took)
		}
		if len(d.at) < 60 {
			t.Fatalf("%d attempts in an hour; want one each minute at least", len(d.at))
		}
		gap := func(i int) time.Duration { return d.at[i+1].Sub(d.at[i]) }
		for i, want := range map[int]struct{ least, most time.Duration }{
			0: {250 * time.Millisecond, 750 * time.Millisecond},              // the server was not there
			1: {30 * time.Second, 30 * time.Second},                          // lost for the first time: at once
			2: {time.Second + 250*time.Millisecond, 1750 * time.Millisecond}, // lost again soon: a wait
			3: {30 * time.Second, 30 * time.Second},                          // lost after it had been stable: at once
		} {
			if got := gap(i); got < want.least || got > want.most {
				t.Errorf("attempt %d began %v after the one before; want %v to %v", i+2, got, want.least, want.most)
			}
		}
		for i := range len(d.at) - 1 {
			if gap(i) > 60*time.Second {
				t.Errorf("attempt %d began %v after the one before; want 60 s at most", i+2, gap(i))
			}
		}
	})
}

func TestNewRefusesWhatCannotBeDialled(t *testing.T) {
	for _, server := range []string{"", "localhost", "localhost:", "::1"} {
		if _, err := New(Config{Server: server}); err == nil {
			t.Errorf("New with server %q = nil; want an error", server)
		}
	}
	if _, err := New(Config{Server: "localhost:9000", TargetHost: "no host"}); err == nil {
		t.Error("New with a target host that is none = nil; want an error")
	}
}

// tunnelled is a client whose server end is in the hands of the test.
type tunnelled struct {
	server *session.Session
	stop   context.CancelFunc
	done   chan struct{} // closed when the client's Run has returned
}

func connected(t *testing.T, drain time.Duration) *tunnelled {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := New(Config{Server: l.Addr().String(), DrainTimeout: drain})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	tun := &tunnelled{stop: stop, done: make(chan struct{})}
	go func() { defer close(tun.done); c.Run(ctx) }()
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	socket, err := session.TCP(conn.(*net.TCPConn))
	if err != nil {
		t.Fatal(err)
	}
	tun.server = session.New(socket, session.Config{Role: session.Server})
	ended := make(chan struct{})
	go func() { defer close(ended); tun.server.Run(context.Background()) }()
	t.Cleanup(func() { stop(); <-tun.done; <-ended })
	return tun
}

// visit opens a connection to the service at target and returns the visitor's end.
func (tun *tunnelled) visit(t *testing.T, target net.Addr) *net.TCPConn {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	visitor, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { visitor.Close() })
	visitor.SetDeadline(time.Now().Add(soon))
	near, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	socket, err := session.TCP(near.(*net.TCPConn))
	if err != nil {
		t.Fatal(err)
	}
	if err := tun.server.Open(socket, session.Target{Host: "127.0.0.1", Port: uint16(target.(*net.TCPAddr).Port)}); err != nil {
		t.Fatal(err)
	}
	return visitor.(*net.TCPConn)
}

// echoes is a service that sends back what it reads, until the test ends.
func echoes(t *testing.T) net.Addr {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { defer c.Close(); io.Copy(c, c) })
		}
	})
	t.Cleanup(func() { l.Close(); all.Wait() })
	return l.Addr()
}

func wantEcho(t *testing.T, what string, c net.Conn) {
	t.Helper()
	io.WriteString(c, "?")
	if n, err := io.ReadFull(c, make([]byte, 1)); n != 1 {
		t.Fatalf("%s: the visitor reads %v; want its octet back", what, err)
	}
}

func TestStopFinishesWhatIsOpenAndTakesNothingNew(t *testing.T) {
	tun := connected(t, soon)
	service := echoes(t)
	open := tun.visit(t, service)
	wantEcho(t, "before the stop", open)
	tun.stop()
	for deadline := time.Now().Add(soon); ; { // the stop has no event that a server sees
		late := tun.visit(t, service)
		_, err := io.WriteString(late, "?") // a reset is told once, here or by the read
		if err == nil {
			_, err = late.Read(make([]byte, 1))
		}
		if err != nil {
			if !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("a new visitor while the client stops gets %v; want a reset", err)
			}
			break
		}
		late.Close()
		if time.Now().After(deadline) {
			t.Fatal("new visitors are served although the client stops")
		}
	}
	wantEcho(t, "while the client stops", open)
	select {
	case <-tun.done:
		t.Fatal("Run returned before its connection had finished")
	default:
	}
	open.Close()
	select {
	case <-tun.done:
	case <-time.After(soon):
		t.Fatal("Run still runs after its last connection finished")
	}
}

func TestStopCutsWhatDoesNotFinishInTime(t *testing.T) {
	tun := connected(t, 50*time.Millisecond)
	open := tun.visit(t, echoes(t))
	wantEcho(t, "before the stop", open)
	tun.stop()
	if n, err := open.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("the visitor reads %d octets, %v; want its end", n, err)
	}
	select {
	case <-tun.done:
	case <-time.After(soon):
		t.Fatal("Run still runs after its time to finish")
	}
}
