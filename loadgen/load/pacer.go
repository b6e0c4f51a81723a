package load

import (
	"context"
	"time"

	"github.com/adit-tunnel/adit/loadgen/load/payload"
	"github.com/adit-tunnel/adit/loadgen/scenario"
)

// A pacer makes a reader slow: it takes no more than rate until over is closed,
// and then all, so that the end of a block does not wait for slow readers. A nil
// pacer, or one without a rate, makes nobody slow.
type pacer struct {
	rate  int64 // bytes a second
	over  <-chan struct{}
	began time.Time // of the first piece
	taken int64     // bytes since then
}

// piecesPerSecond is how many pieces a slow reader takes a second, so that it is slow all the time.
const piecesPerSecond = 20

// newPacer makes a group's readers slow until its load is over.
func newPacer(g *scenario.Group, busy context.Context) *pacer {
	return &pacer{rate: int64(g.Reader / 8), over: busy.Done()}
}

// paceOf is what a group's preface says of the target's reader.
func paceOf(g *scenario.Group) uint16 {
	if g.Mode != scenario.Upload {
		return 0
	}
	return uint16(g.Reader / 8 / payload.PaceUnit)
}

// most is how much the reader may take at once of a buffer.
func (p *pacer) most(buffer int) int {
	if p == nil || p.rate == 0 {
		return buffer
	}
	return min(buffer, max(int(p.rate/piecesPerSecond), 1))
}

// took waits until the reader may take more than it has taken.
func (p *pacer) took(n int) {
	if p == nil || p.rate == 0 {
		return
	}
	if p.began.IsZero() {
		p.began = time.Now()
	}
	p.taken += int64(n)
	due := time.Duration(float64(p.taken) / float64(p.rate) * float64(time.Second))
	t := time.NewTimer(time.Until(p.began.Add(due)))
	defer t.Stop()
	select {
	case <-t.C:
	case <-p.over:
		p.rate = 0
	}
}
