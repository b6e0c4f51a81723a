//go:build unix

package session

import (
	"io"
	"net"
	"os"
	"syscall"
)

// tcpSocket reads and writes a non-blocking descriptor through the runtime's poller, so that a read
// borrows its buffer only when there is something to read.
type tcpSocket struct {
	conn *net.TCPConn
	raw  syscall.RawConn

	// One read at a time; the function is made once, as a method value on the path would allocate.
	read    func(fd uintptr) bool
	from    Lender
	readN   int
	readErr error

	// One write at a time.
	write    func(fd uintptr) bool
	out      [][]byte
	one      [1][]byte
	wait     bool
	writeN   int
	writeErr error
}

func newTCP(conn *net.TCPConn) (Socket, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	t := &tcpSocket{conn: conn, raw: raw}
	t.read, t.write = t.readOnce, t.writeOnce
	return t, nil
}

func (t *tcpSocket) ReadReady(from Lender) (int, error) {
	t.from, t.readN, t.readErr = from, 0, nil
	if err := t.raw.Read(t.read); err != nil {
		return 0, err
	}
	return t.readN, t.readErr
}

// readOnce reads if there is something to read, else asks to be called again when there is.
func (t *tcpSocket) readOnce(fd uintptr) bool {
	n, err := sysRead(fd, t.from.Borrow())
	switch {
	case err == syscall.EAGAIN:
		t.from.GiveBack()
		return false
	case err != nil:
		t.readErr = os.NewSyscallError("read", err)
	case n == 0:
		t.readErr = io.EOF
	}
	t.readN = max(n, 0)
	return true
}

func (t *tcpSocket) TryWrite(b []byte) (int, error) {
	t.one[0] = b
	n, err := t.start(t.one[:], false)
	t.one[0] = nil
	return n, err
}

func (t *tcpSocket) WriteSome(v [][]byte) (int, error) { return t.start(v, true) }

func (t *tcpSocket) start(v [][]byte, wait bool) (int, error) {
	t.out, t.wait, t.writeN, t.writeErr = v, wait, 0, nil
	err := t.raw.Write(t.write)
	t.out = nil
	if err != nil {
		return 0, err
	}
	return t.writeN, t.writeErr
}

// writeOnce writes what fits. If that is nothing it asks to be called again, if the caller waits.
func (t *tcpSocket) writeOnce(fd uintptr) bool {
	n, err := sysWrite(fd, t.out)
	if err == syscall.EAGAIN {
		return !t.wait
	}
	if err != nil {
		t.writeErr = os.NewSyscallError("write", err)
	}
	t.writeN = max(n, 0)
	return true
}

func (t *tcpSocket) CloseWrite() error { return t.conn.CloseWrite() }
func (t *tcpSocket) Close() error      { return t.conn.Close() }
func (t *tcpSocket) Abort()            { abortTCP(t.conn) }
