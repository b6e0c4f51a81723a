package forward

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/adit-tunnel/adit/reference/sock"
)

const soon = time.Minute

// pair is two ends of one loopback TCP connection, closed with the test, that fail rather than hang.
func pair(t *testing.T) (a, b *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dialled, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dialled.Close(); accepted.Close() })
	return dialled.(*net.TCPConn), accepted.(*net.TCPConn)
}

func socket(t testing.TB, c *net.TCPConn) *sock.TCP {
	t.Helper()
	s, err := sock.NewTCP(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// relayed starts a Relay and returns its two outer ends and its result.
func relayed(t *testing.T, ctx context.Context, counts *sock.Counts, limits ...Limits) (visitor, service *net.TCPConn, result <-chan error) {
	t.Helper()
	visitor, near := pair(t)
	far, service := pair(t)
	for _, c := range []*net.TCPConn{visitor, service} {
		c.SetDeadline(time.Now().Add(soon))
	}
	done := make(chan error, 1)
	go func() {
		done <- Relay(ctx, socket(t, near), socket(t, far), counts, append(limits, Limits{})[0])
	}()
	return visitor, service, done
}

func want(t *testing.T, what string, result <-chan error, target error) {
	t.Helper()
	select {
	case err := <-result:
		if !errors.Is(err, target) {
			t.Errorf("%s = %v; want %v", what, err, target)
		}
	case <-time.After(soon):
		t.Fatalf("%s still runs", what)
	}
}

func wantReset(t *testing.T, who string, c *net.TCPConn) {
	t.Helper()
	if n, err := io.Copy(io.Discard, c); n != 0 || !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%s read %d bytes, %v; want none and a reset", who, n, err)
	}
}

func TestEndOfStreamPassesOnAsHalfClose(t *testing.T) {
	for _, visitorFirst := range []bool{true, false} {
		var counts sock.Counts
		first, second, result := relayed(t, t.Context(), &counts)
		in, out := int64(len("question")), int64(len("a longer answer"))
		if !visitorFirst {
			first, second = second, first
			in, out = out, in
		}
		io.WriteString(first, "question")
		first.CloseWrite()
		if got, err := io.ReadAll(second); string(got) != "question" || err != nil {
			t.Fatalf("other end read %q, %v; want the question and the end", got, err)
		}
		io.WriteString(second, "a longer answer") // after the first direction has ended
		second.CloseWrite()
		if got, err := io.ReadAll(first); string(got) != "a longer answer" || err != nil {
			t.Fatalf("first end read %q, %v; want the answer and the end", got, err)
		}
		want(t, "Relay", result, nil)
		if counts.ToService.Load() != in || counts.ToVisitor.Load() != out {
			t.Errorf("counts = %d in, %d out; want %d, %d", counts.ToService.Load(), counts.ToVisitor.Load(), in, out)
		}
	}
}

func TestLargeTransferBothWaysAtOnce(t *testing.T) {
	var counts sock.Counts
	visitor, service, result := relayed(t, t.Context(), &counts)
	const size = 24<<20 + 12345 // many bulk chunks and an odd end
	up, down := random(1, size), random(2, size)
	var wg sync.WaitGroup
	send := func(c *net.TCPConn, data []byte) {
		if _, err := c.Write(data); err != nil {
			t.Error(err)
		}
		c.CloseWrite()
	}
	receive := func(c *net.TCPConn, data []byte) {
		got, err := io.ReadAll(c)
		if !bytes.Equal(got, data) || err != nil {
			t.Errorf("received %d bytes, %v; want %d, the same", len(got), err, len(data))
		}
	}
	wg.Go(func() { send(visitor, up) })
	wg.Go(func() { send(service, down) })
	wg.Go(func() { receive(service, up) })
	wg.Go(func() { receive(visitor, down) })
	wg.Wait()
	want(t, "Relay", result, nil)
	if counts.ToService.Load() != size || counts.ToVisitor.Load() != size {
		t.Errorf("counts = %d, %d; want %d each", counts.ToService.Load(), counts.ToVisitor.Load(), size)
	}
}

// A sender that stops in the middle of a bulk chunk: what came arrives, and is counted, without its end.
func TestBulkThatPausesArrivesAndIsCounted(t *testing.T) {
	var counts sock.Counts
	visitor, service, result := relayed(t, t.Context(), &counts)
	data := random(3, 3*bulkChunk/2)
	for range 3 { // after each pause small reads, then bulk again
		before := counts.ToService.Load()
		var wg sync.WaitGroup
		wg.Go(func() { visitor.Write(data) })
		got := make([]byte, len(data))
		if _, err := io.ReadFull(service, got); err != nil || !bytes.Equal(got, data) {
			t.Fatalf("service read a different burst, %v", err)
		}
		wg.Wait()
		for deadline := time.Now().Add(soon); counts.ToService.Load() != before+int64(len(data)); {
			if time.Now().After(deadline) {
				t.Fatalf("counted %d bytes; want %d", counts.ToService.Load()-before, len(data))
			}
			time.Sleep(time.Millisecond) // polling a counter: nothing else tells
		}
	}
	visitor.Close()
	service.Close()
	want(t, "Relay", result, nil)
}

func TestResetOfOneEndResetsTheOther(t *testing.T) {
	visitor, service, result := relayed(t, t.Context(), new(sock.Counts))
	sock.Reset(service)
	wantReset(t, "visitor", visitor)
	want(t, "Relay", result, syscall.ECONNRESET)
}

func TestEndOfContextResetsBoth(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	visitor, service, result := relayed(t, ctx, new(sock.Counts))
	reason := errors.New("mapping removed")
	cancel(reason)
	want(t, "Relay", result, reason)
	wantReset(t, "visitor", visitor)
	wantReset(t, "service", service)
}

func TestSmallReadsAllocateNothing(t *testing.T) {
	a, b := pair(t)
	s := socket(t, b)
	one := []byte{1}
	if n := testing.AllocsPerRun(200, func() {
		a.Write(one)
		buf, err := s.Read(buffers, bufferSize)
		if err != nil || buf.Len() != 1 {
			t.Fatalf("Read = %v, %v; want 1 byte", buf, err)
		}
		buf.Release()
	}); n != 0 { // rounded down: the race detector lets a pool forget some
		t.Errorf("%v allocations for each small read; want none", n)
	}
}

func random(seed uint64, n int) []byte {
	data := make([]byte, n)
	var key [32]byte
	key[0] = byte(seed)
	rand.NewChaCha8(key).Read(data)
	return data
}

func TestBytesOfAFailedWriteAreCounted(t *testing.T) {
	in, src := pair(t)
	dst, out := pair(t)
	dst.SetWriteBuffer(4 << 10)
	out.SetReadBuffer(4 << 10)
	var count atomic.Int64
	h := half{dst: socket(t, dst), src: socket(t, src), count: &count}
	dst.SetWriteDeadline(time.Now().Add(50 * time.Millisecond)) // nobody reads: a part is taken, then the write fails
	if _, err := in.Write(random(1, bufferSize-1)); err != nil {
		t.Fatal(err)
	}
	for total := 0; total < bufferSize-1; {
		// In a few reads, should the bytes have come in a few parts.
		_, err := h.small()
		if errors.Is(err, os.ErrDeadlineExceeded) {
			break
		}
		if err != nil {
			t.Fatalf("small = %v; want os.ErrDeadlineExceeded", err)
		}
		if total = int(count.Load()); total >= bufferSize-1 {
			t.Skip("this system's socket buffers took everything")
		}
	}
	dst.CloseWrite()
	if got, err := io.Copy(io.Discard, out); err != nil || got != count.Load() || got == 0 {
		t.Errorf("%d bytes arrived, %v, and %d were counted; want as many, and some", got, err, count.Load())
	}
}

// A relay that carries nothing ends after its idle timeout, and one that carries an octet now and then does not.
func TestAnIdleRelayEnds(t *testing.T) {
	const idle = 200 * time.Millisecond
	visitor, service, result := relayed(t, t.Context(), new(sock.Counts), Limits{Idle: idle})
	start := time.Now()
	for time.Since(start) < 2*idle {
		io.WriteString(visitor, "x")
		if _, err := io.ReadFull(service, make([]byte, 1)); err != nil {
			t.Fatalf("a relay that carries something ended: %v", err)
		}
	}
	quiet := time.Now()
	want(t, "Relay", result, ErrIdle)
	if time.Since(quiet) < idle-10*time.Millisecond { // what the clock was read in
		t.Errorf("it ended %v after its last octet; want %v", time.Since(quiet), idle)
	}
	wantReset(t, "visitor", visitor)
	wantReset(t, "service", service)
}

// A relay keeps the rate of each direction, which others share.
func TestARelayKeepsItsRates(t *testing.T) {
	const size = 1 << 20 // more than a buffer is free: bulk would go on without bound
	for _, up := range []bool{true, false} {
		limits := Limits{Down: sock.NewRate(size)}
		if up {
			limits = Limits{Up: sock.NewRate(size)}
		}
		visitor, service, result := relayed(t, t.Context(), new(sock.Counts), limits)
		took := func(from, to *net.TCPConn) time.Duration {
			start := time.Now()
			go func() { from.Write(make([]byte, size)); from.CloseWrite() }()
			if n, err := io.Copy(io.Discard, to); n != size || err != nil {
				t.Errorf("%d bytes came, %v; want %d", n, err, size)
			}
			return time.Since(start)
		}
		in, out := took(visitor, service), took(service, visitor)
		if slow := map[bool]time.Duration{true: in, false: out}[up]; slow < 700*time.Millisecond { // an eighth is free
			t.Errorf("what is bounded to a second, but for an eighth, took %v", slow)
		}
		if fast := map[bool]time.Duration{true: out, false: in}[up]; fast > 500*time.Millisecond {
			t.Errorf("the other direction, without bound, took %v", fast)
		}
		want(t, "Relay", result, nil)
	}
}
