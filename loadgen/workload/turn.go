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
	w.sleep(due)
	if over := time.Duration(w.over.Load()); over > 0 && due >= over || w.isGone() {
		return 0, false
	}
	w.slot.Add(1)
	w.asked = due
	return due, true
}

// sleep waits for an instant, but not beyond the measured time.
func (c *Crew) sleep(at time.Duration) {
	if d := at - c.now() - pace.Coarse; d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-t.C:
		case <-c.drain:
		case <-c.ctx.Done():
		}
	}
	for c.phase.Load() != draining && !c.isGone() {
		d := at - c.now()
		if d <= 0 {
			break
		}
		pace.SleepFinely(d)
	}
}

// wakeEvery is how often the crew looks how late it wakes up.
const wakeEvery = 5 * time.Millisecond

// wakes waits for instants as packets do, without any: how late it is then is
// the generator's own lateness, whatever the connections wait for.
func (c *Crew) wakes(from, to time.Duration) {
	for at := from; at < to; at += wakeEvery {
		c.sleep(at)
		if late := c.now() - at; late >= 0 {
			c.wake.Record(0, late)
		}
	}
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
