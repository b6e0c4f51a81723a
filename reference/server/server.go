package server

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/http"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/adit-tunnel/adit/reference/access"
	"github.com/adit-tunnel/adit/reference/api"
	"github.com/adit-tunnel/adit/reference/forward"
	"github.com/adit-tunnel/adit/reference/keys"
	"github.com/adit-tunnel/adit/reference/mapping"
	"github.com/adit-tunnel/adit/reference/session"
	"github.com/adit-tunnel/adit/reference/trust"
	"github.com/adit-tunnel/adit/reference/web"
	"github.com/adit-tunnel/adit/spec"
)

// Config tunes a server. It is copied by Listen and not modified afterwards; Reload takes what can change of another. In every port 0 means one that
// is free; in every host empty means every address.
type Config struct {
	// Rules of mappings. With TunnelEnabled unset no tunnels are accepted.
	Rules mapping.Rules

	TunnelHost     string
	TunnelPort     int
	AllowedClients []netip.Prefix // addresses that tunnels may come from; none: any
	TunnelProxies  []netip.Prefix // balancers whose PROXY header names the client's address
	MaxTunnels     int            // tunnels at once, each of which has a read buffer; 0: no bound
	Memory         int            // bytes that all tunnels hold of what they received; 0: half of the machine's memory
	TLS            *trust.Server  // tunnels are encrypted; nil: they are not
	TLSEndsBefore  bool           // proofs are bound to no TLS, as a balancer ends that of clients (AUTH-010)
	Keys           *keys.Ring     // those of clients, of whom only they are served; nil: the server asks for none
	AuthOptional   bool           // clients without a key are served on purpose, with Keys too
	AllowBind      bool           // clients without key or certificate may ask for ports, too
	BindHold       time.Duration  // how long a port is kept for a client that is gone (section 32); 0: 30 s

	APIHost    string
	APIPort    int
	APIAllowed []netip.Prefix // addresses that may use the API; none: any
	Profiling  string         // HOST:PORT of this machine for profiles; "": none
	Access     *access.Guard  // who may use the API; nil: everyone, and it listens on this machine alone

	VisitorHost           string         // where mapped ports listen
	VisitorProxies        []netip.Prefix // balancers whose PROXY header names the visitor's address
	MaxVisitors           int            // visitors at once of all mappings; 0: no bound
	MaxVisitorsPerAddress int            // the same of one address

	Web              web.Config // of mappings that have a host; the server sets its Logger
	WebListen        string     // host:port of visitors without TLS; "": nowhere
	WebListenTLS     string     // of those with it, for which there have to be certificates
	MaxWeb           int        // their connections at once; 0: no bound
	MaxWebPerAddress int        // the same of one address, but for trusted balancers

	DialTimeout  time.Duration // of direct mappings; 0: 10 s
	MaxDirect    int           // visitors at once of all direct mappings; 0: no bound
	DrainTimeout time.Duration // how long connections may go on once Run's context ended; 0: not at all

	// Sockets listen already, and are used in the place of new ones where their addresses are asked for. The server closes them.
	Sockets []*os.File

	// Store keeps the mappings; the caller closes it after Run. Required.
	Store mapping.Store
	// Maps are made at start and not stored.
	Maps []mapping.Request
	// Session is the template of every tunnel's session. Role, Logger, Proven, Draining, Together, ShortRequests, Keys,
	// Binding, Binder and Up are the server's to set.
	Session session.Config
	// Version is what the API says it is of.
	Version string
	// Logger for everything the server reports; nil discards.
	Logger *slog.Logger
}

// Server is a running server. Its goroutines: one each for the tunnel listener, the file of keys, the API and every mapping,
// one for each tunnel beside those of its session, and two for each visitor of a direct mapping. All have
// ended when Run returns. So have those of the ports that clients ask for, one each.
type Server struct {
	cfg      Config
	current  atomic.Pointer[Config] // cfg, with what Reload has changed
	log      *slog.Logger
	registry registry
	refused  refused
	reserve  reserve
	handed   handed
	arrivals arrivals
	groups   *groups
	mappings *mapping.Manager
	direct   forward.TCP
	visitors crowd       // of all mappings
	web      *web.Server // nil: there is none
	webCrowd crowd

	tunnelListener *net.TCPListener // nil: the tunnel is off
	tls            *tls.Config      // nil: tunnels are not encrypted
	webListener    *net.TCPListener // nil: nobody comes without TLS
	webTLS         *net.TCPListener // nil: nobody comes with it
	apiListener    *net.TCPListener
	api            *http.Server
	profiles       net.Listener // nil: there are none
	profiling      *http.Server
	draining       atomic.Bool
	events         *api.Events
	ports          sync.Map // of *port: those that are open, or have visitors

	lastTunnel atomic.Int64
	accepting  sync.WaitGroup // of tunnels
	answering  sync.WaitGroup // of the API
	watching   sync.WaitGroup // watchKeys
	tunnels    sync.WaitGroup // serveTunnel
	relays     sync.WaitGroup // forwardVisit
	relaying   context.Context
	cutRelays  context.CancelFunc
	learning   context.Context // learnAddrs waits for headers until it ends
	endLearn   context.CancelFunc
	waiting    context.Context // visitors wait for the first client until it ends
	endWait    context.CancelFunc
}

// Listen binds the ports of the server and of its mappings. It fails with nothing left behind when the
// tunnel's port, the API's or one of cfg.Maps cannot be bound, or the store not be read. A stored
// mapping that cannot be bound is tried again later.
func Listen(cfg Config) (*Server, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	cfg.BindHold = cmp.Or(cfg.BindHold, spec.LimitOf("bind-hold").Time())
	cfg.Session.Together = session.NewMemory(memory(cfg.Memory))
	s := &Server{cfg: cfg, log: cfg.Logger}
	s.groups = newGroups(s)
	if cfg.TLS != nil {
		s.tls = cfg.TLS.Config(s.log)
	}
	s.registry.auth = cfg.Keys != nil
	s.current.Store(&s.cfg)
	s.visitors.bound(cfg.MaxVisitors, cfg.MaxVisitorsPerAddress)
	s.beginWeb()
	s.relaying, s.cutRelays = context.WithCancel(context.Background())
	s.learning, s.endLearn = context.WithCancel(s.relaying)
	var err error
	if s.handed, err = newHanded(cfg.Sockets); err != nil {
		s.cutRelays()
		return nil, err
	}
	s.beginWait()
	s.mappings = mapping.NewManager(cfg.Rules, cfg.Store, s.listenPort, s.log)
	s.events = api.NewEvents()
	s.api = api.New(api.Config{
		Mappings: s.mappings, Tunnels: s.tunnelStats, Bindings: s.groups.stats, Refused: s.refused.all, TunnelEnabled: cfg.Rules.TunnelEnabled,
		Visits: s.visits, Keys: s.keyring(), Events: s.events, Version: cfg.Version, Draining: s.draining.Load,
		Started: time.Now(), Allowed: func() []netip.Prefix { return s.now().APIAllowed }, Access: cfg.Access, Logger: s.log,
	})
	s.profiling = api.NewProfiling(api.Config{Allowed: func() []netip.Prefix { return s.now().APIAllowed }, Access: cfg.Access, Logger: s.log})
	if err := s.bind(); err != nil {
		s.unbind()
		s.handed.close()
		s.reserve.close()
		s.mappings.Close()
		s.cutRelays()
		return nil, err
	}
	return s, nil
}

// memory is how many bytes all tunnels may hold: what was asked for, else half of the machine's (section 27).
func memory(asked int) int64 {
	if asked > 0 {
		return int64(asked)
	}
	if all := machineMemory(); all > 0 {
		return all / 2
	}
	return math.MaxInt64 // each tunnel has a bound of its own
}

func (s *Server) bind() (err error) {
	s.reserve.fill() // without all of it visitors are refused, and told why
	if s.cfg.Rules.TunnelEnabled {
		if s.tunnelListener, err = s.listen(s.cfg.TunnelHost, s.cfg.TunnelPort); err != nil {
			return fmt.Errorf("tunnel.listen_port %w", err)
		}
	}
	if s.apiListener, err = s.listen(s.cfg.APIHost, s.cfg.APIPort); err != nil {
		return fmt.Errorf("api.listen_port %w", err)
	}
	if s.cfg.Access == nil && !addrPort(s.apiListener.Addr()).Addr().IsLoopback() {
		return fmt.Errorf("api.listen_host %s: without authentication the API listens on this machine alone; set security.api.enable_auth, or listen on 127.0.0.1", s.cfg.APIHost)
	}
	if s.cfg.Profiling != "" {
		l, err := s.listenAt(s.cfg.Profiling)
		if err != nil {
			return fmt.Errorf("api.profiling %w", err)
		}
		s.profiles = l
	}
	if err := s.bindWeb(); err != nil {
		return err
	}
	if err := s.mappings.Restore(context.Background()); err != nil {
		return err
	}
	for _, r := range s.cfg.Maps {
		if err := s.mappings.Add(r); err != nil {
			return fmt.Errorf("map %s: %w", r.Place(), err)
		}
	}
	return nil
}

func (s *Server) unbind() {
	for _, l := range []*net.TCPListener{s.tunnelListener, s.apiListener, s.webListener, s.webTLS} {
		if l != nil {
			l.Close()
		}
	}
	if s.profiles != nil {
		s.profiles.Close()
	}
}

// TunnelAddr is where clients connect; nil when the tunnel is off.
func (s *Server) TunnelAddr() net.Addr {
	if s.tunnelListener == nil {
		return nil
	}
	return s.tunnelListener.Addr()
}

// APIAddr is where the API listens.
func (s *Server) APIAddr() net.Addr { return s.apiListener.Addr() }

// Run serves until ctx ends. Then it accepts no more visitors and tunnels, keeps what is open, and the API,
// until it ends by itself or DrainTimeout has passed, closes the rest, and returns.
func (s *Server) Run(ctx context.Context) {
	if s.tunnelListener != nil {
		s.accepting.Go(func() { s.acceptLoop(s.tunnelListener, s.log, s.acceptTunnel) })
	}
	s.answering.Go(s.serveAPI)
	if s.profiles != nil {
		s.answering.Go(func() { _ = s.profiling.Serve(s.profiles) }) // its end is Close
	}
	s.runWeb()
	if s.cfg.Keys != nil {
		s.watching.Go(s.watchKeys)
	}
	s.logReady()
	<-ctx.Done()
	s.drain()
	s.api.Close()
	s.profiling.Close()
	s.answering.Wait()
	s.reserve.close()
	s.handed.close()
	s.log.Info("stopped")
}

// logReady writes the line that other programs may wait for.
func (s *Server) logReady() {
	tunnel := "off"
	if s.tunnelListener != nil {
		tunnel = s.tunnelListener.Addr().String()
	}
	args := []any{
		"tunnel", tunnel, "api", s.apiListener.Addr(),
		"ports", fmt.Sprintf("%d-%d", s.cfg.Rules.PortFrom, s.cfg.Rules.PortEnd), "mappings", len(s.mappings.List()),
	}
	args = append(args, s.guarded()...)
	if s.profiles != nil {
		args = append(args, "profiling", s.profiles.Addr())
	}
	if n := len(s.handed); n > 0 {
		args = append(args, "handed_over", n)
	}
	args = append(args, s.webAt()...)
	s.warnOfStrangers()
	s.warnOfAPI()
	s.log.Info("ready", args...)
}

// warnOfAPI says what authentication does not do.
func (s *Server) warnOfAPI() {
	if s.cfg.Access == nil {
		return
	}
	if s.cfg.Access.Empty() {
		s.log.Warn("the file of API keys has none, so the API refuses everyone; make one with: adit-server apikey NAME")
	}
	if !addrPort(s.apiListener.Addr()).Addr().IsLoopback() {
		s.log.Warn("the API is not encrypted: whoever is on the path to it reads its keys; put a proxy with TLS in front of it where the path is not trusted", "api", s.apiListener.Addr())
	}
}

// serveAPI answers HTTP requests. Run starts it; closing the HTTP server ends it.
func (s *Server) serveAPI() {
	if err := s.api.Serve(apiListener{s.apiListener, &s.reserve}); !errors.Is(err, http.ErrServerClosed) {
		s.log.Error("the API has ended", "error", err)
	}
}

// drain ends everything but the API in good order, within DrainTimeout.
func (s *Server) drain() {
	ctx, cancel := context.WithTimeoutCause(context.Background(), s.now().DrainTimeout, session.ErrDrainTimeout)
	defer cancel()
	s.draining.Store(true)
	var closing sync.WaitGroup
	if s.web != nil {
		closing.Go(func() { s.web.Close(ctx) })
	}
	s.mappings.Close()
	s.endLearn()
	s.groups.close()
	if s.tunnelListener != nil {
		s.tunnelListener.Close()
		s.accepting.Wait() // what was accepted just before is in the registry now
	}
	s.log.Info("stopping: no new visitors", "within", s.now().DrainTimeout)
	defer context.AfterFunc(ctx, s.cutRelays)()
	for _, t := range s.registry.all() {
		closing.Go(func() { s.closeTunnel(ctx, t) })
	}
	closing.Wait()
	s.relays.Wait()
	s.tunnels.Wait()
	s.cutRelays()
	s.watching.Wait()
}

// closeTunnel lets the connections of one tunnel finish and closes it. drain starts one for each.
func (s *Server) closeTunnel(ctx context.Context, t *tunnel) {
	if err := t.session.Close(ctx); err != nil {
		t.log.Warn("tunnel cut", "connections", t.session.Active(), "error", err)
	}
}
