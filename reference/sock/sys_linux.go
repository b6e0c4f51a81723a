package sock

import (
	"syscall"
	"unsafe"
)

// maxVecs is how many buffers one call writes.
const maxVecs = 64

// The calls below never block, so they are made without telling the scheduler: the handing over of a
// processor would cost more than many of them.

// sysRead reads from a non-blocking descriptor into b, which is not empty.
func sysRead(fd uintptr, b []byte) (int, error) {
	return result(syscall.SYS_READ, fd, unsafe.Pointer(&b[0]), len(b))
}

// sysWrite writes v, or the first buffers of it, to a non-blocking descriptor.
func sysWrite(fd uintptr, v [][]byte) (int, error) {
	if len(v) == 1 {
		if len(v[0]) == 0 {
			return 0, nil
		}
		return result(syscall.SYS_WRITE, fd, unsafe.Pointer(&v[0][0]), len(v[0]))
	}
	var vecs [maxVecs]syscall.Iovec
	n := fillVecs(&vecs, v)
	return result(syscall.SYS_WRITEV, fd, unsafe.Pointer(&vecs), n)
}

// fillVecs puts the buffers of v, or the first of them, into vecs, and returns how many.
func fillVecs(vecs *[maxVecs]syscall.Iovec, v [][]byte) (n int) {
	for _, b := range v[:min(len(v), maxVecs)] {
		if len(b) > 0 {
			vecs[n].Base = &b[0]
			vecs[n].SetLen(len(b))
			n++
		}
	}
	return n
}

// result makes a call until no signal interrupts it.
func result(call, fd uintptr, p unsafe.Pointer, n int) (int, error) {
	for {
		got, _, errno := syscall.RawSyscall(call, fd, uintptr(p), uintptr(n))
		switch errno {
		case 0:
			return int(got), nil
		case syscall.EINTR:
		default:
			return 0, errno
		}
	}
}
