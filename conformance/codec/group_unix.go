//go:build unix

package codec

import (
	"os"
	"syscall"
)

// groupOfItsOwn keeps a terminal's Ctrl-C from the program.
func groupOfItsOwn() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// killGroup ends the program and what it started.
func killGroup(p *os.Process) { _ = syscall.Kill(-p.Pid, syscall.SIGKILL) }
