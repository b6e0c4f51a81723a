package engine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/adit-tunnel/adit/conformance/wire"
)

// A peer is a small tunnel subject, server or client, that the engine's own
// tests run cases against. bug names the one thing that it does wrong.
type peer struct {
	s    *peerSubject
	role Role
	bug  string

	wg     sync.WaitGroup
	tunnel net.Listener // server
	public net.Listener // server
	exited chan struct{}
	once   sync.Once

	mu    sync.Mutex
	link  net.Conn // the current tunnel
	conns map[uint32]*peerConn
	next  uint32
	stop  bool
	sulks int // tunnels that it will end at once
}

type peerConn struct {
	local          net.Conn
	open           bool
	sent, received bool // Close
}

// peerSubject is a Subject made of peers in this process.
type peerSubject struct {
	role     Role
	bug      string
	owned    bool
	declines string // a scenario
	fixed    bool
	owner    func() error        // nil: it is the peer itself
	refuses  func(n int32) error // at its start; nil: never
	starts   atomic.Int32
	keyed    atomic.Int32 // starts with keys
	lives    atomic.Int32
	most     atomic.Int32 // lives at a time
}

func (s *peerSubject) Describe() string { return "test peer " + s.bug }
func (s *peerSubject) Owned() bool      { return s.owned }
func (s *peerSubject) Fixed() bool      { return s.fixed }

func (s *peerSubject) Start(ctx context.Context, how Setup) (Running, error) {
	scenario, at := how.Scenario, how.At
	if len(how.Keys) > 0 {
		s.keyed.Add(1)
	}
	if n := s.starts.Add(1); s.refuses != nil && s.refuses(n) != nil {
		return nil, s.refuses(n)
	}
	if s.declines != "" && scenario == s.declines {
		return nil, ErrDeclined
	}
	if s.bug == "starts at the second time" && s.starts.Load() == 1 {
		return nil, errors.New("address already in use")
	}
	if s.bug == "starts for ever" {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if s.bug == "is late" || s.bug == "is late in a case" && scenario != "" {
		return nil, os.ErrDeadlineExceeded
	}
	if s.bug == "never starts" {
		return nil, errors.New("exit status 1")
	}
	p := &peer{s: s, role: s.role, bug: s.bug, exited: make(chan struct{}), conns: map[uint32]*peerConn{}}
	if n := s.lives.Add(1); n > s.most.Load() {
		s.most.Store(n)
	}
	if s.role == Client {
		p.wg.Go(func() { p.dialForEver(at.Tunnel) })
		return &runningPeer{p, at}, nil
	}
	var err error
	if p.tunnel, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, err
	}
	if p.public, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, err
	}
	p.wg.Go(p.acceptTunnels)
	p.wg.Go(p.acceptVisitors)
	return &runningPeer{p, Endpoints{Tunnel: p.tunnel.Addr().String(), Visitor: p.public.Addr().String()}}, nil
}

type runningPeer struct {
	p  *peer
	at Endpoints
}

func (r *runningPeer) Endpoints() Endpoints { return r.at }
func (r *runningPeer) Status() string       { return "exit status 2" }
func (r *runningPeer) LogSince(since time.Time, _ int) []string {
	return []string{"the peer's last line", "since " + since.Format(time.RFC3339Nano)}
}
func (r *runningPeer) End(bool) { r.Stop() }
func (r *runningPeer) Stop()    { r.p.die(); r.p.wg.Wait() }

func (r *runningPeer) Owner(context.Context, ...net.Conn) error {
	if r.p.s.owner == nil {
		return nil
	}
	return r.p.s.owner()
}

func (r *runningPeer) Again(ctx context.Context) error {
	n, err := r.p.s.Start(ctx, Setup{At: r.at})
	if err == nil {
		*r = *n.(*runningPeer)
	}
	return err
}

func (r *runningPeer) Exited() <-chan struct{} {
	if r.p.s.owned {
		return r.p.exited
	}
	return nil
}

// die ends the peer as a process that ends does: what it opened first is
// closed first, and its parent sees its end last.
func (p *peer) die() {
	p.once.Do(func() {
		p.s.lives.Add(-1)
		if p.role != Client {
			_ = p.tunnel.Close()
			_ = p.public.Close()
		}
		p.mu.Lock()
		p.stop = true
		if p.link != nil {
			_ = p.link.Close()
		}
		p.mu.Unlock()
		if p.bug == "exits slowly at an unknown type" {
			time.AfterFunc(5*grace, func() { close(p.exited) })
			return
		}
		close(p.exited)
	})
}

func (p *peer) acceptTunnels() {
	for {
		c, err := p.tunnel.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		ends := p.bug == "closes everything" || p.sulks > 0
		p.sulks--
		p.mu.Unlock()
		if ends {
			_ = c.Close()
			continue
		}
		p.attach(c)
		p.wg.Go(func() { p.serve(c) })
	}
}

func (p *peer) dialForEver(addr string) {
	for {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			p.attach(c)
			p.serve(c)
		}
		pause := time.NewTimer(20 * time.Millisecond)
		select {
		case <-p.exited:
			pause.Stop()
			return
		case <-pause.C:
		}
	}
}

func (p *peer) attach(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.link != nil {
		_ = p.link.Close()
	}
	p.lose()
	p.link = c
	if p.stop {
		_ = c.Close()
	}
}

// lose resets what the tunnel carried; p.mu is held.
func (p *peer) lose() {
	for _, k := range p.conns {
		if k.local != nil {
			_ = k.local.(*net.TCPConn).SetLinger(0)
			_ = k.local.Close()
		}
	}
	p.link, p.conns = nil, map[uint32]*peerConn{}
}

// send writes a frame; p.mu is held.
func (p *peer) send(f Frame) { _, _ = p.link.Write(f.Bytes()) }

func (p *peer) serve(c net.Conn) {
	defer func() {
		_ = c.Close()
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.link != c {
			return
		}
		p.lose()
	}()
	for {
		f, _, err := wire.Read(c)
		if err != nil || f.Malformed() != nil {
			return
		}
		p.mu.Lock()
		ok := p.link == c && p.handle(f)
		p.mu.Unlock()
		if !ok {
			return
		}
	}
}

// handle obeys one frame; p.mu is held. It reports whether the tunnel goes on.
func (p *peer) handle(f Frame) bool {
	k := p.conns[f.ID()]
	switch f.Type {
	case TypeKeepAlive:
		if p.role != Client && p.bug != "silent" {
			if p.bug == "answers twice" { // in one write, so that both are there when the case looks
				_, _ = p.link.Write(append(f.Bytes(), f.Bytes()...))
				break
			}
			p.send(f)
		}
	case TypeConnectRequest:
		if p.role != Client || k != nil {
			return false
		}
		p.conns[f.ID()] = &peerConn{}
		link := p.link
		p.wg.Go(func() { p.dial(link, f) })
	case TypeConnectResponse:
		switch {
		case p.role == Client:
			return false
		case k == nil || k.open:
		case f.Status() != Success:
			_ = k.local.Close()
			delete(p.conns, f.ID())
		default:
			k.open = true
			id, link := f.ID(), p.link
			p.wg.Go(func() { p.pump(link, id, k) })
		}
	case TypeData:
		switch {
		case k == nil:
			p.send(Close(f.ID()))
		case k.open && !k.sent && !k.received:
			octets := append([]byte(nil), f.Octets()...)
			if p.bug == "flips a bit" && len(octets) > 0 {
				octets[0] ^= 1
			}
			_, _ = k.local.Write(octets)
		}
	case TypeClose:
		if k == nil {
			return p.bug != "dies at a stray close"
		}
		k.received = true
		if k.local != nil {
			_ = k.local.(*net.TCPConn).CloseWrite()
		}
		if !k.sent {
			k.sent = true
			p.send(f)
			if p.bug == "closes twice" {
				p.send(f)
			}
		}
		delete(p.conns, f.ID())
	case 0x06:
		switch p.bug {
		case "sulks at an unknown type":
			p.sulks = 2
			return false
		case "sulks for ever at an unknown type":
			p.sulks = 1 << 30
			return false
		}
		if strings.HasSuffix(p.bug, " at an unknown type") {
			p.wg.Go(p.die)
			return false // a process that ends answers nothing more
		}
	}
	return true
}

func (p *peer) dial(link net.Conn, f Frame) {
	host, ok := f.Host()
	if !ok {
		host = "127.0.0.1"
	}
	c, err := net.DialTimeout("tcp", net.JoinHostPort(host, strconv.Itoa(int(f.Port()))), 2*time.Second)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.link != link {
		return
	}
	if err != nil {
		delete(p.conns, f.ID())
		p.send(Response(f.ID(), StatusRefused))
		return
	}
	k := p.conns[f.ID()]
	k.local, k.open = c, true
	p.send(Response(f.ID(), Success))
	p.wg.Go(func() { p.pump(link, f.ID(), k) })
}

func (p *peer) acceptVisitors() {
	for {
		c, err := p.public.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		if p.link == nil {
			_ = c.Close()
		} else {
			p.next++
			p.conns[p.next] = &peerConn{local: c}
			p.send(RequestTo(p.next, "127.0.0.1", 80))
		}
		p.mu.Unlock()
	}
}

// pump carries a local socket's octets to the tunnel.
func (p *peer) pump(link net.Conn, id uint32, k *peerConn) {
	defer k.local.Close()
	buf := make([]byte, 32<<10)
	for {
		n, err := k.local.Read(buf)
		p.mu.Lock()
		if p.link != link {
			p.mu.Unlock()
			return
		}
		if n > 0 && !k.sent {
			p.send(Data(id, buf[:n]))
		}
		if err != nil && !k.sent {
			k.sent = true
			p.send(Close(id))
		}
		p.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// catalogue is a Lookup for tests: the IDs the tests and oracles use.
func catalogue(id string) (Requirement, bool) {
	level := "MUST"
	if id == "SHOULD-001" {
		level = "SHOULD"
	}
	return Requirement{ID: id, Level: level, Role: Both, Profile: "core", Text: fmt.Sprintf("text of %s", id)}, id != "NONE-000"
}
