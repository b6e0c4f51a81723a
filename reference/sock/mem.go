package sock

import (
	"io"
	"net"
	"sync"
	"syscall"
)

// Mem is one end of a byte stream in memory, with the bounded buffers, the ends and the resets of a TCP
// connection. Waiting on it is durable under testing/synctest. Besides what a Socket has it can be told to write
// little at a time, or to fail.
type Mem struct {
	pipe *pipe
	in   *stream // what the other end writes
	out  *stream
	gone bool  // closed here
	most int   // bytes that one call writes; 0: all that fit
	fail error // of the next write call
}

// pipe is what both ends share.
type pipe struct {
	mu      sync.Mutex // guards both ends and both streams
	changed sync.Cond
}

// stream is one direction.
type stream struct {
	bytes []byte
	limit int
	ended bool // no more bytes come
	reset bool // they were cut
	dead  bool // nobody reads them any more
}

// Pipe returns two connected ends. Each direction holds at most limit bytes that nobody has read.
func Pipe(limit int) (a, b *Mem) {
	p := &pipe{}
	p.changed.L = &p.mu
	x, y := &stream{limit: limit}, &stream{limit: limit}
	return &Mem{pipe: p, in: x, out: y}, &Mem{pipe: p, in: y, out: x}
}

// Read waits for bytes or an end, then borrows a buffer and reads into it.
func (m *Mem) Read(pool *Pool, size int) (*Buf, error) {
	m.pipe.mu.Lock()
	defer m.pipe.mu.Unlock()
	if err := m.waitReadable(); err != nil {
		return nil, err
	}
	b := pool.Get(size)
	b.w += m.take(b.space(size))
	return b, nil
}

// waitReadable waits until there are bytes to read, or returns why there will be none.
func (m *Mem) waitReadable() error {
	for {
		if n, err := m.readable(); n > 0 || err != nil {
			return err
		}
		m.pipe.changed.Wait()
	}
}

// readable is how many bytes can be read now, or why there will be none.
func (m *Mem) readable() (int, error) {
	switch {
	case m.gone:
		return 0, net.ErrClosed
	case len(m.in.bytes) > 0:
		return len(m.in.bytes), nil
	case m.in.reset:
		return 0, syscall.ECONNRESET
	case m.in.ended:
		return 0, io.EOF
	}
	return 0, nil
}

func (m *Mem) take(b []byte) int {
	n := copy(b, m.in.bytes)
	if m.in.bytes = m.in.bytes[n:]; len(m.in.bytes) == 0 {
		m.in.bytes = nil
	}
	if n > 0 {
		m.pipe.changed.Broadcast()
	}
	return n
}

// TryWrite writes what fits.
func (m *Mem) TryWrite(b []byte) (int, error) {
	m.pipe.mu.Lock()
	defer m.pipe.mu.Unlock()
	return m.put([][]byte{b})
}

// WriteSome waits until something fits.
func (m *Mem) WriteSome(v [][]byte) (int, error) {
	m.pipe.mu.Lock()
	defer m.pipe.mu.Unlock()
	for {
		if n, err := m.put(v); n > 0 || err != nil {
			return n, err
		}
		m.pipe.changed.Wait()
	}
}

// put writes what fits of v, and no more than one call may.
func (m *Mem) put(v [][]byte) (total int, err error) {
	switch {
	case m.fail != nil:
		err, m.fail = m.fail, nil
		return 0, err
	case m.gone || m.out.ended && !m.out.reset:
		return 0, net.ErrClosed
	case m.in.reset:
		return 0, syscall.ECONNRESET
	case m.out.dead:
		// As a host that gets bytes for a closed socket: it answers with a reset.
		m.in.reset = true
		m.pipe.changed.Broadcast()
		return 0, syscall.EPIPE
	}
	room := m.out.limit - len(m.out.bytes)
	if m.most > 0 {
		room = min(room, m.most)
	}
	for _, b := range v {
		n := min(len(b), room-total)
		m.out.bytes = append(m.out.bytes, b[:n]...)
		total += n
	}
	if total > 0 {
		m.pipe.changed.Broadcast()
	}
	return total, nil
}

// WriteAtMost makes every write call from now on take no more than n bytes, as a full kernel buffer that
// empties between two calls does: a part, and then more. 0: all that fit.
func (m *Mem) WriteAtMost(n int) {
	m.pipe.mu.Lock()
	defer m.pipe.mu.Unlock()
	m.most = n
	m.pipe.changed.Broadcast()
}

// FailWrite makes the next write call, a pending one included, fail with err.
func (m *Mem) FailWrite(err error) {
	m.pipe.mu.Lock()
	defer m.pipe.mu.Unlock()
	m.fail = err
	m.pipe.changed.Broadcast()
}

// SetLimit changes how many unread bytes the direction away from this end holds.
func (m *Mem) SetLimit(limit int) {
	m.pipe.mu.Lock()
	defer m.pipe.mu.Unlock()
	m.out.limit = limit
	m.pipe.changed.Broadcast()
}

// Err returns ECONNRESET once the other end has reset the connection.
func (m *Mem) Err() error {
	m.pipe.mu.Lock()
	defer m.pipe.mu.Unlock()
	switch {
	case m.gone:
		return net.ErrClosed
	case m.in.reset:
		return syscall.ECONNRESET
	}
	return nil
}

// CloseWrite ends the stream towards the other end.
func (m *Mem) CloseWrite() error {
	m.pipe.mu.Lock()
	defer m.pipe.mu.Unlock()
	if m.gone {
		return net.ErrClosed
	}
	m.out.ended = true
	m.pipe.changed.Broadcast()
	return nil
}

// Close closes this end. With bytes unread the other end sees a reset, as with TCP.
func (m *Mem) Close() error {
	m.pipe.mu.Lock()
	defer m.pipe.mu.Unlock()
	if m.gone {
		return net.ErrClosed
	}
	m.end(len(m.in.bytes) > 0)
	return nil
}

// Reset closes this end so that the other sees a reset.
func (m *Mem) Reset() {
	m.pipe.mu.Lock()
	defer m.pipe.mu.Unlock()
	if !m.gone {
		m.end(true)
	}
}

func (m *Mem) end(reset bool) {
	m.gone = true
	m.out.ended = true
	m.out.reset = m.out.reset || reset
	m.in.dead = true
	m.in.bytes = nil
	m.pipe.changed.Broadcast()
}

// Stream is an end in memory for those who read and write slices, like a test that plays the peer.
type Stream struct{ *Mem }

// Stream returns m as a Stream.
func (m *Mem) Stream() Stream { return Stream{m} }

// Read waits for bytes or an end.
func (s Stream) Read(b []byte) (int, error) {
	s.pipe.mu.Lock()
	defer s.pipe.mu.Unlock()
	if err := s.waitReadable(); err != nil {
		return 0, err
	}
	return s.take(b), nil
}

// TryRead reads what is there, which may be nothing.
func (s Stream) TryRead(b []byte) (int, error) {
	s.pipe.mu.Lock()
	defer s.pipe.mu.Unlock()
	if _, err := s.readable(); err != nil {
		return 0, err
	}
	return s.take(b), nil
}

// Write waits until all of b is written.
func (s Stream) Write(b []byte) (total int, err error) {
	for total < len(b) && err == nil {
		var n int
		n, err = s.WriteSome([][]byte{b[total:]})
		total += n
	}
	return total, err
}
