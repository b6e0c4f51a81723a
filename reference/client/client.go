package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/adit-tunnel/adit/reference/forward"
	"github.com/adit-tunnel/adit/reference/session"
)

// Config tunes a client. It is copied by New and not modified afterwards.
type Config struct {
	// Server is the host:port of the server's tunnel listener. Required.
	Server string
	// Policy says what may be dialled; the zero value allows loopback.
	Policy Policy
	// TargetHost is where requests that name no host lead; empty: 127.0.0.1.
	TargetHost string

	// ConnectTimeout bounds one attempt to reach the server; 0: 10 s.
	ConnectTimeout time.Duration
	// RetryFirst and RetryMost bound the wait between attempts, before it is varied at random; 0: 500 ms
	// and 30 s.
	RetryFirst, RetryMost time.Duration
	// DrainTimeout is how long open connections may take to finish once Run's context ended; 0: 30 s,
	// negative: not at all.
	DrainTimeout time.Duration

	// Session is the template of every tunnel's session. Role, Logger and Dial are the client's to set.
	Session session.Config
	// Logger for everything the client reports; nil discards.
	Logger *slog.Logger

	// Dial reaches the server; nil: TCP.
	Dial func(ctx context.Context, server string) (session.Socket, error)
}

// Client keeps one tunnel to one server.
type Client struct {
	cfg    Config
	log    *slog.Logger
	dialer *dialer
}

var errDrainTimeout = errors.New("connections did not finish in time")

// New returns a client that does nothing before Run.
func New(cfg Config) (*Client, error) {
	if _, port, err := net.SplitHostPort(cfg.Server); err != nil || port == "" {
		return nil, fmt.Errorf("server: %q is not HOST:PORT", cfg.Server)
	}
	if cfg.TargetHost = cmp.Or(cfg.TargetHost, "127.0.0.1"); !forward.ValidHost(cfg.TargetHost) {
		return nil, fmt.Errorf("target_host: %q is neither an address nor a DNS name", cfg.TargetHost)
	}
	cfg.ConnectTimeout = cmp.Or(cfg.ConnectTimeout, 10*time.Second)
	cfg.RetryFirst = cmp.Or(cfg.RetryFirst, 500*time.Millisecond)
	cfg.RetryMost = cmp.Or(cfg.RetryMost, 30*time.Second)
	cfg.DrainTimeout = cmp.Or(cfg.DrainTimeout, 30*time.Second)
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Dial == nil {
		cfg.Dial = dialTCP
	}
	return &Client{
		cfg:    cfg,
		log:    cfg.Logger.With("server", cfg.Server),
		dialer: newDialer(cfg.Policy, cfg.TargetHost),
	}, nil
}

// Run keeps a tunnel to the server until ctx ends: whenever it is lost, or cannot be made, Run dials again
// (LOSS-003). It then lets open connections finish, within DrainTimeout, and returns.
//
// States, as logged: connecting -> connected -> (lost) -> waiting -> connecting.
func (c *Client) Run(ctx context.Context) {
	retry := newRetry(c.cfg.RetryFirst, c.cfg.RetryMost)
	for ctx.Err() == nil {
		dialled, lived, err := c.tunnel(ctx)
		if ctx.Err() != nil {
			return
		}
		wait := retry.next(dialled, lived)
		if wait > 0 {
			c.log.Warn("waiting", "for", wait.Round(time.Millisecond), "error", err)
			pause(ctx, wait)
		}
	}
}

// tunnel makes one tunnel and serves it to its end. It returns how long the attempt took, how long the
// tunnel lived (0: there was none), and why it ended.
func (c *Client) tunnel(ctx context.Context) (dialled, lived time.Duration, err error) {
	c.log.Info("connecting")
	start := time.Now()
	dialCtx, cancel := context.WithTimeout(ctx, c.cfg.ConnectTimeout)
	socket, err := c.cfg.Dial(dialCtx, c.cfg.Server)
	cancel()
	connected := time.Now()
	dialled = connected.Sub(start)
	if err != nil {
		return dialled, 0, fmt.Errorf("cannot reach the server: %w", err)
	}
	c.log.Info("connected", "took", dialled.Round(time.Microsecond))
	err = c.serve(ctx, socket)
	return dialled, max(1, time.Since(connected)), err
}

// serve runs the session of one tunnel. When ctx ends it answers new requests with a failure, and lets open
// connections finish before it closes the tunnel.
func (c *Client) serve(ctx context.Context, socket session.Socket) error {
	cfg := c.cfg.Session
	cfg.Role, cfg.Logger, cfg.Dial = session.Client, c.log, c.dialer.service
	s := session.New(socket, cfg)
	drained := make(chan struct{})
	stop := context.AfterFunc(ctx, func() { c.drain(s, drained) })
	err := s.Run(context.WithoutCancel(ctx))
	if !stop() {
		<-drained
	}
	return err
}

// drain closes s in good order. serve starts it when its context ends, and waits for it.
func (c *Client) drain(s *session.Session, done chan<- struct{}) {
	defer close(done)
	c.log.Info("stopping", "connections", s.Active(), "within", c.cfg.DrainTimeout)
	ctx, cancel := context.WithTimeoutCause(context.Background(), c.cfg.DrainTimeout, errDrainTimeout)
	defer cancel()
	if err := s.Close(ctx); errors.Is(err, errDrainTimeout) {
		c.log.Warn("stopped before all connections had finished", "error", err)
	}
}

func dialTCP(ctx context.Context, server string) (session.Socket, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", server)
	if err != nil {
		return nil, err
	}
	return session.TCP(conn.(*net.TCPConn)) // what network "tcp" gives
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
