package rig

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/onsi/gomega"
	"github.com/onsi/gomega/gleak"

	"github.com/adit-tunnel/adit/conformance/subject"
	"github.com/adit-tunnel/adit/loadgen/load/control"
	"github.com/adit-tunnel/adit/loadgen/scenario"
)

func TestMain(m *testing.M) {
	before := gleak.Goroutines()
	code := m.Run()
	g := gomega.NewGomega(func(message string, _ ...int) {
		println(message)
		code = 1
	})
	g.Eventually(gleak.Goroutines).WithTimeout(5 * time.Second).ShouldNot(gleak.HaveLeaked(before))
	os.Exit(code)
}

// A rig is a link to a service that echoes.
type linkTest struct {
	t       *testing.T
	at      string
	control *control.Client
	link    *Link
	close   func()
}

func newLinkTest(t *testing.T) *linkTest { t.Helper(); return startLinkTest(t, scenario.ByProcess) }

func startLinkTest(t *testing.T, backend string) *linkTest {
	t.Helper()
	listen := func() net.Listener {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	service, data, ctl := listen(), listen(), listen()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := service.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.Copy(c, c)
				_ = c.(*net.TCPConn).CloseWrite()
			}()
		}
	}()
	l, err := NewLink(data, service.Addr().String(), ctl, "", backend)
	if err != nil {
		t.Fatal(err)
	}
	r := &linkTest{t, data.Addr().String(), control.NewClient("link", ctl.Addr().String(), ""), l, nil}
	r.close = sync.OnceFunc(func() {
		r.control.Close()
		if err := errors.Join(l.Close(), service.Close()); err != nil {
			t.Error(err)
		}
		<-done
	})
	t.Cleanup(r.close)
	return r
}

func ask[In any](r *linkTest, what control.Request[In, control.None], in In) {
	r.t.Helper()
	if _, err := what.Ask(r.t.Context(), r.control, in); err != nil {
		r.t.Fatal(err)
	}
}

func (r *linkTest) dial() *net.TCPConn {
	r.t.Helper()
	c, err := net.Dial("tcp", r.at)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	return c.(*net.TCPConn)
}

// echo sends bytes and says how long they took to come back, all of them.
func (r *linkTest) echo(c net.Conn, b []byte) time.Duration {
	r.t.Helper()
	begun := time.Now()
	sent := make(chan error, 1)
	go func() {
		_, err := c.Write(b)
		sent <- err
	}()
	got := make([]byte, len(b))
	if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, b) {
		r.t.Fatalf("echo of %d octets: %v", len(b), err)
	}
	if err := <-sent; err != nil {
		r.t.Fatal(err)
	}
	return time.Since(begun)
}

func TestADelayIsHalfEachWay(t *testing.T) {
	r := newLinkTest(t)
	c := r.dial()
	r.echo(c, []byte("warm"))
	ask(r, LinkSet, scenario.Link{RTT: subject.Duration(30 * time.Millisecond)})
	best := time.Hour
	for range 20 {
		took := r.echo(c, []byte("ping"))
		if took < 30*time.Millisecond {
			t.Fatalf("there and back in %v; want 30ms or more", took)
		}
		best = min(best, took)
	}
	if best > 33*time.Millisecond {
		t.Errorf("there and back in %v at best; want 30ms", best)
	}
	ask(r, LinkSet, scenario.Link{RTT: subject.Duration(2 * time.Millisecond), Jitter: subject.Duration(20 * time.Millisecond)})
	c2 := r.dial()
	r.echo(c2, bytes.Repeat([]byte("in order "), 50_000)) // though each chunk has a delay of its own
}

func TestTheBandwidthIsSharedEachWay(t *testing.T) {
	r := newLinkTest(t)
	ask(r, LinkSet, scenario.Link{Rate: 80e6}) // 10 MB/s
	type result struct{ took time.Duration }
	results := make(chan result, 2)
	for range 2 {
		c := r.dial()
		go func() { results <- result{r.echo(c, make([]byte, 1_500_000))} }()
	}
	slowest := max((<-results).took, (<-results).took)
	if slowest < 250*time.Millisecond {
		t.Errorf("3 MB at 10 MB/s took %v; want 300ms or so", slowest)
	}
	n, err := LinkCount.Ask(t.Context(), r.control, control.None{})
	if err != nil || n.To != 3_000_000 || n.Back != 3_000_000 {
		t.Errorf("Count = %+v, %v; want 3,000,000 each way", n, err)
	}
}

func TestAFrozenLinkLosesNothing(t *testing.T) {
	r := newLinkTest(t)
	c := r.dial()
	r.echo(c, []byte("warm"))
	ask(r, LinkFreeze, Outage{300 * time.Millisecond})
	if took := r.echo(c, bytes.Repeat([]byte("x"), 200_000)); took < 250*time.Millisecond {
		t.Errorf("there and back in %v while frozen for 300ms", took)
	}
}

func TestAKilledLinkResetsAndTakesNoneForATime(t *testing.T) {
	r := newLinkTest(t)
	c := r.dial()
	r.echo(c, []byte("warm"))
	ask(r, LinkKill, Outage{300 * time.Millisecond})
	killed := time.Now()
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("read: %v; want a reset", err)
	}
	for try := 0; ; try++ {
		c, err := net.Dial("tcp", r.at)
		if err == nil {
			_ = c.SetDeadline(time.Now().Add(10 * time.Second))
			_, err = c.Write([]byte("x"))
		}
		if err == nil {
			_, err = c.Read(make([]byte, 1))
		}
		if c != nil {
			_ = c.Close()
		}
		if err == nil {
			if down := time.Since(killed); down < 250*time.Millisecond || try == 0 {
				t.Errorf("taken again after %v, %d tries; want 300ms", down, try)
			}
			return
		}
		if time.Since(killed) > 10*time.Second {
			t.Fatalf("not taken again: %v", err)
		}
	}
}

func TestTheEndOfAStreamArrivesBehindItsOctets(t *testing.T) {
	r := newLinkTest(t)
	ask(r, LinkSet, scenario.Link{RTT: subject.Duration(40 * time.Millisecond)})
	c := r.dial()
	want := bytes.Repeat([]byte("0123456789"), 30_000)
	go func() {
		_, _ = c.Write(want)
		_ = c.CloseWrite()
	}()
	got, err := io.ReadAll(c)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d octets, %v; want %d and the end", len(got), err, len(want))
	}
}

func TestTheAlarmEndsWithEveryoneAwake(t *testing.T) {
	a := newAlarm()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{}, 2)
	go func() { a.run(ctx); done <- struct{}{} }()
	go func() { a.wait(time.Now().Add(time.Hour)); done <- struct{}{} }()
	a.wait(time.Now().Add(time.Millisecond))
	cancel()
	<-done
	<-done
	a.wait(time.Now().Add(time.Hour)) // at once: nobody would wake it
}

// The queue in front of a line is one for all: what is cut leaves its part to the others.
func TestAConnectionThatIsCutLeavesItsRoom(t *testing.T) {
	r := newLinkTest(t)
	ask(r, LinkSet, scenario.Link{RTT: subject.Duration(2 * time.Second), Rate: 1e6})
	up := r.link.ways[0]
	alone := up.room()
	c := r.dial()
	if _, err := c.Write(make([]byte, 4<<10)); err != nil {
		t.Fatal(err)
	}
	other := r.dial()
	if _, err := other.Write(make([]byte, 4<<10)); err != nil {
		t.Fatal(err)
	}
	busy := func() int {
		up.mu.Lock()
		defer up.mu.Unlock()
		return up.busy
	}
	g := gomega.NewWithT(t)
	g.Eventually(busy).WithTimeout(20 * time.Second).Should(gomega.Equal(2))
	if got := up.room(); got != alone/2 {
		t.Errorf("room for each of two is %d octets; want half of %d", got, alone)
	}
	ask(r, LinkKill, Outage{})
	g.Eventually(busy).WithTimeout(20 * time.Second).Should(gomega.BeZero())
}

// What a packet holds up is its connection alone, and nothing is lost or overtakes.
func TestAStallHoldsUpWhatIsBehindIt(t *testing.T) {
	r := newLinkTest(t)
	ask(r, LinkSet, scenario.Link{Stall: scenario.Stall{P: 1, For: subject.Duration(150 * time.Millisecond)}})
	c := r.dial()
	for range 2 {
		if took := r.echo(c, bytes.Repeat([]byte("in order "), 20_000)); took < 300*time.Millisecond {
			t.Errorf("there and back in %v; want 150ms each way", took)
		}
	}
}

func TestALineThatStopsLosesNothing(t *testing.T) {
	r := newLinkTest(t)
	c := r.dial()
	r.echo(c, []byte("warm"))
	ask(r, LinkSet, scenario.Link{Stall: scenario.Stall{Every: subject.Duration(400 * time.Millisecond), For: subject.Duration(390 * time.Millisecond)}})
	over := time.Now().Add(20 * time.Second)
	for r.echo(c, bytes.Repeat([]byte("x"), 50_000)) < 200*time.Millisecond {
		if time.Now().After(over) {
			t.Fatal("the line never stopped")
		}
	}
}
