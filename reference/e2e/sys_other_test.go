//go:build !linux

package e2e

import (
	"syscall"
	"testing"
)

func endWithParent(*syscall.SysProcAttr) {}

func asUser(*syscall.SysProcAttr, uint32, uint32) {}

func resident(t *testing.T, _ *process) (now, peak int64) {
	t.Helper()
	t.Skip("not run: the memory of a child is read from /proc, which this system does not have")
	return 0, 0
}
