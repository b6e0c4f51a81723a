package forward

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/time/rate"

	"github.com/adit-tunnel/adit/reference/sock"
)

const (
	longestDatagram = 64 << 10 // more than UDP can carry
	mostPending     = 16       // datagrams of one visitor that wait until the target's name is resolved
	defaultUDPIdle  = 60 * time.Second
)

// Why datagrams are dropped.
const (
	DropRate    = "rate"    // beyond the rate of the mapping
	DropQueue   = "queue"   // the target's name is not resolved yet, and enough wait for it
	DropRefused = "refused" // nobody listens at the target
	DropFailed  = "failed"  // a socket did not take it
)

// UDP forwards the datagrams of one listening socket to a target: those of each visitor, an address and port, from a socket of
// its own, so that answers find back. Set the fields before Serve.
type UDP struct {
	Target      string
	DialTimeout time.Duration // bounds resolving; 0: 10 s
	Idle        time.Duration // a visitor without a datagram in either direction is forgotten after this; 0: 60 s
	Up, Down    *rate.Limiter // of [DatagramRate]; what is beyond is dropped

	// Begin is asked about each new visitor. An error keeps its datagram out; else the visitor is counted, and end called once.
	Begin func(from netip.AddrPort) (counts *sock.Counts, end func(error), err error)
	// Drop is told of each datagram that is dropped, and why: one of the names above, or the error of Begin.
	Drop func(from netip.AddrPort, why string, err error)

	listen   *net.UDPConn
	visitors map[netip.AddrPort]*udpVisitor // guarded by mu
	mu       sync.Mutex
	all      sync.WaitGroup
}

// DatagramRate returns a bound of bytes a second that lets every datagram pass when enough was saved for it.
func DatagramRate(bytes int64) *rate.Limiter {
	return rate.NewLimiter(rate.Limit(bytes), int(min(max(bytes/8, longestDatagram), 1<<30)))
}

// udpVisitor is a visitor and its way to the target. One goroutine, carryBack, owns it and ends it.
type udpVisitor struct {
	from   netip.AddrPort
	counts *sock.Counts
	end    func(error)
	last   atomic.Int64 // when a datagram passed, in nanoseconds of time.Since(began)

	mu      sync.Mutex
	conn    *net.UDPConn // nil until the target is known
	pending [][]byte
	gone    bool
}

// began is what the times of visitors count from: a clock that nobody sets.
var began = time.Now()

// Serve forwards until listen is closed or ctx has ended, and returns when every visitor is forgotten.
func (u *UDP) Serve(ctx context.Context, listen *net.UDPConn) {
	ctx, cancel := context.WithCancel(ctx)
	defer context.AfterFunc(ctx, func() { listen.Close() })()
	u.listen, u.visitors = listen, map[netip.AddrPort]*udpVisitor{}
	b := make([]byte, longestDatagram)
	for {
		n, from, err := listen.ReadFromUDPAddrPort(b)
		if errors.Is(err, net.ErrClosed) {
			break
		}
		if err != nil { // the system is short of something, or tells of a datagram that came back
			time.Sleep(time.Millisecond)
			continue
		}
		from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
		if v := u.visitor(ctx, from); v != nil {
			u.forward(v, b[:n])
		}
	}
	cancel()
	u.all.Wait()
}

// visitor finds or makes the visitor of an address; nil: it is kept out.
func (u *UDP) visitor(ctx context.Context, from netip.AddrPort) *udpVisitor {
	u.mu.Lock()
	v := u.visitors[from]
	u.mu.Unlock()
	if v != nil {
		return v
	}
	counts, end, err := u.Begin(from)
	if err != nil {
		u.Drop(from, "", err)
		return nil
	}
	v = &udpVisitor{from: from, counts: counts, end: end}
	v.touch()
	u.mu.Lock()
	u.visitors[from] = v
	u.mu.Unlock()
	u.all.Go(func() { u.carryBack(ctx, v) })
	return v
}

// forward sends a visitor's datagram to the target, or keeps it until that is known.
func (u *UDP) forward(v *udpVisitor, b []byte) {
	if u.Up != nil && !u.Up.AllowN(time.Now(), len(b)) {
		u.Drop(v.from, DropRate, nil)
		return
	}
	v.touch()
	v.mu.Lock()
	defer v.mu.Unlock()
	switch {
	case v.conn != nil:
		u.send(v, b)
	case len(v.pending) < mostPending && !v.gone:
		v.pending = append(v.pending, slices.Clone(b))
	default:
		u.Drop(v.from, DropQueue, nil)
	}
}

// send writes a datagram to the target; v.mu is held, so that they stay in order.
func (u *UDP) send(v *udpVisitor, b []byte) {
	if _, err := v.conn.Write(b); err != nil {
		u.Drop(v.from, dropOf(err), err)
		return
	}
	v.counts.ToService.Add(int64(len(b)))
}

func dropOf(err error) string {
	if errors.Is(err, syscall.ECONNREFUSED) {
		return DropRefused
	}
	return DropFailed
}

// carryBack connects v to the target and brings it the answers, until nothing has passed for long or ctx has ended.
func (u *UDP) carryBack(ctx context.Context, v *udpVisitor) {
	err := u.connect(ctx, v)
	if err == nil {
		stop := context.AfterFunc(ctx, func() { v.conn.Close() })
		u.answers(v)
		stop()
		v.conn.Close()
	}
	u.mu.Lock()
	delete(u.visitors, v.from)
	u.mu.Unlock()
	v.mu.Lock()
	v.conn, v.gone = nil, true
	for range v.pending {
		u.Drop(v.from, DropFailed, err)
	}
	v.mu.Unlock()
	v.end(err)
}

// connect resolves the target and sends what has waited for it.
func (u *UDP) connect(ctx context.Context, v *udpVisitor) error {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(u.DialTimeout, 10*time.Second))
	defer cancel()
	any, err := new(net.Dialer).DialContext(ctx, "udp", u.Target)
	if err != nil {
		return fmt.Errorf("forward to %s: %w", u.Target, err)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.conn = any.(*net.UDPConn) // what network "udp" gives
	for _, b := range v.pending {
		u.send(v, b)
	}
	v.pending = nil
	return nil
}

// answers carries datagrams of the target to v.
func (u *UDP) answers(v *udpVisitor) {
	idle := cmp.Or(u.Idle, defaultUDPIdle)
	b := make([]byte, longestDatagram)
	for {
		left := idle - v.quiet()
		if left <= 0 {
			return
		}
		v.conn.SetReadDeadline(time.Now().Add(left)) // fails only on a closed socket, as the read does
		n, err := v.conn.Read(b)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			continue
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			u.Drop(v.from, dropOf(err), err) // the system tells of one that was sent before
			continue
		}
		v.touch()
		if u.Down != nil && !u.Down.AllowN(time.Now(), n) {
			u.Drop(v.from, DropRate, nil)
			continue
		}
		if _, err := u.listen.WriteToUDPAddrPort(b[:n], v.from); err != nil {
			u.Drop(v.from, DropFailed, err)
			continue
		}
		v.counts.ToVisitor.Add(int64(n))
	}
}

func (v *udpVisitor) touch() { v.last.Store(int64(time.Since(began))) }

func (v *udpVisitor) quiet() time.Duration { return time.Since(began) - time.Duration(v.last.Load()) }
