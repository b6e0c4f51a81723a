package api

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// A Controller is the server behind the API. Its errors are *Error where the
// caller is at fault; any other error is answered as an internal failure.
type Controller interface {
	// Create makes a mapping and returns its row once the port is bound and
	// the mapping committed; on failure nothing of it is left (API-002 to API-004).
	Create(ctx context.Context, r CreateRequest) (Row, error)
	// Remove ends the mapping of port, and returns when no more visitors are accepted (API-007).
	Remove(ctx context.Context, port int) error
	// List returns a row for each mapping.
	List(ctx context.Context) ([]Row, error)
	// Health says whether the tunnel is enabled, and whether a client is connected.
	Health() (enabled, connected bool)
	// Stats returns the traffic so far.
	Stats() Stats
}

// CreateRequest is the body of create. A nil field was omitted.
type CreateRequest struct {
	Port       int     `json:"port"`
	TargetHost *string `json:"target_host"`
	TargetIP   *string `json:"target_ip"` // older spelling of target_host
	TargetPort *int    `json:"target_port"`
	UseTunnel  *bool   `json:"use_tunnel"`
	Client     *string `json:"client"` // address or CIDR
}

// A Row is a mapping as create and list show it.
type Row struct {
	ID         int64     // 0: not stored (-map)
	Port       int       // the server's port
	TargetHost string    // "" in short form: the client's choice
	TargetPort int       //
	UseTunnel  bool      //
	Client     string    // "" for any
	CreatedAt  time.Time //
	Err        error     // why the port is not served now; nil when it is
	Active     int       // visitors now
}

// Stats is the answer of /api/stats. Octets count from the server's point of
// view: In came from visitors (or from a tunnel), Out went to them.
type Stats struct {
	Since    time.Time      `json:"since"`
	Uptime   float64        `json:"uptime_seconds"`
	Mappings []MappingStats `json:"mappings"`
	Tunnels  []TunnelStats  `json:"tunnels"`
}

// MappingStats is the traffic of one mapping.
type MappingStats struct {
	Port      int    `json:"port"`
	Target    string `json:"target"`
	UseTunnel bool   `json:"use_tunnel"`
	Active    int    `json:"active"`
	Total     int64  `json:"total"`
	Failed    int64  `json:"failed"`
	In        int64  `json:"octets_in"`
	Out       int64  `json:"octets_out"`
	Error     string `json:"error,omitempty"`
}

// totals is the traffic of all mappings.
type totals struct {
	Active int   `json:"active"`
	Total  int64 `json:"total"`
	Failed int64 `json:"failed"`
	In     int64 `json:"octets_in"`
	Out    int64 `json:"octets_out"`
}

func (t *totals) add(m MappingStats) {
	t.Active += m.Active
	t.Total += m.Total
	t.Failed += m.Failed
	t.In += m.In
	t.Out += m.Out
}

// TunnelStats is the traffic of one tunnel.
type TunnelStats struct {
	Remote    string    `json:"remote"`
	Since     time.Time `json:"since"`
	Active    int       `json:"active"`
	Total     int64     `json:"total"`
	Failed    int64     `json:"failed"`
	In        int64     `json:"octets_in"`
	Out       int64     `json:"octets_out"`
	KeepAlive time.Time `json:"last_keepalive,omitzero"` // the last one that came
}

// An Error is a request that cannot be served as it is.
type Error struct {
	Status  int    // HTTP status, 4xx or 5xx
	Field   string // of the body that is at fault; "" when none is
	Message string // what is wrong and what to do
}

func (e *Error) Error() string { return e.Message }

// Errorf returns an Error with status 400.
func Errorf(field, format string, args ...any) *Error {
	return &Error{Status: http.StatusBadRequest, Field: field, Message: fmt.Sprintf(format, args...)}
}
