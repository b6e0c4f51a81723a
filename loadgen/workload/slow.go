package workload

import (
	"time"

	"github.com/adit-tunnel/adit/loadgen/scenario"
)

// A Slow packet is one of the slowest of its visitor.
type Slow struct {
	Stream uint64        `json:"stream"`
	Offset int64         `json:"offset"`  // where in the stream it begins
	Took   time.Duration `json:"took_ns"` // from sent to its last echoed octet
}

const (
	slowPackets  = 8  // that each visitor keeps
	slowVisitors = 16 // that keep any, lest a record of thousands of connections be full of them
)

// keepSlow keeps a packet that was complete in the measured time if it is one
// of the slowest so far. Those of a schedule are left out: they are at the same
// places of all streams at the same time, so that what the machine does then
// would look as if it were the place's.
func (w *visitor) keepSlow(took time.Duration) {
	if w.id >= slowVisitors || w.Group.Rate > 0 || w.Group.Mode != scenario.PingPong {
		return
	}
	p := Slow{w.stream, w.sent.Load() - int64(w.Group.Size), took}
	if len(w.slowest) < slowPackets {
		w.slowest = append(w.slowest, p)
		return
	}
	least := 0
	for i := range w.slowest {
		if w.slowest[i].Took < w.slowest[least].Took {
			least = i
		}
	}
	if w.slowest[least].Took < took {
		w.slowest[least] = p
	}
}
