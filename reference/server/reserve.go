package server

import (
	"errors"
	"net"
	"os"
	"sync"
	"syscall"
)

// reserved is how many descriptors are kept for tunnels, the API and the refusal of visitors.
const reserved = 16

// reserve holds descriptors, so that a process which has used up all others can still accept. Visitors are served
// only while it is full: whatever becomes free goes to it first, and so to tunnels and the API.
// Safe for use from any number of goroutines.
type reserve struct {
	mu     sync.Mutex // guards the following fields
	spare  []*os.File
	closed bool
}

// fill takes what is missing, and reports whether nothing is any more.
func (r *reserve) fill() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.spare) < reserved && !r.closed {
		f, err := os.Open(os.DevNull)
		if err != nil {
			return false
		}
		r.spare = append(r.spare, f)
	}
	return true
}

// draw gives one descriptor up to whoever needs it next, and reports whether there was one.
func (r *reserve) draw() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := len(r.spare)
	if n == 0 {
		return false
	}
	r.spare[n-1].Close()
	r.spare = r.spare[:n-1]
	return true
}

// close gives everything up.
func (r *reserve) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, f := range r.spare {
		f.Close()
	}
	r.spare, r.closed = nil, true
}

// accept accepts from l, at the limit of descriptors with one of the reserve.
func (r *reserve) accept(l *net.TCPListener) (*net.TCPConn, error) {
	for {
		conn, err := l.AcceptTCP()
		if err == nil || !exhausted(err) || !r.draw() {
			return conn, err
		}
	}
}

// exhausted reports whether an error says that the process, or the system, has no descriptor left.
func exhausted(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}

// apiListener is the API's: it may use the reserve.
type apiListener struct {
	*net.TCPListener
	reserve *reserve
}

// Accept is what http.Server calls.
func (l apiListener) Accept() (net.Conn, error) {
	l.reserve.fill()
	return l.reserve.accept(l.TCPListener)
}
