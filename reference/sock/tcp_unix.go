//go:build unix

package sock

import (
	"cmp"
	"io"
	"os"
	"syscall"
)

// system reads and writes a non-blocking descriptor through the runtime's poller, so that a read borrows
// its buffer only when there is something to read.
type system struct {
	raw syscall.RawConn

	// One read at a time; the function is made once, as a method value on the path would allocate.
	read    func(fd uintptr) bool
	pool    *Pool
	size    int
	in      *Buf
	readErr error
	splices bool // into a pipe

	// One write at a time.
	write    func(fd uintptr) bool
	out      [][]byte
	one      [1][]byte
	wait     bool
	written  int
	writeErr error
	piped    *Buf // in the place of out
	more     bool // follows
}

func (s *system) init(conn syscall.Conn) (err error) {
	s.read, s.write = s.readNow, s.writeNow
	s.raw, err = conn.SyscallConn()
	return err
}

// Read waits until there is something to read, and borrows a buffer for it.
func (s *system) Read(pool *Pool, size int) (*Buf, error) {
	s.pool, s.size, s.in, s.readErr = pool, size, nil, nil
	if err := s.raw.Read(s.read); err != nil {
		return nil, err
	}
	b := s.in
	s.in = nil
	return b, s.readErr
}

// readNow reads if there is something to read, else asks to be called again when there is.
func (s *system) readNow(fd uintptr) bool {
	if s.splices {
		return s.spliceNow(fd)
	}
	b := s.pool.Get(s.size)
	n, err := sysRead(fd, b.space(s.size))
	if n > 0 {
		b.w += n
		s.in = b
		return true
	}
	b.Release()
	switch err {
	case syscall.EAGAIN:
		return false
	case nil:
		s.readErr = io.EOF
	default:
		s.readErr = os.NewSyscallError("read", err)
	}
	return true
}

// TryWrite writes what the descriptor takes at once.
func (s *system) TryWrite(b []byte) (int, error) {
	s.one[0] = b
	n, err := s.start(s.one[:], false)
	s.one[0] = nil
	return n, err
}

// Err asks the descriptor.
func (s *system) Err() (failed error) {
	err := s.raw.Control(func(fd uintptr) {
		switch n, err := syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_ERROR); {
		case err != nil:
			failed = os.NewSyscallError("getsockopt", err)
		case n != 0:
			failed = syscall.Errno(n)
		}
	})
	return cmp.Or(err, failed)
}

// WriteSome waits until the descriptor takes something.
func (s *system) WriteSome(v [][]byte) (int, error) { return s.start(v, true) }

func (s *system) start(v [][]byte, wait bool) (int, error) {
	s.out, s.wait, s.written, s.writeErr = v, wait, 0, nil
	err := s.raw.Write(s.write)
	s.out = nil
	if err != nil {
		return 0, err
	}
	return s.written, s.writeErr
}

// writeNow writes what fits. If that is nothing it asks to be called again, if the caller waits.
func (s *system) writeNow(fd uintptr) bool {
	n, err := s.sysWrite(fd)
	if err == syscall.EAGAIN {
		return !s.wait
	}
	if err != nil {
		s.writeErr = os.NewSyscallError("write", err)
	}
	s.written = max(n, 0)
	return true
}
