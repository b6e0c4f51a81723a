package server

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"
)

// comeBack is how long a visitor of a server that was handed its sockets waits for a client: both were here before, and the
// visitor cannot know that the server is another one.
const comeBack = 10 * time.Second

// handed are listening sockets that the process was started with. Who opened them keeps them open while one server ends and
// the next one starts: whoever connects meanwhile waits, and nobody is refused. A port that is closed and opened again finds its
// own again.
type handed map[netip.AddrPort]*os.File

func newHanded(files []*os.File) (handed, error) {
	h := handed{}
	for _, f := range files {
		l, err := net.FileListener(f)
		if err != nil {
			return nil, fmt.Errorf("socket %s, with which the process was started (LISTEN_FDS), does not listen: %w; correct what starts it", f.Name(), err)
		}
		_, ok := l.(*net.TCPListener)
		l.Close() // which f outlives
		if !ok {
			return nil, fmt.Errorf("socket %s, with which the process was started (LISTEN_FDS), listens on %s, which is not TCP; take it out of what starts the process", f.Name(), l.Addr())
		}
		h[addrPort(l.Addr())] = f
	}
	return h, nil
}

// find is the socket for a port of host (empty: every address); nil when there is none.
func (h handed) find(host string, port int) *os.File {
	for addr, f := range h {
		asked, err := netip.ParseAddr(host)
		same := err == nil && asked.Unmap() == addr.Addr() || host == "" && addr.Addr().IsUnspecified() || host == "localhost" && addr.Addr().IsLoopback()
		if same && int(addr.Port()) == port {
			return f
		}
	}
	return nil
}

func (h handed) close() {
	for _, f := range h {
		f.Close()
	}
}

// listen is the listener of a port of host: on a socket that was handed over, or else on a new one.
func (s *Server) listen(host string, port int) (*net.TCPListener, error) {
	f := s.handed.find(host, port)
	if f == nil {
		return listen(host, port)
	}
	l, err := net.FileListener(f)
	if err != nil {
		return nil, fmt.Errorf("%d: cannot use the socket that the process was started with: %w", port, err)
	}
	return l.(*net.TCPListener), nil // as newHanded has seen
}

// arrivals wakes who waits for a tunnel. Safe for use from any number of goroutines.
type arrivals struct {
	mu   sync.Mutex
	next chan struct{} // guarded by mu; nil: nobody waits
}

// wait is closed at the next arrival.
func (a *arrivals) wait() <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.next == nil {
		a.next = make(chan struct{})
	}
	return a.next
}

func (a *arrivals) tell() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.next != nil {
		close(a.next)
		a.next = nil
	}
}

// beginWait begins the time in which visitors wait for clients.
func (s *Server) beginWait() {
	s.waiting, s.endWait = context.WithTimeout(s.learning, comeBack)
	if len(s.handed) == 0 {
		s.endWait()
	}
}

// mayWait reports whether a visitor has no tunnel, and one may come.
func (s *Server) mayWait(v *visit) bool {
	if s.waiting.Err() != nil || !v.terms.mapping.UseTunnel || s.tunnelListener == nil {
		return false
	}
	t, _ := s.chooseTunnel(v)
	return t == nil
}

// awaitTunnel returns when a tunnel can serve a visitor, or the time for that is over.
func (s *Server) awaitTunnel(v *visit) {
	for {
		arrived := s.arrivals.wait()
		if !s.mayWait(v) {
			return
		}
		select {
		case <-arrived:
		case <-s.waiting.Done():
		}
	}
}
