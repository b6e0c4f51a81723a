package engine

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/adit-tunnel/adit/conformance/wire"
)

// ErrDeclined is in the error of a Start whose subject says that it does not support the scenario.
var ErrDeclined = errors.New("the subject does not support this scenario")

// ErrStranger is in the error of a Start or an Owner that found another program where the subject should be.
var ErrStranger = errors.New("another program answers for the subject")

// Endpoints says where things are, each as host:port.
type Endpoints struct {
	Tunnel        string `json:"tunnel,omitempty"`         // server role: the subject listens there; client role: the suite does
	Visitor       string `json:"visitor,omitempty"`        // server role: a mapped port
	VisitorTarget string `json:"visitor_target,omitempty"` // server role: the service that the mapping names; empty: unknown
	Target        string `json:"target,omitempty"`         // client role: the suite's service
	API           string `json:"api,omitempty"`            // base URL of the control API; empty: none
	APIPorts      [2]int `json:"api_ports,omitzero"`       // first and last port that the API may map; zero: the document's
	BindPorts     [2]int `json:"bind_ports,omitzero"`      // first and last port that clients may ask for; zero: none
}

// A Setup is how a subject is started.
type Setup struct {
	Scenario string            // a case's name, or "" for none in particular
	At       Endpoints         // for a client, where the suite listens; for a server empty
	Option   string            // of its subject file, by name; empty: none, they are open
	Keys     []wire.Key        // a server asks for one of them, a client has the first
	Files    map[string]string // certificates and private keys in PEM, by the names of their placeholders
	Pin      string            // of the server's certificate
}

// A Subject is what is certified in one role.
type Subject interface {
	// Start makes the subject ready. A subject that runs elsewhere just
	// says where it is. With an error Running may hold the log of what ended
	// too early.
	Start(ctx context.Context, s Setup) (Running, error)
	// Describe names the subject for the certificate: an address, a command.
	Describe() string
	// Owned reports whether the suite starts and ends the subject itself.
	Owned() bool
	// Fixed reports whether its instances would all have the same addresses.
	Fixed() bool
}

// Running is a subject that is ready.
type Running interface {
	Endpoints() Endpoints
	// Owner says whether what is at the endpoints, and accepted conns, is the subject: nil, an error
	// with ErrStranger, or one with errors.ErrUnsupported when that cannot be told.
	Owner(ctx context.Context, conns ...net.Conn) error
	// Exited is closed when the process has ended; nil when the suite did not start it.
	Exited() <-chan struct{}
	// Status says in words how the process ended.
	Status() string
	// LogSince is the last n lines that the process wrote since then.
	LogSince(since time.Time, n int) []string
	// End ends the process, at once and without warning or in order; its data stays.
	End(suddenly bool)
	// Again starts the process again after End, with the same data and addresses.
	Again(ctx context.Context) error
	// Stop ends the process for good, and removes its data.
	Stop()
}
