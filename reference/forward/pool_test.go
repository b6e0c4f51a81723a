package forward

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"
)

// targets are listeners that accept, and their addresses.
func targets(t *testing.T, n int) (all []*net.TCPListener, addrs []string) {
	t.Helper()
	for range n {
		l := listen(t)
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				t.Cleanup(func() { c.Close() })
			}
		}()
		all, addrs = append(all, l), append(addrs, l.Addr().String())
	}
	return all, addrs
}

// reached is the target that a visitor is led to, and what ends it.
func reached(t *testing.T, p *Pool, from string) (string, func()) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	s, done, err := p.Dial(ctx, netip.MustParseAddr(from))
	if err != nil {
		t.Fatal(err)
	}
	return s.Conn.RemoteAddr().String(), func() { s.Reset(); done() }
}

// ups says of each target whether it is up.
func ups(p *Pool) (all []bool) {
	p.State(func(_ string, up bool, _, _ int64) { all = append(all, up) })
	return all
}

func TestTargetsTakeTurns(t *testing.T) {
	_, addrs := targets(t, 3)
	p := NewPool(PoolConfig{Targets: addrs})
	for i := range 7 {
		got, done := reached(t, p, "192.0.2.1")
		done()
		if got != addrs[i%3] {
			t.Errorf("visitor %d is led to %s; want %s", i, got, addrs[i%3])
		}
	}
}

func TestTheTargetWithFewestVisitorsIsNext(t *testing.T) {
	_, addrs := targets(t, 3)
	p := NewPool(PoolConfig{Targets: addrs, Balance: LeastConnections})
	ends := map[string]func(){}
	for range 3 {
		got, done := reached(t, p, "192.0.2.1")
		ends[got] = done
	}
	if len(ends) != 3 {
		t.Fatalf("three visitors have %d targets", len(ends))
	}
	for range 3 {
		ends[addrs[1]]()
		var got string
		if got, ends[addrs[1]] = reached(t, p, "192.0.2.1"); got != addrs[1] {
			t.Errorf("a visitor is led to %s; want the one whose visitor has left, %s", got, addrs[1])
		}
	}
	for _, end := range ends {
		end()
	}
	p.State(func(target string, _ bool, active, _ int64) {
		if active != 0 {
			t.Errorf("%s has %d visitors; want none", target, active)
		}
	})
}

// An address keeps its target, addresses are shared out evenly, and when a target goes only its own move.
func TestAnAddressKeepsItsTarget(t *testing.T) {
	names := []string{"a:1", "b:1", "c:1", "d:1"}
	p := NewPool(PoolConfig{Targets: names, Balance: SourceHash})
	first := func(i int) string {
		return p.order(netip.MustParseAddr(fmt.Sprintf("192.0.%d.%d", i/250, i%250)))[0].addr
	}
	const addresses = 2000
	before, shares := make([]string, addresses), map[string]int{}
	for i := range addresses {
		before[i] = first(i)
		shares[before[i]]++
		if again := first(i); again != before[i] {
			t.Errorf("address %d is led to %s and then to %s", i, before[i], again)
		}
	}
	for _, name := range names {
		if n := shares[name]; n < addresses/4*8/10 || n > addresses/4*12/10 {
			t.Errorf("%s has %d of %d addresses; want a quarter", name, n, addresses)
		}
	}
	p.targets[2].down.Store(true)
	for i := range addresses {
		if got := first(i); got == "c:1" || before[i] != "c:1" && got != before[i] {
			t.Errorf("address %d, of %s, is led to %s when c:1 is down", i, before[i], got)
		}
	}
}

// A visitor does not notice a target that cannot be reached; after three in a row it is left alone, and comes last.
func TestAVisitorIsLedToTheNextTarget(t *testing.T) {
	all, addrs := targets(t, 2)
	all[0].Close()
	p := NewPool(PoolConfig{Targets: addrs})
	failed := func() (n int64) {
		p.State(func(target string, _ bool, _, failed int64) {
			if target == addrs[0] {
				n = failed
			}
		})
		return n
	}
	for range 20 {
		got, done := reached(t, p, "192.0.2.1")
		done()
		if got != addrs[1] {
			t.Errorf("a visitor is led to %s; want the other", got)
		}
	}
	if n := failed(); n != failsToOpen || !slices.Equal(ups(p), []bool{false, true}) {
		t.Errorf("the target that is gone was tried %d times, up: %v; want %d, and then not", n, ups(p), failsToOpen)
	}
	all[1].Close()
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	for range 5 {
		if _, _, err := p.Dial(ctx, netip.MustParseAddr("192.0.2.1")); err == nil {
			t.Error("a visitor is served by nobody")
		}
	}
	if n := failed(); n != failsToOpen+5 {
		t.Errorf("with nobody else there it was tried %d times more; want 5", n-failsToOpen)
	}
	back, err := net.Listen("tcp", addrs[0])
	if err != nil {
		t.Fatal(err)
	}
	defer back.Close()
	if got, done := reached(t, p, "192.0.2.1"); got != addrs[0] {
		t.Errorf("a visitor is led to %s; want the one that is back, as a last resort", got)
	} else {
		done()
	}
}

// The only target is always tried, and its error is the visitor's.
func TestTheOnlyTargetIsAlwaysTried(t *testing.T) {
	all, addrs := targets(t, 1)
	all[0].Close()
	p := NewPool(PoolConfig{Targets: addrs})
	for range 2 * failsToOpen {
		_, _, err := p.Dial(t.Context(), netip.MustParseAddr("192.0.2.1"))
		want := "forward to " + addrs[0] + ": "
		if err == nil || err.Error()[:len(want)] != want || !slices.Equal(ups(p), []bool{true}) {
			t.Errorf("Dial = %v, up %v; want %s and that it is tried again", err, ups(p), want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	p = NewPool(PoolConfig{Targets: []string{addrs[0], addrs[0]}})
	for range 2 * failsToOpen {
		p.Dial(ctx, netip.MustParseAddr("192.0.2.1"))
	}
	if !slices.Equal(ups(p), []bool{true, true}) {
		t.Errorf("visitors that gave up count against the targets: %v", ups(p))
	}
}

// Checks that fail now and then do not count.
func TestOnlyChecksInARowCount(t *testing.T) {
	p := NewPool(PoolConfig{Targets: []string{"a:1", "b:1"}})
	for i, c := range []struct {
		err error
		up  bool
	}{{syscall.ECONNREFUSED, true}, {nil, true}, {syscall.ECONNREFUSED, true}, {syscall.ECONNREFUSED, false}, {syscall.ECONNREFUSED, false}, {nil, true}, {syscall.ECONNREFUSED, true}} {
		if p.checked(p.targets[0], c.err); !slices.Equal(ups(p), []bool{c.up, true}) {
			t.Errorf("after check %d, %v, the targets are up: %v; want %v", i, c.err, ups(p), c.up)
		}
	}
}

// Checks find a target down after two that fail, and up after one that does not, and say so once.
func TestChecksFindTargetsDownAndUp(t *testing.T) {
	all, addrs := targets(t, 2)
	var mu sync.Mutex
	var told []string
	p := NewPool(PoolConfig{Targets: addrs, Check: 20 * time.Millisecond, Changed: func(target string, up bool, err error) {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, fmt.Sprint(slices.Index(addrs, target), up, err != nil))
	}})
	ctx, end := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); p.Run(ctx) }()
	all[0].Close()
	wait(t, "a target that is down", func() bool { return slices.Equal(ups(p), []bool{false, true}) })
	for range 5 {
		if got, done := reached(t, p, "192.0.2.1"); got != addrs[1] {
			t.Errorf("a visitor is led to %s; want the one that is up", got)
		} else {
			done()
		}
	}
	back, err := net.Listen("tcp", addrs[0])
	if err != nil {
		t.Fatal(err)
	}
	defer back.Close()
	wait(t, "a target that is up again", func() bool { return slices.Equal(ups(p), []bool{true, true}) })
	end()
	<-done
	if want := []string{"0 false true", "0 true false"}; !slices.Equal(told, want) {
		t.Errorf("told %q; want %q", told, want)
	}
}
