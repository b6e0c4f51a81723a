package client

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/adit-tunnel/adit/reference/session"
	"github.com/adit-tunnel/adit/reference/sock"
	"github.com/adit-tunnel/adit/reference/trust"
	"github.com/adit-tunnel/adit/spec/wire"
)

// Config tunes a client. It is copied by New and not modified afterwards; Reload takes what can change of another.
type Config struct {
	// Server is the host:port of the server's tunnel listener. Required.
	Server string
	// Policy says what may be dialled; the zero value allows loopback.
	Policy Policy
	// Services are those that want more than a TCP connection; the zero value: none.
	Services Services
	// Publish is what the server is asked for on every tunnel.
	Publish []Publication
	// Published is told, once each, what the server gave, with the address that visitors use; "" for a name. nil: nobody is told.
	Published func(p Publication, address string)
	// TargetHost is where requests that name no host lead. Required.
	TargetHost string

	// ConnectTimeout bounds one attempt to reach the server. Required.
	ConnectTimeout time.Duration
	// RetryFirst is what the first wait between attempts varies around, RetryMost the longest wait. Required.
	RetryFirst, RetryMost time.Duration
	// DrainTimeout is how long open connections may take to finish once Run's context ended; 0: not at all.
	DrainTimeout time.Duration

	// Session is the template of every tunnel's session. Role, Logger, Dial, Proven, Draining, Greet, Binding, StateBinding,
	// Publisher and Up are the client's to set, and Instance if it is nil.
	Session session.Config
	// Logger for everything the client reports; nil discards.
	Logger *slog.Logger

	// TLS says by what the client knows the server, and encrypts the tunnel; nil: it is not encrypted.
	TLS *trust.Client
	// TLSEndsBefore: TLS ends at a balancer in front of the server, and the proofs are not bound to it (AUTH-010).
	TLSEndsBefore bool

	// Proxy is the way to the server; nil: without.
	Proxy *Proxy
	// DialServer reaches the server; nil: TCP, by Proxy if there is one.
	DialServer func(ctx context.Context, server string) (sock.Socket, error)
}

// Client keeps one tunnel to one server.
type Client struct {
	cfg    Config
	log    *slog.Logger
	dialer *dialer

	grace     atomic.Int64   // DrainTimeout, as Reload has left it
	publisher *publisher     // nil: nothing is published
	binding   uint8          // that the server has, and the next tunnel states (AUTH-027); 0: nothing was said of it. Run has it alone
	sessions  sync.WaitGroup // Run of each

	mu       sync.Mutex // guards the following fields
	stage    stage
	tried    func()             // ends Try; nil: it does not run
	draining []*session.Session // that may not say that they are done before the next tunnel is there (AWAY-013)
}

// answerPatience is how long the client waits for the server's first frame before it says that none has come.
// Deployed servers may skip an answer, so it goes on waiting.
const answerPatience = 5 * time.Second

// New returns a client that does nothing before Run.
func New(cfg Config) *Client {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Session.Instance == nil {
		cfg.Session.Instance = make([]byte, wire.InstanceLen)
		rand.Read(cfg.Session.Instance)
	}
	if cfg.DialServer == nil {
		dial := sock.Dial
		if cfg.Proxy != nil {
			dial = cfg.Proxy.Dial
		}
		cfg.DialServer = func(ctx context.Context, server string) (sock.Socket, error) {
			socket, err := dial(ctx, server)
			if err != nil {
				return nil, err // not socket, which would be no nil as a Socket
			}
			return socket, nil
		}
	}
	c := &Client{cfg: cfg, log: cfg.Logger.With("server", cfg.Server), dialer: newDialer(cfg.Policy, cfg.Services, cfg.TargetHost)}
	c.grace.Store(int64(cfg.DrainTimeout))
	if c.publisher = newPublisher(cfg, c.log); c.publisher != nil {
		c.cfg.Session.Protocol = session.ExtendedOnly // HELLO-010
		c.dialer.published = c.publisher.target
	}
	return c
}

// Run keeps a tunnel to the server until ctx ends: whenever it is lost, or cannot be made, Run dials again
// (LOSS-003). It then lets open connections finish, within DrainTimeout, and returns.
//
// States, as logged: connecting -> (no answer yet) -> connected -> (lost) -> waiting -> connecting. It counts as
// connected once a frame came: anything that listens accepts a connection.
func (c *Client) Run(ctx context.Context) {
	lingering, cut := context.WithCancel(context.WithoutCancel(ctx))
	if c.publisher != nil {
		defer c.publisher.close()
	}
	defer func() {
		late := time.AfterFunc(c.drainTimeout(), cut)
		c.sessions.Wait()
		late.Stop()
		cut()
	}()
	if c.cfg.Session.Key != nil && c.cfg.TLS == nil {
		c.log.Warn("a key without TLS keeps strangers out, and no more: who stands between this client and its server reads and changes everything, and can take the tunnel over; leave --plain out, here and at the server, where the path is not trusted")
	}
	retry := newRetry(c.cfg.RetryFirst, c.cfg.RetryMost)
	for ctx.Err() == nil {
		dialled, lived, err := c.tunnel(ctx, lingering)
		if !errors.Is(err, errDrains) {
			c.leave()
		}
		if ctx.Err() != nil {
			return
		}
		if (err == nil || errors.Is(err, errDrains)) && retry.atOnce(time.Now()) {
			continue
		}
		wait := retry.next(dialled, lived)
		if refused(err) {
			wait = afterRefusal(dialled + lived)
		}
		if wait > 0 {
			c.reach("waiting", nil, err)
			c.log.Warn("waiting", "for", wait.Round(time.Millisecond), "error", err)
			pause(ctx, wait)
		}
	}
}

// tunnel makes one tunnel and serves it to its end. It returns how long the attempt took, how long the
// tunnel lived (0: there was none), and why it ended.
func (c *Client) tunnel(ctx, lingering context.Context) (dialled, lived time.Duration, err error) {
	c.reach("connecting", nil, nil)
	c.log.Info("connecting")
	start := time.Now()
	dialCtx, cancel := context.WithTimeout(ctx, c.cfg.ConnectTimeout)
	socket, err := c.dialServer(dialCtx)
	cancel()
	connected := time.Now()
	dialled = connected.Sub(start)
	if err != nil {
		return dialled, 0, fmt.Errorf("cannot reach the server: %w", err)
	}
	err = c.serve(ctx, lingering, socket, start)
	if foreign, ok := errors.AsType[*session.ForeignError](err); ok {
		return dialled, 0, c.notAServer(foreign) // no tunnel, however long it took the other end to say so
	}
	if other, ok := errors.AsType[*session.BindingError](err); ok && other.Has {
		c.binding = other.Server
	}
	return dialled, max(1, time.Since(connected)), c.whyDenied(whyRefused(err))
}

// serve runs the session of one tunnel until that is lost; connections that linger go on, until lingering ends. When
// ctx ends it answers new requests with a failure, and lets open connections finish before it closes the tunnel.
func (c *Client) serve(ctx, lingering context.Context, socket sock.Socket, start time.Time) error {
	silent := time.AfterFunc(answerPatience, func() {
		c.log.Warn("no answer yet: the server accepted the connection and has sent nothing; if that lasts, look whether -server names its tunnel port")
	})
	defer silent.Stop()
	cfg := c.cfg.Session
	cfg.Role, cfg.Logger, cfg.Dial, cfg.Greet = session.Client, c.log, c.dialer.service, true
	var s *session.Session
	cfg.Proven = func() error {
		silent.Stop()
		c.reach("connected", s, nil)
		c.leave()
		args := []any{"took", time.Since(start).Round(time.Microsecond), "tls", c.cfg.TLS != nil}
		if key := cfg.Key; key != nil {
			args = append(args, "key", key.ID)
		}
		c.log.Info("connected", args...)
		return nil
	}
	if secure, ok := socket.(*sock.TLS); ok && !c.cfg.TLSEndsBefore {
		cfg.Binding, cfg.StateBinding = session.TLSBinding(secure), c.binding
	}
	drains := make(chan struct{})
	cfg.Draining = func() { close(drains) }
	var asks *asker
	if c.publisher != nil {
		asks = &asker{publisher: c.publisher}
		cfg.Publisher, cfg.Up = asks, asks.up
	}
	s = session.New(socket, cfg)
	if asks != nil {
		asks.session = s
	}
	drained := make(chan struct{})
	stop := context.AfterFunc(ctx, func() { c.drain(s, drained) })
	c.sessions.Go(func() { s.Run(lingering) })
	select {
	case <-s.Lost():
		if !stop() {
			<-drained
		}
		return s.Err()
	case <-drains:
	}
	c.mu.Lock()
	c.draining = append(c.draining, s)
	c.mu.Unlock()
	c.sessions.Go(func() { // what is open goes on, beside the next tunnel (AWAY-005)
		<-s.Lost()
		if !stop() {
			<-drained
		}
		c.log.Info("drained tunnel closed")
	})
	return errDrains
}

// errDrains is the end of a tunnel for new connections: the server drains it.
var errDrains = errors.New("the server drains this tunnel")

// leave lets the tunnels that the server drains end when their connections have: the next one is there, or cannot be
// made.
func (c *Client) leave() {
	c.mu.Lock()
	all := c.draining
	c.draining = nil
	c.mu.Unlock()
	for _, s := range all {
		s.Leave()
	}
}

// notAServer says what the other end is not, and the remedy.
func (c *Client) notAServer(e *session.ForeignError) error {
	if e.Speaks == "" {
		return fmt.Errorf("this is not an adit server; -server has to name its tunnel port: %w", e.Err)
	}
	if e.Speaks == "TLS" {
		remedy := "give it a key of the server (adit-server keygen NAME there), or start it with --tls, and with --ca or --pin if the server's certificate is not of a public authority"
		if c.cfg.Session.Key != nil {
			remedy = "leave --plain out, or start the server with it too"
		}
		return fmt.Errorf("the server speaks TLS, and this client does not; %s: %w", remedy, e.Err)
	}
	return fmt.Errorf("this is not an adit server (it speaks %s); -server has to name its tunnel port: %w", e.Speaks, e.Err)
}

// drain closes s in good order. serve starts it when its context ends, and waits for it.
func (c *Client) drain(s *session.Session, done chan<- struct{}) {
	defer close(done)
	c.log.Info("stopping", "connections", s.Active(), "within", c.drainTimeout())
	ctx, cancel := context.WithTimeoutCause(context.Background(), c.drainTimeout(), session.ErrDrainTimeout)
	defer cancel()
	if err := s.Close(ctx); errors.Is(err, session.ErrDrainTimeout) {
		c.log.Warn("stopped before all connections had finished", "error", err)
	}
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
