package session

import (
	"context"
	"log/slog"
	"time"
)

// Role says which end of the tunnel a session is.
type Role uint8

const (
	// Server is the end that listens for visitors.
	Server Role = iota
	// Client is the end that dials services.
	Client
)

func (r Role) String() string {
	if r == Server {
		return "server"
	}
	return "client"
}

// Target is what a visitor wants to reach.
type Target struct {
	// Host is an address or a name. Empty on a server: 127.0.0.1. Empty on a client: the request was in
	// short form, the host is the client's choice.
	Host string
	Port uint16
}

// DialFunc connects to a service. It returns soon after ctx ends, which is at the latest after
// Config.DialTimeout. An error may be or wrap a [DialError] that says which status answers the request;
// others are classified by [StatusOf].
type DialFunc func(ctx context.Context, target Target) (Socket, error)

// Config tunes a session. It is copied by New and not modified afterwards. The zero value of every field
// but Role and Dial means its default.
type Config struct {
	// Role of this end.
	Role Role
	// Logger for everything the session reports; nil discards. Give it the tunnel's address (With).
	Logger *slog.Logger
	// Dial connects to services. Required for a client, unused by a server.
	Dial DialFunc

	// ConnectTimeout is how long a server waits for the answer to a request; 0: 10 s, at most 30 s.
	ConnectTimeout time.Duration
	// DialTimeout is how long a client lets a dial run; 0: 8 s.
	DialTimeout time.Duration
	// KeepAliveInterval is the time between two KeepAlives of a client; 0: 15 s.
	KeepAliveInterval time.Duration
	// DeadPeer is the silence after which the tunnel is closed; 0: 45 s.
	DeadPeer time.Duration
	// CloseDrain is how long a local socket is read and discarded after its write side was shut down; 0: 5 s.
	CloseDrain time.Duration
	// CloseTotal is how long queued octets may take to be written after a Close; 0: 30 s.
	CloseTotal time.Duration
	// CloseWait is how long an ID waits for the peer's last word before it is retired; 0: 60 s.
	CloseWait time.Duration
	// StallLimit is how long a local socket may take no octet while the reader waits for it; 0: 5 s.
	StallLimit time.Duration
	// StallBudget is how long the reader may wait for local sockets within a StallWindow; 0: 10 s.
	StallBudget time.Duration
	// StallWindow is the time that StallBudget is counted over; 0: 15 s.
	StallWindow time.Duration
	// FrameProgress is how long a frame may take to arrive that gains less than 1 KiB a second; 0: 60 s.
	FrameProgress time.Duration

	// MaxQueue bounds the octets that wait for one local socket; 0: 1 MiB.
	MaxQueue int
	// MaxConnections bounds the connections of the tunnel; 0: 16384.
	MaxConnections int
	// ShortRequests makes a server send requests in short form, which leaves the host to the client.
	ShortRequests bool
	// FirstID is the first connection ID a server uses.
	FirstID uint32
}

// withDefaults returns cfg with every zero field replaced by its default.
func (cfg Config) withDefaults() Config {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	for field, def := range map[*time.Duration]time.Duration{
		&cfg.ConnectTimeout:    10 * time.Second,
		&cfg.DialTimeout:       8 * time.Second,
		&cfg.KeepAliveInterval: 15 * time.Second,
		&cfg.DeadPeer:          45 * time.Second,
		&cfg.CloseDrain:        5 * time.Second,
		&cfg.CloseTotal:        30 * time.Second,
		&cfg.CloseWait:         60 * time.Second,
		&cfg.StallLimit:        5 * time.Second,
		&cfg.StallBudget:       10 * time.Second,
		&cfg.StallWindow:       15 * time.Second,
		&cfg.FrameProgress:     60 * time.Second,
	} {
		if *field == 0 {
			*field = def
		}
	}
	if cfg.MaxQueue == 0 {
		cfg.MaxQueue = 1 << 20
	}
	if cfg.MaxConnections == 0 {
		cfg.MaxConnections = 16384
	}
	return cfg
}
