package engine

import (
	"errors"
	"fmt"
	"net"
	"runtime"
	"syscall"
)

// Knock is a transport connection to a server subject that is no tunnel of the suite's: these octets come on it, and what the case adds.
func (t *T) Knock(octets []byte) *Socket {
	defer t.inSetup()()
	s := t.newSocket(t.nextLocal("stranger"), t.dial(), "connected")
	if len(octets) > 0 {
		s.Write(octets)
	}
	return s
}

// Answered is the next transport connection of a client subject, on which the suite is no server.
func (t *T) Answered() *Socket {
	conn := t.accept()
	return t.newSocket(t.nextLocal("stranger"), conn, "accepted")
}

// ExpectBegin expects octets, and returns the first that came.
func (s *Socket) ExpectBegin(sentence string, opts ...Option) byte {
	x := s.t.expect(sentence, Message, LocalEffect, opts)
	if !s.t.wait(x.within, func() bool { return len(s.got) > 0 || s.end != EndNone }) || s.Received() == 0 {
		s.t.failed(x, "octets", fmt.Sprintf("none within %s; %s is %v", brief(x.within), s.who, s.Ended()))
	}
	s.t.rec.mu.Lock()
	defer s.t.rec.mu.Unlock()
	return s.got[0]
}

// ExpectGone expects the end of the stream, or a reset, whatever comes before it, and returns that.
func (s *Socket) ExpectGone(sentence string, opts ...Option) []byte {
	x := s.t.expect(sentence, Ending, Answer, opts)
	if !s.t.wait(x.within, func() bool { return s.end != EndNone }) {
		s.t.failed(x, "the end of the stream, or a reset", s.who+" is still open after "+brief(x.within))
	}
	s.t.met(x, s.endAt)
	return s.got
}

// A Crowd is transport connections to a server subject, from many addresses, on which nothing is said.
type Crowd struct {
	t *T

	open int // guarded by the recorder's mu
}

// Crowd connects n silent peers to a server on this machine, so many from each address, 127.0.0.2 being the first.
func (t *T) Crowd(n, each int) *Crowd {
	if runtime.GOOS != "linux" {
		t.Inconclusive("other addresses of this machine than 127.0.0.1 can be used on Linux alone")
	}
	c := &Crowd{t: t}
	for i := range n {
		k := i/each + 1
		d := net.Dialer{Timeout: LocalEffect + t.slack, LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, byte(k/250), byte(k%250+1))}}
		conn, err := d.DialContext(t.ctx, "tcp", t.At.Tunnel)
		if errors.Is(err, syscall.ECONNRESET) { // ended before connect returned
			continue
		}
		if err != nil {
			t.Inconclusive("silent peer %d could not connect: %v", i+1, err)
		}
		t.closers = append(t.closers, func() { _ = conn.Close() })
		c.open++
		t.wg.Go(func() { c.watch(conn) })
	}
	t.rec.note("suite", "%d silent peers are connected, %d from each address", n, each)
	return c
}

// watch waits for the end of a peer's connection. Crowd starts it, T.finish ends it.
func (c *Crowd) watch(conn net.Conn) {
	buf := make([]byte, 256)
	for {
		if _, err := conn.Read(buf); err == nil { // an alert, perhaps
			continue
		}
		c.t.rec.mu.Lock()
		defer c.t.rec.mu.Unlock()
		c.open--
		c.t.rec.wake()
		return
	}
}

// ExpectMost expects that no more of the crowd are kept than most.
func (c *Crowd) ExpectMost(sentence string, most int, opts ...Option) {
	x := c.t.expect(sentence, Ending, Answer, opts)
	if !c.t.wait(x.within, func() bool { return c.open <= most }) {
		c.t.rec.mu.Lock()
		open := c.open
		c.t.rec.mu.Unlock()
		c.t.failed(x, fmt.Sprintf("at most %d", most), fmt.Sprintf("%d after %s", open, brief(x.within)))
	}
}

// Age lets a crowd be so old that its oldest make room.
func (c *Crowd) Age() {
	c.t.Meanwhile(SeatKept+Moment, func() bool { return false })
}
