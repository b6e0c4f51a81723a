//go:build unix

package subject

import "syscall"

// Freeze takes the processor from the process, all of it, until Thaw.
func (p *Process) Freeze() error { return p.send(syscall.SIGSTOP) }

// Thaw gives it back. A process that has ended, or was not frozen, stays as it is.
func (p *Process) Thaw() error { return p.send(syscall.SIGCONT) }

func (p *Process) send(s syscall.Signal) error {
	if !p.Running() {
		return nil
	}
	r, _ := p.current()
	return r.signal(s)
}
