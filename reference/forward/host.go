package forward

import (
	"net/netip"
	"strings"
)

// ValidHost reports whether host can be dialled at all: an address, or what can be a DNS name: labels of 1
// to 63 letters, digits, - and _, 253 octets in all, and not of digits and dots alone, which OPEN-009 lets pass
// in a frame (see package session): in a configuration it is a mistyped address.
func ValidHost(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	name := strings.TrimSuffix(host, ".")
	if len(name) > 253 || strings.Trim(name, "0123456789.") == "" {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' || strings.ContainsFunc(label, notInName) {
			return false
		}
	}
	return true
}

func notInName(c rune) bool {
	return !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_')
}
