package forward

import (
	"bytes"
	"io"
	"net/netip"
	"strings"
	"testing"
	"testing/iotest"
)

var (
	visitor4, local4 = netip.MustParseAddrPort("192.0.2.1:50000"), netip.MustParseAddrPort("198.51.100.1:443")
	visitor6, local6 = netip.MustParseAddrPort("[2001:db8::1]:50000"), netip.MustParseAddrPort("[2001:db8::2]:443")
	nobody           netip.AddrPort
)

const sig = "\r\n\r\n\x00\r\nQUIT\n"

// The octets are those of the PROXY protocol's text.
func TestProxyHeaders(t *testing.T) {
	for _, c := range []struct {
		version  string
		from, to netip.AddrPort
		want     string
	}{
		{"v1", visitor4, local4, "PROXY TCP4 192.0.2.1 198.51.100.1 50000 443\r\n"},
		{"v1", visitor6, local6, "PROXY TCP6 2001:db8::1 2001:db8::2 50000 443\r\n"},
		{"v1", nobody, nobody, "PROXY UNKNOWN\r\n"},
		{"v1", visitor4, local6, "PROXY UNKNOWN\r\n"},
		{"v2", visitor4, local4, sig + "\x21\x11\x00\x0c\xc0\x00\x02\x01\xc6\x33\x64\x01\xc3\x50\x01\xbb"},
		{"v2", visitor6, local6, sig + "\x21\x21\x00\x24\x20\x01\x0d\xb8" + strings.Repeat("\x00", 11) + "\x01\x20\x01\x0d\xb8" + strings.Repeat("\x00", 11) + "\x02\xc3\x50\x01\xbb"},
		{"v2", nobody, local4, sig + "\x20\x00\x00\x00"},
	} {
		got := ProxyHeader(c.version, c.from, c.to)
		if string(got) != c.want {
			t.Errorf("%s of %v to %v = %q; want %q", c.version, c.from, c.to, got, c.want)
		}
		// What is written is read, whatever pieces it comes in, and what follows stays.
		r := bytes.NewReader(append(got, "hello"...))
		from, to, err := ReadProxyHeader(iotest.OneByteReader(r))
		wantFrom, wantTo := c.from, c.to
		if strings.Contains(c.want, "UNKNOWN") || c.from == nobody {
			wantFrom, wantTo = nobody, nobody
		}
		if rest, _ := io.ReadAll(r); err != nil || from != wantFrom || to != wantTo || string(rest) != "hello" {
			t.Errorf("%q is read as %v, %v, %v, and leaves %q; want %v, %v and hello", got, from, to, err, rest, wantFrom, wantTo)
		}
	}
}

func TestProxyHeadersThatAreNone(t *testing.T) {
	for text, want := range map[string]string{
		"": "no header of the PROXY protocol came: EOF", "PROXY TCP4 1": "no header of the PROXY protocol came: EOF", "PROXY": "no header of the PROXY protocol came: unexpected EOF",
		"GET / HTTP/1.1\r\n":                               "the first bytes are of something else",
		"PROXY " + strings.Repeat("x", 200):                "its line does not end within 107 bytes",
		"PROXY TCP4 a b 1 2\r\n":                           "is broken: proxyproto: invalid address",
		"PROXY TCP4 1.2.3.4 1.2.3.4 1 99999\r\n":           "is broken: proxyproto: invalid port",
		"PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \n":                "is broken: proxyproto: version 1 header is invalid",
		sig + "\x21\x11\x00\x0c":                           "no header of the PROXY protocol came: EOF",
		sig + "\x21\x11\x10\x01":                           "it has 4097 bytes; at most 4096 are taken",
		sig + "\x31\x11\x00\x0c" + strings.Repeat("x", 12): "is broken: proxyproto: unsupported proxy protocol version",
		sig + "\x21\x11\x00\x0b" + strings.Repeat("x", 12): "is broken: proxyproto: invalid length",
	} {
		if from, _, err := ReadProxyHeader(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) || from.IsValid() {
			t.Errorf("%q is read as %v, %v; want %q", text, from, err, want)
		}
	}
}

// Tags behind the addresses are passed over; addresses of Unix sockets are none.
func TestProxyHeadersWithMore(t *testing.T) {
	tags := "\x04\x00\x04\x00\x00\x00\x00"
	text := sig + "\x21\x11\x00\x13\xc0\x00\x02\x01\xc6\x33\x64\x01\xc3\x50\x01\xbb" + tags
	if from, to, err := ReadProxyHeader(strings.NewReader(text)); err != nil || from != visitor4 || to != local4 {
		t.Errorf("with a tag: %v, %v, %v; want %v, %v", from, to, err, visitor4, local4)
	}
	text = sig + "\x21\x31\x00\xd8" + strings.Repeat("x", 216)
	if from, _, err := ReadProxyHeader(strings.NewReader(text)); err != nil || from.IsValid() {
		t.Errorf("of a Unix socket: %v, %v; want no address", from, err)
	}
}

// No octets make the reader panic, or take more than a header's.
func FuzzProxyHeader(f *testing.F) {
	f.Add([]byte("PROXY TCP4 192.0.2.1 198.51.100.1 50000 443\r\nhello"))
	f.Add([]byte(sig + "\x21\x11\x00\x0c\xc0\x00\x02\x01\xc6\x33\x64\x01\xc3\x50\x01\xbbhello"))
	f.Fuzz(func(t *testing.T, text []byte) {
		r := bytes.NewReader(text)
		if _, _, err := ReadProxyHeader(r); err == nil && len(text)-r.Len() > signature+fixedV2+longestV2 {
			t.Errorf("%d bytes are taken", len(text)-r.Len())
		}
	})
}
