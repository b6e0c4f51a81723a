package engine

import (
	"errors"
	"net"
	"syscall"
)

// narrowControl sets up a socket before it connects or while it listens.
func narrowControl(_, _ string, raw syscall.RawConn) error {
	var size, buffer error
	err := raw.Control(func(fd uintptr) {
		size = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_MAXSEG, 88)
		buffer = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 2<<10)
	})
	return errors.Join(err, size, buffer)
}

func narrowListener(l *net.TCPListener) error {
	raw, err := l.SyscallConn()
	if err != nil {
		return err
	}
	return narrowControl("", "", raw)
}
