//go:build unix

package peer

import "syscall"

// socketError is the error that a socket has and nobody has read: a reset by its peer.
func socketError(fd uintptr) (int, error) {
	return syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_ERROR)
}
