package session

import (
	"context"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/adit-tunnel/adit/reference/sock"
)

// longLine is one direction of a path: what is written to from comes out at to half a round trip later, at no more than a
// rate in bytes a second. It ends with either.
func longLine(wg *sync.WaitGroup, from, to *sock.Mem, trip *atomic.Int64, rate int) {
	type piece struct {
		at    time.Time
		bytes []byte
	}
	pieces := make(chan piece, 1<<16)
	wg.Go(func() {
		defer close(pieces)
		free := time.Now()
		for {
			b := make([]byte, 16<<10)
			n, err := from.Stream().Read(b)
			if err != nil {
				return
			}
			if now := time.Now(); free.Before(now) {
				free = now
			}
			free = free.Add(time.Duration(n) * time.Second / time.Duration(rate))
			time.Sleep(time.Until(free)) // what is behind it waits at the sender
			pieces <- piece{free.Add(time.Duration(trip.Load()) / 2), b[:n]}
		}
	})
	wg.Go(func() {
		for p := range pieces {
			time.Sleep(time.Until(p.at))
			to.Stream().Write(p.bytes)
		}
		to.Close()
	})
}

// farApart runs a test on two sessions at the ends of a line, whose round trip is trip until the test sets another.
func farApart(t *testing.T, trip time.Duration, rate, buffer int, test func(p *pair, setTrip func(time.Duration), open func() (visitor, service sock.Stream))) {
	synctest.Test(t, func(t *testing.T) {
		var wg sync.WaitGroup
		var nanoseconds atomic.Int64
		setTrip := func(d time.Duration) { nanoseconds.Store(int64(d)) }
		setTrip(trip)
		a, lineA := sock.Pipe(buffer)
		b, lineB := sock.Pipe(buffer)
		longLine(&wg, lineA, lineB, &nanoseconds, rate)
		longLine(&wg, lineB, lineA, &nanoseconds, rate)
		services := make(chan sock.Stream, 1)
		p := newPair(t, ExtendedOnly, a, b, func(context.Context, Target) (sock.Socket, error) {
			near, end := sock.Pipe(1 << 20)
			services <- end.Stream()
			return near, nil
		})
		test(p, setTrip, func() (visitor, service sock.Stream) {
			near, end := sock.Pipe(1 << 20)
			if err := p.server.Open(Visitor{Socket: near, Target: home}); err != nil {
				t.Fatal(err)
			}
			return end.Stream(), <-services
		})
		p.down()
		lineA.Close()
		lineB.Close()
		wg.Wait()
	})
}

// A window that was right for the next room is not for the other side of the world: one connection comes to use the line.
func TestOneConnectionFillsALongLine(t *testing.T) {
	const rate = 20 << 20
	for _, c := range []struct {
		trip  time.Duration
		to    string
		least float64
	}{{0, "service", 0.95}, {10 * time.Millisecond, "visitor", 0.95}, {100 * time.Millisecond, "service", 0.9}} {
		farApart(t, c.trip, rate, 64<<10, func(p *pair, _ func(time.Duration), open func() (visitor, service sock.Stream)) {
			from, to := open()
			if c.to == "visitor" {
				from, to = to, from
			}
			var sending sync.WaitGroup
			sending.Go(func() { io.Copy(from, zeros{}) })
			drain(t, to, 3*time.Second)
			if got := float64(drain(t, to, 3*time.Second)) / (3 * rate); got < c.least {
				t.Errorf("round trip %v, to the %s: after three seconds %.3f of the line are used; want %.2f", c.trip, c.to, got, c.least)
			}
			from.Close()
			sending.Wait()
		})
	}
}

// drain reads for that long, and returns how much came.
func drain(t *testing.T, from sock.Stream, d time.Duration) (count int) {
	t.Helper()
	buf := make([]byte, 64<<10)
	for end := time.Now().Add(d); time.Now().Before(end); {
		n, err := from.Read(buf)
		if err != nil {
			t.Error(err)
			return count
		}
		count += n
	}
	return count
}

// However much a system's buffer takes, a packet does not wait behind megabytes of others: what is on its way is bounded
// by the rate of the line, whose users lose next to nothing by that.
func TestAPacketDoesNotWaitForBulk(t *testing.T) {
	const rate, trip = 25 << 20, 2 * time.Millisecond
	farApart(t, trip, rate, 8<<20, func(p *pair, _ func(time.Duration), open func() (visitor, service sock.Stream)) {
		from, to := open()
		visitor, service := open()
		var others sync.WaitGroup
		carried := 0
		others.Go(func() { io.Copy(from, zeros{}) })
		others.Go(func() { io.Copy(service, service) })
		others.Go(func() {
			drain(t, to, time.Second)
			carried = drain(t, to, 2*time.Second)
		})
		time.Sleep(time.Second)
		var waits []time.Duration
		for range 40 {
			time.Sleep(40 * time.Millisecond)
			began := time.Now()
			if err := echoOne(visitor); err != nil {
				t.Fatal(err)
			}
			waits = append(waits, time.Since(began))
		}
		slices.Sort(waits)
		if p50, most := waits[len(waits)/2], waits[len(waits)-1]; p50 > trip+12*time.Millisecond || most > trip+40*time.Millisecond {
			t.Errorf("a packet comes back after %v, at most %v; want 14 ms, at most 42 ms", p50, most)
		}
		time.Sleep(time.Second)
		from.Close()
		to.Reset()
		visitor.Close()
		others.Wait()
		if got := float64(carried) / (2 * rate); got < 0.9 {
			t.Errorf("the others use %.3f of the line; want 0.9", got)
		}
	})
}

// echoes is how long a byte takes to come back, the median of some.
func echoes(t *testing.T, c sock.Stream) time.Duration {
	t.Helper()
	var waits []time.Duration
	for range 21 {
		time.Sleep(40 * time.Millisecond)
		began := time.Now()
		if err := echoOne(c); err != nil {
			t.Fatal(err)
		}
		waits = append(waits, time.Since(began))
	}
	slices.Sort(waits)
	return waits[len(waits)/2]
}

// A route changes: the path becomes longer and short again. Who sends as much as the line takes finds the new round trip
// before long, in either direction, and a packet beside it waits no longer than before.
func TestAPathChangesItsLength(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector makes it long, and has the tests of other lines")
	}
	const rate, short = 5 << 20, time.Millisecond
	for _, c := range []struct {
		long     time.Duration
		to       string
		recovers time.Duration // until the line is used again
	}{
		// Windows that were enough for the short path grow when no round trip of late is as short.
		{100 * time.Millisecond, "service", 4 * time.Second},
		{100 * time.Millisecond, "visitor", 4 * time.Second},
		// These might be the queue, until it is looked at.
		{20 * time.Millisecond, "service", 11 * time.Second},
		{12 * time.Millisecond, "service", 11 * time.Second},
	} {
		t.Run(c.long.String()+" to the "+c.to, func(t *testing.T) {
			farApart(t, short, rate, 64<<10, func(p *pair, setTrip func(time.Duration), open func() (visitor, service sock.Stream)) {
				from, to := open()
				if c.to == "visitor" {
					from, to = to, from
				}
				visitor, service := open()
				var others sync.WaitGroup
				others.Go(func() { io.Copy(from, zeros{}) })
				others.Go(func() { io.Copy(service, service) })
				reached := make(chan time.Duration, 1)
				others.Go(func() {
					drain(t, to, 3*time.Second)
					setTrip(c.long)
					began := time.Now()
					for range 80 {
						if drain(t, to, 250*time.Millisecond) >= rate/4*9/10 {
							break
						}
					}
					reached <- time.Since(began)
					io.Copy(io.Discard, to)
				})
				time.Sleep(2 * time.Second)
				if got := echoes(t, visitor); got > short+16*time.Millisecond {
					t.Errorf("on the short path a packet comes back after %v; want 17 ms", got)
				}
				if got := <-reached; got > c.recovers {
					t.Errorf("the line is used again after %v; want %v", got, c.recovers)
				}
				time.Sleep(time.Second)
				if got := echoes(t, visitor); got > 2*c.long+12*time.Millisecond {
					t.Errorf("on the long path a packet comes back after %v; want two round trips and 12 ms", got)
				}
				setTrip(short)
				time.Sleep(12 * time.Second)
				if got := echoes(t, visitor); got > short+30*time.Millisecond {
					t.Errorf("on the short path a packet comes back after %v again; want 31 ms", got)
				}
				from.Close()
				to.Reset()
				visitor.Close()
				others.Wait()
			})
		})
	}
}

// What is measured while a line is full is not taken for the path's own round trip: what may be on its way would grow with
// what is on its way.
func TestAPacketDoesNotWaitLongerTheLongerBulkLasts(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector makes it long, and has the tests of other lines")
	}
	const rate, trip = 8 << 20, 10 * time.Millisecond
	for _, both := range []bool{false, true} {
		farApart(t, trip, rate, 64<<10, func(p *pair, _ func(time.Duration), open func() (visitor, service sock.Stream)) {
			from, to := open()
			visitor, service := open()
			var others sync.WaitGroup
			others.Go(func() { io.Copy(from, zeros{}) })
			others.Go(func() { io.Copy(io.Discard, to) })
			if both {
				others.Go(func() { io.Copy(to, zeros{}) })
				others.Go(func() { io.Copy(io.Discard, from) })
			}
			others.Go(func() { io.Copy(service, service) })
			time.Sleep(5 * time.Second)
			first := echoes(t, visitor)
			time.Sleep(65 * time.Second)
			bound := 2 * trip
			if both {
				bound *= 2
			}
			if got := echoes(t, visitor); got > max(first, bound)*5/4 {
				t.Errorf("both ways: %v: after a minute a packet comes back after %v; want no more than a quarter above %v, or %v as in the beginning", both, got, bound, first)
			}
			from.Reset()
			to.Reset()
			visitor.Close()
			others.Wait()
		})
	}
}

// Both directions are full, one for longer than the other: each side's PONGs wait in the other's queue. They look at the path
// together, and find it, and neither waits for the other's Data as if that were the path.
func TestBothWaysFull(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector makes it long, and has the tests of other lines")
	}
	const ms = time.Millisecond
	for _, c := range []struct {
		rate       int
		trip, most time.Duration
	}{
		{2 << 20, ms, 120 * ms},
		{25 << 20, ms, 45 * ms},
		{8 << 20, 100 * ms, 310 * ms},
	} {
		t.Run(c.trip.String(), func(t *testing.T) {
			farApart(t, c.trip, c.rate, 64<<10, func(p *pair, _ func(time.Duration), open func() (visitor, service sock.Stream)) {
				visitor, service := open()
				var others sync.WaitGroup
				var carried [2]atomic.Int64 // to the service, to the visitor
				var ends []sock.Stream
				count := func(from sock.Stream, n *atomic.Int64) {
					buf := make([]byte, 64<<10)
					for {
						k, err := from.Read(buf)
						if n.Add(int64(k)); err != nil {
							return
						}
					}
				}
				for range 4 {
					near, far := open()
					ends = append(ends, near, far)
					for i, s := range []sock.Stream{far, near} {
						others.Go(func() {
							time.Sleep(time.Duration(i) * 4 * time.Second)
							io.Copy(s, zeros{})
						})
						others.Go(func() { count(s, &carried[i]) })
					}
				}
				others.Go(func() { io.Copy(service, service) })
				time.Sleep(24 * time.Second) // it was looked at twice
				for i := range carried {
					carried[i].Store(0)
				}
				began := time.Now()
				if got := echoes(t, visitor); got > c.most {
					t.Errorf("a packet comes back after %v; want %v", got, c.most)
				}
				time.Sleep(3 * time.Second)
				for i := range carried {
					if got := float64(carried[i].Load()) / time.Since(began).Seconds() / float64(c.rate); got < 0.8 {
						t.Errorf("direction %d uses %.2f of the line; want 0.8", i, got)
					}
				}
				for _, s := range []*Session{p.server, p.client} {
					if got := s.Stats().RTT; got < c.trip || got > c.trip+c.trip/8+9*ms {
						t.Errorf("the %s takes the path for %v; want %v", s.cfg.Role, got, c.trip)
					}
				}
				for _, s := range ends {
					s.Reset()
				}
				visitor.Close()
				others.Wait()
			})
		})
	}
}

func echoOne(c sock.Stream) error {
	b := []byte{1}
	if _, err := c.Write(b); err != nil {
		return err
	}
	_, err := io.ReadFull(c, b)
	return err
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { return len(b), nil }

// What the system takes of the first MiB says nothing about the reader; after that the window grows.
func TestAWindowGrowsWithWhatTheReaderTakes(t *testing.T) {
	farApart(t, 50*time.Millisecond, 20<<20, 64<<10, func(p *pair, _ func(time.Duration), open func() (visitor, service sock.Stream)) {
		from, to := open()
		window := func() (window, taken uint64) {
			p.client.mu.Lock()
			defer p.client.mu.Unlock()
			for c := range p.client.live {
				x := c.kind.(*extConn)
				return x.granted.window, x.taken
			}
			t.Fatal("no connection")
			return 0, 0
		}
		sending := make(chan error, 1)
		go func() { _, err := from.Write(make([]byte, 8<<20)); sending <- err }()
		first, _ := window()
		for w, taken := window(); taken <= 1<<20; w, taken = window() {
			if w != first {
				t.Fatalf("the window is %d when %d were taken; want %d", w, taken, first)
			}
			if _, err := to.Read(make([]byte, 32<<10)); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		if _, err := io.ReadFull(to, make([]byte, 6<<20)); err != nil {
			t.Fatal(err)
		}
		if w, _ := window(); w < 2*first {
			t.Errorf("the window is %d after 7 MiB; want twice as much as %d at least", w, first)
		}
		from.Close()
		<-sending
	})
}

// limited is a socket in memory that notes what it was told.
type limited struct {
	*sock.Mem
	told *[]int
}

func (l limited) LimitUnsent(n int) { *l.told = append(*l.told, n) }

// The system holds little for a local socket whose peer does not read.
func TestLocalSocketsAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := sock.Pipe(1 << 20)
		var far, near []int
		p := newPair(t, ExtendedOnly, a, b, func(context.Context, Target) (sock.Socket, error) {
			service, _ := sock.Pipe(1 << 20)
			return limited{service, &far}, nil
		})
		defer p.down()
		visitor, _ := sock.Pipe(1 << 20)
		if err := p.server.Open(Visitor{Socket: limited{visitor, &near}, Target: home}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if want := []int{512 << 10}; !slices.Equal(near, want) || !slices.Equal(far, want) {
			t.Errorf("the visitor's socket was told %v, the service's %v; want %v", near, far, want)
		}
	})
}
