package mapping

import (
	"net/netip"
	"strings"
	"testing"
)

func TestValidHost(t *testing.T) {
	label := strings.Repeat("a", 63)
	for host, want := range map[string]bool{
		"127.0.0.1": true, "::1": true, "fe80::1%eth0": true, "localhost": true, "db.example.": true, "_sip.a-b.C9": true,
		label: true, strings.Join([]string{label, label, label, label[:61]}, "."): true,
		"": false, ".": false, "1.2.3": false, "256.1.1.1": false, "a..b": false, ".a": false, "-a": false, "a-": false, "a b": false,
		"a\n": false, "h\u00f4te": false, "\u212a": false, "a:1": false, "[::1]": false, label + "a": false,
		strings.Join([]string{label, label, label, label[:62]}, "."): false,
	} {
		if got := ValidHost(host); got != want {
			t.Errorf("ValidHost(%q) = %v; want %v", host, got, want)
		}
	}
}

func TestAllows(t *testing.T) {
	for _, c := range []struct {
		prefixes, addr string
		want           bool
	}{
		{"", "192.0.2.1", true},
		{"192.0.2.0/24", "192.0.2.1", true},
		{"192.0.2.0/24", "::ffff:192.0.2.1", true},
		{"::ffff:192.0.2.1", "192.0.2.1", true},
		{"192.0.2.0/24", "192.0.3.1", false},
		{"192.0.2.7/24", "192.0.2.1", true},
		{"192.0.2.7", "192.0.2.1", false},
		{"10.0.0.0/8 192.0.2.0/24", "192.0.2.1", true},
		{"2001:db8::/32", "192.0.2.1", false},
		{"fe80::/10", "fe80::1%lo", true},
		{"fe80::1%eth0", "fe80::1%lo", true},
	} {
		var prefixes []netip.Prefix
		for text := range strings.FieldsSeq(c.prefixes) {
			p, err := ParsePrefix(text)
			if err != nil {
				t.Fatal(err)
			}
			prefixes = append(prefixes, p)
		}
		if got := Allows(prefixes, netip.MustParseAddr(c.addr)); got != c.want {
			t.Errorf("Allows(%s, %s) = %v; want %v", c.prefixes, c.addr, got, c.want)
		}
	}
	for _, text := range []string{"", "host", "300.1.2.3/99", "10.0.0.0/33", "10.0.0", "192.0.2.1:80"} {
		if p, err := ParsePrefix(text); err == nil {
			t.Errorf("ParsePrefix(%q) = %v; want an error", text, p)
		}
	}
}

func TestValidLabel(t *testing.T) {
	for name, want := range map[string]bool{"": false, "workshop-2": true, "Workshop": false, "a.b": false, strings.Repeat("a", 63): true, strings.Repeat("a", 64): false} {
		if got := ValidLabel(name); got != want {
			t.Errorf("ValidLabel(%q) = %v; want %v", name, got, want)
		}
	}
}
