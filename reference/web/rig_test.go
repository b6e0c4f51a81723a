package web

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/adit-tunnel/adit/reference/certtest"
	"github.com/adit-tunnel/adit/reference/files"
)

// soon is the deadline of what happens at once on an idle machine.
const soon = 15 * time.Second

// rig is a server of the web, and a service that says what came to it.
type rig struct {
	*Server
	plain, secure string // where visitors connect
	service       *service
}

// begin starts a server until the test ends, with TLS if there are certificates.
func begin(t *testing.T, cfg Config) *rig {
	t.Helper()
	cfg.Logger = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	r := &rig{Server: New(cfg), service: newService(t)}
	l := listen(t)
	r.plain = l.Addr().String()
	var secure net.Listener
	if cfg.Certificates != nil {
		secure = listen(t)
		r.secure = secure.Addr().String()
	}
	r.Serve(l, secure)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), soon)
		defer cancel()
		r.Close(ctx)
	})
	return r
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// lead adds a route to the service.
func (r *rig) lead(place string, users ...string) *Route {
	host, path, _ := strings.Cut(place, "/")
	if path != "" {
		path = "/" + path
	}
	route := &Route{Host: host, Path: path, Users: users, Dial: func(context.Context, netip.AddrPort) (net.Conn, error) {
		return net.Dial("tcp", r.service.addr)
	}}
	r.Add(route)
	return route
}

// service records what comes to it, as it was sent and as a server reads it. It answers with the path.
type service struct {
	addr string

	mu  sync.Mutex // guards the following fields
	raw bytes.Buffer
	all []string // METHOD path body
}

func newService(t *testing.T) *service {
	l := listen(t)
	s := &service{addr: l.Addr().String()}
	server := &http.Server{Handler: s}
	done := make(chan struct{})
	go func() { defer close(done); server.Serve(recorded{l, s}) }()
	t.Cleanup(func() { server.Close(); <-done })
	return s
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	text := r.Method + " " + r.RequestURI + " " + string(body)
	if err != nil {
		text += "!" + err.Error()
	}
	s.mu.Lock()
	s.all = append(s.all, text)
	s.mu.Unlock()
	io.WriteString(w, r.RequestURI)
}

// seen returns what came since the last time.
func (s *service) seen() (all []string, raw string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all, raw = s.all, s.raw.String()
	s.all = nil
	s.raw.Reset()
	return all, raw
}

type recorded struct {
	net.Listener
	s *service
}

func (l recorded) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return recordedConn{c, l.s}, err
}

type recordedConn struct {
	net.Conn
	s *service
}

func (c recordedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	c.s.raw.Write(b[:n])
	return n, err
}

// send sends a text as it is, and returns the status and the body of each answer until the server closes the connection or
// most of them have come.
func send(t *testing.T, c net.Conn, text string, most int) (all []string) {
	t.Helper()
	c.SetDeadline(time.Now().Add(soon))
	io.WriteString(c, text) // which a server that has closed the connection does not read
	in := bufio.NewReader(c)
	for len(all) < most {
		w, err := http.ReadResponse(in, nil)
		if err != nil {
			break
		}
		body, err := io.ReadAll(w.Body)
		w.Body.Close()
		if err != nil {
			t.Errorf("the body of %s: %v", w.Status, err)
		}
		all = append(all, w.Status[:3]+" "+string(body))
	}
	return all
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// watched is a certificate in files for hosts.
func watched(t *testing.T, ca *certtest.CA, hosts ...string) (pair *files.Watched[*tls.Certificate], rewrite func(hosts ...string)) {
	t.Helper()
	dir := t.TempDir()
	certFile, keyFile := ca.Issue(time.Hour, hosts...).Write(dir, "web")
	pair, err := files.Watch("certificates", func() (*tls.Certificate, error) {
		pair, err := tls.LoadX509KeyPair(certFile, keyFile)
		return &pair, err
	}, certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	return pair, func(hosts ...string) { ca.Issue(time.Hour, hosts...).Write(dir, "web") }
}

func newReader(r io.Reader) *bufio.Reader { return bufio.NewReader(r) }

// pipes is a listener in memory.
type pipes struct {
	all  chan net.Conn
	done chan struct{}
	once sync.Once
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.all:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error { p.once.Do(func() { close(p.done) }); return nil }

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80} }

// watchedConn is a connection whose end is seen.
type watchedConn struct {
	net.Conn
	once   sync.Once
	closed chan struct{}
}

func (c *watchedConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

func (c *watchedConn) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9} }
