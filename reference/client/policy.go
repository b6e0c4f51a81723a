package client

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/adit-tunnel/adit/reference/mapping"
)

// Policy says which services a client may dial: loopback at every port, and what its rules add (SEC-001,
// SEC-002). The zero value allows loopback only.
type Policy struct{ rules []rule }

// rule allows one set of hosts at a range of ports. Exactly one of any, name and prefix is set.
type rule struct {
	any      bool
	name     string // lower case, no dot at the end
	prefix   netip.Prefix
	from, to uint16
}

const ruleForms = "want HOST, CIDR, HOST:PORT, CIDR:FROM-TO or :PORT, with IPv6 in brackets before a port"

// ParsePolicy reads rules of the form HOST[:PORTS]. HOST is a name, an address, a CIDR, or * for any; left
// out before a colon it means any too. PORTS is a port or FROM-TO; left out it means every port. IPv6 is
// written in brackets when ports follow. A name is allowed wherever it resolves to.
func ParsePolicy(rules []string) (Policy, error) {
	var p Policy
	for _, text := range rules {
		r, err := parseRule(text)
		if err != nil {
			return Policy{}, fmt.Errorf("%q: %w", text, err)
		}
		p.rules = append(p.rules, r)
	}
	return p, nil
}

func parseRule(text string) (rule, error) {
	host, ports := splitRule(text)
	r := rule{from: 1, to: 65535}
	if ports != "" {
		var err error
		if r.from, r.to, err = mapping.ParsePorts(ports); err != nil {
			return rule{}, err
		}
	}
	switch {
	case host == "*" || host == "" && ports != "":
		r.any = true
	default:
		var err error
		if r.prefix, err = mapping.ParsePrefix(host); err == nil {
			break
		}
		if !mapping.ValidHost(host) {
			return rule{}, fmt.Errorf("bad host or CIDR; %s", ruleForms)
		}
		r.name = canonicalName(host)
	}
	return r, nil
}

// splitRule parts HOST from PORTS; ports is empty when there are none.
func splitRule(text string) (host, ports string) {
	if inner, ok := strings.CutPrefix(text, "["); ok {
		host, rest, closed := strings.Cut(inner, "]")
		if closed && rest == "" {
			return host, ""
		}
		if ports, ok := strings.CutPrefix(rest, ":"); ok && ports != "" {
			return host, ports
		}
		return text, "" // refused as a host
	}
	if strings.Count(text, ":") > 1 { // IPv6 without ports
		return text, ""
	}
	host, ports, found := strings.Cut(text, ":")
	if found && ports == "" {
		return text, "" // refused as a host
	}
	return host, ports
}

// allowsName reports whether a name may be dialled at port wherever it resolves to.
func (p Policy) allowsName(name string, port uint16) bool {
	name = canonicalName(name)
	for _, r := range p.rules {
		if r.from <= port && port <= r.to && (r.any || r.name == name && name != "") {
			return true
		}
	}
	return false
}

// allowsAddr reports whether an address may be dialled at port.
func (p Policy) allowsAddr(addr netip.Addr, port uint16) bool {
	addr = mapping.Plain(addr)
	if addr.IsLoopback() {
		return true
	}
	for _, r := range p.rules {
		if r.from <= port && port <= r.to && (r.any || r.prefix.Contains(addr)) {
			return true
		}
	}
	return false
}

// remedy is the flag that would allow host at port.
func remedy(host string, port uint16) string {
	return "-allow " + net.JoinHostPort(host, strconv.Itoa(int(port)))
}

func canonicalName(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }
