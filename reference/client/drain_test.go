package client

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/adit-tunnel/adit/reference/session"
	"github.com/adit-tunnel/adit/reference/sock"
)

// AWAY-005: while a tunnel is drained the next one is there, and what was open goes on to its end.
func TestADrainedTunnelIsFollowedAtOnce(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := New(Config{
		Server: l.Addr().String(), TargetHost: "127.0.0.1", ConnectTimeout: soon, RetryFirst: time.Hour, RetryMost: time.Hour,
		Session: session.Config{Protocol: session.ExtendedOnly},
	})
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); c.Run(ctx) }()
	first, firstEnded := acceptSession(t, l)
	open := (&tunnelled{server: first}).visit(t, echoes(t))
	wantEcho(t, "before the drain", open)

	closed := make(chan error, 1)
	go func() { closed <- first.Close(context.Background()) }()
	second, secondEnded := acceptSession(t, l)
	wantEcho(t, "through the tunnel that is drained", open)
	late := (&tunnelled{server: second}).visit(t, echoes(t))
	wantEcho(t, "through the next one", late)
	open.Close()
	select {
	case err := <-closed:
		if err != nil {
			t.Errorf("the drain ends with %v", err)
		}
	case <-time.After(soon):
		t.Fatal("the drained tunnel has not ended")
	}
	<-firstEnded
	wantEcho(t, "through the next one, later", late)

	stop()
	late.Close()
	<-done
	<-secondEnded
	l.Close()
}

// acceptSession is the server's end of the next tunnel, once its client has said who it is.
func acceptSession(t *testing.T, l net.Listener) (s *session.Session, ended <-chan struct{}) {
	t.Helper()
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	socket, err := sock.NewTCP(conn.(*net.TCPConn))
	if err != nil {
		t.Fatal(err)
	}
	greeted, over := make(chan struct{}), make(chan struct{})
	s = session.New(socket, session.Config{Role: session.Server, Protocol: session.ExtendedOnly, Proven: func() error { close(greeted); return nil }})
	go func() { defer close(over); s.Run(context.Background()) }()
	<-greeted
	return s, over
}

func TestAPlannedEndIsFollowedAtOnceOnceAMinute(t *testing.T) {
	var r retry
	at := time.Now()
	for _, c := range []struct {
		after time.Duration
		want  bool
	}{{0, true}, {59 * time.Second, false}, {60 * time.Second, true}, {100 * time.Second, false}} {
		if got := r.atOnce(at.Add(c.after)); got != c.want {
			t.Errorf("after %v: at once: %v; want %v", c.after, got, c.want)
		}
	}
}
