package loadgen

import (
	"bytes"
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"time"
)

func newTestCrew(t *testing.T, load Load, addr string, r *ring) *crew {
	return newCrew(context.WithoutCancel(t.Context()), load, addr, time.Second, newVerifier(r, "generator"), new(atomic.Uint64), 2)
}

func TestEveryStreamHasItsOwnPayload(t *testing.T) {
	r := newRing(7)
	seen := map[uint64]bool{}
	for stream := range uint64(1000) {
		for _, d := range []string{up, down} {
			seen[r.start(stream, d)] = true
		}
	}
	if len(seen) < 1990 {
		t.Errorf("2000 streams begin at %d places", len(seen))
	}
	if !bytes.Equal(r.at(5, 0, 100), newRing(7).at(5, 0, 100)) || bytes.Equal(r.at(5, 0, 100), newRing(8).at(5, 0, 100)) {
		t.Error("the payload does not follow from the seed")
	}
	if !bytes.Equal(r.at(5, ringSize, 100), r.at(5, 0, 100)) || !bytes.Equal(r.at(0, ringSize-1, 2)[1:], r.at(0, 0, 1)) {
		t.Error("the ring does not close")
	}
}

func TestACheckerNamesTheFirstWrongOctet(t *testing.T) {
	v := newVerifier(newRing(1), "target")
	other := v.checker(2, up)
	if f := other.check(v.at(other.start, 0, 5000)); f != nil {
		t.Fatal(f)
	}
	send := func(c *checker, from, to int) []byte { return slices.Clone(v.at(c.start, int64(from), to-from)) }
	for _, tt := range []struct {
		name  string
		spoil func(c *checker, b []byte) []byte // b is octets 1000 to 3000
		want  Fault
	}{
		{"one octet has changed", func(_ *checker, b []byte) []byte { b[500]++; return b }, Fault{Offset: 1500, Kind: Corrupted}},
		{"the last octet has changed", func(_ *checker, b []byte) []byte { b[1999]++; return b }, Fault{Offset: 2999, Kind: Corrupted}},
		{"100 octets are missing", func(_ *checker, b []byte) []byte { return append(b[:500], b[600:]...) }, Fault{Offset: 1500, Kind: Lost, Octets: 100}},
		{"200 octets came again", func(_ *checker, b []byte) []byte { return append(b[:500:500], b[300:]...) }, Fault{Offset: 1500, Kind: Duplicated, Octets: 200}},
		{"another stream's octets", func(_ *checker, b []byte) []byte { return append(b[:500], send(other, 5000, 6000)...) }, Fault{Offset: 1500, Kind: Crossed, Other: 2}},
		{"another stream's octets, then the right ones", func(_ *checker, b []byte) []byte { copy(b[500:], send(other, 5000, 5100)); return b }, Fault{Offset: 1500, Kind: Crossed, Other: 2}},
		{"nobody's octets", func(_ *checker, b []byte) []byte { return append(b[:500], bytes.Repeat([]byte("x"), 100)...) }, Fault{Offset: 1500, Kind: Corrupted}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := v.checker(1, up)
			defer v.done(c)
			if f := c.check(send(c, 0, 1000)); f != nil {
				t.Fatalf("right octets: %v", f)
			}
			tt.want.Stream, tt.want.Direction, tt.want.Seen = 1, up, "target"
			b := tt.spoil(c, send(c, 1000, 3000))
			f := c.check(b)
			for f != nil && tt.want.Kind != Corrupted && f.Offset != tt.want.Offset { // the next octet may be right by chance
				tt.want.Offset++
			}
			if f == nil || *f != tt.want || c.off.Load() != tt.want.Offset {
				t.Errorf("check = %+v, offset %d; want %+v", f, c.off.Load(), tt.want)
			}
		})
	}
}

func TestAPaceSpreadsAllConnectionsEvenly(t *testing.T) {
	p := pace{rate: 100, conns: 4}
	var due []time.Duration
	for i := range 25 {
		for conn := range 4 {
			due = append(due, p.due(conn, i))
		}
	}
	for i, d := range due {
		if want := time.Duration(i) * 10 * time.Millisecond; d < want-time.Microsecond || d > want+time.Microsecond {
			t.Fatalf("packet %d is due at %v; want %v", i, d, want)
		}
	}
}

func TestPercentilesNeedEnoughSamples(t *testing.T) {
	for _, tt := range []struct {
		n             int
		p50, p90, p99 bool
	}{{19, false, false, false}, {20, true, false, false}, {99, true, false, false}, {100, true, true, false}, {999, true, true, false}, {1000, true, true, true}} {
		h := newTiming(2)
		for i := range tt.n {
			h.record(i, time.Duration(i+1)*time.Microsecond)
		}
		d := h.dist()
		if d.N != int64(tt.n) || d.Min != 1000 || d.Max != int64(tt.n)*1000 || (d.P50 > 0) != tt.p50 || (d.P90 > 0) != tt.p90 || (d.P99 > 0) != tt.p99 {
			t.Errorf("%d samples: %+v", tt.n, d)
		}
		if d.P90 > 0 && (d.P90 < int64(tt.n)*890 || d.P90 > int64(tt.n)*910) {
			t.Errorf("%d samples: p90 = %d ns", tt.n, d.P90)
		}
	}
	if d := newTiming(1).dist(); d != nil {
		t.Errorf("dist without samples = %+v; want nil", d)
	}
	h := newTiming(1)
	h.record(0, 2*time.Minute)
	if d := h.dist(); d.Clipped != 1 || d.Max != int64(2*time.Minute) {
		t.Errorf("two minutes: %+v; want one clipped sample", d)
	}
}
