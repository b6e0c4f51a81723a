package run

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/adit-tunnel/adit/loadgen/load"
	"github.com/adit-tunnel/adit/loadgen/load/control"
	"github.com/adit-tunnel/adit/loadgen/rig"
)

// A block begins when its connections have got through, not when they were
// taken; those that never come do not keep it for ever.
func TestABlockWaitsForItsConnections(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	come, m := 0, control.NewMux()
	load.TargetCount.Answer(m, func(context.Context, control.None) (load.Counted, error) {
		come++
		return load.Counted{Come: come}, nil
	})
	server := control.Serve(l, m, "")
	top := &rig.Topology{Target: control.NewClient("target", l.Addr().String(), "")}
	defer func() { top.Target.Close(); _ = server.Close() }()
	until := func(n int) func(load.Counted) bool { return func(c load.Counted) bool { return c.Come >= n } }
	if err := counted(t.Context(), top, time.Hour, until(5)); err != nil || come != 5 {
		t.Errorf("counted: %v, asked %d times; want 5", err, come)
	}
	if err := counted(t.Context(), top, 20*time.Millisecond, until(1<<30)); err != nil {
		t.Errorf("counted: %v; want the end of the wait", err)
	}
}

// A tunnel that was started anew sees the cell's line from its first packet on:
// what it measures when it connects it remembers.
func TestTheLineIsTheCellsBeforeAnythingIsStartedAnew(t *testing.T) {
	s := parseScenario(t, `
load: {mode: pingpong, connections: 1, size: 1KiB}
link: {rtt: 4s}
paths: [direct]
fresh: true
timeout: 50ms
drain: 100ms
`)
	_, err := (&Runner{Self: self(), Patience: 2 * time.Second}).Run(t.Context(), s) // less than the line takes
	if err == nil || !strings.Contains(err.Error(), "no packet came through") {
		t.Errorf("Run: %v; want that no packet came through after the line was set", err)
	}
}
