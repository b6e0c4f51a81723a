package client

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/adit-tunnel/adit/reference/forward"
	"github.com/adit-tunnel/adit/reference/session"
	"github.com/adit-tunnel/adit/reference/sock"
	"github.com/adit-tunnel/adit/spec/wire"
)

// dialer connects to services as the policy allows. Its methods may be called at the same time.
type dialer struct {
	rules atomic.Pointer[rules]
	host  string // for requests that name none

	published func(service string) (session.Target, bool) // where services are; nil: there are none

	// The network; replaced by tests.
	lookup  func(ctx context.Context, network, host string) ([]netip.Addr, error)
	connect func(ctx context.Context, address string) (*sock.TCP, error)
}

// rules say what a dialer may dial, and how.
type rules struct {
	policy   Policy
	services Services
}

func newDialer(policy Policy, services Services, host string) *dialer {
	d := &dialer{host: host, lookup: net.DefaultResolver.LookupNetIP, connect: sock.Dial}
	d.rules.Store(&rules{policy, services})
	return d
}

// service is the Dial function of a session, which logs a failure and answers it with [session.StatusOf] it.
func (d *dialer) service(ctx context.Context, target session.Target) (sock.Socket, error) {
	free := target.Service != "" && d.published != nil // what is published is allowed
	if free {
		target, _ = d.published(target.Service) // which the session knows to be there
	}
	services := d.rules.Load().services
	host := cmp.Or(target.Host, d.host) // OPEN-003: for the short form a host of its own choice
	var socket sock.Socket
	var addr netip.Addr
	if path := find(services.unix, host, addr, target.Port); path != "" {
		conn, err := sock.DialUnix(ctx, path)
		if err != nil {
			return nil, err // not conn, which would be no nil as a Socket
		}
		socket = conn
	} else {
		conn, err := d.dial(ctx, host, target.Port, free)
		if err != nil {
			return nil, err
		}
		if socket = conn; services.headers != nil {
			addr = conn.Conn.RemoteAddr().(*net.TCPAddr).AddrPort().Addr()
		}
	}
	if version := find(services.headers, host, addr, target.Port); version != "" {
		if err := tell(socket, forward.ProxyHeader(version, target.Origin, target.Local)); err != nil {
			socket.Reset()
			return nil, err
		}
	}
	return socket, nil
}

// tell writes to a socket that is new, and takes so much at once.
func tell(s sock.Socket, text []byte) error {
	for len(text) > 0 {
		n, err := s.WriteSome([][]byte{text})
		if err != nil {
			return err
		}
		text = text[n:]
	}
	return nil
}

// dial resolves host once, unless it may be dialled freely asks the policy, connects to the first of the allowed addresses that answers, and says in its
// error what stood in the way. The end of ctx, its deadline (OPEN-012) or the visitor's (OPEN-024), ends it.
func (d *dialer) dial(ctx context.Context, host string, port uint16, free bool) (*sock.TCP, error) {
	addrs, err := d.resolve(ctx, host, port, free)
	if err != nil {
		return nil, err
	}
	var first error
	for i, addr := range addrs {
		conn, err := d.try(ctx, netip.AddrPortFrom(addr, port), len(addrs)-i)
		if err == nil {
			return conn, nil
		}
		if first == nil {
			first = err
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil, first
}

// try connects to one address, within an equal share of the time that is left, so that one that never
// answers does not use up what the others need.
func (d *dialer) try(ctx context.Context, addr netip.AddrPort, left int) (*sock.TCP, error) {
	if deadline, ok := ctx.Deadline(); ok && left > 1 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(deadline)/time.Duration(left))
		defer cancel()
	}
	return d.connect(ctx, addr.String())
}

// resolve returns the addresses of host that may be dialled, at least one. The session has checked that
// host and port are usable (OPEN-008, OPEN-009).
func (d *dialer) resolve(ctx context.Context, host string, port uint16, free bool) ([]netip.Addr, error) {
	policy := d.rules.Load().policy
	if addr, err := netip.ParseAddr(host); err == nil {
		if !free && !policy.allowsAddr(addr, port) { // SEC-001: only what its own policy allows
			return nil, denied("add %s to allow it", remedy(host, port))
		}
		return []netip.Addr{addr}, nil
	}
	addrs, err := d.lookup(ctx, "ip", host)
	if err == nil && len(addrs) == 0 {
		err = &net.DNSError{Err: "no address", Name: host, IsNotFound: true}
	}
	if err != nil {
		return nil, err
	}
	if free || policy.allowsName(host, port) {
		return addrs, nil
	}
	// SEC-003: connect to an address that was checked, resolved once.
	var allowed []netip.Addr
	for _, addr := range addrs {
		if policy.allowsAddr(addr, port) {
			allowed = append(allowed, addr)
		}
	}
	if len(allowed) == 0 {
		return nil, denied("%s resolves to %v; add %s to allow it", host, addrs, remedy(host, port))
	}
	return allowed, nil
}

// denied is the failure of what the policy forbids; the rest of it names the remedy.
func denied(format string, args ...any) error {
	return &session.DialError{Status: wire.StatusDenied, Err: fmt.Errorf("not allowed by the client's policy: "+format, args...)}
}
