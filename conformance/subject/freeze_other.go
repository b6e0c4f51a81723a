//go:build !unix

package subject

// Freeze is not for this system.
func (p *Process) Freeze() error {
	return &UnsupportedError{"freezing a process: this system has no signals for it"}
}

// Thaw has nothing to do.
func (p *Process) Thaw() error { return nil }
