package engine

import (
	"errors"
	"net"
	"syscall"
	"time"
)

// plug fills the accept queue of l, so that further dials hang: it shrinks
// the queue, and connects until a connection is not established.
func plug(l *net.TCPListener) ([]net.Conn, error) {
	raw, err := l.SyscallConn()
	if err != nil {
		return nil, err
	}
	var shrink error
	if err := raw.Control(func(fd uintptr) { shrink = syscall.Listen(int(fd), 0) }); err != nil || shrink != nil {
		return nil, errors.Join(err, shrink)
	}
	var plugs []net.Conn
	for range 8 {
		c, err := net.DialTimeout("tcp", l.Addr().String(), 300*time.Millisecond)
		if err != nil {
			return plugs, nil
		}
		plugs = append(plugs, c)
	}
	return plugs, errors.New("the accept queue does not fill up")
}
