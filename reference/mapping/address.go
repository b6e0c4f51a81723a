package mapping

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/adit-tunnel/adit/spec/wire"
)

// ValidHost reports whether host can be dialled at all, as OPEN-009 says of hosts in frames. Here digits and dots alone
// have to be an address: in a configuration anything else of that kind is a mistyped one.
func ValidHost(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	return strings.Trim(host, "0123456789.") != "" && wire.ValidHost(host)
}

// ParsePrefix reads an address or a CIDR. An IPv4 address in IPv6 form is an IPv4 address; a zone, which
// names a network card and no peer, is ignored.
func ParsePrefix(text string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(text); err == nil {
		addr = Plain(addr)
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return p, fmt.Errorf("%q is neither an address nor a CIDR like 192.0.2.0/24", text)
	}
	return p.Masked(), nil
}

// ParseTarget reads PORT or HOST:PORT; host is empty without one.
func ParseTarget(text string) (host string, port int, err error) {
	number := text
	if strings.Contains(text, ":") {
		if host, number, err = net.SplitHostPort(text); err != nil || !ValidHost(host) {
			return "", 0, errors.New("the target must be HOST:PORT or PORT")
		}
	}
	if port, err = strconv.Atoi(number); err != nil || port < 1 || port > 65535 {
		return "", 0, errors.New("the target's port must be 1 to 65535")
	}
	return host, port, nil
}

// ParsePorts reads a port or FROM-TO.
func ParsePorts(text string) (from, to uint16, err error) {
	first, last, isRange := strings.Cut(text, "-")
	if !isRange {
		last = first
	}
	a, errA := strconv.ParseUint(first, 10, 16)
	b, errB := strconv.ParseUint(last, 10, 16)
	if errA != nil || errB != nil || a == 0 || a > b {
		return 0, 0, fmt.Errorf("bad ports %q: want 1 to 65535, or FROM-TO", text)
	}
	return uint16(a), uint16(b), nil
}

// Allows reports whether addr is in one of prefixes, as [ParsePrefix] reads them. None at all allow every
// address.
func Allows(prefixes []netip.Prefix, addr netip.Addr) bool {
	addr = Plain(addr)
	return len(prefixes) == 0 || slices.ContainsFunc(prefixes, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// Plain is how addresses of peers are compared: IPv4 in its own form, and without the network card.
func Plain(addr netip.Addr) netip.Addr { return addr.Unmap().WithZone("") }

// ValidLabel reports whether name can be a client's: 1 to 63 of a to z, digits and -.
func ValidLabel(name string) bool { return wire.ValidLabel(name) }
