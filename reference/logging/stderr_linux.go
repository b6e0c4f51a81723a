package logging

import (
	"os"
	"syscall"
)

// Stderr returns the standard error for a log to write to, and has descriptor 2 itself never wait. The runtime writes
// there what a panic leaves, before it ends the program: with a pipe that is full and that nobody reads it would wait
// for ever, and every connection with it. What does not fit is lost. A pipe or terminal that cannot be opened anew, as
// another user's, is left as it is.
func Stderr() *os.File {
	var s syscall.Stat_t
	if syscall.Fstat(2, &s) != nil {
		return os.Stderr
	}
	switch s.Mode & syscall.S_IFMT {
	case syscall.S_IFSOCK:
		syscall.SetsockoptTimeval(2, syscall.SOL_SOCKET, syscall.SO_SNDTIMEO, &syscall.Timeval{Sec: 1})
		return os.Stderr
	case syscall.S_IFIFO, syscall.S_IFCHR:
	default: // a file never makes anybody wait
		return os.Stderr
	}
	// Whether it waits is shared with other programs by all copies of a descriptor, and not by one that was opened anew.
	again, err := syscall.Open("/proc/self/fd/2", syscall.O_WRONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return os.Stderr
	}
	defer syscall.Close(again)
	log, _, errno := syscall.Syscall(syscall.SYS_FCNTL, 2, syscall.F_DUPFD_CLOEXEC, 3)
	if errno != 0 {
		return os.Stderr
	}
	if syscall.Dup3(again, 2, 0) != nil {
		syscall.Close(int(log))
		return os.Stderr
	}
	return os.NewFile(log, "stderr")
}
