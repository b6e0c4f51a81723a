package rig

import (
	"fmt"
	"os/exec"
	"testing"
	"time"

	"github.com/adit-tunnel/adit/conformance/subject"
)

// Who is told to end in order has the time for it, and no more than that.
func TestADrainIsGivenItsTime(t *testing.T) {
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("not run: ", err)
	}
	for name, tt := range map[string]struct {
		command, status string
		long            time.Duration
	}{
		"ends in order": {`sh -c 'trap "exit 3" TERM; echo up; while :; do sleep 0.01; done'`, "exit status 3", 10 * time.Second},
		"does not end":  {`sh -c 'trap "" TERM; echo up; while :; do sleep 0.01; done'`, "signal: killed", 10 * time.Millisecond},
	} {
		f, err := subject.Parse("test.yaml", fmt.Appendf(nil, "name: x\nserver: {command: %q, ready: {log: up}}\n", tt.command))
		if err != nil {
			t.Fatal(err)
		}
		in, err := f.Start(t.Context(), subject.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := drain(t.Context(), in.Server, tt.long); err != nil || in.Server.Status() != tt.status {
			t.Errorf("%s: %v, %s; want %s", name, err, in.Server.Status(), tt.status)
		}
		if err := in.Close(); err != nil {
			t.Error(err)
		}
	}
}
