package peer

import (
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// unmet are the transports whose TLS handshake is not over (TLS-010).
type unmet struct {
	bound  bool // there are no more of them than may be
	keeps  bool // each has its seat for seatKept
	crowds bool // one address may have them all

	mu    sync.Mutex // guards the following
	taken []*seat    // the oldest first
}

type seat struct {
	sock  net.Conn
	from  netip.Addr
	since time.Time
}

// take gives the transport of a new tunnel a seat until leave is called. Where there is none the oldest makes room,
// of the same address if that has too many; ok is false if it came too lately.
func (s *unmet) take(sock net.Conn) (leave func(), ok bool) {
	mine := &seat{sock, sock.RemoteAddr().(*net.TCPAddr).AddrPort().Addr().Unmap(), time.Now()}
	s.mu.Lock()
	defer s.mu.Unlock()
	same := func(o *seat) bool { return o.from == mine.from }
	beside := 0
	for _, o := range s.taken {
		if same(o) {
			beside++
		}
	}
	goes := -1
	switch {
	case !s.bound:
	case beside >= seatsAddress && !s.crowds:
		goes = slices.IndexFunc(s.taken, same)
	case len(s.taken) >= seats:
		goes = 0
	}
	if goes >= 0 {
		if s.keeps && time.Since(s.taken[goes].since) < seatKept {
			return nil, false
		}
		_ = s.taken[goes].sock.Close()
		s.taken = slices.Delete(s.taken, goes, goes+1)
	}
	s.taken = append(s.taken, mine)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.taken = slices.DeleteFunc(s.taken, func(o *seat) bool { return o == mine })
	}, true
}
