package engine

import (
	"net"
	"strconv"

	"github.com/adit-tunnel/adit/spec"
)

// A Service is what a client subject dials, with a behaviour of the case's
// choice. Host and Port are what a ConnectRequest names.
type Service struct {
	Addr string // host:port
	Host string
	Port uint16

	t        *T
	listener net.Listener
	plugs    map[string]bool // addresses of the suite's own connections that fill the queue
	accepts  bool

	// The recorder's mu guards the following.
	waiting []*net.TCPConn // accepted, not yet taken
}

// Service is the case's service: the first that it has, whose behaviour is
// then decided; without one, it accepts. What is accepted is handed to Accept.
func (t *T) Service() *Service {
	if t.service == nil {
		return t.Accepting()
	}
	return t.service
}

// Accepting is a service that accepts.
func (t *T) Accepting() *Service {
	s := t.newService()
	s.accepts = true
	s.does("service accepts", "accepts")
	t.wg.Go(s.acceptLoop)
	return s
}

// newService is a service at the target address, or, for a further one, at a port beside it.
func (t *T) newService() *Service {
	s := &Service{t: t, listener: t.target}
	if t.service == nil {
		t.service = s
	} else {
		host, _, _ := net.SplitHostPort(t.At.Target)
		l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
		if err != nil {
			t.Inconclusive("no further service could be opened: %v", err)
		}
		t.closers = append(t.closers, func() { _ = l.Close() })
		s.listener = l
	}
	s.Addr = s.listener.Addr().String()
	host, port, err := net.SplitHostPort(s.Addr)
	if err != nil {
		panic("engine: internal error: service " + err.Error())
	}
	p, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		panic("engine: internal error: service port " + err.Error())
	}
	s.Host, s.Port = host, uint16(p)
	return s
}

// does notes what dials meet from now on; a dialogue knows it by the request that leads there.
func (s *Service) does(event, words string) {
	s.t.rec.mu.Lock()
	defer s.t.rec.mu.Unlock()
	s.t.rec.add(Event{Who: "service", Kind: Note, Text: s.Addr + " " + words, Step: &spec.Step{
		Event: event, Frame: &spec.Decoded{Host: &s.Host, Port: &s.Port},
	}})
}

// Refusing is a service at which nothing listens: dials are refused.
func (t *T) Refusing() *Service {
	s := t.newService()
	_ = s.listener.Close()
	release, err := reserve(s.listener.Addr().(*net.TCPAddr))
	if err != nil {
		t.Inconclusive("the service's port could not be kept free: %v", err)
	}
	t.closers = append(t.closers, release)
	s.does("service refuses", "refuses")
	return s
}

// Tarpit is a service with a full accept queue: dials hang, until Drain.
func (t *T) Tarpit() *Service {
	s := t.newService()
	plugs, err := plug(s.listener.(*net.TCPListener))
	s.plugs = map[string]bool{}
	for _, c := range plugs {
		s.plugs[c.LocalAddr().String()] = true
		t.closers = append(t.closers, func() { _ = c.Close() })
	}
	if err != nil {
		t.Inconclusive("no service whose dials hang could be made here: %v", err)
	}
	s.does("service does not answer", "does not accept: dials hang")
	return s
}

// Drain makes a tarpit accept: dials that hang get through when their system tries again.
func (s *Service) Drain() {
	s.accepts = true
	s.does("service accepts", "accepts from now on")
	s.t.wg.Go(s.acceptLoop)
}

// Accepts reports whether dials are accepted.
func (s *Service) Accepts() bool { return s.accepts }

// acceptLoop accepts until the listener is closed. Service or Drain starts it, T.finish ends it.
func (s *Service) acceptLoop() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		if s.plugs[conn.RemoteAddr().String()] {
			continue // T.finish closes the other end
		}
		s.t.rec.mu.Lock()
		s.waiting = append(s.waiting, conn.(*net.TCPConn))
		s.t.rec.wake()
		s.t.rec.mu.Unlock()
	}
}

// Accept waits for the subject's next dial.
func (s *Service) Accept(sentence string, opts ...Option) *Socket {
	who := s.t.nextLocal("service")
	x := s.t.expect(sentence, Message, LocalEffect, opts).on(who, spec.Step{Expect: "is dialled"})
	var conn *net.TCPConn
	var refusal Frame
	turnedDown := false
	s.t.wait(x.within, func() bool {
		if len(s.waiting) > 0 {
			conn, s.waiting = s.waiting[0], s.waiting[1:]
			return true
		}
		refusal, turnedDown = s.turnedDown()
		return turnedDown
	})
	switch {
	case conn != nil:
	case turnedDown:
		s.t.failed(x, "a connection to the service at "+s.Addr, refusal.String())
	default:
		s.t.failed(x, "a connection to the service at "+s.Addr, "none within "+brief(x.within))
	}
	s.t.met(x, s.t.Now())
	return s.t.newSocket(who, conn, "accepted")
}
