package server

import (
	"cmp"
	"fmt"
	"net/http"
	"net/netip"
	"slices"

	"github.com/adit-tunnel/adit/reference/api"
	"github.com/adit-tunnel/adit/reference/forward"
	"github.com/adit-tunnel/adit/reference/store"
)

// inRange refuses ports that the API may not map (API-006). It does not bind -map, the operator's own word.
func (cfg *Config) inRange(port int) error {
	if port < cfg.PortFrom || port > cfg.PortEnd {
		return api.Errorf("port", "port %d is outside of port_range, %d to %d; use a port in it, or widen port_range", port, cfg.PortFrom, cfg.PortEnd)
	}
	return nil
}

// notBlacklisted refuses ports that nobody may map.
func (cfg *Config) notBlacklisted(port int) error {
	if slices.Contains(cfg.Blacklist, port) {
		return &api.Error{Status: http.StatusForbidden, Field: "port", Message: fmt.Sprintf("port %d is in security.port_range.blacklist; use another", port)}
	}
	return nil
}

// plan turns a request into the mapping that it asks for, with everything filled in that was omitted, or
// says which field cannot be. It looks at the configuration alone.
func (cfg *Config) plan(r api.CreateRequest) (store.Mapping, error) {
	m := store.Mapping{Port: r.Port, UseTunnel: cfg.TunnelEnabled}
	if r.Port < 1 || r.Port > 65535 {
		return m, api.Errorf("port", "port must be 1 to 65535, not %d", r.Port)
	}
	if err := cfg.notBlacklisted(r.Port); err != nil {
		return m, err
	}
	if r.UseTunnel != nil {
		m.UseTunnel = *r.UseTunnel
	}
	if m.UseTunnel && !cfg.TunnelEnabled {
		return m, api.Errorf("use_tunnel", "the tunnel is off; set tunnel.enabled, or use_tunnel to false")
	}
	var err error
	if m.TargetHost, err = cfg.targetHost(r, m.UseTunnel); err != nil {
		return m, err
	}
	if m.TargetPort, err = cfg.targetPort(r, m.UseTunnel); err != nil {
		return m, err
	}
	if r.Client != nil && *r.Client != "" {
		if !m.UseTunnel {
			return m, api.Errorf("client", "client chooses among tunnels, and this mapping uses none; omit it, or set use_tunnel")
		}
		if _, err := parseClient(*r.Client); err != nil {
			return m, err
		}
		m.Client = *r.Client
	}
	return m, nil
}

func (cfg *Config) targetHost(r api.CreateRequest, tunnel bool) (string, error) {
	field, host := "target_host", r.TargetHost
	switch {
	case host == nil && r.TargetIP != nil:
		field, host = "target_ip", r.TargetIP
	case host != nil && r.TargetIP != nil && *host != *r.TargetIP:
		return "", api.Errorf(field, "target_host and target_ip are the same field in two spellings and differ; give one")
	}
	switch {
	case host != nil && *host != "":
		if !forward.ValidHost(*host) {
			return "", api.Errorf(field, "%s %q is neither an address nor a DNS name", field, *host)
		}
		return *host, nil
	case !tunnel:
		return "", api.Errorf("target_host", "target_host is required for a mapping that does not use the tunnel")
	case cfg.Session.ShortRequests:
		return "", nil // the client's choice
	}
	return "127.0.0.1", nil
}

func (cfg *Config) targetPort(r api.CreateRequest, tunnel bool) (int, error) {
	port, from := r.Port, ""
	switch {
	case r.TargetPort != nil:
		port = *r.TargetPort
	case tunnel:
		port -= cfg.TargetOffset
		from = fmt.Sprintf(": it was omitted, and port %d less tunnel.target_offset %d is %d; give target_port", r.Port, cfg.TargetOffset, port)
	}
	if port < 1 || port > 65535 {
		return 0, api.Errorf("target_port", "target_port must be 1 to 65535%s", cmp.Or(from, fmt.Sprintf(", not %d", port)))
	}
	return port, nil
}

// parseClient reads a mapping's client: an address or a CIDR.
func parseClient(text string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(text); err == nil && addr.Zone() == "" {
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}, api.Errorf("client", "client %q is neither an address nor a CIDR", text)
	}
	return prefix.Masked(), nil
}
