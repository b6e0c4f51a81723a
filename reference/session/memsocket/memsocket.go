// Package memsocket connects two ends of a byte stream in memory, with the bounded buffers, the ends and
// the resets of a TCP connection. It is for tests under testing/synctest: waiting on it is durable.
package memsocket

import (
	"io"
	"net"
	"sync"
	"syscall"
)

// Socket is one end. Besides what a session needs of a socket it has Read and Write, for the test's side.
type Socket struct {
	link *link
	in   *stream // what the other end writes
	out  *stream
	gone bool // closed here
}

// link is what both ends share.
type link struct {
	mu      sync.Mutex
	changed sync.Cond
}

// stream is one direction.
type stream struct {
	octets []byte
	limit  int
	ended  bool // no more octets come
	reset  bool // they were cut
	dead   bool // nobody reads them any more
}

// Pipe returns two connected ends. Each direction holds at most limit octets that nobody has read.
func Pipe(limit int) (a, b *Socket) {
	l := &link{}
	l.changed.L = &l.mu
	x, y := &stream{limit: limit}, &stream{limit: limit}
	return &Socket{link: l, in: x, out: y}, &Socket{link: l, in: y, out: x}
}

// ReadReady waits for octets or an end, then borrows a buffer and reads into it.
func (s *Socket) ReadReady(from interface {
	Borrow() []byte
	GiveBack()
},
) (int, error) {
	s.link.mu.Lock()
	defer s.link.mu.Unlock()
	for {
		if n, err := s.readable(); err != nil || n == 0 {
			if err != nil {
				return 0, err
			}
			s.link.changed.Wait()
			continue
		}
		s.link.mu.Unlock()
		b := from.Borrow()
		s.link.mu.Lock()
		if _, err := s.readable(); err != nil { // closed meanwhile
			return 0, err
		}
		return s.take(b), nil
	}
}

// Read waits for octets or an end.
func (s *Socket) Read(b []byte) (int, error) {
	s.link.mu.Lock()
	defer s.link.mu.Unlock()
	for {
		n, err := s.readable()
		if err != nil {
			return 0, err
		}
		if n > 0 || len(b) == 0 {
			return s.take(b), nil
		}
		s.link.changed.Wait()
	}
}

// TryRead reads what is there, which may be nothing.
func (s *Socket) TryRead(b []byte) (int, error) {
	s.link.mu.Lock()
	defer s.link.mu.Unlock()
	if _, err := s.readable(); err != nil {
		return 0, err
	}
	return s.take(b), nil
}

// readable is how many octets can be read now, or why there will be none.
func (s *Socket) readable() (int, error) {
	switch {
	case s.gone:
		return 0, net.ErrClosed
	case len(s.in.octets) > 0:
		return len(s.in.octets), nil
	case s.in.reset:
		return 0, syscall.ECONNRESET
	case s.in.ended:
		return 0, io.EOF
	}
	return 0, nil
}

func (s *Socket) take(b []byte) int {
	n := copy(b, s.in.octets)
	s.in.octets = s.in.octets[n:]
	if len(s.in.octets) == 0 {
		s.in.octets = nil
	}
	s.link.changed.Broadcast()
	return n
}

// TryWrite writes what fits.
func (s *Socket) TryWrite(b []byte) (int, error) {
	s.link.mu.Lock()
	defer s.link.mu.Unlock()
	return s.put(b)
}

// WriteSome waits until something fits.
func (s *Socket) WriteSome(v [][]byte) (int, error) {
	s.link.mu.Lock()
	defer s.link.mu.Unlock()
	for {
		total := 0
		for _, b := range v {
			n, err := s.put(b)
			total += n
			if err != nil {
				return total, err
			}
		}
		if total > 0 {
			return total, nil
		}
		s.link.changed.Wait()
	}
}

// Write waits until all of b is written.
func (s *Socket) Write(b []byte) (total int, err error) {
	for total < len(b) {
		n, err := s.WriteSome([][]byte{b[total:]})
		total += n
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

func (s *Socket) put(b []byte) (int, error) {
	switch {
	case s.gone || s.out.ended && !s.out.reset:
		return 0, net.ErrClosed
	case s.in.reset:
		return 0, syscall.ECONNRESET
	case s.out.dead:
		// As a host that gets octets for a closed socket: it answers with a reset.
		s.in.reset = true
		s.link.changed.Broadcast()
		return 0, syscall.EPIPE
	}
	n := min(len(b), s.out.limit-len(s.out.octets))
	s.out.octets = append(s.out.octets, b[:n]...)
	s.link.changed.Broadcast()
	return n, nil
}

// CloseWrite ends the stream towards the other end.
func (s *Socket) CloseWrite() error {
	s.link.mu.Lock()
	defer s.link.mu.Unlock()
	if s.gone {
		return net.ErrClosed
	}
	s.out.ended = true
	s.link.changed.Broadcast()
	return nil
}

// Close closes this end. With octets unread the other end sees a reset, as with TCP.
func (s *Socket) Close() error {
	s.link.mu.Lock()
	defer s.link.mu.Unlock()
	if s.gone {
		return net.ErrClosed
	}
	s.end(len(s.in.octets) > 0)
	return nil
}

// Abort closes this end so that the other sees a reset.
func (s *Socket) Abort() {
	s.link.mu.Lock()
	defer s.link.mu.Unlock()
	if !s.gone {
		s.end(true)
	}
}

func (s *Socket) end(reset bool) {
	s.gone = true
	s.out.ended = true
	s.out.reset = s.out.reset || reset
	s.in.dead = true
	s.in.octets = nil
	s.link.changed.Broadcast()
}

// Unread is how many octets this end has written that the other has not read.
func (s *Socket) Unread() int {
	s.link.mu.Lock()
	defer s.link.mu.Unlock()
	return len(s.out.octets)
}
