package e2e

import (
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestSaturated fills both directions of four connections for a minute, every byte checked in its place,
// and bounds the memory of both programs meanwhile.
func TestSaturated(t *testing.T) {
	t.Parallel()
	const connections = 4
	const visitorSeed, serviceSeed = 21, 22
	begin := time.Now()
	end := begin.Add(time.Minute)
	accepted := make(chan *flood, connections)
	tun := open(t, service(t, func(c *net.TCPConn) {
		f := &flood{c: c, end: end, out: serviceSeed, in: visitorSeed}
		accepted <- f
		var sending sync.WaitGroup
		sending.Go(f.send)
		f.receive()
		sending.Wait()
	}))
	memory := tun.watchMemory(t)

	var visitors, services []*flood
	var sending, receiving sync.WaitGroup
	for i := range connections {
		f := &flood{c: dial(t, tun.public[0]), end: end, out: visitorSeed, in: serviceSeed}
		visitors = append(visitors, f)
		sending.Go(f.send)
		receiving.Go(f.receive)
		// The next one connects after this one was accepted, so that both lists have the same order.
		services = append(services, await(t, fmt.Sprintf("visitor %d reaches the service", i), accepted, soon))
	}
	sending.Wait()
	var up, down int64
	for i := range connections {
		up += services[i].wantAll(t, fmt.Sprintf("connection %d, upload", i), visitors[i])
		down += visitors[i].wantAll(t, fmt.Sprintf("connection %d, download", i), services[i])
	}
	boundMemory(t, memory, connections)
	seconds := time.Since(begin).Seconds()
	t.Logf("up %.2f Gbit/s, down %.2f Gbit/s", float64(up)*8e-9/seconds, float64(down)*8e-9/seconds)
	for _, f := range visitors {
		f.c.Close()
	}
	receiving.Wait()
}

// flood is one end of a connection that sends as much as it can until end, and checks all that comes.
type flood struct {
	c         *net.TCPConn
	end       time.Time
	out, in   int64 // seeds
	sent, got atomic.Int64
	sentAll   atomic.Bool
	wrong     atomic.Pointer[error] // what ended send or receive too early
}

// send ends at the time end, or soon after when nothing goes out any more.
func (f *flood) send() {
	f.c.SetWriteDeadline(f.end.Add(soon))
	src := &source{seed: f.out, left: 1 << 60}
	for time.Now().Before(f.end) {
		n, err := io.CopyN(f.c, src, 256<<10)
		f.sent.Add(n)
		if err != nil {
			f.wrong.CompareAndSwap(nil, &err)
			break
		}
	}
	f.sentAll.Store(true)
}

// receive ends with the connection.
func (f *flood) receive() {
	check := &checker{seed: f.in}
	buf := make([]byte, 64<<10)
	for {
		n, err := f.c.Read(buf)
		if _, bad := check.Write(buf[:n]); bad != nil {
			err = bad
		}
		f.got.Store(check.pos)
		if err != nil {
			f.wrong.CompareAndSwap(nil, &err)
			return
		}
	}
}

// wantAll waits until f got every byte that from sent, and returns their number.
func (f *flood) wantAll(t *testing.T, what string, from *flood) int64 {
	t.Helper()
	eventually(t, what+" arrives", 30*time.Second, func() error {
		sent, got := from.sent.Load(), f.got.Load()
		if from.sentAll.Load() && got == sent {
			return nil
		}
		return fmt.Errorf("%d of %d bytes; receiver: %v, sender: %v", got, sent, f.problem(), from.problem())
	})
	if err := f.problem(); err != nil {
		t.Errorf("%s: %v", what, err)
	}
	if f.got.Load() < 10<<20 {
		t.Errorf("%s: no more than %d bytes in a minute", what, f.got.Load())
	}
	return f.got.Load()
}

func (f *flood) problem() error {
	if err := f.wrong.Load(); err != nil {
		return *err
	}
	return nil
}
