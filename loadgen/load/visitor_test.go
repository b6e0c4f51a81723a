package load

import (
	"maps"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/adit-tunnel/adit/loadgen/load/hist"
	"github.com/adit-tunnel/adit/loadgen/load/payload"
	"github.com/adit-tunnel/adit/loadgen/scenario"
)

const ms = time.Millisecond

// idleVisitors is one without connections: the test plays them.
func idleVisitors(t *testing.T, g scenario.Group) *Visitors {
	return NewVisitors(t.Context(), Job{Group: g, Timeout: 100 * ms, Of: 1}, payload.NewVerifier(payload.NewRing(key), "generator"))
}

// only is the one time that was recorded, as it stands in a record.
func only(t *testing.T, r *Result, which int) time.Duration {
	t.Helper()
	d, err := hist.Join(r.Times[which])
	if err != nil || d == nil || d.N != 1 {
		t.Fatalf("time %d: %+v, %v; want one sample", which, d, err)
	}
	return time.Duration(d.Max)
}

// Bytes that come before the measured time, or after it, are none of its goodput.
func TestGoodputIsOfTheMeasuredTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := idleVisitors(t, scenario.Group{Mode: scenario.Download, Size: 100})
		g.Begin(0, time.Second, 2*time.Second)
		for _, step := range []struct {
			wait  time.Duration
			bytes int64
		}{{500 * ms, 3000}, {time.Second, 700}, {time.Second, 20}, {time.Second, 5000}} {
			time.Sleep(step.wait)
			g.received.Add(step.bytes)
		}
		synctest.Wait()
		g.Close()
		r, err := g.Result()
		if err != nil || r.Down != 720 || r.Seconds != 2 {
			t.Errorf("%d bytes in %v s, %v; want the 720 of the 2 s after the warm-up", r.Down, r.Seconds, err)
		}
	})
}

// A clock that is late has its turn before the block ends; one that has not come so far has not.
func TestABlockEndsWithItsMeasuredTime(t *testing.T) {
	for _, tt := range []struct {
		at   time.Duration // Finish
		want time.Duration // it returns
	}{{0, 0}, {2500 * ms, 2500 * ms}, {2950 * ms, 3 * time.Second}, {4 * time.Second, 4 * time.Second}} {
		synctest.Test(t, func(t *testing.T) {
			g, began := idleVisitors(t, scenario.Group{Mode: scenario.Download, Size: 100}), time.Now()
			g.Begin(0, time.Second, 2*time.Second)
			time.Sleep(tt.at)
			g.Finish(t.Context())
			if got := time.Since(began); got != tt.want {
				t.Errorf("Finish at %v returns at %v; want %v", tt.at, got, tt.want)
			}
			g.Close()
			if r, err := g.Result(); err != nil || (r.Seconds == 2) != (tt.want >= 3*time.Second) {
				t.Errorf("Finish at %v: measured %v s, %v", tt.at, r.Seconds, err)
			}
		})
	}
}

// A packet that was sent late counts from when it was due: else the generator
// would leave out just what the tunnel is to blame for.
func TestALatePacketCountsFromWhenItWasDue(t *testing.T) {
	g := idleVisitors(t, scenario.Group{Mode: scenario.PingPong, Size: 100, Rate: 10})
	w := &visitor{Visitors: g}
	g.phase.Store(measuring)
	if !w.complete(10*ms, 4*ms, 13*ms) {
		t.Error("a packet of the measured time does not count")
	}
	g.Close()
	r, err := g.Result()
	if err != nil {
		t.Fatal(err)
	}
	if s, re, lag := only(t, r, Service), only(t, r, Response), only(t, r, Lag); s != 3*ms || re != 9*ms || lag != 6*ms || r.OK != 1 {
		t.Errorf("due at 4 ms, sent at 10 ms, echoed at 13 ms: service %v, response %v, lag %v, %d ok", s, re, lag, r.OK)
	}
}

// A packet that never came has waited for the timeout at least.
func TestATimeoutIsAmongTheResponses(t *testing.T) {
	g := idleVisitors(t, scenario.Group{Mode: scenario.PingPong, Size: 100, Rate: 10})
	w := &visitor{Visitors: g}
	w.asked = g.now()
	g.phase.Store(measuring)
	w.leave(os.ErrDeadlineExceeded)
	g.Close()
	r, err := g.Result()
	if err != nil {
		t.Fatal(err)
	}
	if took := only(t, r, Response); took < 100*ms || took > 10*time.Second || r.OK != 0 || len(r.Ends) != 1 || r.Ends[0].How != TimedOut {
		t.Errorf("response %v, %d ok, ends %+v; want one timeout of 100 ms", took, r.OK, r.Ends)
	}
}

// What keeps this end from dialling is no packet of the path's, and is said to be so.
func TestWhatThisEndLacksIsNotThePaths(t *testing.T) {
	at := func(no syscall.Errno) error { return &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", no)} }
	for _, tt := range []struct {
		err    error
		own    map[string]int64
		failed int // dials
		ends   int
	}{
		{dialError{at(syscall.EADDRNOTAVAIL)}, map[string]int64{NoPorts: 2}, 0, 0},
		{dialError{at(syscall.EMFILE)}, map[string]int64{NoFiles: 2}, 0, 0},
		{dialError{at(syscall.ENFILE)}, map[string]int64{NoFiles: 2}, 0, 0},
		{dialError{at(syscall.ECONNREFUSED)}, nil, 2, 2},
		{at(syscall.EADDRNOTAVAIL), nil, 0, 2}, // on a connection that stood
	} {
		g := idleVisitors(t, scenario.Group{Mode: scenario.PingPong, Size: 100})
		w := &visitor{Visitors: g}
		w.leave(tt.err)
		w.leave(tt.err)
		g.Close()
		r, err := g.Result()
		if err != nil || !maps.Equal(r.Own, tt.own) || r.FailedConnects != int64(tt.failed) || len(r.Ends) != tt.ends {
			t.Errorf("%v: own %v, %d failed connects, ends %+v, %v; want %v, %d, %d", tt.err, r.Own, r.FailedConnects, r.Ends, err, tt.own, tt.failed, tt.ends)
		}
	}
}
