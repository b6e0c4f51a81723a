//go:build !unix

package codec

import (
	"os"
	"syscall"
)

func groupOfItsOwn() *syscall.SysProcAttr { return nil }

// killGroup ends the program alone: this system has no process groups.
func killGroup(p *os.Process) { _ = p.Kill() }
