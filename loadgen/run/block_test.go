package run

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/adit-tunnel/adit/loadgen/control"
	"github.com/adit-tunnel/adit/loadgen/target"
	"github.com/adit-tunnel/adit/loadgen/topology"
)

// A block begins when its connections have got through, not when they were
// taken; those that never come do not keep it for ever.
func TestABlockWaitsForItsConnections(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	come, m := 0, control.NewMux()
	control.Handle(m, target.Count, func(context.Context, control.None) (target.Counted, error) {
		come++
		return target.Counted{Come: come}, nil
	})
	server := control.Serve(l, m, "")
	top := &topology.Topology{Target: control.NewClient("target", l.Addr().String(), "")}
	defer func() { top.Target.Close(); _ = server.Close() }()
	until := func(n int) func(target.Counted) bool { return func(c target.Counted) bool { return c.Come >= n } }
	if err := counted(t.Context(), top, time.Hour, until(5)); err != nil || come != 5 {
		t.Errorf("counted: %v, asked %d times; want 5", err, come)
	}
	if err := counted(t.Context(), top, 20*time.Millisecond, until(1<<30)); err != nil {
		t.Errorf("counted: %v; want the end of the wait", err)
	}
}
