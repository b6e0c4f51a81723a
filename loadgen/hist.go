package loadgen

import (
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// A Dist is a distribution of times, in nanoseconds. A percentile that too
// few samples carry (fewer than ten beyond it) is absent; the others are exact
// to one in a thousand.
type Dist struct {
	N       int64  `json:"n"`
	Clipped int64  `json:"clipped,omitempty"` // over a minute; counted as one
	Min     int64  `json:"min"`
	Mean    int64  `json:"mean"`
	Max     int64  `json:"max"`
	P50     int64  `json:"p50,omitempty"`
	P90     int64  `json:"p90,omitempty"`
	P99     int64  `json:"p99,omitempty"`
	HDR     string `json:"hdr,omitempty"` // HdrHistogram V2, compressed, base64; to one per cent
}

const longest = int64(time.Minute)

// A shard collects times of some of the connections.
type shard struct {
	mu       sync.Mutex
	h        *hdrhistogram.Histogram
	n, sum   int64
	min, max int64
	clipped  int64
}

// A timing is one distribution being recorded; its shards keep connections out of each other's way.
type timing []shard

func newTiming(shards int) timing {
	t := make(timing, shards)
	for i := range t {
		t[i].h = hdrhistogram.New(1, longest, 3)
	}
	return t
}

func (t timing) record(conn int, d time.Duration) {
	s, v := &t[conn%len(t)], max(int64(d), 0)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.n == 0 || v < s.min {
		s.min = v
	}
	s.n, s.sum, s.max = s.n+1, s.sum+v, max(s.max, v)
	if v > longest {
		s.clipped++
		v = longest
	}
	_ = s.h.RecordValue(v) // in range by now
}

// dist sums the shards up; nil without samples.
func (t timing) dist() *Dist {
	h, d, sum := hdrhistogram.New(1, longest, 3), &Dist{}, int64(0)
	for i := range t {
		s := &t[i]
		s.mu.Lock()
		if s.n > 0 {
			if d.N == 0 || s.min < d.Min {
				d.Min = s.min
			}
			d.N, d.Max, d.Clipped, sum = d.N+s.n, max(d.Max, s.max), d.Clipped+s.clipped, sum+s.sum
			h.Merge(s.h)
		}
		s.mu.Unlock()
	}
	if d.N == 0 {
		return nil
	}
	d.Mean = sum / d.N
	for _, p := range []struct {
		out  *int64
		q    float64
		need int64
	}{{&d.P50, 50, 20}, {&d.P90, 90, 100}, {&d.P99, 99, 1000}} {
		if d.N >= p.need {
			*p.out = min(max(h.ValueAtQuantile(p.q), d.Min), d.Max)
		}
	}
	d.HDR = encode(h)
	return d
}

// encode writes a histogram to one per cent, which keeps records small.
func encode(h *hdrhistogram.Histogram) string {
	coarse := hdrhistogram.New(100, longest, 2)
	for _, bar := range h.Distribution() {
		if bar.Count > 0 {
			_ = coarse.RecordValues(bar.To, bar.Count) // in range, as it was in h
		}
	}
	enc, err := coarse.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	if err != nil {
		return ""
	}
	return string(enc)
}
