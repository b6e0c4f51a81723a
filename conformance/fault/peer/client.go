package peer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// RunClient dials the server again and again (LOSS-003) until ctx ends.
func RunClient(ctx context.Context, o Options) error {
	if liars[o.Mutant] != nil {
		return lie(ctx, o)
	}
	past := &past{ids: map[uint32]bool{}}
	key := auth{prefers: 1}
	if o.Key != "" {
		text, err := os.ReadFile(o.Key)
		if err == nil {
			key.id, key.secret, err = parseKey(strings.TrimSuffix(string(text), "\n"))
		}
		if err != nil {
			return fmt.Errorf("--key-file: %w", err)
		}
	}
	published, err := newPublisher(o.Publish)
	if err != nil {
		return err
	}
	var lingering sync.WaitGroup
	defer lingering.Wait()
	encrypted, err := o.tlsConfig(Client)
	if err != nil {
		return err
	}
	var d net.Dialer
	var old *tunnel        // the last that was drained
	var before *tunnel     // drains, and has not been followed yet
	var followed time.Time // when a drained tunnel was last followed at once
	for n := 0; ctx.Err() == nil; n++ {
		if n == 2 && o.Mutant == "LOSS-003" {
			<-ctx.Done()
			return nil
		}
		var sock transport
		tcp, err := d.DialContext(ctx, "tcp", o.Server)
		if err == nil {
			sock, err = o.shake(ctx, Client, tcp.(*net.TCPConn), encrypted)
			switch {
			case err != nil && o.bug("TLS-004-plain"):
				encrypted = nil
			case err != nil && o.bug("TLS-011"):
				<-ctx.Done()
			}
		}
		wait := min(time.Duration(n)*50*time.Millisecond, 2*time.Second)
		if err != nil {
			before.follow()
			before = nil
		} else {
			t := newTunnel(Client, o, sock, deadServer)
			if t.bug("ALIVE-004") {
				t.ear.silence = 0
			}
			t.past, t.before, before = past, before, nil
			t.published = published
			if t.auth = key; o.Key != "" {
				t.ask(nil)
			}
			stop := context.AfterFunc(ctx, func() { t.leave(o.Drain) })
			ended := make(chan struct{})
			lingering.Go(func() {
				t.run()
				close(ended)
				t.copies.Wait()
				stop()
			})
			select {
			case <-ended:
				if o.bug("GROUP-002") && old != nil {
					old.hangUp()
				}
				key.prefers = t.prefers // AUTH-027
				if t.unwanted {         // the server said so to the HELLO
					wait = unwantedWait
				}
			case <-t.drained: // AWAY-005, AWAY-006
				if o.Mutant == "AWAY-006" {
					wait = 20 * time.Second
				} else if before, old = t, t; time.Since(followed) > time.Minute {
					followed, wait = time.Now(), 0
				}
			}
		}
		rest(ctx, wait)
	}
	before.follow()
	return nil
}

// rest waits for d, or until ctx ends.
func rest(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// dial begins to connect to a service; the reader goes on meanwhile (OPEN-013). mu is held.
func (t *tunnel) dial(id uint32, host string, port int) {
	timeout := dialTimeout
	if t.bug("OPEN-012") {
		timeout = 3 * dialTimeout
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	c := &conn{id: id, state: dialing, cancel: cancel}
	t.add(c)
	if t.bug("OPEN-013") {
		t.mu.Unlock()
		c.connect(ctx, host, port)
		t.mu.Lock()
		return
	}
	t.wg.Go(func() { c.connect(ctx, host, port) })
}

// connect connects to the service and answers. dial starts it; its timeout,
// Close or the loss of the tunnel ends it.
func (c *conn) connect(ctx context.Context, host string, port int) {
	defer c.cancel()
	t := c.t
	if t.bug("OPEN-005") {
		hasty := time.AfterFunc(time.Second, c.answerHastily)
		defer hasty.Stop()
	}
	if t.odd(Slow) {
		rest(ctx, lateness)
	}
	sock, status := t.reach(ctx, host, port)
	if status != statusSuccess && lateClose[t.choice] > 0 {
		rest(ctx, lateFailure)
	}
	if status == statusSuccess && t.bug("OPEN-017") {
		sayFirst(t, c.id, sock)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.lost || c.state != dialing && !t.bug("OPEN-005"): // cancelled: the late result is dropped
		if sock != nil {
			_ = sock.SetLinger(0)
			_ = sock.Close()
		}
	case status != statusSuccess:
		if t.bug("OPEN-006") {
			c.forget()
			return
		}
		c.refuse(status) // OPEN-006
	default:
		// OPEN-005: success only now.
		if c.state == dialing {
			t.send(withID(typeResponse, c.id, statusSuccess))
		}
		c.state, c.local = open, sock
		t.serveLocal(c)
	}
}

// answerHastily is OPEN-005's mutant: success while the dial hangs.
func (c *conn) answerHastily() {
	c.t.mu.Lock()
	defer c.t.mu.Unlock()
	if c.state == dialing && !c.t.lost {
		c.t.send(withID(typeResponse, c.id, statusSuccess))
		c.state = open
	}
}

// sayFirst is the mutant of OPEN-017 and XOPEN-006: what the service says at once goes before the success.
func sayFirst(t *tunnel, id uint32, sock *net.TCPConn) int {
	buf := make([]byte, 4096)
	_ = sock.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
	n, _ := sock.Read(buf)
	_ = sock.SetReadDeadline(time.Time{})
	if n > 0 {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.send(withID(typeData, id, buf[:n]...))
	}
	return n
}

// reach resolves host once, keeps the addresses that the policy allows
// (SEC-001, SEC-002: loopback), and connects to one of those (SEC-003).
func (t *tunnel) reach(ctx context.Context, host string, port int) (*net.TCPConn, byte) {
	if port == 0 || !validHost(host) { // OPEN-008, OPEN-009
		return nil, statusGeneral
	}
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, statusNotResolved
	}
	status := byte(statusDenied)
	for _, a := range addrs {
		if _, err := netip.ParseAddr(host); err != nil && t.bug("OPEN-003") {
			a = netip.MustParseAddr("127.0.0.2")
		}
		if !a.Unmap().IsLoopback() && !t.bug("SEC-002") {
			fmt.Fprintf(os.Stderr, "SEC-001: a request for %q is denied: %s is not loopback\n", host, a)
			continue
		}
		var d net.Dialer
		sock, err := d.DialContext(ctx, "tcp", net.JoinHostPort(a.Unmap().String(), strconv.Itoa(port)))
		if err == nil {
			return sock.(*net.TCPConn), statusSuccess
		}
		status = statusOf(err)
	}
	return nil, status
}

// statusOf is the status that names the reason (OPEN-007).
func statusOf(err error) byte {
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return statusRefused
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, syscall.ETIMEDOUT):
		return statusTimedOut
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return statusUnreachable
	}
	return statusGeneral
}

var hostName = regexp.MustCompile(`^([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)*\.?$`)

// validHost reports whether host is an address or a DNS name.
func validHost(host string) bool {
	if a, err := netip.ParseAddr(host); err == nil {
		return a.Zone() == ""
	}
	return len(strings.TrimSuffix(host, ".")) <= 253 && hostName.MatchString(host)
}
