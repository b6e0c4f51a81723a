package subject

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// Addrs says where things are, each as host:port; empty: unknown or absent.
type Addrs struct {
	Tunnel  string // the server accepts clients there
	Visitor string // a mapped port
	Target  string // the service behind the tunnel
	API     string // the control API
}

// Free ports are taken from below the range that systems use for outgoing
// connections, so that none of those takes one before it is listened on.
const firstPort, ports = 20000, 12000

// freeAddr is a loopback address on which nothing listens now.
func freeAddr(taken map[string]bool) (string, error) {
	for range 200 {
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(firstPort+rand.IntN(ports)))
		l, err := net.Listen("tcp", addr)
		if err != nil || taken[addr] {
			if l != nil {
				_ = l.Close()
			}
			continue
		}
		taken[addr] = true
		return addr, l.Close()
	}
	return "", fmt.Errorf("no free port found between %d and %d on 127.0.0.1", firstPort, firstPort+ports-1)
}

// resolve decides the addresses of one instance: those of o, then those of the file, then free ones.
func (f *File) resolve(o Addrs) (Addrs, error) {
	tunnel := f.Tunnel
	if f.Server != nil && f.Server.Address != "" {
		tunnel = f.Server.Address
	}
	at, taken := Addrs{}, map[string]bool{o.Tunnel: true, o.Visitor: true, o.Target: true, o.API: true}
	for _, a := range []struct {
		out         *string
		given, file string
	}{
		{&at.Tunnel, o.Tunnel, tunnel},
		{&at.Visitor, o.Visitor, f.Visitor},
		{&at.Target, o.Target, f.Target},
		{&at.API, o.API, f.API},
	} {
		switch {
		case a.given != "":
			*a.out = a.given
		case a.file == auto:
			var err error
			if *a.out, err = freeAddr(taken); err != nil {
				return at, err
			}
		default:
			*a.out = a.file
		}
	}
	return at, nil
}
