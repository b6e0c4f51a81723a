package keys

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/adit-tunnel/adit/reference/mapping"
	"github.com/adit-tunnel/adit/spec/wire"
)

// Rights are what the clients of a key may have (AUTH-011). What is nil or 0 is bounded by the server alone; a list that is
// empty and not nil allows none.
type Rights struct {
	Ports       []Ports        // public ports that they may ask for
	Services    []string       // names that they may ask for, for the server's own mappings
	Networks    []string       // of what they ask for: tcp, udp
	Connections int            // visitors at a time, on all their tunnels
	Tunnels     int            // at a time
	Addresses   []netip.Prefix // that their tunnels come from
}

// Ports are those from From to To.
type Ports struct{ From, To uint16 }

func (p Ports) String() string {
	if p.From == p.To {
		return strconv.Itoa(int(p.From))
	}
	return fmt.Sprintf("%d-%d", p.From, p.To)
}

// AllowsPort reports whether a public port may be asked for.
func (r Rights) AllowsPort(n int) bool {
	return r.Ports == nil || slices.ContainsFunc(r.Ports, func(p Ports) bool { return int(p.From) <= n && n <= int(p.To) })
}

// AllowsService reports whether a name may be asked for.
func (r Rights) AllowsService(name string) bool {
	return r.Services == nil || slices.Contains(r.Services, name)
}

// AllowsNetwork reports whether bindings may be of a network.
func (r Rights) AllowsNetwork(name string) bool {
	return r.Networks == nil || slices.Contains(r.Networks, name)
}

// AllowsAddress reports whether a tunnel may come from an address.
func (r Rights) AllowsAddress(addr netip.Addr) bool {
	return r.Addresses == nil || slices.ContainsFunc(r.Addresses, func(p netip.Prefix) bool { return p.Contains(mapping.Plain(addr)) })
}

// optionNames are the options behind a key in a server's file, in the order in which they are written.
var optionNames = []string{"ports", "services", "networks", "connections", "tunnels", "addresses"}

// setOption reads one option. Its error has nothing of the value, which may be a key that is in the wrong place.
func (r *Rights) setOption(name, value string) error {
	switch name {
	case "connections":
		return setCount(&r.Connections, value)
	case "tunnels":
		return setCount(&r.Tunnels, value)
	}
	parts := []string{}
	if value != "" {
		parts = strings.Split(value, ",")
	}
	switch name {
	case "ports":
		return setList(&r.Ports, parts, "a port from 1 to 65535, or FROM-TO", func(s string) (Ports, bool) {
			from, to, err := mapping.ParsePorts(s)
			return Ports{from, to}, err == nil
		})
	case "services":
		return setList(&r.Services, parts, "1 to 63 of a-z, 0-9 and -", func(s string) (string, bool) { return s, wire.ValidLabel(s) })
	case "networks":
		return setList(&r.Networks, parts, "tcp or udp", func(s string) (string, bool) { return s, s == "tcp" || s == "udp" })
	case "addresses":
		return setList(&r.Addresses, parts, "an address or a CIDR like 192.0.2.0/24", func(s string) (netip.Prefix, bool) {
			p, err := mapping.ParsePrefix(s)
			return p, err == nil
		})
	}
	return fmt.Errorf("there is no such option; there are %s", strings.Join(optionNames, ", "))
}

func setCount(p *int, value string) error {
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 {
		return errors.New("the value is not a number from 1 on")
	}
	*p = n
	return nil
}

func setList[T any](p *[]T, parts []string, want string, parse func(string) (T, bool)) error {
	*p = make([]T, 0, len(parts))
	for i, part := range parts {
		v, ok := parse(part)
		if !ok {
			return fmt.Errorf("element %d of the value is not %s", i+1, want)
		}
		*p = append(*p, v)
	}
	return nil
}

var optionNameRE = regexp.MustCompile(`^[a-z]{1,20}$`)

// ParseRights reads options, NAME=VALUE each. An error names the option, and has nothing of a value.
func ParseRights(options []string) (r Rights, err error) {
	var seen []string
	for i, option := range options {
		name, value, ok := strings.Cut(option, "=")
		shown := fmt.Sprintf("option %d", i+1)
		if ok && optionNameRE.MatchString(name) {
			shown = "option " + name
		}
		switch {
		case !ok:
			return r, fmt.Errorf("%s has no value; write NAME=VALUE, with a NAME of %s", shown, strings.Join(optionNames, ", "))
		case slices.Contains(seen, name):
			return r, fmt.Errorf("%s is there twice; give it once", shown)
		}
		seen = append(seen, name)
		if err := r.setOption(name, value); err != nil {
			return r, fmt.Errorf("%s: %w", shown, err)
		}
	}
	return r, nil
}

// String is the options that say the same, "" for none.
func (r Rights) String() string {
	var all []string
	add := func(name string, given bool, value string) {
		if given {
			all = append(all, name+"="+value)
		}
	}
	add("ports", r.Ports != nil, joined(r.Ports))
	add("services", r.Services != nil, strings.Join(r.Services, ","))
	add("networks", r.Networks != nil, strings.Join(r.Networks, ","))
	add("connections", r.Connections > 0, strconv.Itoa(r.Connections))
	add("tunnels", r.Tunnels > 0, strconv.Itoa(r.Tunnels))
	add("addresses", r.Addresses != nil, joined(r.Addresses))
	return strings.Join(all, " ")
}

func joined[T fmt.Stringer](all []T) string {
	var texts []string
	for _, v := range all {
		texts = append(texts, v.String())
	}
	return strings.Join(texts, ",")
}
