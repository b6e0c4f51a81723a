package session

import (
	"cmp"
	"context"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/adit-tunnel/adit/reference/sock"
	"github.com/adit-tunnel/adit/spec"
	"github.com/adit-tunnel/adit/spec/wire"
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

// Protocol says which profiles of PROTOCOL.md a side speaks.
type Protocol uint8

const (
	// CoreOnly neither sends nor answers a HELLO.
	CoreOnly Protocol = iota
	// Auto speaks the Extended profile with a peer that does, and Core with others.
	Auto
	// ExtendedOnly ends a tunnel whose peer speaks Core only.
	ExtendedOnly
)

var protocolNames = [...]string{"core", "auto", "extended"}

func (p Protocol) String() string { return protocolNames[p] }

// ProtocolOf returns the protocol of a name: core, auto or extended. It panics on others.
func ProtocolOf(name string) Protocol {
	i := slices.Index(protocolNames[:], name)
	if i < 0 {
		panic("session: internal error: no protocol is named " + name)
	}
	return Protocol(i)
}

// Target is what a visitor wants to reach.
type Target struct {
	// Host is an address or a name. Empty on a server: 127.0.0.1. Empty on a client: the request was in
	// short form, the host is the client's choice.
	Host string
	Port uint16
	// Origin and Local are the visitor's address and that it connected to, on a client; the zero value: not known.
	Origin, Local netip.AddrPort
	// Service is the name of a service of the client, in the place of host and port; "": none.
	Service string
}

func (t Target) String() string {
	if t.Service != "" {
		return t.Service
	}
	return net.JoinHostPort(t.Host, strconv.Itoa(int(t.Port)))
}

// Visitor is a connection that a server accepted and wants to have served.
type Visitor struct {
	Socket sock.Socket
	Target Target
	// Origin and Local are the addresses of the visitor and that it connected to, as an extended tunnel tells the client
	// (XOPEN-002); the zero value: not known.
	Origin, Local netip.AddrPort
	// Counts grows while bytes flow; nil: nobody counts.
	Counts *sock.Counts
	// Idle is how long the connection may be without an octet in either direction before it is ended, at the latest a
	// quarter later (CLOSE-013, RESET-004); 0: for ever. It needs Counts.
	Idle time.Duration
	// Over is called once, when the session gives up the socket, before that is closed or reset, with what made its
	// end untimely: a [DialError] for a failure that the client answered, a [wire.Violation] for a broken rule or a
	// time that has passed, ErrEnded for the loss of the tunnel, a [DiscardError], or the error of the socket; nil for
	// an end in order. nil: nobody is told.
	Over func(error)
}

// DialFunc connects to a service. It returns soon after ctx ends, which is at the latest after
// Config.DialTimeout. An error may be or wrap a [DialError] that says which status answers the request;
// others are classified by [StatusOf].
type DialFunc func(ctx context.Context, target Target) (sock.Socket, error)

// Config tunes a session. It is copied by New and not modified afterwards. The zero value of every field
// but Role and Dial means its default, which for a time or a size of PROTOCOL.md's section 17 is the value there.
type Config struct {
	// Role of this end.
	Role Role
	// Logger for everything the session reports; nil discards. Give it the tunnel's address (With).
	Logger *slog.Logger
	// Dial connects to services. Required for a client, unused by a server.
	Dial DialFunc
	// Proven is called once, by the reader, when the peer's first frame is complete: it is known to speak this
	// protocol. With auth it is called when the tunnel is up. An error says that there are too many of them: it ends the tunnel with the frame unanswered, but for the
	// GOAWAY too-many that answers a HELLO, and has the error's text. nil: nobody is told.
	Proven func() error
	// Greet makes a client send its first KeepAlive at once instead of after KeepAliveInterval, so that the server
	// knows it from the start.
	Greet bool

	// Protocol says which profiles this end speaks. With auth it is not CoreOnly.
	Protocol Protocol
	// Key makes a client ask for auth (section 30): it proves that it has the key, and goes on only if the server does too.
	// nil: it does not ask.
	Key *wire.Key
	// Keys makes a server ask for auth: it finds the secret of a key by its ID. It does not block, and takes a time that does
	// not depend on how much of an ID is right (AUTH-008). nil: the server does not ask.
	Keys func(id string) (wire.Secret, bool)
	// AuthOptional makes a server with Keys serve clients without auth, too.
	AuthOptional bool
	// Binding is the CB of a binding of the tunnel's transport, which is ready when it is called; false: it has none of that
	// number. nil: the transport is not encrypted (AUTH-010).
	Binding func(binding uint8) (wire.CB, bool)
	// StateBinding is the binding that this side states, if it has that one there; 0: its own choice.
	StateBinding uint8
	// Binder makes a server agree to the option bind (section 32); nil: it does not have it.
	Binder Binder
	// Publisher makes a client offer the option bind, and end the tunnel of a server that does not have it, with ErrNoBind. nil:
	// it does not offer it.
	Publisher Publisher
	// Up is called once, by the reader and without a lock, when both HELLOs have passed, and both proofs where there are
	// some. nil: nobody is told.
	Up func()
	// Agent, Name and Instance are what a HELLO says of this end; those that are empty are not stated.
	Agent, Name string
	Instance    []byte
	// Window is how much the peer may send on each new extended connection before the first WINDOW; 0: 256 KiB,
	// negative: nothing.
	Window int
	// Memory bounds what is held of the tunnel's received Data (WIN-008); 0: 512 MiB.
	Memory int
	// Together bounds what the tunnels of the process hold, when several have the same; nil: nothing does.
	Together *Memory
	// Grease is one in how many HELLOs, OPENs and tunnels carries a tag, or a frame, that means nothing (TLV-004);
	// 0: 16, negative: none.
	Grease int
	// Draining is called once, when the peer has said that the tunnel is to end and this side had not: no new
	// connection comes through it (AWAY-001). Called without a lock. nil: nobody is told.
	Draining func()
	// Linger is how long a local socket may take nothing after its connection has ended in order on the wire (FIN-004);
	// 0: 300 s.
	Linger time.Duration

	// ConnectTimeout is how long a server waits for the answer to a request.
	ConnectTimeout time.Duration
	// DialTimeout is how long a client lets a dial run.
	DialTimeout time.Duration
	// KeepAliveInterval is the time between two KeepAlives of a client.
	KeepAliveInterval time.Duration
	// DeadPeer is the silence after which the tunnel is closed.
	DeadPeer time.Duration
	// CloseDrain is how long a local socket is read and discarded after its write side was shut down.
	CloseDrain time.Duration
	// CloseTotal is how long after the peer's Close this side's is sent at the latest.
	CloseTotal time.Duration
	// CloseStall is how long after a Close a local socket may take none of its queued bytes.
	CloseStall time.Duration
	// CloseMost is how long after the first Close queued bytes are written.
	CloseMost time.Duration
	// CloseWait is how long an ID waits for the peer's last word before it is retired.
	CloseWait time.Duration
	// StallLimit is how long a local socket may take no byte while the reader waits for it.
	StallLimit time.Duration
	// StallBudget is how long the reader may wait for local sockets within a StallWindow.
	StallBudget time.Duration
	// StallWindow is the time that StallBudget is counted over.
	StallWindow time.Duration
	// PauseSign is how long a server that waits for a local socket stays silent.
	PauseSign time.Duration
	// FrameProgress is how long a frame may take to arrive that gains less than 1 KiB a second.
	FrameProgress time.Duration

	// MaxQueue bounds the bytes that wait for one local socket.
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
	for field, limit := range map[*time.Duration]string{
		&cfg.ConnectTimeout:    "connect-timeout",
		&cfg.DialTimeout:       "dial-timeout",
		&cfg.KeepAliveInterval: "keepalive-interval",
		&cfg.DeadPeer:          "dead-peer-" + cfg.Role.String(),
		&cfg.CloseDrain:        "close-drain",
		&cfg.CloseTotal:        "close-total",
		&cfg.CloseStall:        "close-stall",
		&cfg.CloseMost:         "close-most",
		&cfg.CloseWait:         "close-wait",
		&cfg.StallLimit:        "stall-limit",
		&cfg.StallBudget:       "stall-budget",
		&cfg.StallWindow:       "stall-window",
		&cfg.PauseSign:         "pause-sign",
		&cfg.FrameProgress:     "frame-progress",
		&cfg.Linger:            "linger",
	} {
		*field = cmp.Or(*field, spec.LimitOf(limit).Time())
	}
	cfg.MaxQueue = cmp.Or(cfg.MaxQueue, size("queue"))
	cfg.MaxConnections = cmp.Or(cfg.MaxConnections, wire.DefaultMaxConnections)
	cfg.Window = max(0, cmp.Or(cfg.Window, size("window")))
	cfg.Memory = cmp.Or(cfg.Memory, size("tunnel-memory"))
	cfg.Grease = cmp.Or(cfg.Grease, 16)
	return cfg
}

// size is the default of a limit in bytes.
func size(limit string) int { return int(spec.LimitOf(limit).Default) }
