package client

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/adit-tunnel/adit/reference/session"
	"github.com/adit-tunnel/adit/reference/sock"
)

const soon = 15 * time.Second

// dials makes the results of a client's attempts to reach its server, and notes when they began.
type dials struct {
	lives []time.Duration // of the tunnels; 0, and beyond the last: the server refuses
	at    []time.Time
}

func (d *dials) dial(context.Context, string) (sock.Socket, error) {
	d.at = append(d.at, time.Now())
	if n := len(d.at); n <= len(d.lives) && d.lives[n-1] > 0 {
		s := &doomed{closed: make(chan struct{})}
		time.AfterFunc(d.lives[n-1], s.Reset)
		return s, nil
	}
	return nil, syscall.ECONNREFUSED
}

// doomed is a tunnel that is silent, and lost after a time.
type doomed struct {
	once   sync.Once
	closed chan struct{}
}

func (s *doomed) Read(*sock.Pool, int) (*sock.Buf, error) { <-s.closed; return nil, io.EOF }
func (s *doomed) TryWrite(b []byte) (int, error)          { return len(b), nil }
func (s *doomed) CloseWrite() error                       { return nil }
func (s *doomed) Err() error                              { return nil }
func (s *doomed) Reset()                                  { s.Close() }

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
		c := New(Config{Server: "server.example:9000", ConnectTimeout: soon, RetryFirst: 500 * time.Millisecond, RetryMost: 30 * time.Second, DialServer: d.dial})
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
	c := New(Config{Server: l.Addr().String(), TargetHost: "127.0.0.1", ConnectTimeout: soon, RetryFirst: time.Second, RetryMost: time.Second, DrainTimeout: drain})
	ctx, stop := context.WithCancel(context.Background())
	tun := &tunnelled{stop: stop, done: make(chan struct{})}
	go func() { defer close(tun.done); c.Run(ctx) }()
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	socket, err := sock.NewTCP(conn.(*net.TCPConn))
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
	socket, err := sock.NewTCP(near.(*net.TCPConn))
	if err != nil {
		t.Fatal(err)
	}
	if err := tun.server.Open(session.Visitor{Socket: socket, Target: session.Target{Host: "127.0.0.1", Port: uint16(target.(*net.TCPAddr).Port)}}); err != nil {
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
		t.Fatalf("%s: the visitor reads %v; want its byte back", what, err)
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
		t.Errorf("the visitor reads %d bytes, %v; want its end", n, err)
	}
	select {
	case <-tun.done:
	case <-time.After(soon):
		t.Fatal("Run still runs after its time to finish")
	}
}

// What accepts a connection is no server yet: only a frame shows one.
func TestOnlyAFrameMakesAServer(t *testing.T) {
	for _, c := range []struct{ says, want string }{
		{"SSH-2.0-OpenSSH_9.2\r\n", "this is not an adit server (it speaks SSH)"},
		{"HTTP/1.1 400 Bad Request\r\n\r\n", "this is not an adit server (it speaks HTTP)"},
		{"\x15\x03\x01\x00\x02\x02\x16", "the server speaks TLS, and this client does not"},
		{"hello\n", "this is not an adit server;"},
		{"\x01\x05\x00\x00\x00\x00", "msg=connected"},
	} {
		lines := make(chan string, 100)
		cfg := Config{Server: serve(t, says(c.says)), ConnectTimeout: soon, RetryFirst: time.Millisecond, RetryMost: time.Millisecond}
		cfg.Logger = slog.New(slog.NewTextHandler(writerTo(lines), nil))
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); New(cfg).Run(ctx) }()
		deadline := time.After(soon)
		for found := false; !found; {
			select {
			case line := <-lines:
				found = strings.Contains(line, c.want)
				if strings.Contains(line, "msg=connected") && !found {
					t.Errorf("%q counts as connected: %s", c.says, line)
				}
			case <-deadline:
				t.Errorf("%q: no line with %q", c.says, c.want)
				found = true
			}
		}
		stop()
		<-done
	}
}

// An HTTP server waits for the end of a line, which no frame has, before it says what it is.
func TestAServerThatIsLateToShowItIsNoneIsToldOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lines := make(chan string, 100)
		ctx, stop := context.WithTimeout(t.Context(), 15*time.Second)
		defer stop()
		New(Config{
			Server: "server.example:9000", ConnectTimeout: soon, RetryFirst: time.Minute, RetryMost: time.Minute,
			Logger: slog.New(slog.NewTextHandler(writerTo(lines), nil)),
			DialServer: func(context.Context, string) (sock.Socket, error) {
				near, far := sock.Pipe(1 << 10)
				time.AfterFunc(11*time.Second, func() { far.Stream().Write([]byte("HTTP/1.1 408 Request Timeout\r\n")); far.Close() })
				return near, nil
			},
		}).Run(ctx)
		close(lines)
		waiting := ""
		for line := range lines {
			if strings.Contains(line, "msg=waiting") {
				waiting = line
			}
		}
		if !strings.Contains(waiting, "this is not an adit server (it speaks HTTP); -server has to name its tunnel port") {
			t.Errorf("the client says %q; want what the other end is, and a wait", waiting)
		}
	})
}

func TestASilentServerIsSaidToBeSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &dials{lives: []time.Duration{44 * time.Second}}
		lines := make(chan string, 100)
		c := New(Config{
			Server: "server.example:9000", ConnectTimeout: soon, RetryFirst: time.Second, RetryMost: time.Second, DialServer: d.dial,
			Logger: slog.New(slog.NewTextHandler(writerTo(lines), nil)),
		})
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		c.Run(ctx)
		close(lines)
		silent := 0
		for line := range lines {
			if strings.Contains(line, "no answer yet") {
				silent++
			}
			if strings.Contains(line, "msg=connected") {
				t.Errorf("a server that never sent a frame counts as connected: %s", line)
			}
		}
		if silent != 1 {
			t.Errorf("%d lines say that there is no answer yet; want one", silent)
		}
	})
}

// writerTo sends what is written, and drops what there is no room for.
type writerTo chan<- string

func (w writerTo) Write(b []byte) (int, error) {
	select {
	case w <- string(b):
	default:
	}
	return len(b), nil
}

// The server knows a client from its first frame: it does not wait 15 s for it.
func TestTheClientGreetsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := sock.Pipe(1 << 10)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		c := New(Config{
			Server: "server.example:9000", ConnectTimeout: soon, RetryFirst: time.Minute, RetryMost: time.Minute,
			DialServer: func(context.Context, string) (sock.Socket, error) { return near, nil },
		})
		go func() { defer close(done); c.Run(ctx) }()
		begin, got := time.Now(), make([]byte, 6)
		if _, err := io.ReadFull(far.Stream(), got); err != nil || string(got) != "\x01\x05\x00\x00\x00\x00" || time.Since(begin) > time.Second {
			t.Errorf("after %v the server reads %x, %v; want a KeepAlive at once", time.Since(begin), got, err)
		}
		stop()
		<-done
	})
}
