package forward

import (
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
