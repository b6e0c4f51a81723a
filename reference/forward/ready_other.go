//go:build !unix

package forward

import "net"

// reader reads src by ordinary reads, which hold the borrowed buffer while they wait.
type reader struct{ src *net.TCPConn }

func (r *reader) init(src *net.TCPConn) error {
	r.src = src
	return nil
}

// read waits for octets and returns them as buf[:n], with [io.EOF] at the end of the stream. A buffer that
// is not nil goes back to buffers by the caller.
func (r *reader) read() (buf *[bufferSize]byte, n int, err error) {
	buf = buffers.Get().(*[bufferSize]byte)
	n, err = r.src.Read(buf[:])
	return buf, n, err
}
