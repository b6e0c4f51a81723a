package workload

import (
	"time"

	"github.com/adit-tunnel/adit/loadgen/pace"
)

// turn waits until the next packet may be sent: at once, or with a rate at the
// instant at which it is due. False says that it was not due in the measured
// time; what was due is sent even when it is late.
func (w *visitor) turn() (due time.Duration, ok bool) {
	if w.Group.Rate == 0 {
		return 0, w.phase.Load() != draining
	}
	due = w.due(w.slot.Load())
	left := due - w.now()
	w.free = left > 0
	if d := left - pace.Coarse; d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-t.C:
		case <-w.drain:
		case <-w.ctx.Done():
		}
	}
	for w.phase.Load() != draining && !w.isGone() {
		d := due - w.now()
		if d <= 0 {
			break
		}
		pace.SleepFinely(d)
	}
	if over := time.Duration(w.over.Load()); over > 0 && due >= over || w.isGone() {
		return 0, false
	}
	w.slot.Add(1)
	w.asked = due
	return due, true
}

// due is when a packet of the schedule is due.
func (w *visitor) due(slot int64) time.Duration {
	return w.began + w.schedule.Due(w.id, int(slot))
}

// overdue is how many packets were due in the measured time and have not been sent.
func (w *visitor) overdue() (n int64) {
	if w.Group.Rate == 0 {
		return 0
	}
	for slot := w.slot.Load(); w.due(slot) < time.Duration(w.over.Load()); slot++ {
		n++
	}
	return n
}
