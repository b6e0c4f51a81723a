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

// reserve binds addr without listening: dials are refused, and nobody else gets the port until release.
func reserve(addr *net.TCPAddr) (release func(), err error) {
	family, at := syscall.AF_INET6, syscall.Sockaddr(&syscall.SockaddrInet6{Port: addr.Port, Addr: [16]byte(addr.IP.To16())})
	if ip := addr.IP.To4(); ip != nil {
		family, at = syscall.AF_INET, &syscall.SockaddrInet4{Port: addr.Port, Addr: [4]byte(ip)}
	}
	fd, err := syscall.Socket(family, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	if err := syscall.Bind(fd, at); err != nil {
		_ = syscall.Close(fd)
		return nil, err
	}
	return func() { _ = syscall.Close(fd) }, nil
}
