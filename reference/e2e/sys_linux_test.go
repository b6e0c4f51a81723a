package e2e

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"testing"
)

// endWithParent has the kernel end a child whose test process died, by a timeout for example.
func endWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGKILL }

// asUser makes a child run under another user, which takes root.
func asUser(attr *syscall.SysProcAttr, uid, gid uint32) {
	attr.Credential = &syscall.Credential{Uid: uid, Gid: gid}
}

// resident returns the child's memory now and at its peak, in bytes.
func resident(t *testing.T, p *process) (now, peak int64) {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		t.Fatalf("memory of %s: %v", p.name, err)
	}
	field := func(name string) int64 {
		_, rest, _ := bytes.Cut(status, []byte("\n"+name+":"))
		words := bytes.Fields(rest)
		if len(words) == 0 {
			t.Fatalf("memory of %s: no %s: it has ended", p.name, name)
		}
		kib, err := strconv.ParseInt(string(words[0]), 10, 64)
		if err != nil {
			t.Fatalf("memory of %s: %s: %v", p.name, name, err)
		}
		return kib << 10
	}
	return field("VmRSS"), field("VmHWM")
}
