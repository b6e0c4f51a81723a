package api

import (
	"cmp"
	"time"

	"github.com/adit-tunnel/adit/reference/mapping"
)

// createBody is the body of create.
type createBody struct {
	mapping.Request
	TargetIP string `json:"target_ip"` // older spelling of target_host
}

// request is what the body asks for.
func (b createBody) request() (mapping.Request, error) {
	q := b.Request
	if q.TargetHost != "" && b.TargetIP != "" && q.TargetHost != b.TargetIP {
		return q, badRequest("target_host", "target_host and target_ip are the same field in two spellings and differ; give one")
	}
	q.TargetHost = cmp.Or(q.TargetHost, b.TargetIP)
	return q, nil
}

// row is a mapping in a list: in the document's shape, and our fields after it.
type row struct {
	ID         int64  `json:"id"`
	SourcePort int    `json:"source_port"`
	TargetIP   string `json:"target_ip"`
	TargetPort int    `json:"target_port"`
	CreatedAt  string `json:"created_at"`
	UseTunnel  bool   `json:"use_tunnel"`
	Client     string `json:"client,omitempty"`
	Service    string `json:"service,omitempty"`
	Key        string `json:"key,omitempty"`
	Name       string `json:"name,omitempty"`
	Temporary  bool   `json:"temporary,omitempty"` // of -map: not stored
	Active     int    `json:"active"`
	Error      string `json:"error,omitempty"` // API-016
	mapping.Options
}

func rowOf(s mapping.Status) row {
	return row{
		ID: s.ID, SourcePort: s.Port, TargetIP: s.TargetHost, TargetPort: s.TargetPort,
		CreatedAt: s.CreatedAt.Format(time.DateTime),
		UseTunnel: s.UseTunnel, Client: s.Client, Service: s.Service, Key: s.Key, Name: s.Name, Temporary: s.ID == 0, Active: s.Active, Error: ErrorText(s.Err), Options: s.Options,
	}
}

// stats is the data of stats. In every part of it "in" are bytes of visitors on their way to services, and "out" those
// of services on their way back.
type stats struct {
	Since    time.Time `json:"since"`
	Uptime   float64   `json:"uptime_seconds"`
	Mappings []usage   `json:"mappings"`
	Tunnels  []Tunnel  `json:"tunnels"`
	Bindings []Binding `json:"bindings"`
	All      traffic   `json:"all"` // mappings
	// Refused are the tunnels that never were a client's, by why.
	Refused map[string]int64 `json:"refused,omitempty"`
	Process process          `json:"process"`
}

// usage is the traffic of one mapping.
type usage struct {
	Port      int    `json:"port,omitempty"`
	Host      string `json:"host,omitempty"` // in the place of the port, with the path
	Target    string `json:"target"`
	UseTunnel bool   `json:"use_tunnel"`
	Temporary bool   `json:"temporary,omitempty"`
	traffic
	Error string `json:"error,omitempty"`
}

func usageOf(s mapping.Status) usage {
	return usage{Port: s.Port, Host: webPlace(s.Mapping), Target: s.Target(), UseTunnel: s.UseTunnel, Temporary: s.ID == 0, traffic: traffic(s.Traffic), Error: ErrorText(s.Err)}
}

// traffic is a mapping.Traffic.
type traffic struct {
	Active   int                   `json:"active"`
	Total    int64                 `json:"total"`
	Failed   int64                 `json:"failed"`
	Failures map[string]int64      `json:"failures,omitempty"` // by what ended them
	In       int64                 `json:"octets_in"`
	Out      int64                 `json:"octets_out"`
	Targets  []mapping.TargetState `json:"target_states,omitempty"`
	Drops    map[string]int64      `json:"drops,omitempty"` // datagrams, by why
}

func (t *traffic) add(m mapping.Traffic) {
	t.Active += m.Active
	t.Total += m.Total
	t.Failed += m.Failed
	t.Failures, t.Drops = sum(t.Failures, m.Failures), sum(t.Drops, m.Drops)
	t.In += m.In
	t.Out += m.Out
}

// sum adds the counts of one map to another's.
func sum(to, from map[string]int64) map[string]int64 {
	for name, n := range from {
		if to == nil {
			to = map[string]int64{}
		}
		to[name] += n
	}
	return to
}

// Tunnel is one tunnel: its traffic, and how it does.
type Tunnel struct {
	ID        string    `json:"id"` // in the log
	Remote    string    `json:"remote"`
	Since     time.Time `json:"since"`
	Active    int       `json:"active"`
	Total     int64     `json:"total"`
	Failed    int64     `json:"failed"`
	In        int64     `json:"octets_in"`
	Out       int64     `json:"octets_out"`
	KeepAlive time.Time `json:"last_keepalive,omitzero"` // the last one that came

	Profile    string  `json:"profile"`            // core or extended
	TLS        bool    `json:"tls"`                // it is encrypted
	Key        string  `json:"key,omitempty"`      // the ID of the key that the client has proven
	WhyCore    string  `json:"why_core,omitempty"` // where more was wanted
	Agent      string  `json:"agent,omitempty"`    // what the client says it is
	Name       string  `json:"name,omitempty"`     // what it calls itself
	Draining   bool    `json:"draining,omitempty"` // it takes no new visitors
	RTT        float64 `json:"rtt_ms,omitempty"`   // the smallest of the last minute
	Grown      int64   `json:"window_growth"`      // of all its connections' windows
	Held       int     `json:"held"`               // memory of received bytes that visitors have not taken
	Queued     int     `json:"queued"`             // bytes that wait to be sent
	OverBudget int64   `json:"over_budget"`        // connections that were ended for memory

	Connections []Connection `json:"connections"` // the oldest of those that are open
}

// Binding is a port, or a name, that a client has asked for and got.
type Binding struct {
	Port        int       `json:"port,omitempty"`        // 0: a name alone
	Service     string    `json:"service"`               // what the client calls it
	Key         string    `json:"key,omitempty"`         // of the client that holds it
	Certificate string    `json:"certificate,omitempty"` // the pin of that client's certificate, where it has no key
	Name        string    `json:"name,omitempty"`        // what that client calls itself
	Remote      string    `json:"remote,omitempty"`      // where it is; absent: it is gone
	State       string    `json:"state"`                 // served, draining, or held for a client that is gone
	Since       time.Time `json:"since"`
	traffic
}

// Traffic sets the traffic of its visitors.
func (b *Binding) Traffic(m mapping.Traffic) { b.traffic = traffic(m) }

// Connection is one connection of a tunnel.
type Connection struct {
	ID     uint32 `json:"id"`
	Target string `json:"target"`
	Origin string `json:"origin,omitempty"`
	State  string `json:"state"`
	Credit uint64 `json:"credit,omitempty"` // how much more may be sent to the client
	Window uint64 `json:"window,omitempty"` // how much the client may be ahead of what the visitor took
	Queue  int    `json:"queue"`            // bytes that wait for the visitor
}

// ErrorText is the text of an error; "" for none.
func ErrorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// webPlace is the place of a mapping of the web; "" for a port's.
func webPlace(m mapping.Mapping) string {
	if m.Host == "" {
		return ""
	}
	return m.Place()
}
