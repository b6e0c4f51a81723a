package sock

import (
	"io"
	"os"
	"syscall"
	"unsafe"
)

const (
	fSetPipeSize   = 1031
	spliceMove     = 1
	spliceNonblock = 2
	msgMore        = 0x8000
	msgNoSignal    = 0x4000
)

// newPipe makes a pipe that has room for size bytes, or none.
func newPipe(size int) *sysPipe {
	var fds [2]int
	if syscall.Pipe2(fds[:], syscall.O_NONBLOCK|syscall.O_CLOEXEC) != nil {
		return nil
	}
	p := &sysPipe{r: fds[0], w: fds[1]}
	if _, _, errno := syscall.RawSyscall(syscall.SYS_FCNTL, uintptr(p.w), fSetPipeSize, uintptr(size)); errno != 0 {
		p.close() // one of 64 KiB costs more than copying
		return nil
	}
	return p
}

func (p *sysPipe) close() {
	syscall.Close(p.r)
	syscall.Close(p.w)
}

func (p *sysPipe) read(b []byte) (int, error) {
	n, err := sysRead(uintptr(p.r), b)
	p.left -= n
	return n, os.NewSyscallError("read", err)
}

// sysSplice moves up to n bytes, without waiting for the pipe.
func sysSplice(from, to uintptr, n int) (int, error) {
	for {
		got, _, errno := syscall.RawSyscall6(syscall.SYS_SPLICE, from, 0, to, 0, uintptr(n), spliceMove|spliceNonblock)
		switch errno {
		case 0:
			return int(got), nil
		case syscall.EINTR:
		default:
			return 0, errno
		}
	}
}

// SpliceRead waits until there is something to read, and borrows a pipe for it.
func (s *system) SpliceRead(size int) (*Buf, error) {
	s.splices = true
	defer func() { s.splices = false }()
	return s.Read(nil, size)
}

// spliceNow is readNow into a pipe.
func (s *system) spliceNow(fd uintptr) bool {
	p := borrowPipe()
	if p == nil {
		s.readErr = ErrNoPipe
		return true
	}
	n, err := sysSplice(fd, uintptr(p.w), s.size)
	if n > 0 {
		p.left += n
		s.in = piped(p, n)
		return true
	}
	p.giveBack()
	switch err {
	case syscall.EAGAIN:
		return false
	case nil:
		s.readErr = io.EOF
	default:
		s.readErr = os.NewSyscallError("splice", err)
	}
	return true
}

// SpliceWrite moves bytes from a pipe to the descriptor.
func (s *system) SpliceWrite(b *Buf, wait bool) (int, error) {
	s.piped = b
	defer func() { s.piped = nil }()
	return s.start(nil, wait)
}

// WriteMore waits until the descriptor takes something of v.
func (s *system) WriteMore(v [][]byte) (int, error) {
	s.more = true
	defer func() { s.more = false }()
	return s.start(v, true)
}

// sysWriteAs writes what start was told.
func (s *system) sysWrite(fd uintptr) (int, error) {
	switch {
	case s.piped != nil:
		n, err := sysSplice(uintptr(s.piped.pipe.r), fd, s.piped.Len())
		s.piped.pipe.left -= n
		return n, err
	case s.more:
		return sysSendMore(fd, s.out)
	}
	return sysWrite(fd, s.out)
}

// sysSendMore is sysWrite where more follows.
func sysSendMore(fd uintptr, v [][]byte) (int, error) {
	var vecs [maxVecs]syscall.Iovec
	n := fillVecs(&vecs, v)
	header := syscall.Msghdr{Iov: &vecs[0], Iovlen: uint64(n)}
	for {
		got, _, errno := syscall.RawSyscall(syscall.SYS_SENDMSG, fd, uintptr(unsafe.Pointer(&header)), msgNoSignal|msgMore)
		switch errno {
		case 0:
			return int(got), nil
		case syscall.EINTR:
		default:
			return 0, errno
		}
	}
}
