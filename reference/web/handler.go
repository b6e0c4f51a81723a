package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/adit-tunnel/adit/reference/access"
	"github.com/adit-tunnel/adit/reference/mapping"
)

// errNoService is the failure of a dial outside of a request.
var errNoService = errors.New("web: internal error: a dial for no request")

// asked is a request that has a route.
type asked struct {
	origin
	route *Route
	user  string // whose key was shown; "": none was asked for
}

type askedKey struct{}

// ServeHTTP leads a request to its service. The path goes there as it came, so one that programs read in different ways, of
// which another has a route of its own, is refused; so is every change of protocol but WebSocket's.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.handling.Add(1)
	defer s.handling.Done()
	w = newSlowWriter(w)
	if r.Body != http.NoBody {
		r.Body = newSlowBody(w, r.Body)
	}
	a, err := s.admit(r)
	var e *Error
	switch {
	case errors.As(err, &e):
		s.refuse(w, r, e)
		return
	case a.route == nil: // a redirect
		http.Redirect(w, r, "https://"+s.secureHost(r)+r.URL.RequestURI(), http.StatusPermanentRedirect)
		return
	}
	if r.ProtoMajor == 1 && (len(r.TransferEncoding) > 0 || r.ProtoMinor == 0) {
		// It may have had a length as well, or chunks that HTTP/1.0 does not know. A balancer before us may have gone by the
		// other: what follows is nobody's request.
		w.Header().Set("Connection", "close")
	}
	if !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		r.Header.Del("Upgrade") // of h2c, above all
	}
	s.proxy.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), askedKey{}, a)))
}

// admit finds the route of a request, and who asks. Without a route and without an error it is to come again over TLS.
func (s *Server) admit(r *http.Request) (*asked, error) {
	a := &asked{origin: s.originOf(r)}
	host := hostOf(r.Host)
	switch {
	case r.ProtoMajor > 1 && r.TLS == nil:
		return nil, &Error{Status: http.StatusHTTPVersionNotSupported, Reason: "HTTP/2 needs TLS here"}
	case r.Method == http.MethodConnect || !strings.HasPrefix(r.URL.Path, "/") && r.URL.Path != "*":
		return nil, &Error{Status: http.StatusBadRequest, Reason: "this is no proxy for other servers"}
	}
	route, clear := s.routes.route(host, r.URL.Path)
	switch {
	case route == nil:
		return nil, &Error{Status: http.StatusNotFound, Reason: "nothing is published here by the name of " + host}
	case !clear:
		return nil, &Error{Status: http.StatusBadRequest, Reason: "this path can be read in two ways, which lead to different services"}
	case s.cfg.Redirect && !a.secure && mapping.ValidHost(host):
		return a, nil
	}
	var err error
	a.route = route
	a.user, err = s.userOf(r, route)
	return a, err
}

// userOf is who has shown a key, where one is asked for.
func (s *Server) userOf(r *http.Request, route *Route) (string, error) {
	if len(route.Users) == 0 {
		return "", nil
	}
	credential, shown := access.Shown(r.Header.Get("Authorization"))
	if !shown || s.cfg.Access == nil {
		return "", &Error{Status: http.StatusUnauthorized, Reason: "this asks for a key: give it as the password, with any name"}
	}
	who, err := s.cfg.Access.Check(credential, s.log)
	switch {
	case err != nil:
		return "", &Error{Status: http.StatusUnauthorized, Reason: "this key is not, or no more, one of this server", Err: err}
	case !who.Role.May(access.Visit) || !slices.Contains(route.Users, who.Name):
		return "", &Error{Status: http.StatusForbidden, Reason: "the key of " + who.Name + " is not for this"}
	}
	return who.Name, nil
}

// secureHost is where a request is to come again: at the port for TLS, which is left out where it is the usual one.
func (s *Server) secureHost(r *http.Request) string {
	host := hostOf(r.Host)
	if s.tlsPort != 443 {
		return net.JoinHostPort(host, fmt.Sprint(s.tlsPort))
	}
	if strings.Contains(host, ":") {
		return "[" + host + "]"
	}
	return host
}

// refuse answers with an error, and says so.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, e *Error) {
	level := slog.LevelDebug
	if e.Status >= http.StatusInternalServerError {
		level = slog.LevelWarn
	}
	s.log.Log(r.Context(), level, "web request refused", "status", e.Status, "visitor", r.RemoteAddr, "host", r.Host, "method", r.Method, "path", r.URL.Path, "conn", e.Conn, "reason", e.Reason, "error", e.Err)
	answer(w, r, e)
}

// newProxy makes what carries requests that have a route.
func (s *Server) newProxy() *httputil.ReverseProxy {
	s.transport = &http.Transport{
		DialContext:            s.dial,
		MaxIdleConnsPerHost:    4,
		MaxIdleConns:           1024,
		IdleConnTimeout:        5 * time.Second,
		ResponseHeaderTimeout:  s.cfg.ResponseTimeout,
		ExpectContinueTimeout:  time.Second,
		MaxResponseHeaderBytes: 256 << 10,
		DisableCompression:     true,
	}
	return &httputil.ReverseProxy{
		Transport:  s.transport,
		BufferPool: buffers{},
		ErrorLog:   slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
		Rewrite: func(p *httputil.ProxyRequest) {
			a := p.In.Context().Value(askedKey{}).(*asked)
			p.Out.URL.Scheme, p.Out.URL.Host = "http", a.key()
			p.Out.URL.RawQuery = p.In.URL.RawQuery
			p.Out.Host = p.In.Host
			introduce(p.In, p.Out.Header, a.origin, a.user)
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			if r.Context().Err() == nil { // else the visitor is gone
				s.refuse(w, r, errorOf(err))
			}
		},
	}
}

// key is what a connection is used again for: the same route for the same visitor. It looks like an address.
func (a *asked) key() string {
	visitor := strings.NewReplacer(":", "-", ".", "-").Replace(a.from.Addr().String())
	return fmt.Sprintf("%d.%s.%d:80", a.route.number, visitor, a.from.Port())
}

// dial connects to the service of a request.
func (s *Server) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	a, ok := ctx.Value(askedKey{}).(*asked)
	if !ok {
		return nil, errNoService
	}
	return a.route.Dial(ctx, a.from)
}

// buffers lends what answers are copied through.
type buffers struct{}

var bufferPool = sync.Pool{New: func() any { return new([32 << 10]byte) }}

func (buffers) Get() []byte { return bufferPool.Get().(*[32 << 10]byte)[:] }

func (buffers) Put(b []byte) { bufferPool.Put((*[32 << 10]byte)(b)) }
