package engine

import "fmt"

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
