package subject

import (
	"os"
	"syscall"
)

// groupOfItsOwn keeps a terminal's Ctrl-C from the child, and has the kernel
// end it should this process die before it could.
func groupOfItsOwn() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// signalGroup sends a signal to a child and all of its group.
func signalGroup(p *os.Process, sig syscall.Signal) error { return syscall.Kill(-p.Pid, sig) }
