//go:build !unix

package sock

import "net"

// system is for systems without non-blocking calls on descriptors: reads hold a buffer while they wait, and
// every write is left to a goroutine that may wait.
type system struct{ conn net.Conn }

func (s *system) init(conn net.Conn) error {
	s.conn = conn
	return nil
}

// Read reads into a buffer that it holds while it waits.
func (s *system) Read(pool *Pool, size int) (*Buf, error) {
	b := pool.Get(size)
	n, err := s.conn.Read(b.space(size))
	if n == 0 {
		b.Release()
		return nil, err
	}
	b.w += n
	return b, nil
}

// TryWrite takes nothing.
func (s *system) TryWrite([]byte) (int, error) { return 0, nil }

// Err does not know.
func (s *system) Err() error { return nil }

// WriteSome writes the first of v.
func (s *system) WriteSome(v [][]byte) (int, error) { return s.conn.Write(v[0]) }
