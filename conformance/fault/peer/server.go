package peer

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Options say what the peer is.
type Options struct {
	Mutant string // empty: it conforms
	Odd    string // one of Odds; empty: it makes the usual choices
	Seed   uint64 // of a liar that answers at random

	Extended bool          // it speaks the Extended profile when its peer does
	Memory   int           // octets that received Data of an extended tunnel may use; 0: the usual
	Keys     string        // file of a server's keys (section 30); empty: it asks for none
	Key      string        // file of a client's key; empty: it has none
	Drain    time.Duration // of extended tunnels at the process's end; 0: they end at once

	Cert, CertKey string // PEM files of its own certificate and private key
	ClientCA      string // a server's: PEM file of the authority whose certificates clients have to show; empty: any client

	// Of a client.
	Server  string
	Publish []string // PORT=HOST:PORT
	TLS     bool     // it speaks TLS, as it does with CA or Pin
	CA      string   // PEM file of the authority of its server's certificate
	Pin     string   // SHA-256 of its server's SubjectPublicKeyInfo, in hexadecimal digits

	// Of a server.
	Tunnel  string // listens there for tunnels
	Visitor string // and there for visitors,
	Target  string // of this service
	API     string // control API; empty: none
	Store   string // JSON file of its mappings
	Ports   [2]int // that it may map; zero: 10000 to 10100
	Bind    [2]int // that clients with a key may ask for; zero: none
}

// A server has any number of tunnels; the newest serves.
type server struct {
	o     Options
	tls   *tls.Config // nil: tunnels are not encrypted
	unmet unmet       // those in their TLS handshake
	wg    sync.WaitGroup

	mu      sync.Mutex // guards the following
	tunnels []*tunnel
	gone    []*tunnel // lost; a connection may linger
	next    uint32    // connection ID, never the same twice in a process until it wraps
	past    *past
	keys    *ring // nil: it asks for none
	stopped bool
	served  bool // a tunnel on which a frame came was lost
	groups  []*group
	held    []*holding
}

// RunServer serves until ctx ends.
func RunServer(ctx context.Context, o Options) error {
	if liars[o.Mutant] != nil {
		return lie(ctx, o, o.Tunnel, o.Visitor)
	}
	s := &server{o: o, past: &past{ids: map[uint32]bool{}}, next: 1, unmet: unmet{bound: !o.bug("TLS-010-seats"), keeps: !o.bug("TLS-010-kept"), crowds: o.bug("TLS-010-address")}}
	var err error
	if s.tls, err = o.tlsConfig(Server); err != nil {
		return err
	}
	defer s.wg.Wait()
	if o.Keys != "" {
		s.keys = &ring{path: o.Keys}
		if _, err := s.keys.load(); err != nil {
			return fmt.Errorf("--keys: %w", err)
		}
		s.wg.Go(func() { s.watchKeys(ctx.Done()) })
	}
	if o.API != "" { // first, so that whoever sees the tunnel's port finds the rest open too
		stopAPI, err := s.serveAPI()
		if err != nil {
			return fmt.Errorf("--api: %w", err)
		}
		defer stopAPI()
	}
	visitors, err := net.Listen("tcp", o.Visitor)
	if err != nil {
		return fmt.Errorf("--visitor: %w", err)
	}
	defer visitors.Close()
	tunnels, err := net.Listen("tcp", o.Tunnel)
	if err != nil {
		return fmt.Errorf("--tunnel: %w", err)
	}
	defer tunnels.Close()
	s.wg.Go(func() { s.acceptTunnels(ctx, tunnels) })
	s.wg.Go(func() { s.acceptVisitors(visitors, o.Target) })
	<-ctx.Done()
	_ = visitors.Close()
	_ = tunnels.Close()
	s.stop()
	return nil
}

// stop ends every tunnel.
func (s *server) stop() {
	s.mu.Lock()
	s.stopped = true
	for _, h := range s.held {
		if h.l != nil {
			_ = h.l.Close()
		}
	}
	tunnels := slices.Concat(s.tunnels, s.gone)
	s.mu.Unlock()
	for _, t := range tunnels {
		t.leave(s.o.Drain)
	}
}

// acceptTunnels runs until the listener is closed; handshakes end with ctx.
func (s *server) acceptTunnels(ctx context.Context, l net.Listener) {
	for {
		sock, err := l.Accept()
		if err != nil {
			return
		}
		if s.tls == nil {
			s.begin(sock.(*net.TCPConn))
			continue
		}
		leave, ok := s.unmet.take(sock)
		if !ok {
			_ = sock.Close()
			continue
		}
		s.wg.Go(func() {
			defer leave()
			if t, err := s.o.shake(ctx, Server, sock.(*net.TCPConn), s.tls); err == nil {
				s.begin(t)
			}
		})
	}
}

// begin makes a tunnel of what has come, and serves it.
func (s *server) begin(sock transport) {
	t := newTunnel(Server, s.o, sock, deadClient)
	switch {
	case t.bug("ALIVE-005"):
		t.ear.silence = 20 * time.Second
	case t.bug("ALIVE-006"):
		t.ear.silence = 0
	case t.odd("large"):
		t.ear.silence = 300 * time.Second
	}
	t.errs, t.past = s.tunnelError, s.past
	if s.keys != nil {
		t.ask(s.keys)
		if s.o.Bind[0] > 0 {
			t.server = s
		}
	}
	s.mu.Lock()
	if s.stopped || s.keys != nil && !s.seat(t) || t.bug("LOSS-004") && s.hasServed() {
		s.mu.Unlock()
		_ = sock.Close()
		return
	}
	older := s.tunnels
	s.tunnels = append(s.tunnels, t)
	s.mu.Unlock()
	if t.odd("newest") {
		for _, o := range older {
			o.hangUp()
		}
	}
	s.wg.Go(func() { s.serve(t) })
}

// serve runs one tunnel to its loss. acceptTunnels starts it.
func (s *server) serve(t *tunnel) {
	if t.bug("ALIVE-002-unasked") {
		t.wg.Go(t.nag)
	}
	t.run()
	s.quit(t)
	is := func(other *tunnel) bool { return other == t }
	s.mu.Lock()
	s.tunnels = slices.DeleteFunc(slices.Clone(s.tunnels), is)
	s.gone = append(s.gone, t)
	s.served = s.served || t.served
	stopped := s.stopped
	s.mu.Unlock()
	if stopped && s.o.Drain == 0 {
		t.hangUp()
	}
	t.copies.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gone = slices.DeleteFunc(slices.Clone(s.gone), is)
}

// hasServed reports whether any tunnel, lost or not, has been of use: LOSS-004's
// mutant takes no other. s.mu is held.
func (s *server) hasServed() bool {
	return s.served || slices.ContainsFunc(s.tunnels, func(t *tunnel) bool {
		t.mu.Lock()
		defer t.mu.Unlock()
		return t.served
	})
}

// nag is ALIVE-002-unasked's mutant: KeepAlives that nobody asked for.
func (t *tunnel) nag() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for due := time.Now().Add(10 * time.Second); !t.lost; {
		if time.Now().Before(due) {
			t.waitUntil(due)
			continue
		}
		t.send(frame{typ: typeKeepAlive})
		due = due.Add(10 * time.Second)
	}
}

// tunnelError hears of a tunnel error. ERR-003: other tunnels do not.
func (s *server) tunnelError(broken *tunnel) {
	if !broken.bug("ERR-003") {
		return
	}
	s.mu.Lock()
	tunnels := s.tunnels
	s.mu.Unlock()
	for _, t := range tunnels {
		if t != broken {
			t.hangUp()
		}
	}
}

// acceptVisitors runs until the listener is closed.
func (s *server) acceptVisitors(l net.Listener, target string) {
	for {
		sock, err := l.Accept()
		if err != nil {
			return
		}
		s.visit(sock.(*net.TCPConn), target)
	}
}

// visit makes a visitor's connection on the newest live tunnel (OPEN-001), or
// ends the visitor at once (OPEN-026).
func (s *server) visit(sock *net.TCPConn, target string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := len(s.tunnels) - 1; i >= 0; i-- {
		if s.request(s.tunnels[i], sock, target) {
			return
		}
	}
	if (s.o.Mutant == "OPEN-026" || s.o.Mutant == "AWAY-008" && len(s.tunnels) > 0) && !s.stopped {
		time.AfterFunc(20*time.Second, func() { _ = sock.Close() })
		return
	}
	_ = sock.SetLinger(0)
	_ = sock.Close()
}

// request asks the client of t to connect. s.mu is held.
func (s *server) request(t *tunnel, sock *net.TCPConn, target string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	// TUN-001: a tunnel serves from the moment it was accepted.
	if t.lost || t.away.said || t.away.parting || t.away.silent || t.bug("TUN-001") && !t.served {
		return false
	}
	hasty := t.phase == greeted && t.bug("AUTH-001")
	if t.guarded() && !hasty {
		return false
	}
	host, p, _ := net.SplitHostPort(target)
	port, err := strconv.ParseUint(p, 10, 16)
	if err != nil {
		fmt.Fprintf(os.Stderr, "target %q has no port\n", target)
		return false
	}
	if t.bug("OPEN-001") {
		port ^= 1
	}
	patience := connectTimeout
	switch {
	case t.odd("large"):
		patience = 30 * time.Second
	case t.bug("OPEN-022-early"):
		patience = 2 * time.Second
	}
	if (t.phase == up || hasty) && !t.bug("HELLO-008") {
		var to list
		to.add(tagHost, []byte(host)...)
		if t.bug("XOPEN-001") {
			port ^= 1
		}
		to.add(tagPort, byte(port>>8), byte(port))
		s.ask(t, sock, to, patience)
		return true
	}
	c := &conn{id: s.freeID(t), local: sock, state: requested}
	t.add(c)
	body := binary.BigEndian.AppendUint16(nil, uint16(port))
	if !t.odd("short") && (!t.bug("FRAME-006-quietly") || !t.pieced.Load()) {
		body = append(append(body, byte(len(host))), host...)
	}
	t.send(withID(typeRequest, c.id, body...))
	c.waiting = time.AfterFunc(patience, c.requestedTooLong)
	return true
}

// freeID is the next idle ID (ID-001, ID-002).
func (s *server) freeID(t *tunnel) uint32 {
	for id, c := range t.conns {
		if t.bug("ID-001") && (c.state == closing || c.state == abandoned) {
			return id
		}
	}
	for t.odd("ids") {
		id := rand.Uint32()
		if t.extends { // leave some above it for OPEN (XID-001)
			id /= 2
		}
		if t.conns[id] == nil {
			return id
		}
	}
	for t.conns[s.next] != nil {
		s.next++
	}
	id := s.next
	s.next++
	if t.bug("ID-002") {
		return 1<<24 - id
	}
	return id
}
