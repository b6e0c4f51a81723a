package mapping

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"time"
)

// A Mapping is a public port, or a host name of the web, and what it leads to.
type Mapping struct {
	ID         int64  // given by the store and never used again; 0: not stored
	Port       int    // the server's port; 0: visitors come by Host and Path
	TargetHost string // "": the client's choice (short requests)
	TargetPort int
	UseTunnel  bool   // through a client; otherwise the server connects itself
	Client     string // address or CIDR of the tunnels that may serve it; "" for any
	Service    string // the name of a service that a client has asked for, in the place of the target; "": none
	Key        string // the ID of the key that its tunnels have to have; "": any
	Name       string // what their client has to call itself; "": anything
	CreatedAt  time.Time
	Options
}

// Place is what visitors come by, of which each has one mapping: a port like 10080, or a host with a path behind it like
// app.example.org/api.
func (m Mapping) Place() string { return placeOf(m.Port, m.Options) }

func placeOf(port int, o Options) string {
	if o.Host != "" {
		return o.Host + o.Path
	}
	return strconv.Itoa(port)
}

// Attr is the place in a line of the log.
func (m Mapping) Attr() slog.Attr {
	if m.Host != "" {
		return slog.String("host", m.Place())
	}
	return slog.Int("port", m.Port)
}

// Target is where the mapping leads, host:port, or the name of a service.
func (m Mapping) Target() string {
	if m.Service != "" {
		return m.Service
	}
	return net.JoinHostPort(m.TargetHost, strconv.Itoa(m.TargetPort))
}

// Clients is Client, parsed; the zero prefix: any. It panics on a text that no [Rules] let pass.
func (m Mapping) Clients() netip.Prefix {
	if m.Client == "" {
		return netip.Prefix{}
	}
	p, err := ParsePrefix(m.Client)
	if err != nil {
		panic("mapping: internal error: unchecked client " + m.Client)
	}
	return p
}

// AllTargets is where the mapping leads, each host:port.
func (m Mapping) AllTargets() []string { return append([]string{m.Target()}, m.Targets...) }

// A Request asks for a mapping. What is left out is filled in by the [Rules]. [Decode] reads it from JSON.
type Request struct {
	Port       int    `json:"port,omitempty"`        // 0: left out, where there is a host
	TargetHost string `json:"target_host,omitempty"` // "": left out
	TargetPort *int   `json:"target_port,omitempty"` // nil: left out
	UseTunnel  *bool  `json:"use_tunnel,omitempty"`  // nil: left out
	Client     string `json:"client,omitempty"`      // "": left out
	Service    string `json:"service,omitempty"`     // "": left out, like the two below
	Key        string `json:"key,omitempty"`
	Name       string `json:"name,omitempty"`
	Options
}

// Place is the place that it asks for, as [Mapping.Place] says it.
func (q Request) Place() string { return placeOf(q.Port, q.Options) }

// Status is a mapping as it is served now.
type Status struct {
	Mapping
	Err error // why its port is not served; nil when it is
	Traffic
}

// Traffic is what the visitors of a mapping did so far. In came from visitors, on their way to the
// service, and Out went to them.
type Traffic struct {
	Active   int              // visitors now
	Total    int64            // visitors so far, active ones included
	Failed   int64            // of those that are over: ended by an error
	Failures map[string]int64 // what the error was: refused, no-tunnel and others
	In, Out  int64            // bytes
	Targets  []TargetState    // of a mapping that has several, or is to check the one
	Drops    map[string]int64 // datagrams that were dropped: rate, not-allowed and others
}

// TargetState is one of several targets as it is now.
type TargetState struct {
	Target string `json:"target"`
	Up     bool   `json:"up"`     // visitors are led to it first
	Active int64  `json:"active"` // visitors now
	Failed int64  `json:"failed"` // attempts to connect to it for a visitor
}

// Store keeps mappings beyond the end of the process. Its methods may be called at the same time.
type Store interface {
	// Create stores m and returns it with its ID. When it returns, the mapping is safe (API-003). The error
	// is [Exists] when the place has a mapping.
	Create(ctx context.Context, m Mapping) (Mapping, error)
	// Remove deletes the mapping of a place, for good when it returns. The error is [Missing] when there is none.
	Remove(ctx context.Context, place string) error
	// List returns all mappings in the order of their making.
	List(ctx context.Context) ([]Mapping, error)
}

// A Listener is a bound port, to which visitors may come.
type Listener interface {
	// Serve accepts visitors until Close is called, and returns when no more will come.
	Serve()
	// Change has visitors come by another mapping of the same port from now on, if it can while the port is open.
	Change(m Mapping) bool
	// Close closes the port, before it returns, to new visitors. Those that came go on.
	Close()
	// Traffic is that of all visitors so far.
	Traffic() Traffic
}

// ListenFunc binds the port of a mapping. Its error is an [Error] of kind Conflict when the port cannot be bound.
type ListenFunc func(m Mapping) (Listener, error)
