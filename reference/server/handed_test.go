package server

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/adit-tunnel/adit/reference/mapping"
)

// fileOf is a duplicate of a socket. It is closed with the test, and so is the socket now.
func fileOf(t *testing.T, socket interface {
	File() (*os.File, error)
	Close() error
},
) *os.File {
	t.Helper()
	f, err := socket.File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	socket.Close()
	return f
}

func TestHandedSocketsAreFound(t *testing.T) {
	files := map[string]*os.File{}
	ports := map[string]int{}
	for _, host := range []string{"", "127.0.0.1", "127.0.0.2"} {
		l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
		if err != nil {
			t.Fatal(err)
		}
		ports[host] = l.Addr().(*net.TCPAddr).Port
		files[host] = fileOf(t, l.(*net.TCPListener))
	}
	h, err := newHanded([]*os.File{files[""], files["127.0.0.1"], files["127.0.0.2"]})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		host string
		port int
		want *os.File
	}{
		{"", ports[""], files[""]},
		{"::", ports[""], files[""]},
		{"127.0.0.1", ports["127.0.0.1"], files["127.0.0.1"]},
		{"localhost", ports["127.0.0.1"], files["127.0.0.1"]},
		{"127.0.0.2", ports["127.0.0.2"], files["127.0.0.2"]},
		{"127.0.0.1", ports["127.0.0.2"], nil},
		{"", ports["127.0.0.1"], nil},
		{"127.0.0.1", ports[""], nil},
		{"127.0.0.1", 0, nil},
	} {
		if got := h.find(c.host, c.port); got != c.want {
			t.Errorf("find(%q, %d) = %v; want %v", c.host, c.port, got, c.want)
		}
	}

	s := &Server{handed: h}
	for range 2 { // a port that was closed is opened again
		l, err := s.listen("127.0.0.1", ports["127.0.0.1"])
		if err != nil {
			t.Fatal(err)
		}
		waits, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		waits.Close()
		l.Close()
	}
}

func TestWhatIsNoListeningSocketIsRefused(t *testing.T) {
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	unix, err := net.Listen("unix", t.TempDir()+"/s")
	if err != nil {
		t.Fatal(err)
	}
	plain, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	for want, f := range map[string]*os.File{
		"does not listen": fileOf(t, udp.(*net.UDPConn)), "is not TCP": fileOf(t, unix.(*net.UnixListener)), os.DevNull: plain,
	} {
		s, err := Listen(Config{Sockets: []*os.File{f}, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
		if err == nil || s != nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "LISTEN_FDS") {
			t.Errorf("Listen with %s = %v, %v; want an error with %q", f.Name(), s, err, want)
		}
	}
}

// waiting is a server that was handed a socket, as far as that is needed for who waits.
func waiting(t *testing.T) *Server {
	s := &Server{handed: handed{netip.AddrPort{}: nil}, tunnelListener: new(net.TCPListener)}
	s.learning, s.endLearn = context.WithCancel(t.Context())
	t.Cleanup(s.endLearn)
	s.beginWait()
	return s
}

// tunnelled is a visitor whom any client can serve.
func tunnelled(s *Server) *visit {
	return &visit{port: &port{server: s}, terms: &terms{mapping: mapping.Mapping{UseTunnel: true}}}
}

// Who waits for a tunnel is woken by each that comes, and waits for 10 s at most.
func TestWaitingForATunnelEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := waiting(t)
		begin := time.Now()
		v := tunnelled(s)
		if !s.mayWait(v) {
			t.Fatal("a visitor without a tunnel may not wait")
		}
		s.awaitTunnel(v)
		if took := time.Since(begin); took != 10*time.Second {
			t.Errorf("it waited for %v; want 10 s", took)
		}
		if s.mayWait(v) {
			t.Error("a visitor may wait when the time is over")
		}

		s = waiting(t)
		woken := make(chan struct{})
		go func() { s.awaitTunnel(tunnelled(s)); close(woken) }()
		synctest.Wait()
		s.arrivals.tell() // of a tunnel that cannot serve it
		synctest.Wait()
		select {
		case <-woken:
			t.Error("it does not wait for a tunnel that can serve it")
		default:
		}
		s.registry.add(&tunnel{})
		s.arrivals.tell()
		<-woken

		s = waiting(t)
		s.handed = nil
		s.beginWait()
		if s.mayWait(tunnelled(s)) {
			t.Error("visitors of a server that opened its own sockets wait")
		}
	})
}
