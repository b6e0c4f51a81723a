//go:build unix && !linux

package subject

import (
	"os"
	"syscall"
)

// groupOfItsOwn keeps a terminal's Ctrl-C from the child.
func groupOfItsOwn() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// signalGroup sends a signal to a child and all of its group.
func signalGroup(p *os.Process, sig syscall.Signal) error { return syscall.Kill(-p.Pid, sig) }
