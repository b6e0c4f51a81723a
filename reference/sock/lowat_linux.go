package sock

import "syscall"

const tcpNotsentLowat = 25

// LimitUnsent bounds how many bytes the system takes that it cannot send yet. It fails only on a socket that is closed.
func (t *TCP) LimitUnsent(n int) {
	t.raw.Control(func(fd uintptr) { syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpNotsentLowat, n) })
}
