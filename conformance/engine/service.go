package engine

import (
	"net"
	"strconv"
)

// A Service is what a client subject dials: the target address, with a
// behaviour of the case's choice. Host and Port are what a ConnectRequest names.
type Service struct {
	Addr string // host:port
	Host string
	Port uint16

	t     *T
	plugs map[string]bool // addresses of the suite's own connections that fill the queue

	// The recorder's mu guards the following.
	waiting []*net.TCPConn // accepted, not yet taken
}

// Service serves the target address: whatever is accepted is handed to Accept.
// The first call decides the behaviour for the case.
func (t *T) Service() *Service {
	if t.service == nil {
		t.service = t.newService()
		t.serves("accepts")
		t.wg.Go(t.service.acceptLoop)
	}
	return t.service
}

func (t *T) newService() *Service {
	host, port, err := net.SplitHostPort(t.At.Target)
	if err != nil {
		panic("engine: internal error: target " + err.Error())
	}
	p, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		panic("engine: internal error: target port " + err.Error())
	}
	return &Service{Addr: t.At.Target, Host: host, Port: uint16(p), t: t}
}

// Refusing is the target address with nothing listening: dials are refused.
func (t *T) Refusing() *Service {
	if t.service != nil {
		panic("engine: internal error: the case serves its target already")
	}
	t.service = t.newService()
	t.serves("refuses")
	_ = t.target.Close()
	release, err := reserve(t.target.Addr().(*net.TCPAddr))
	if err != nil {
		t.Inconclusive("the target's port could not be kept free: %v", err)
	}
	t.closers = append(t.closers, release)
	t.rec.note("service", "%s refuses", t.service.Addr)
	return t.service
}

// Tarpit is the target address with a full accept queue: dials hang, until Drain.
func (t *T) Tarpit() *Service {
	if t.service != nil {
		panic("engine: internal error: the case serves its target already")
	}
	plugs, err := plug(t.target.(*net.TCPListener))
	skip := map[string]bool{}
	for _, c := range plugs {
		skip[c.LocalAddr().String()] = true
		t.closers = append(t.closers, func() { _ = c.Close() })
	}
	if err != nil {
		t.Inconclusive("no target whose dials hang could be made here: %v", err)
	}
	t.service = t.newService()
	t.serves("hangs")
	t.service.plugs = skip
	t.rec.note("service", "%s does not accept: dials hang", t.service.Addr)
	return t.service
}

// Drain makes a tarpit accept: dials that hang get through when their system tries again.
func (s *Service) Drain() {
	s.t.serves("drains")
	s.t.rec.note("service", "%s accepts from now on", s.Addr)
	s.t.wg.Go(s.acceptLoop)
}

// acceptLoop accepts until the listener is closed. Service or Drain starts it, T.finish ends it.
func (s *Service) acceptLoop() {
	for {
		conn, err := s.t.target.Accept()
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
	x := s.t.expect(sentence, Message, LocalEffect, opts)
	who := s.t.nextLocal("service")
	s.t.awaits(x, Step{Do: "accept", On: who})
	var conn *net.TCPConn
	s.t.wait(x.within, func() bool {
		if len(s.waiting) > 0 {
			conn, s.waiting = s.waiting[0], s.waiting[1:]
		}
		return conn != nil
	})
	if conn == nil {
		s.t.failed(x, "a connection to the service at "+s.Addr, "none within "+brief(x.within))
	}
	return s.t.newSocket(who, conn, "accepted")
}
