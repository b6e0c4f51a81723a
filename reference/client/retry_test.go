package client

import (
	"testing"
	"time"
)

func TestWaitsBetweenAttempts(t *testing.T) {
	const failed, brief, long = time.Duration(0), time.Second, time.Hour
	type attempt struct {
		dialled, lived time.Duration
		least, most    time.Duration // of the wait that follows
	}
	for _, c := range []struct {
		what     string
		attempts []attempt
	}{
		{"the first loss is followed at once", []attempt{{0, long, 0, 0}}},
		{"even of a brief tunnel", []attempt{{0, brief, 0, 0}}},
		{"a second brief one is not", []attempt{{0, brief, 0, 0}, {0, brief, 1, time.Second}}},
		{"a tunnel that lived makes it the first loss again", []attempt{{0, brief, 0, 0}, {0, brief, 1, time.Second}, {0, long, 0, 0}}},
		{"a server that is not there is no loss", []attempt{{0, failed, 250 * time.Millisecond, 750 * time.Millisecond}}},
		{"waits grow", []attempt{
			{0, failed, 250 * time.Millisecond, 750 * time.Millisecond},
			{0, failed, 500 * time.Millisecond, 1500 * time.Millisecond},
			{0, failed, time.Second, 3 * time.Second},
		}},
		{"LOSS-003: 60 s from one attempt to the next", []attempt{{59800 * time.Millisecond, failed, 200 * time.Millisecond, 200 * time.Millisecond}, {2 * time.Minute, failed, 0, 0}}},
	} {
		r := newRetry(500*time.Millisecond, 30*time.Second)
		for i, a := range c.attempts {
			if got := r.next(a.dialled, a.lived); got < a.least || got > a.most {
				t.Errorf("%s: wait %d = %v; want %v to %v", c.what, i, got, a.least, a.most)
			}
		}
	}
}

func TestWaitsStayBelowTheBoundForEver(t *testing.T) {
	r := newRetry(500*time.Millisecond, 50*time.Second)
	longest, sum := time.Duration(0), time.Duration(0)
	for range 10_000 {
		wait := r.next(time.Second, 0)
		longest, sum = max(longest, wait), sum+wait
	}
	if longest > mostBetweenDials-time.Second || sum < 10_000*20*time.Second {
		t.Errorf("longest wait %v, mean %v; want below %v, and grown", longest, sum/10_000, mostBetweenDials)
	}
	if wait := r.next(0, time.Hour); wait != 0 {
		t.Errorf("wait after a long tunnel = %v; want none", wait)
	}
}
