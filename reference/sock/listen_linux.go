package sock

import (
	"cmp"
	"net"
	"syscall"
	"time"
)

// What is accepted has the options of the socket that listens: a visitor costs no call for them.
var listenConfig = net.ListenConfig{KeepAlive: -1, Control: func(_, _ string, raw syscall.RawConn) error {
	var err error
	set := func(fd uintptr) {
		option := func(level, name, value int) error { return syscall.SetsockoptInt(int(fd), level, name, value) }
		err = cmp.Or(
			option(syscall.SOL_SOCKET, syscall.SO_KEEPALIVE, 1),
			option(syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE, int(keepAlive.Idle/time.Second)),
			option(syscall.IPPROTO_TCP, syscall.TCP_KEEPINTVL, int(keepAlive.Interval/time.Second)),
			option(syscall.IPPROTO_TCP, syscall.TCP_KEEPCNT, keepAlive.Count),
		)
	}
	return cmp.Or(raw.Control(set), err)
}}
