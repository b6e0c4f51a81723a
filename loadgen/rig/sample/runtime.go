package sample

import (
	"math"
	"os"
	"runtime/metrics"
	"time"

	"github.com/adit-tunnel/adit/loadgen/load/hist"
)

// A Runtime is what a Go program went through in the measured time, as only it
// knows itself, wherever it runs: its CPU time, how long its goroutines stood
// still for the garbage collector, and how long they waited for a thread.
type Runtime struct {
	CPUSeconds   float64 `json:"cpu_seconds"`
	Collections  uint64  `json:"gc_cycles"`
	PauseSeconds float64 `json:"gc_pause_seconds"`          // in all, to a tenth or so
	PauseMost    float64 `json:"gc_pause_most_seconds"`     // the longest, at most
	SchedP99     float64 `json:"sched_latency_p99_seconds"` // one goroutine in a hundred waited so long or longer
}

// A Moment is where a program's counters stand.
type Moment struct {
	cpu           float64
	collections   uint64
	pauses, sched metrics.Float64Histogram
}

// Now reads the counters of this program.
func Now() (m Moment) {
	pid := int32(os.Getpid())
	if ns, ok := cpuTime(pid); ok {
		m.cpu = time.Duration(ns).Seconds()
	} else {
		m.cpu = coarseCPU(pid)
	}
	read := []metrics.Sample{{Name: "/gc/cycles/total:gc-cycles"}, {Name: "/sched/pauses/total/gc:seconds"}, {Name: "/sched/latencies:seconds"}}
	metrics.Read(read)
	if read[0].Value.Kind() == metrics.KindUint64 {
		m.collections = read[0].Value.Uint64()
	}
	for i, to := range []*metrics.Float64Histogram{&m.pauses, &m.sched} {
		if v := read[i+1].Value; v.Kind() == metrics.KindFloat64Histogram {
			*to = *v.Float64Histogram()
		}
	}
	return m
}

// Since is what happened between begin and m.
func (m Moment) Since(begin Moment) Runtime {
	pauses, sched := since(m.pauses, begin.pauses), since(m.sched, begin.sched)
	r := Runtime{CPUSeconds: max(m.cpu-begin.cpu, 0), Collections: m.collections - begin.collections, SchedP99: within(sched, 0.99), PauseMost: within(pauses, 1)}
	for i, n := range pauses.Counts {
		if n > 0 {
			r.PauseSeconds += float64(n) * upper(pauses, i)
		}
	}
	return r
}

// since is what a histogram gained.
func since(now, begin metrics.Float64Histogram) metrics.Float64Histogram {
	out := metrics.Float64Histogram{Buckets: now.Buckets, Counts: append([]uint64(nil), now.Counts...)}
	for i := range min(len(out.Counts), len(begin.Counts)) {
		out.Counts[i] -= begin.Counts[i]
	}
	return out
}

// within is the value that the share q of a histogram does not exceed; 0 of an empty one.
func within(h metrics.Float64Histogram, q float64) float64 {
	var n, sum uint64
	for _, c := range h.Counts {
		n += c
	}
	for i, c := range h.Counts {
		if sum += c; c > 0 && int64(sum) >= hist.Rank(int64(n), q) {
			return upper(h, i)
		}
	}
	return 0
}

// upper is the upper end of a bucket; of the last one, which has none, the lower.
func upper(h metrics.Float64Histogram, i int) float64 {
	if v := h.Buckets[i+1]; !math.IsInf(v, 0) {
		return v
	}
	return max(h.Buckets[i], 0)
}
