package subject

import (
	"os"
	"syscall"
)

// OwnGroup gives the child a session, and so a process group, of its own: a terminal's
// Ctrl-C stays away, and what it starts is known. The kernel ends it should this process die before it could.
func OwnGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
}

// SignalGroup sends a signal to a child and all of its group.
func SignalGroup(p *os.Process, sig syscall.Signal) error { return syscall.Kill(-p.Pid, sig) }
