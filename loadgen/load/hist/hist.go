// Package hist records distributions of times, joins those of several
// processes exactly, and keeps them small in records.
package hist

import (
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

const (
	longest = int64(time.Minute)
	exact   = 3 // significant digits while recording and joining
	kept    = 2 // significant digits in a record
)

// A shard collects times of some of the connections.
type shard struct {
	mu sync.Mutex
	h  *hdrhistogram.Histogram
	s  Sum
}

// Sum is what of a distribution a histogram does not keep exactly, in nanoseconds.
type Sum struct {
	N       int64 `json:"n"`
	Clipped int64 `json:"clipped,omitempty"` // over a minute; counted as one
	Total   int64 `json:"total"`
	Min     int64 `json:"min"`
	Max     int64 `json:"max"`
}

func (s *Sum) add(o Sum) {
	if o.N == 0 {
		return
	}
	if s.N == 0 || o.Min < s.Min {
		s.Min = o.Min
	}
	s.N, s.Clipped, s.Total, s.Max = s.N+o.N, s.Clipped+o.Clipped, s.Total+o.Total, max(s.Max, o.Max)
}

// A Timing is one distribution being recorded; its shards keep goroutines out
// of each other's way. Any goroutine may record.
type Timing []shard

// New is a Timing without samples. More shards cost memory and save waiting.
func New(shards int) Timing {
	t := make(Timing, shards)
	for i := range t {
		t[i].h = hdrhistogram.New(1, longest, exact)
	}
	return t
}

// Record adds a time; a negative one counts as zero. conn chooses the shard.
func (t Timing) Record(conn int, d time.Duration) {
	s, v := &t[conn%len(t)], max(int64(d), 0)
	one := Sum{N: 1, Total: v, Min: v, Max: v}
	if v > longest {
		one.Clipped, v = 1, longest
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.s.add(one)
	_ = s.h.RecordValue(v) // in range by now
}

// A Part is the distribution that one process recorded, ready to be sent.
type Part struct {
	Sum
	HDR []byte `json:"hdr,omitempty"` // HdrHistogram V2, compressed, base64; absent without samples
}

// Part joins the shards.
func (t Timing) Part() (Part, error) {
	h, p := hdrhistogram.New(1, longest, exact), Part{}
	for i := range t {
		s := &t[i]
		s.mu.Lock()
		p.add(s.s)
		dropped := h.Merge(s.h)
		s.mu.Unlock()
		if dropped != 0 {
			return Part{}, fmt.Errorf("histogram: %d samples do not fit", dropped)
		}
	}
	if p.N == 0 {
		return p, nil
	}
	var err error
	p.HDR, err = h.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	return p, err
}

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
	P999    int64  `json:"p999,omitempty"`
	P9999   int64  `json:"p9999,omitempty"`
	HDR     string `json:"hdr,omitempty"` // HdrHistogram V2, compressed, base64; to one per cent
}

// Join is the distribution of all parts; nil without samples.
func Join(parts ...Part) (*Dist, error) {
	h, sum := hdrhistogram.New(1, longest, exact), Sum{}
	for _, p := range parts {
		if p.N == 0 {
			continue
		}
		one, err := hdrhistogram.Decode(p.HDR)
		if err != nil {
			return nil, fmt.Errorf("histogram: %w", err)
		}
		if dropped := h.Merge(one); dropped != 0 || one.TotalCount() != p.N {
			return nil, fmt.Errorf("histogram: %d of %d samples do not fit", p.N-one.TotalCount()+dropped, p.N)
		}
		sum.add(p.Sum)
	}
	if sum.N == 0 {
		return nil, nil
	}
	d := &Dist{N: sum.N, Clipped: sum.Clipped, Min: sum.Min, Mean: sum.Total / sum.N, Max: sum.Max}
	bars := bars(h)
	for _, p := range []struct {
		out   *int64
		share float64
		need  int64
	}{{&d.P50, 0.5, 20}, {&d.P90, 0.9, 100}, {&d.P99, 0.99, 1000}, {&d.P999, 0.999, 10_000}, {&d.P9999, 0.9999, 100_000}} {
		if d.N >= p.need {
			*p.out = min(max(int64(Within(bars, p.share)), d.Min), d.Max)
		}
	}
	coarse := hdrhistogram.New(100, longest, kept)
	for _, bar := range bars {
		_ = coarse.RecordValues(int64(bar.To), bar.Count) // in range, as it was in h
	}
	enc, err := coarse.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	d.HDR = string(enc)
	return d, err
}

// A Bar is one step of a distribution: so many samples up to To.
type Bar struct {
	To    time.Duration
	Count int64
}

// Bars are the steps of a distribution from a record, shortest first.
func (d *Dist) Bars() ([]Bar, error) {
	h, err := hdrhistogram.Decode([]byte(d.HDR))
	if err != nil {
		return nil, fmt.Errorf("histogram: %w", err)
	}
	return bars(h), nil
}

func bars(h *hdrhistogram.Histogram) (out []Bar) {
	for _, b := range h.Distribution() {
		if b.Count > 0 {
			out = append(out, Bar{time.Duration(b.To), b.Count})
		}
	}
	return out
}

// Within is the time that a share of the samples did not exceed: that share or
// more of them, never less.
func Within(bars []Bar, share float64) time.Duration {
	var n, sum int64
	for _, b := range bars {
		n += b.Count
	}
	for _, b := range bars {
		if sum += b.Count; sum >= Rank(n, share) {
			return b.To
		}
	}
	return 0
}

// Rank is which of n samples, in order and counted from 1, is the first with
// that share of them up to it.
func Rank(n int64, share float64) int64 {
	const rounding = 1e-6 // of 0.999 * 1000
	return max(int64(math.Ceil(share*float64(n)-rounding)), 1)
}

// Percentiles lists the stated percentiles by name, those that are there.
func (d *Dist) Percentiles() map[string]int64 {
	out := map[string]int64{}
	for name, v := range map[string]int64{"p50": d.P50, "p90": d.P90, "p99": d.P99, "p99.9": d.P999, "p99.99": d.P9999} {
		if v > 0 {
			out[name] = v
		}
	}
	return out
}
