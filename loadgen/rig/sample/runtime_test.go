package sample

import (
	"math"
	"runtime"
	"runtime/metrics"
	"testing"
)

func TestARuntimeIsWhatHappenedInBetween(t *testing.T) {
	buckets := []float64{math.Inf(-1), 0, 1e-6, 1e-3, math.Inf(1)}
	histogram := func(counts ...uint64) metrics.Float64Histogram {
		return metrics.Float64Histogram{Buckets: buckets, Counts: counts}
	}
	begin := Moment{cpu: 1, collections: 3, pauses: histogram(0, 5, 0, 0), sched: histogram(0, 900, 0, 0)}
	end := Moment{cpu: 3.5, collections: 5, pauses: histogram(0, 5, 4, 0), sched: histogram(0, 990, 8, 2)}
	want := Runtime{CPUSeconds: 2.5, Collections: 2, PauseSeconds: 4e-3, PauseMost: 1e-3, SchedP99: 1e-3}
	if got := end.Since(begin); got != want {
		t.Errorf("Since = %+v; want %+v", got, want)
	}
	if got := begin.Since(begin); got != (Runtime{}) {
		t.Errorf("no time at all: %+v", got)
	}
}

func TestThisProgramKnowsItsCollections(t *testing.T) {
	begin := Now()
	runtime.GC()
	if r := Now().Since(begin); r.Collections == 0 || r.PauseMost <= 0 || r.PauseSeconds < r.PauseMost || r.CPUSeconds <= 0 {
		t.Errorf("after a collection: %+v", r)
	}
}
