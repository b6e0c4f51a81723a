package client

import (
	"net/netip"
	"strings"
	"testing"
)

func TestPolicyAllows(t *testing.T) {
	for _, c := range []struct {
		what  string
		rules string // separated by spaces
		host  string // an address, or a name that is not resolved here
		port  uint16
		want  bool
	}{
		{"loopback without rules", "", "127.0.0.1", 22, true},
		{"all of 127/8 without rules", "", "127.9.9.9", 65535, true},
		{"IPv6 loopback without rules", "", "::1", 22, true},
		{"loopback in IPv4-mapped form", "", "::ffff:127.0.0.1", 22, true},
		{"loopback although rules name others", "192.0.2.1:80", "127.0.0.1", 22, true},
		{"nothing else without rules", "", "192.0.2.1", 22, false},
		{"not the unspecified address, which systems take for loopback", "", "0.0.0.0", 22, false},
		{"nor its IPv6 form", "", "::", 22, false},
		{"no name without rules", "", "localhost", 22, false},
		{"an address at any port", "192.0.2.1", "192.0.2.1", 1, true},
		{"not its neighbour", "192.0.2.1", "192.0.2.2", 1, false},
		{"an address in IPv4-mapped form", "192.0.2.1", "::ffff:192.0.2.1", 1, true},
		{"an address at one port", "192.0.2.1:80", "192.0.2.1", 80, true},
		{"not at another port", "192.0.2.1:80", "192.0.2.1", 81, false},
		{"a CIDR", "10.0.0.0/8", "10.255.0.1", 5432, true},
		{"not outside of it", "10.0.0.0/8", "11.0.0.1", 5432, false},
		{"a CIDR with host bits set", "10.1.2.3/8", "10.9.9.9", 5432, true},
		{"a CIDR at its first port", "10.0.0.0/8:80-90", "10.0.0.1", 80, true},
		{"a CIDR at its last port", "10.0.0.0/8:80-90", "10.0.0.1", 90, true},
		{"not beyond", "10.0.0.0/8:80-90", "10.0.0.1", 91, false},
		{"IPv6 without ports", "2001:db8::1", "2001:db8::1", 22, true},
		{"IPv6 with a port", "[2001:db8::1]:22", "2001:db8::1", 22, true},
		{"not at another", "[2001:db8::1]:22", "2001:db8::1", 23, false},
		{"an IPv6 CIDR with ports", "[2001:db8::/32]:22-23", "2001:db8:9::1", 23, true},
		{"IPv6 with a zone", "fe80::/10", "fe80::1%eth0", 22, true},
		{"any host at a port", ":8080", "198.51.100.7", 8080, true},
		{"any name at a port", ":8080", "db.example", 8080, true},
		{"not at others", ":8080", "198.51.100.7", 8081, false},
		{"everything", "*", "198.51.100.7", 1, true},
		{"any host with a star and ports", "*:1-1023", "db.example", 1023, true},
		{"a name", "db.example", "db.example", 5432, true},
		{"a name in other letters and with a dot", "db.example", "DB.Example.", 5432, true},
		{"not a name below it", "db.example", "x.db.example", 5432, false},
		{"a name at a port", "db.example:5432", "db.example", 5432, true},
		{"not at another port", "db.example:5432", "db.example", 5433, false},
		{"a name does not allow addresses", "db.example", "192.0.2.1", 22, false},
		{"the second of two rules", "db.example 192.0.2.0/24", "192.0.2.200", 22, true},
	} {
		p, err := ParsePolicy(strings.Fields(c.rules))
		if err != nil {
			t.Errorf("%s: ParsePolicy(%s) = %v", c.what, c.rules, err)
			continue
		}
		got := false
		if addr, err := netip.ParseAddr(c.host); err == nil {
			got = p.allowsAddr(addr, c.port)
		} else {
			got = p.allowsName(c.host, c.port)
		}
		if got != c.want {
			t.Errorf("%s: rules %q allow %s port %d = %v; want %v", c.what, c.rules, c.host, c.port, got, c.want)
		}
	}
}

func TestBadRulesAreRefusedByText(t *testing.T) {
	for _, text := range []string{
		"", ":", "*:", "host:", "host:0", "host:65536", "host:90-80", "host:80-", "host:-80", "host:ssh",
		"10.0.0.0/33", "10.0.0/8", "999.1.1.1", "1.2.3", "[::1", "[::1]22", "[::1]:", "::g", "ho st", "-host", "host-", "a..b",
		strings.Repeat("a", 64), "\n", "hôte",
	} {
		if _, err := ParsePolicy([]string{"127.0.0.1", text}); err == nil {
			t.Errorf("ParsePolicy(%q) = nil; want an error", text)
		}
	}
}
