package mapping

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/adit-tunnel/adit/spec/wire"
)

// Rules are what the operator allows, and what fills in the omitted fields of a request.
type Rules struct {
	TunnelEnabled     bool  // mappings may use the tunnel, and do unless they say otherwise
	Keys              bool  // clients have keys, which mappings may name
	Web               bool  // mappings may have a host
	WebKeys           bool  // and users
	ShortRequests     bool  // an omitted target host is the client's choice, not its 127.0.0.1
	TargetOffset      int   // an omitted target port is the mapped port less this
	PortFrom, PortEnd int   // ports that Create may map; they do not bind the operator's own Add, which is -map
	Blacklist         []int // ports that nobody may map
}

// usable refuses ports that nobody may map.
func (r *Rules) usable(port int) error {
	if port < 1 || port > 65535 {
		return refuse(Invalid, "port", "must be 1 to 65535, not %d", port)
	}
	return r.notBlacklisted(port)
}

// Allows refuses the ports that clients may not ask for: those that Create may not map.
func (r *Rules) Allows(port int) error { return cmp.Or(r.usable(port), r.inRange(port)) }

// inRange refuses ports that Create may not map (API-006).
func (r *Rules) inRange(port int) error {
	if port < r.PortFrom || port > r.PortEnd {
		return refuse(Invalid, "port", "%d is outside of port_range, %d to %d; use a port in it, or widen port_range", port, r.PortFrom, r.PortEnd)
	}
	return nil
}

// notBlacklisted refuses the ports of the blacklist.
func (r *Rules) notBlacklisted(port int) error {
	if slices.Contains(r.Blacklist, port) {
		return refuse(Forbidden, "port", "%d is in security.port_range.blacklist; use another", port)
	}
	return nil
}

// Plan is plan for a mapping of the operator's own, which port_range does not bind.
func (r *Rules) Plan(q Request) (Mapping, error) {
	if q.Host == "" {
		if err := r.usable(q.Port); err != nil {
			return Mapping{}, err
		}
	}
	return r.plan(q)
}

// plan turns a request, whose port is checked before, into the mapping that it asks for, with everything filled in that was omitted, or
// says which field cannot be.
func (r *Rules) plan(q Request) (Mapping, error) {
	m := Mapping{Port: q.Port, UseTunnel: r.TunnelEnabled, Client: q.Client, Service: q.Service, Key: q.Key, Name: q.Name, Options: q.Options}
	if q.UseTunnel != nil {
		m.UseTunnel = *q.UseTunnel
	}
	if err := r.planWeb(&m); err != nil {
		return m, err
	}
	if m.UseTunnel && !r.TunnelEnabled {
		return m, refuse(Invalid, "use_tunnel", "needs the tunnel, which is off; set tunnel.enabled, or use_tunnel to false")
	}
	if err := r.checkOwner(q, m); err != nil {
		return m, err
	}
	if m.Service != "" {
		return m, checkClient(m)
	}
	var err error
	if m.TargetHost, err = r.targetHost(q.TargetHost, m.UseTunnel); err != nil {
		return m, err
	}
	if m.TargetPort, err = r.targetPort(q, m.UseTunnel); err != nil {
		return m, err
	}
	return m, m.check()
}

// checkOwner refuses a service, a key or a name that no tunnel can have, or that has no use here.
func (r *Rules) checkOwner(q Request, m Mapping) error {
	for _, f := range []struct {
		field, text string
		valid       func(string) bool
		want        string
	}{
		{"service", m.Service, wire.ValidLabel, "1 to 63 of a-z, 0-9 and -"},
		{"key", m.Key, wire.ValidKeyID, "the name of a key, as given to adit-server keygen"},
		{"name", m.Name, wire.ValidLabel, "1 to 63 of a-z, 0-9 and -"},
	} {
		switch {
		case f.text == "":
		case !m.UseTunnel:
			return refuse(Invalid, f.field, "chooses among tunnels, and this mapping uses none; omit it, or set use_tunnel")
		case !f.valid(f.text):
			return refuse(Invalid, f.field, "%q is not %s", f.text, f.want)
		}
	}
	switch {
	case m.Key != "" && !r.Keys:
		return refuse(Invalid, "key", "has no use on a server without keys; omit it, or start the server with keys")
	case m.Service != "" && m.Key == "" && r.Keys:
		return refuse(Invalid, "key", "is required beside service: names of services are those of a key's clients")
	case m.Service != "" && q.TargetHost != "":
		return refuse(Invalid, "target_host", "is the client's affair where there is a service; give one of the two")
	case m.Service != "" && q.TargetPort != nil:
		return refuse(Invalid, "target_port", "is the client's affair where there is a service; give one of the two")
	}
	return nil
}

func (r *Rules) targetHost(host string, tunnel bool) (string, error) {
	switch {
	case host != "":
		if !ValidHost(host) {
			return "", refuse(Invalid, "target_host", "%q is neither an address nor a DNS name; give one of them, without a port", host)
		}
		return host, nil
	case !tunnel:
		return "", refuse(Invalid, "target_host", "is required for a mapping that does not use the tunnel; give an address or a DNS name")
	case r.ShortRequests:
		return "", nil
	}
	return "127.0.0.1", nil
}

func (r *Rules) targetPort(q Request, tunnel bool) (int, error) {
	port, why := q.Port, ""
	switch {
	case q.TargetPort != nil:
		port = *q.TargetPort
		why = fmt.Sprintf(", not %d", port)
	case q.Host != "":
		port = 80
	case tunnel:
		port -= r.TargetOffset
		why = fmt.Sprintf(": it was omitted, and port %d less tunnel.target_offset %d is %d; give target_port", q.Port, r.TargetOffset, port)
	}
	if port < 1 || port > 65535 {
		return 0, refuse(Invalid, "target_port", "must be 1 to 65535%s", why)
	}
	return port, nil
}

// checkClient refuses a client that [Mapping.Clients] cannot read, or that chooses among no tunnels.
func checkClient(m Mapping) error {
	if m.Client == "" {
		return nil
	}
	if !m.UseTunnel {
		return refuse(Invalid, "client", "chooses among tunnels, and this mapping uses none; omit it, or set use_tunnel")
	}
	if _, err := ParsePrefix(m.Client); err != nil {
		return refuse(Invalid, "client", "%v", err)
	}
	return nil
}
