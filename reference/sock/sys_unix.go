//go:build unix && !linux

package sock

import "syscall"

// sysRead reads from a non-blocking descriptor into b, which is not empty.
func sysRead(fd uintptr, b []byte) (int, error) {
	for {
		n, err := syscall.Read(int(fd), b)
		if err != syscall.EINTR {
			return n, err
		}
	}
}

// sysWrite writes the first buffer of v to a non-blocking descriptor.
func sysWrite(fd uintptr, v [][]byte) (int, error) {
	for {
		n, err := syscall.Write(int(fd), v[0])
		if err != syscall.EINTR {
			return n, err
		}
	}
}

func (s *system) spliceNow(uintptr) bool { panic("sock: internal error: no pipes here") }

func (s *system) sysWrite(fd uintptr) (int, error) { return sysWrite(fd, s.out) }
