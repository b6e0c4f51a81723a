//go:build !unix

package subject

import (
	"os"
	"syscall"
)

func groupOfItsOwn() *syscall.SysProcAttr { return nil }

// signalGroup ends the child alone: this system has no process groups to signal.
func signalGroup(p *os.Process, _ syscall.Signal) error { return p.Kill() }
