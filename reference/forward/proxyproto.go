package forward

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"

	"github.com/pires/go-proxyproto"
)

// ProxyHeader is the header of the PROXY protocol, v1 or v2, that tells a service of a visitor from an address and that it
// connected to another. Where they are not known it says so.
func ProxyHeader(version string, from, to netip.AddrPort) []byte {
	number := map[string]byte{"v1": 1, "v2": 2}[version]
	if number == 0 {
		panic("forward: internal error: no PROXY header has version " + version)
	}
	var source, target net.Addr
	if from.IsValid() && to.IsValid() && from.Addr().Is4() == to.Addr().Is4() {
		source, target = net.TCPAddrFromAddrPort(from), net.TCPAddrFromAddrPort(to)
	}
	header, err := proxyproto.HeaderProxyFromAddrs(number, source, target).Format()
	if err != nil {
		panic("forward: internal error: " + err.Error())
	}
	return header
}

const (
	signature  = 12   // bytes that tell the versions apart; no header is shorter
	longestV1  = 107  // as the PROXY protocol says
	longestV2  = 4096 // of what follows the length; balancers send less than 600
	fixedV2    = 4    // version, family and length, behind the signature
	lengthOfV2 = 2    // where among them the length stands
)

// ReadProxyHeader reads the header of the PROXY protocol that a balancer sends first, and not one byte more. The addresses are
// not valid where the header is about the balancer itself, or does not say.
func ReadProxyHeader(r io.Reader) (from, to netip.AddrPort, err error) {
	text, err := readHeader(r)
	if err != nil {
		return from, to, fmt.Errorf("no header of the PROXY protocol came: %w", err)
	}
	header, err := proxyproto.Read(bufio.NewReaderSize(bytes.NewReader(text), len(text)))
	if err != nil {
		return from, to, fmt.Errorf("the header of the PROXY protocol is broken: %w", err)
	}
	source, target, ok := header.TCPAddrs()
	if header.Command.IsLocal() || !ok {
		return from, to, nil
	}
	return source.AddrPort(), target.AddrPort(), nil
}

// readHeader reads to the end of the header: the library would read on.
func readHeader(r io.Reader) ([]byte, error) {
	text := make([]byte, signature, longestV1)
	if _, err := io.ReadFull(r, text); err != nil {
		return nil, err
	}
	switch {
	case bytes.Equal(text, proxyproto.SIGV2):
		fixed := make([]byte, fixedV2)
		if _, err := io.ReadFull(r, fixed); err != nil {
			return nil, err
		}
		n := int(binary.BigEndian.Uint16(fixed[lengthOfV2:]))
		if n > longestV2 {
			return nil, fmt.Errorf("it has %d bytes; at most %d are taken", n, longestV2)
		}
		rest := make([]byte, n)
		_, err := io.ReadFull(r, rest)
		return append(append(text, fixed...), rest...), err
	case bytes.HasPrefix(text, proxyproto.SIGV1):
		for text[len(text)-1] != '\n' {
			if len(text) == longestV1 {
				return nil, fmt.Errorf("its line does not end within %d bytes", longestV1)
			}
			text = text[:len(text)+1]
			if _, err := io.ReadFull(r, text[len(text)-1:]); err != nil {
				return nil, err
			}
		}
		return text, nil
	}
	return nil, errors.New("the first bytes are of something else")
}
