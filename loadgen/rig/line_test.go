package rig

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/adit-tunnel/adit/conformance/subject"
	"github.com/adit-tunnel/adit/loadgen/scenario"
)

func TestALineThatStopsCarriesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(0)
		l.set(scenario.Link{Stall: scenario.Stall{Every: subject.Duration(2 * time.Second), For: subject.Duration(200 * time.Millisecond)}}, time.Now())
		began := time.Now()
		for _, tt := range []struct{ at, carries time.Duration }{
			{0, 0},
			{1799 * time.Millisecond, 1799 * time.Millisecond},
			{1800 * time.Millisecond, 2 * time.Second},
			{1999 * time.Millisecond, 2 * time.Second},
			{2 * time.Second, 2 * time.Second},
			{3799 * time.Millisecond, 3799 * time.Millisecond},
			{13900 * time.Millisecond, 14 * time.Second},
		} {
			time.Sleep(tt.at - time.Since(began))
			if got := max(l.thawed().Sub(began), tt.at); got != tt.carries {
				t.Errorf("after %v it carries from %v on; want %v", tt.at, got, tt.carries)
			}
		}
		l.until = began.Add(time.Minute)
		if got := l.thawed().Sub(began); got != time.Minute {
			t.Errorf("frozen, too: carries from %v on; want 1m0s", got)
		}
		l.until = time.Time{}
		l.set(scenario.Link{}, time.Now())
		if got := l.thawed(); got.After(time.Now()) {
			t.Errorf("set anew, without a stall: carries from %v on; want now", got)
		}
	})
}

// A stall counts packets, however they were cut: one large write is as likely hit as the same bytes in small ones.
func TestAShareOfThePacketsHoldsUpItsConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const long = 200 * time.Millisecond
		hits := func(n, of int) (hit int) {
			l := newLine(1)
			l.set(scenario.Link{Stall: scenario.Stall{P: 0.01, For: subject.Duration(long)}}, time.Now())
			for range of {
				switch late := time.Until(l.send(n)); late {
				case 0:
				case long:
					hit++
				default:
					t.Fatalf("%d octets arrive after %v; want 0s or %v", n, late, long)
				}
			}
			return hit
		}
		for _, tt := range []struct{ n, of, least, most int }{
			{1, 10_000, 70, 130},               // 100 expected
			{packetSize, 10_000, 70, 130},      // 100
			{packetSize + 1, 10_000, 150, 250}, // 199
			{45 * packetSize, 1_000, 300, 430}, // 364: 1 - 0.99^45 of them
		} {
			if got := hits(tt.n, tt.of); got < tt.least || got > tt.most {
				t.Errorf("%d of %d times %d octets were held up; want %d to %d", got, tt.of, tt.n, tt.least, tt.most)
			}
		}
		if a, b := hits(1, 10_000), hits(1, 10_000); a != b {
			t.Errorf("%d, then %d with the same seed", a, b)
		}
	})
}
