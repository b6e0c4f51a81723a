package sample

import (
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// ReadSocket asks the kernel about a TCP connection; false when it cannot say.
func ReadSocket(c syscall.Conn) (s Socket, ok bool) {
	raw, err := c.SyscallConn()
	if err != nil {
		return s, false
	}
	var info *unix.TCPInfo
	controlled := raw.Control(func(fd uintptr) { info, err = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO) })
	if controlled != nil || err != nil {
		return s, false
	}
	return Socket{
		RTT: time.Duration(info.Rtt) * time.Microsecond, Variation: time.Duration(info.Rttvar) * time.Microsecond,
		Window: int64(info.Snd_cwnd), Retransmitted: int64(info.Total_retrans),
	}, true
}
