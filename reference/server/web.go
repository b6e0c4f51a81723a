package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/adit-tunnel/adit/reference/forward"
	"github.com/adit-tunnel/adit/reference/mapping"
	"github.com/adit-tunnel/adit/reference/sock"
	"github.com/adit-tunnel/adit/reference/web"
)

// beginWeb makes the server of the web, if there is to be one.
func (s *Server) beginWeb() {
	if s.cfg.WebListen == "" && s.cfg.WebListenTLS == "" {
		return
	}
	cfg := s.cfg.Web
	cfg.Logger = s.log
	s.web = web.New(cfg)
	s.webCrowd.bound(s.cfg.MaxWeb, s.cfg.MaxWebPerAddress)
}

// bindWeb binds its ports.
func (s *Server) bindWeb() (err error) {
	if s.webListener, err = s.listenAt(s.cfg.WebListen); err != nil {
		return fmt.Errorf("web.listen %w", err)
	}
	if s.webTLS, err = s.listenAt(s.cfg.WebListenTLS); err != nil {
		return fmt.Errorf("web.listen_tls %w", err)
	}
	return nil
}

// listenAt binds address, host:port; nil: it is empty.
func (s *Server) listenAt(address string) (*net.TCPListener, error) {
	if address == "" {
		return nil, nil
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return nil, err
	}
	return s.listen(host, n)
}

// runWeb begins to serve visitors of the web.
func (s *Server) runWeb() {
	wrap := func(l *net.TCPListener) net.Listener {
		if l == nil {
			return nil
		}
		return webListener{l, s}
	}
	if s.web != nil {
		s.web.Serve(wrap(s.webListener), wrap(s.webTLS))
	}
}

// webAt is what the line ready says of the web.
func (s *Server) webAt() (args []any) {
	if s.webListener != nil {
		args = append(args, "web", s.webListener.Addr())
	}
	if s.webTLS != nil {
		args = append(args, "web_tls", s.webTLS.Addr())
	}
	return args
}

// webListener accepts visitors of the web, of whom too many are reset.
type webListener struct {
	*net.TCPListener
	server *Server
}

// Accept is what net/http calls.
func (l webListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.server.reserve.accept(l.TCPListener)
		if err != nil {
			return nil, err
		}
		crowd, addr := &l.server.webCrowd, addrPort(conn.RemoteAddr()).Addr()
		if trusted := l.server.cfg.Web.Trusted; len(trusted) > 0 && mapping.Allows(trusted, addr) {
			return conn, nil
		}
		if err = crowd.enter(addr); err == nil && !l.server.reserve.fill() {
			crowd.leave(addr)
			err = errExhausted
		}
		if err == nil {
			return &webConn{conn, sync.OnceFunc(func() { crowd.leave(addr) })}, nil
		}
		l.server.log.Info("web visitor refused", "visitor", conn.RemoteAddr(), "error", err)
		sock.Reset(conn)
	}
}

// webConn is a visitor's connection that counts until it is closed.
type webConn struct {
	*net.TCPConn
	leave func()
}

func (c *webConn) Close() error {
	c.leave()
	return c.TCPConn.Close()
}

// listenWeb makes the account of a mapping of the web.
func (s *Server) listenWeb(m mapping.Mapping) (mapping.Listener, error) {
	if s.web == nil {
		return nil, &mapping.Error{Kind: mapping.Conflict, Field: "host", Reason: "needs web.listen or web.listen_tls, which the server was started without"}
	}
	p := newPort(s, nil, m)
	p.web = make(chan struct{})
	return p, nil
}

// serveWeb publishes m until Close is called.
func (p *port) serveWeb(m mapping.Mapping) {
	route := &web.Route{Host: m.Host, Path: m.Path, Users: m.Users, Dial: p.dial}
	p.server.web.Add(route)
	<-p.web
	p.server.web.Remove(route)
}

// dial connects to the service for a visitor of the web, who counts as one of the mapping's while the connection is there.
func (p *port) dial(ctx context.Context, from netip.AddrPort) (net.Conn, error) {
	s := p.server
	v := &visit{port: p, terms: p.terms.Load(), start: time.Now(), id: rand.Uint64(), from: from}
	p.begin(v)
	err := v.terms.door.enter(from.Addr())
	v.inside = err == nil
	var conn net.Conn
	switch {
	case err != nil:
	case !s.reserve.fill():
		err = errExhausted
	case v.terms.mapping.UseTunnel && s.tunnelListener == nil:
		err = errTunnelOff
	case v.terms.mapping.UseTunnel:
		near, far := sock.Pipe(pipeRoom)
		conn = &pipeConn{near.Stream(), v}
		err = s.tunnelVisit(v, far)
	default:
		conn, err = s.dialDirect(ctx, v)
	}
	if err != nil {
		v.end(err)
		return nil, v.refusal()
	}
	return conn, nil
}

// pipeRoom is how many bytes wait between the tunnel and a visitor of the web, in each direction.
const pipeRoom = 64 << 10

// refusal is what a visitor reads of the end of a visit.
func (v *visit) refusal() error {
	e := &web.Error{Status: http.StatusBadGateway, Conn: fmt.Sprintf("%016x", v.id), Err: v.why}
	switch failure := failureOf(v.why); failure {
	case "no-tunnel", "tunnel-off":
		e.Reason = "nobody serves this now: its client is not connected"
	case "not-allowed":
		e.Status, e.Reason = http.StatusForbidden, "your address may not visit this"
	case "too-many", "too-many-of-address", "no-descriptors", "stopped":
		e.Status, e.Reason = http.StatusServiceUnavailable, "as many visitors are there as may be, or the server is stopping; try again later"
	case "no-answer", "timeout", "idle":
		e.Status, e.Reason = http.StatusGatewayTimeout, "the service has not answered in time"
	default:
		e.Reason = "the service cannot be reached (" + failure + ")"
	}
	return e
}

// pipeConn is a visitor's end of a connection through a tunnel, whose failures are those of the visit.
type pipeConn struct {
	sock.Stream
	v *visit
}

func (c *pipeConn) Read(b []byte) (int, error) {
	n, err := c.Stream.Read(b)
	return n, c.told(err)
}

func (c *pipeConn) Write(b []byte) (int, error) {
	n, err := c.Stream.Write(b)
	return n, c.told(err)
}

// told is an error as the session explains it, which ends the visit before it resets the socket.
func (c *pipeConn) told(err error) error {
	if errors.Is(err, syscall.ECONNRESET) && c.v.why != nil {
		return c.v.refusal()
	}
	return err
}

func (c *pipeConn) LocalAddr() net.Addr  { return webAddr{} }
func (c *pipeConn) RemoteAddr() net.Addr { return webAddr{} }

// The transport sets no deadlines.
func (c *pipeConn) SetDeadline(time.Time) error      { return nil }
func (c *pipeConn) SetReadDeadline(time.Time) error  { return nil }
func (c *pipeConn) SetWriteDeadline(time.Time) error { return nil }

// webAddr is the address of an end that has none.
type webAddr struct{}

func (webAddr) Network() string { return "tunnel" }
func (webAddr) String() string  { return "tunnel" }

// dialDirect connects to a target of a mapping without tunnel.
func (s *Server) dialDirect(ctx context.Context, v *visit) (net.Conn, error) {
	v.say(slog.LevelDebug, "visitor accepted", slog.Any("targets", v.terms.mapping.AllTargets()))
	cfg := s.now()
	service, done, err := s.direct.Dial(ctx, v.terms.pool, forward.Options{From: v.from.Addr(), DialTimeout: cfg.DialTimeout, Max: int64(cfg.MaxDirect)})
	if err != nil {
		return nil, err
	}
	c := &directConn{TCPConn: service.Conn, v: v, idle: time.Duration(v.terms.mapping.IdleTimeout)}
	stop := context.AfterFunc(s.relaying, service.Reset)
	s.relays.Add(1)
	c.over = sync.OnceFunc(func() {
		stop()
		done()
		v.end(s.relaying.Err())
		s.relays.Done()
	})
	return c, nil
}

// directConn is a connection to a target, within the rates and the idle timeout of its mapping.
type directConn struct {
	*net.TCPConn
	v    *visit
	idle time.Duration
	over func()
}

// awake begins the idle time anew, for a call that waits in the other direction too.
func (c *directConn) awake() {
	if c.idle > 0 {
		_ = c.SetDeadline(time.Now().Add(c.idle)) // fails only on a closed socket, as the next call does
	}
}

func (c *directConn) Read(b []byte) (int, error) {
	c.awake()
	n, err := c.TCPConn.Read(b)
	c.v.counts.ToVisitor.Add(int64(n))
	sock.Pay(c.v.port.server.relaying, c.v.terms.door.down, n)
	return n, err
}

func (c *directConn) Write(b []byte) (int, error) {
	c.awake()
	n, err := c.TCPConn.Write(b)
	c.v.counts.ToService.Add(int64(n))
	sock.Pay(c.v.port.server.relaying, c.v.terms.door.up, n)
	return n, err
}

// ReadFrom keeps what is copied to the target in the account.
func (c *directConn) ReadFrom(r io.Reader) (int64, error) { return io.Copy(struct{ io.Writer }{c}, r) }

// WriteTo keeps what is copied from it.
func (c *directConn) WriteTo(w io.Writer) (int64, error) { return io.Copy(w, struct{ io.Reader }{c}) }

func (c *directConn) Close() error {
	defer c.over()
	return c.TCPConn.Close()
}
