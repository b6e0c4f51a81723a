package worker

import (
	"sync"
	"time"

	"github.com/adit-tunnel/adit/loadgen/sample"
)

// A watch looks at the worker itself at the beginning and at the end of the
// measured time. It has one goroutine, which ends with that time, or with stop.
type watch struct {
	done chan struct{}
	once sync.Once
	wg   sync.WaitGroup
	of   *sample.Runtime // written by the goroutine
}

// watchFrom begins to watch after a while, for long.
func watchFrom(after, long time.Duration) *watch {
	w := &watch{done: make(chan struct{})}
	w.wg.Go(func() {
		if !w.wait(after) {
			return
		}
		begin := sample.Now()
		w.wait(long) // on a busy machine the leader may be first
		r := sample.Now().Since(begin)
		w.of = &r
	})
	return w
}

// wait reports whether a time passed before stop.
func (w *watch) wait(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-w.done:
		return false
	}
}

// stop ends the watch and waits for its goroutine; a nil watch has none.
func (w *watch) stop() {
	if w != nil {
		w.once.Do(func() { close(w.done) })
		w.wg.Wait()
	}
}

// runtime is what a watch saw, after stop; nil when the measured time never began.
func (w *watch) runtime() *sample.Runtime {
	if w == nil {
		return nil
	}
	return w.of
}
