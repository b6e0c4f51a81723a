package run

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/adit-tunnel/adit/conformance/subject"
	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/rig"
)

func init() {
	reusePort = func(_, _ string, raw syscall.RawConn) (err error) {
		_ = raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) })
		return err
	}
}

// Who begins to take a subject's visitors during the run is not measured in its place.
func TestAnotherProgramAtTheSubjectsAddressEndsTheRun(t *testing.T) {
	free, err := shared(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := free.Addr().String()
	_ = free.Close()
	f := parseSubject(t, `{name: x, visitor: "`+at+`", server: {command: "SELF relay --listen {visitor} --to {target}", ready: {tcp: "{visitor}"}}}`)
	s := parseScenario(t, "load: {mode: pingpong, connections: 1, size: 1KiB}\npaths: [tunnel]\nrepeat: 3")
	r := &Runner{Subjects: []*subject.File{f}, Self: self(), Tell: func(n Notice) {
		if n.Phase == "drain" && n.Done == 1 {
			l, err := shared(t.Context(), at)
			if err != nil {
				t.Error(err)
				return
			}
			t.Cleanup(func() { _ = l.Close() })
		}
	}}
	rec, err := r.Run(t.Context(), s)
	if _, ok := errors.AsType[*rig.StartError](err); !ok || !strings.Contains(err.Error(), fmt.Sprintf("visitor %s: it is listened on by run.test (process %d)", at, os.Getpid())) {
		t.Errorf("Run: %v; want this process named", err)
	}
	if len(rec.Blocks)+len(rec.Canary) != 1 || rec.Subjects[0].Owner != record.Checked {
		t.Errorf("%d blocks, owner %q; want the one before, which was %q", len(rec.Blocks), rec.Subjects[0].Owner, record.Checked)
	}
}
