package engine

import (
	"bytes"
	"fmt"
	"net"

	"github.com/adit-tunnel/adit/conformance/wire"
	"github.com/adit-tunnel/adit/spec"
)

// A Socket is the suite's end of a local socket of the subject: a visitor
// that connected to a server subject, or a service that a client subject
// dialled. It reads all the time, unless held, so that the record tells when
// octets, the end of the stream or a reset came.
type Socket struct {
	*link

	// The recorder's mu guards the following.
	got  []byte  // received and not yet taken by an Expect
	sink bool    // what is received is forgotten
	all  int     // octets received in all
	said *stream // what the subject did to it
}

func (t *T) newSocket(who string, conn *net.TCPConn, how string) *Socket {
	s := &Socket{link: newLink(t, who, conn, nil)}
	t.rec.mu.Lock()
	s.said = t.rec.outline.socket(who)
	t.rec.add(Event{Who: who, Kind: Connected, Text: fmt.Sprintf("%s, suite at %s, subject at %s", how, s.Local(), s.Remote())})
	t.rec.mu.Unlock()
	t.sockets = append(t.sockets, s)
	t.wg.Go(s.readLoop)
	return s
}

// goneSocket is a socket that the subject reset while it was being connected.
func (t *T) goneSocket(who string) *Socket {
	s := &Socket{link: &link{t: t, who: who, pending: make(chan struct{}, 1), closed: true, end: EndReset, endAt: t.Now()}}
	t.rec.mu.Lock()
	s.said = t.rec.outline.socket(who)
	s.said.end()
	t.rec.add(Event{Who: who, Kind: Connected, Text: "connected"})
	t.rec.add(Event{Who: who, Kind: Reset})
	t.rec.mu.Unlock()
	t.sockets = append(t.sockets, s)
	return s
}

// readLoop takes octets until the stream ends. newSocket starts it; closing the socket ends it.
func (s *Socket) readLoop() {
	buf := make([]byte, 64<<10)
	for {
		n, err := s.Read(buf)
		if n > 0 {
			s.take(buf[:n])
		}
		if err != nil {
			s.readEnded(err)
			s.t.rec.mu.Lock()
			if s.end != EndNone {
				s.said.end()
			}
			s.t.rec.mu.Unlock()
			return
		}
	}
}

func (s *Socket) take(b []byte) {
	s.t.rec.mu.Lock()
	defer s.t.rec.mu.Unlock()
	s.all += len(b)
	s.said.octets(b)
	if !s.sink {
		s.got = append(s.got, b...)
	}
	s.t.rec.add(Event{Who: s.who, Kind: Octets, Size: len(b), Text: wire.Clip(b)})
}

// Write sends octets; it never blocks. They are not copied: they must stay as they are.
func (s *Socket) Write(b []byte) {
	s.t.rec.mu.Lock()
	defer s.t.rec.mu.Unlock()
	s.write(b)
}

// write is Write with mu held.
func (s *Socket) write(b []byte) {
	s.t.rec.add(Event{Who: s.who, Kind: Wrote, Size: len(b), Text: wire.Clip(b), Payload: b})
	s.push(piece{b: b})
}

// Sink forgets what is received, from now on.
func (s *Socket) Sink() {
	s.t.rec.did(s.who, 0, "discards what it reads", "the suite forgets what comes from here")
	s.t.rec.mu.Lock()
	defer s.t.rec.mu.Unlock()
	s.sink, s.got = true, nil
}

// Close closes the socket: in order, unless octets are left unread.
func (s *Socket) Close() { s.shut(Finished) }

// ExpectOctets expects exactly these octets next, and no others before them.
// The deadline is that of the next octets, as for Conn.ExpectData.
func (s *Socket) ExpectOctets(sentence string, want []byte, opts ...Option) {
	x := s.t.expect(sentence, Message, LocalEffect, opts).on(s.who, spec.Step{Expect: "reads"})
	x.octets = want
	var wrong string
	s.t.flows(x.within, func() int { return len(s.got) }, func() bool {
		n := min(len(s.got), len(want))
		if i := firstDifference(s.got[:n], want[:n]); i >= 0 {
			wrong = fmt.Sprintf("octet %d differs: %s where %s was sent", i, wire.Clip(s.got[i:]), wire.Clip(want[i:]))
			return true
		}
		return n == len(want) || s.end != EndNone
	})
	s.t.rec.mu.Lock()
	n, end := len(s.got), s.end
	if wrong == "" && n >= len(want) {
		s.got = s.got[len(want):]
		s.t.rec.mu.Unlock()
		s.t.met(x, s.t.Now())
		return
	}
	s.t.rec.mu.Unlock()
	if wrong == "" {
		wrong = fmt.Sprintf("%d octets, then %s was %v", n, s.who, end)
		if end == EndNone {
			wrong = fmt.Sprintf("%d octets at %s, then nothing within %s", n, s.who, brief(x.within))
		}
	}
	s.t.failed(x, fmt.Sprintf("%d octets %s", len(want), wire.Clip(want)), wrong)
}

func firstDifference(a, b []byte) int {
	if bytes.Equal(a, b) {
		return -1
	}
	for i := range a {
		if a[i] != b[i] {
			return i
		}
	}
	return -1
}

// ExpectEOF expects the end of the stream in order, with no octet before it.
func (s *Socket) ExpectEOF(sentence string, opts ...Option) {
	s.expectEnd(sentence, "reads end of stream", "the end of the stream (FIN)", opts, func(e End) bool { return e == EndFIN })
}

// ExpectReset expects a reset, with no octet before it. Where a system cannot
// reset, closing counts: charge a FIN to the SHOULD that asks for the reset, with For.
func (s *Socket) ExpectReset(sentence string, opts ...Option) {
	s.expectEnd(sentence, "is ended", "a reset (RST)", opts, func(e End) bool { return e == EndReset })
}

// ExpectEnd expects the subject to close or reset the socket, with no octet before it.
func (s *Socket) ExpectEnd(sentence string, opts ...Option) End {
	return s.expectEnd(sentence, "is ended", "the end of the stream, or a reset", opts, func(e End) bool { return e != EndNone })
}

func (s *Socket) expectEnd(sentence, step, want string, opts []Option, ok func(End) bool) End {
	x := s.t.expect(sentence, Ending, LocalEffect, opts).on(s.who, spec.Step{Expect: step})
	s.t.wait(x.within, func() bool { return s.end != EndNone || len(s.got) > 0 })
	s.t.rec.mu.Lock()
	end, at, n, octets := s.end, s.endAt, len(s.got), wire.Clip(s.got)
	s.t.rec.mu.Unlock()
	switch {
	case n > 0:
		s.t.failed(x, want+" and no octet before", fmt.Sprintf("%d octets at %s %s", n, s.who, octets))
	case end == EndNone:
		s.t.failed(x, want, s.who+" is still open after "+brief(x.within))
	case !ok(end):
		s.t.failed(x, want, s.who+" was "+end.String())
	}
	s.t.met(x, at)
	return end
}

// Received is how many octets have come so far.
func (s *Socket) Received() int {
	s.t.rec.mu.Lock()
	defer s.t.rec.mu.Unlock()
	return s.all
}

// Ended is how the subject has ended the socket so far.
func (s *Socket) Ended() End {
	s.t.rec.mu.Lock()
	defer s.t.rec.mu.Unlock()
	return s.end
}
