//go:build !unix

package subject

import (
	"os"
	"syscall"
)

// OwnGroup asks for nothing: this system has no process groups.
func OwnGroup() *syscall.SysProcAttr { return nil }

// SignalGroup ends the child alone.
func SignalGroup(p *os.Process, _ syscall.Signal) error { return p.Kill() }
