package subject

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
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

// given remembers the ports that freeAddr gave to instances: one that is about
// to listen must not find its port given to the next.
var given struct {
	sync.Mutex
	ports map[int]bool
}

// give reports whether the port was not given before. When a quarter is gone all may come again.
func give(port int) bool {
	given.Lock()
	defer given.Unlock()
	if given.ports == nil || len(given.ports) > ports/4 {
		given.ports = map[int]bool{}
	}
	fresh := !given.ports[port]
	given.ports[port] = true
	return fresh
}

// freeAddr is a loopback address on which nothing listens now.
func freeAddr(taken map[string]bool) (string, error) {
	for range 200 {
		port := firstPort + rand.IntN(ports)
		if !give(port) {
			continue
		}
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
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
func (f *File) resolve(o Addrs, free func(taken map[string]bool) (string, error)) (Addrs, error) {
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
			if *a.out, err = free(taken); err != nil {
				return at, err
			}
		default:
			*a.out = a.file
		}
	}
	return at, nil
}
