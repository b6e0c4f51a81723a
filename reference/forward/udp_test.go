package forward

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/adit-tunnel/adit/reference/sock"
)

func listenUDP(t *testing.T) *net.UDPConn {
	t.Helper()
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// repeater sends every datagram back twice.
func repeater(t *testing.T) string {
	c := listenUDP(t)
	go func() {
		b := make([]byte, longestDatagram)
		for {
			n, from, err := c.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			c.WriteToUDPAddrPort(b[:n], from)
			c.WriteToUDPAddrPort(b[:n], from)
		}
	}()
	return c.LocalAddr().String()
}

// udpRig is a UDP that is served, with its account.
type udpRig struct {
	at   string
	end  context.CancelFunc
	done chan struct{}

	mu      sync.Mutex
	visitor []*sock.Counts
	ended   []error
	drops   map[string]int
}

func (r *udpRig) count(what func() int) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return what()
}

func serveUDP(t *testing.T, u *UDP, most int) *udpRig {
	t.Helper()
	return serveUDPOn(t, listenUDP(t), u, most)
}

func serveUDPOn(t *testing.T, listen *net.UDPConn, u *UDP, most int) *udpRig {
	t.Helper()
	ctx, end := context.WithCancel(context.Background())
	r := &udpRig{at: listen.LocalAddr().String(), end: end, done: make(chan struct{}), drops: map[string]int{}}
	u.Begin = func(netip.AddrPort) (*sock.Counts, func(error), error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		if len(r.visitor)-len(r.ended) >= most {
			return nil, nil, errors.New("full")
		}
		counts := new(sock.Counts)
		r.visitor = append(r.visitor, counts)
		return counts, func(err error) { r.mu.Lock(); defer r.mu.Unlock(); r.ended = append(r.ended, err) }, nil
	}
	u.Drop = func(_ netip.AddrPort, why string, err error) {
		if why == "" {
			why = err.Error()
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.drops[why]++
	}
	go func() { defer close(r.done); u.Serve(ctx, listen) }()
	t.Cleanup(func() { end(); <-r.done })
	return r
}

func dialUDP(t *testing.T, to string) net.Conn {
	t.Helper()
	c, err := net.Dial("udp", to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// answer is the next datagram that comes within a time; "": none does.
func answer(c net.Conn, within time.Duration) string {
	c.SetReadDeadline(time.Now().Add(within))
	b := make([]byte, longestDatagram)
	n, _ := c.Read(b)
	return string(b[:n])
}

func wait(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for start := time.Now(); !ok(); time.Sleep(time.Millisecond) {
		if time.Since(start) > soon {
			t.Fatalf("waited for %s in vain", what)
		}
	}
}

// Datagrams keep their bounds and find back to who asked, the longest included, and are counted.
func TestDatagramsFindBackToTheirVisitor(t *testing.T) {
	r := serveUDP(t, &UDP{Target: repeater(t)}, 10)
	long := string(random(1, 65507))
	visitors := []net.Conn{dialUDP(t, r.at), dialUDP(t, r.at), dialUDP(t, r.at)}
	for i, texts := range [][]string{{"one", "two"}, {""}, {long}} {
		for _, text := range texts {
			visitors[i].Write([]byte(text))
			for range 2 {
				if got := answer(visitors[i], soon); got != text {
					t.Errorf("visitor %d: %d bytes come back; want %d", i, len(got), len(text))
				}
			}
		}
	}
	for i, want := range []int64{6, 0, 65507} {
		wait(t, "the account", func() bool {
			return r.count(func() int { return int(r.visitor[i].ToVisitor.Load()) }) == int(2*want)
		})
		if got := r.visitor[i].ToService.Load(); got != want {
			t.Errorf("visitor %d sent %d bytes; want %d", i, got, want)
		}
	}
	if len(r.visitor) != 3 || len(r.ended) != 0 || len(r.drops) != 0 {
		t.Errorf("%d visitors, %d gone, drops %v; want 3, none, none", len(r.visitor), len(r.ended), r.drops)
	}
	r.end()
	<-r.done
	if len(r.ended) != 3 || errors.Join(r.ended...) != nil {
		t.Errorf("at the end %v are gone; want all three, in order", r.ended)
	}
}

// A visitor is forgotten when nothing passed for the idle time, not while something does; then it is a new one, and makes
// room for others.
func TestAnIdleVisitorOfUDPIsForgotten(t *testing.T) {
	const idle = 300 * time.Millisecond
	r := serveUDP(t, &UDP{Target: repeater(t), Idle: idle}, 1)
	c := dialUDP(t, r.at)
	for start := time.Now(); time.Since(start) < 2*idle; time.Sleep(idle / 10) {
		c.Write([]byte("x"))
		answer(c, soon)
	}
	if n := r.count(func() int { return len(r.visitor) }); n != 1 {
		t.Errorf("a visitor that goes on is %d; want one", n)
	}
	other := dialUDP(t, r.at)
	other.Write([]byte("y"))
	wait(t, "the refusal of one too many", func() bool { return r.count(func() int { return r.drops["full"] }) == 1 })
	wait(t, "the first one's end", func() bool { return r.count(func() int { return len(r.ended) }) == 1 })
	other.Write([]byte("z"))
	if got := answer(other, soon); got != "z" {
		t.Errorf("when there is room %q comes back; want z", got)
	}
}

// A visitor stays for as long as datagrams pass in one direction, whichever that is; the end of the port ends it at once.
func TestOneDirectionKeepsAVisitor(t *testing.T) {
	const idle = 300 * time.Millisecond
	for _, up := range []bool{true, false} {
		target := listenUDP(t)
		listen := listenUDP(t)
		r := serveUDPOn(t, listen, &UDP{Target: target.LocalAddr().String(), Idle: idle}, 1)
		c := dialUDP(t, r.at)
		c.Write([]byte("x"))
		target.SetReadDeadline(time.Now().Add(soon))
		_, from, err := target.ReadFromUDPAddrPort(make([]byte, 1))
		if err != nil {
			t.Fatal(err)
		}
		for start := time.Now(); time.Since(start) < 2*idle; time.Sleep(idle / 10) {
			if up {
				c.Write([]byte("x"))
			} else {
				target.WriteToUDPAddrPort([]byte("x"), from)
			}
		}
		if n := r.count(func() int { return len(r.ended) }); n != 0 {
			t.Errorf("a visitor with datagrams in one direction (up: %v) was forgotten", up)
		}
		start := time.Now()
		listen.Close()
		<-r.done
		if time.Since(start) > idle/2 {
			t.Errorf("when its port was closed it was kept for %v", time.Since(start))
		}
	}
}

func TestDatagramsAreDroppedWhen(t *testing.T) {
	closed := listenUDP(t)
	closed.Close()
	for name, c := range map[string]struct {
		udp  *UDP
		send int
		why  string
		min  int // drops
	}{
		"nobody listens at the target":   {&UDP{Target: closed.LocalAddr().String()}, 5, DropRefused, 1},
		"the rate is used up":            {&UDP{Target: repeater(t), Up: DatagramRate(1024)}, 70, DropRate, 5},
		"the rate of answers is used up": {&UDP{Target: repeater(t), Down: DatagramRate(1024)}, 70, DropRate, 70},
		"the target has no address":      {&UDP{Target: "no.such.host.invalid:1", DialTimeout: 2 * time.Second}, 5, DropFailed, 1},
	} {
		t.Run(name, func(t *testing.T) {
			r := serveUDP(t, c.udp, 10)
			v := dialUDP(t, r.at)
			for range c.send {
				v.Write(make([]byte, 1000))
				time.Sleep(time.Millisecond)
			}
			wait(t, "drops", func() bool { return r.count(func() int { return r.drops[c.why] }) >= c.min })
			if r.count(func() int { return len(r.drops) }) != 1 {
				t.Errorf("drops are %v; want %s alone", r.drops, c.why)
			}
		})
	}
}

// What waits for the target's address is bounded, and sent in its order.
func TestDatagramsWaitForTheTarget(t *testing.T) {
	var dropped []string
	u := &UDP{Target: repeater(t), Drop: func(_ netip.AddrPort, why string, _ error) { dropped = append(dropped, why) }}
	v := &udpVisitor{counts: new(sock.Counts)}
	b := make([]byte, 1) // the same for all, as in Serve
	for i := range mostPending + 3 {
		b[0] = byte(i)
		u.forward(v, b)
	}
	if len(v.pending) != mostPending || len(dropped) != 3 || dropped[0] != DropQueue {
		t.Errorf("%d wait, %v are dropped; want %d, and three for the queue", len(v.pending), dropped, mostPending)
	}
	if err := u.connect(t.Context(), v); err != nil {
		t.Fatal(err)
	}
	defer v.conn.Close()
	for i := range mostPending {
		for range 2 {
			if got := answer(v.conn, soon); got != string([]byte{byte(i)}) {
				t.Errorf("answer %d is %q", i, got)
			}
		}
	}
}
