//go:build !linux

package sock

// LimitUnsent does nothing: the system has no such bound.
func (t *TCP) LimitUnsent(int) {}
