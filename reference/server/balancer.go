package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/adit-tunnel/adit/reference/forward"
	"github.com/adit-tunnel/adit/reference/mapping"
)

// headerTime is how long a balancer may take to send its PROXY header, which it sends first.
const headerTime = 5 * time.Second

// errNoHeader ends what comes from a balancer and does not begin with a PROXY header.
var errNoHeader = errors.New("it comes from an address in trusted_proxies, whose connections have to begin with a PROXY header; have the balancer send one (send-proxy-v2), or remove its address there")

// learnAddrs calls then with who is at the other end of conn, and the address that it connected to. Of a balancer's connection
// they are what the PROXY header names; then it waits for that, in a goroutine of owner. Nobody else is believed.
func (s *Server) learnAddrs(conn *net.TCPConn, balancers []netip.Prefix, owner *sync.WaitGroup, then func(from, local netip.AddrPort, err error)) {
	from, local := addrPort(conn.RemoteAddr()), addrPort(conn.LocalAddr())
	if len(balancers) == 0 || !mapping.Allows(balancers, from.Addr()) {
		then(from, local, nil)
		return
	}
	owner.Go(func() {
		conn.SetReadDeadline(time.Now().Add(headerTime)) // fails only on a closed socket, as the next read does
		stop := context.AfterFunc(s.learning, func() { conn.SetReadDeadline(time.Unix(1, 0)) })
		named, to, err := forward.ReadProxyHeader(conn)
		switch {
		case !stop():
			err = context.Canceled
		case errors.Is(err, os.ErrDeadlineExceeded):
			err = fmt.Errorf("%w: none came for %v", errNoHeader, headerTime)
		case err != nil:
			err = fmt.Errorf("%w: %w", errNoHeader, err)
		case named.IsValid():
			from, local = plain(named), plain(to)
		}
		conn.SetReadDeadline(time.Time{})
		then(from, local, err)
	})
}

// plain is an address with an IPv4 one in IPv4 form.
func plain(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(mapping.Plain(a.Addr()), a.Port())
}
