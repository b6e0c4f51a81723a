//go:build unix

package forward

import (
	"io"
	"net"
	"os"
	"syscall"
)

// reader reads src into a borrowed buffer only once there is something to read, so that an idle connection
// holds none.
type reader struct {
	raw syscall.RawConn
	try func(fd uintptr) bool // readNow, bound once: binding it for each read would allocate

	// The result of the last readNow.
	buf *[bufferSize]byte
	n   int
	err error
}

func (r *reader) init(src *net.TCPConn) (err error) {
	r.try = r.readNow
	r.raw, err = src.SyscallConn()
	return err
}

// read waits for octets and returns them as buf[:n], with [io.EOF] at the end of the stream. A buffer that
// is not nil goes back to buffers by the caller.
func (r *reader) read() (buf *[bufferSize]byte, n int, err error) {
	r.buf, r.n, r.err = nil, 0, nil
	err = r.raw.Read(r.try)
	switch {
	case err != nil:
	case r.err != nil:
		err = os.NewSyscallError("read", r.err)
	case r.n == 0:
		err = io.EOF
	}
	return r.buf, r.n, err
}

// readNow is the callback of [syscall.RawConn]: one read that does not block. False gives the buffer back
// and waits until the socket is readable.
func (r *reader) readNow(fd uintptr) bool {
	r.buf = buffers.Get().(*[bufferSize]byte)
	for {
		r.n, r.err = syscall.Read(int(fd), r.buf[:])
		if r.err != syscall.EINTR {
			break
		}
	}
	if r.err != syscall.EAGAIN {
		return true
	}
	buffers.Put(r.buf)
	r.buf = nil
	return false
}
