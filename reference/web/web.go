package web

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"sync"
	"time"

	"github.com/adit-tunnel/adit/reference/access"
)

// Config tunes a server of the web.
type Config struct {
	Certificates    *Certificates  // for the listener of TLS; nil: there is none
	Redirect        bool           // visitors without TLS are sent to come with it
	Trusted         []netip.Prefix // balancers whose X-Forwarded headers count
	HeaderTimeout   time.Duration  // for the header of a request; 0: 10 s
	ResponseTimeout time.Duration  // until a service begins to answer; 0: for ever
	Access          *access.Guard  // the keys of visitors; nil: there are none
	Logger          *slog.Logger   // nil discards
}

// maxHeader bounds the header of a request, in bytes.
const maxHeader = 64 << 10

// Server serves visitors of the web. Its goroutines are those of net/http, and Close ends them.
type Server struct {
	cfg       Config
	log       *slog.Logger
	routes    routes
	proxy     *httputil.ReverseProxy
	transport *http.Transport
	http      *http.Server
	tlsPort   int // of the listener of TLS

	serving  sync.WaitGroup // serve
	handling sync.WaitGroup // ServeHTTP, whose connection another protocol may have
}

// New returns a server without routes.
func New(cfg Config) *Server {
	s := &Server{cfg: cfg, log: cfg.Logger}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.proxy = s.newProxy()
	timeout := cfg.HeaderTimeout
	if timeout == 0 {
		timeout = 10 * time.Second
	}
	s.http = &http.Server{
		Handler:           s,
		ReadHeaderTimeout: timeout,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	if cfg.Certificates != nil {
		s.http.TLSConfig = cfg.Certificates.config(s.log, s.routes.named)
		s.http.Handler = cfg.Certificates.challenges(s)
	}
	return s
}

// Add publishes a route until it is removed. There is none of the same host and path.
func (s *Server) Add(r *Route) { s.routes.add(r) }

// Remove ends a route. Requests that came before go on.
func (s *Server) Remove(r *Route) { s.routes.remove(r) }

// Serve serves the visitors of l, and with secure those of TLS; either may be nil. It returns at once.
func (s *Server) Serve(l, secure net.Listener) {
	if secure != nil {
		s.tlsPort = secure.Addr().(*net.TCPAddr).Port
		s.serve(tls.NewListener(secure, s.http.TLSConfig))
	}
	if l != nil {
		s.serve(l)
	}
}

// serve answers the requests of one listener until Close.
func (s *Server) serve(l net.Listener) {
	s.serving.Go(func() {
		if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("the web has ended", "listen", l.Addr(), "error", err)
		}
	})
}

// Close takes no more visitors, and returns when the requests that came are answered, or cut by the end of ctx. WebSockets are
// cut by who ends the connections to their services.
func (s *Server) Close(ctx context.Context) {
	if s.http.Shutdown(ctx) != nil {
		_ = s.http.Close() // says what Shutdown has said
	}
	s.transport.CloseIdleConnections()
	s.serving.Wait()
	s.handling.Wait()
}
