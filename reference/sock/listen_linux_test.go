package sock

import (
	"net"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// Both ends of a connection are reset when the process ends, do not wait to fill a packet, and find out that a peer has
// vanished; but for that to a peer on this machine nothing is asked.
func TestOptions(t *testing.T) {
	l, err := Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	near, err := Dial(t.Context(), l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer near.Close()
	conn, err := l.AcceptTCP()
	if err != nil {
		t.Fatal(err)
	}
	far, err := NewTCP(conn)
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	type options struct{ linger, wait, noDelay, keepAlive, idle, interval, count int }
	for name, tt := range map[string]struct {
		conn *net.TCPConn
		want options
	}{
		"accepted": {far.Conn, options{1, 0, 1, 1, 15, 15, 4}},
		"dialled":  {near.Conn, options{linger: 1, noDelay: 1}},
	} {
		raw, err := tt.conn.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		var got options
		raw.Control(func(fd uintptr) {
			linger, err := unix.GetsockoptLinger(int(fd), syscall.SOL_SOCKET, syscall.SO_LINGER)
			if err != nil {
				t.Fatal(err)
			}
			option := func(level, name int) int {
				v, err := syscall.GetsockoptInt(int(fd), level, name)
				if err != nil {
					t.Fatal(err)
				}
				return v
			}
			got = options{int(linger.Onoff), int(linger.Linger), option(syscall.IPPROTO_TCP, syscall.TCP_NODELAY), option(syscall.SOL_SOCKET, syscall.SO_KEEPALIVE), 0, 0, 0}
			if got.keepAlive == 1 {
				got.idle, got.interval, got.count = option(syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE), option(syscall.IPPROTO_TCP, syscall.TCP_KEEPINTVL), option(syscall.IPPROTO_TCP, syscall.TCP_KEEPCNT)
			}
		})
		if got != tt.want {
			t.Errorf("%s: %+v; want %+v", name, got, tt.want)
		}
	}
}
