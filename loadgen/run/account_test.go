package run

import (
	"testing"
	"time"

	"github.com/adit-tunnel/adit/loadgen/load"
	"github.com/adit-tunnel/adit/loadgen/scenario"
)

// Uploads are counted at the target, between its two marks, on its clock.
func TestUploadsCountBetweenTheMarks(t *testing.T) {
	from := load.Marked{At: 5 * time.Second, Groups: map[byte]int64{0: 3000, 1: 7}}
	to := load.Marked{At: 7 * time.Second, Groups: map[byte]int64{0: 5000, 1: 9}}
	near := []*load.Result{{Seconds: 2.5, Down: 100}, {Seconds: 2, Down: 300}}
	for mode, want := range map[string]struct {
		bytes   int64
		seconds float64
	}{
		scenario.Upload:   {2000, 2},
		scenario.Download: {400, 2.5},
		scenario.Both:     {400 + 2500, 2.5}, // 2000 in 2 s are 2500 in 2.5 s
	} {
		g, err := group(&scenario.Group{Mode: mode, Size: 100}, near, from, to, 0)
		if err != nil || g.Octets != want.bytes || g.Seconds != want.seconds || g.Packets != float64(want.bytes)/100 {
			t.Errorf("%s: %d bytes, %v packets in %v s, %v; want %+v", mode, g.Octets, g.Packets, g.Seconds, err, want)
		}
	}
}
