package load

import (
	"maps"
	"sync"
	"time"

	"github.com/adit-tunnel/adit/loadgen/load/series"
)

// A follower makes the series of what sinks take, from one mark to the next;
// echoes are followed by their generators. One goroutine ticks; the mark ends
// it, and so do reset and Close.
type follower struct {
	t      *Target
	groups map[byte]*series.Recorder
	stop   chan struct{}
	wg     sync.WaitGroup
}

// look says how much was received until now.
func (t *Target) look() Marked {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.lookLocked()
}

func (t *Target) lookLocked() Marked {
	out := Marked{At: time.Since(t.began), Groups: maps.Clone(t.past)}
	for _, s := range t.streams {
		out.Groups[s.Group] += s.in.Load()
	}
	return out
}

// mark is look at either end of the measured time: it begins the series, or ends it.
func (t *Target) mark() Marked {
	t.mu.Lock()
	out, f := t.lookLocked(), t.follower
	if f == nil {
		f = &follower{t: t, groups: map[byte]*series.Recorder{}, stop: make(chan struct{})}
		for g, now := range t.counters() {
			f.groups[g] = series.NewRecorder(now)
		}
		t.follower = f
		f.wg.Go(f.follow)
		t.mu.Unlock()
		return out
	}
	t.mu.Unlock()
	t.unfollow()
	out.Series = map[byte]series.Part{}
	for g, rec := range f.groups {
		out.Series[g] = rec.Part()
	}
	return out
}

// counters is what each sink has taken so far, by group. t.mu is held.
func (t *Target) counters() map[byte][]int64 {
	out := map[byte][]int64{}
	for _, s := range t.sinks {
		out[s.Group] = append(out[s.Group], s.in.Load())
	}
	return out
}

func (f *follower) follow() {
	tick := time.NewTicker(series.Window)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-f.stop:
			return
		}
		f.t.mu.Lock()
		now := f.t.counters()
		f.t.mu.Unlock()
		for g, c := range now {
			if f.groups[g] == nil {
				f.groups[g] = series.NewRecorder(nil)
			}
			f.groups[g].Tick(c, series.Point{})
		}
	}
}

// unfollow ends the series, if there is one.
func (t *Target) unfollow() {
	t.mu.Lock()
	f := t.follower
	t.follower = nil
	t.mu.Unlock()
	if f != nil {
		close(f.stop)
		f.wg.Wait()
	}
}
