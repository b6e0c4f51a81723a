package rig

import (
	"bytes"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/adit-tunnel/adit/loadgen/scenario"
)

// Needs root, ip and tc.
func TestTheKernelLimitsTheBandwidth(t *testing.T) {
	if err := CanTBF(); err != nil {
		t.Skipf("not run: %v", err)
	}
	r := startLinkTest(t, scenario.ByTBF)
	ask(r, LinkSet, scenario.Link{Rate: 40e6}) // 5 MB/s
	want := bytes.Repeat([]byte("0123456789"), 200_000)
	if took := r.echo(r.dial(), want); took < 300*time.Millisecond {
		t.Errorf("2 MB at 5 MB/s took %v; want 400ms or so", took)
	}
	ask(r, LinkSet, scenario.Link{})
	if r.echo(r.dial(), want) > 10*time.Second {
		t.Error("2 MB take longer without a limit than with one")
	}
	ask(r, LinkFreeze, Outage{200 * time.Millisecond})
	if took := r.echo(r.dial(), []byte("x")); took < 150*time.Millisecond {
		t.Errorf("there and back in %v while frozen for 200ms", took)
	}
	for _, end := range []string{"near", "far"} { // by name: other tests' containers come and go meanwhile
		if _, err := net.InterfaceByName(end); err == nil {
			t.Errorf("the machine has an interface %s; want it in the line's own namespace only", end)
		}
	}
	if namespaces(t) == 0 {
		t.Error("the line has no namespaces")
	}
	r.close()
	if n := namespaces(t); n > 0 {
		t.Errorf("%d namespaces are still open", n)
	}
}

// namespaces is how many of the network this process holds open.
func namespaces(t *testing.T) (n int) {
	t.Helper()
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if to, err := os.Readlink("/proc/self/fd/" + f.Name()); err == nil && strings.HasPrefix(to, "net:") {
			n++
		}
	}
	return n
}
