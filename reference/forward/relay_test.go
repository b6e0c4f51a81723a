package forward

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"
)

const soon = 10 * time.Second

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

// relayed starts a Relay and returns its two outer ends and its result.
func relayed(t *testing.T, ctx context.Context, counts *Counts) (visitor, service *net.TCPConn, result <-chan error) {
	t.Helper()
	visitor, near := pair(t)
	far, service := pair(t)
	for _, c := range []*net.TCPConn{visitor, service} {
		c.SetDeadline(time.Now().Add(soon))
	}
	done := make(chan error, 1)
	go func() { done <- Relay(ctx, near, far, counts) }()
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
		t.Errorf("%s read %d octets, %v; want none and a reset", who, n, err)
	}
}

func TestEndOfStreamPassesOnAsHalfClose(t *testing.T) {
	for _, visitorFirst := range []bool{true, false} {
		var counts Counts
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
		if counts.In.Load() != in || counts.Out.Load() != out {
			t.Errorf("counts = %d in, %d out; want %d, %d", counts.In.Load(), counts.Out.Load(), in, out)
		}
	}
}

func TestLargeTransferBothWaysAtOnce(t *testing.T) {
	var counts Counts
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
			t.Errorf("received %d octets, %v; want %d, the same", len(got), err, len(data))
		}
	}
	wg.Go(func() { send(visitor, up) })
	wg.Go(func() { send(service, down) })
	wg.Go(func() { receive(service, up) })
	wg.Go(func() { receive(visitor, down) })
	wg.Wait()
	want(t, "Relay", result, nil)
	if counts.In.Load() != size || counts.Out.Load() != size {
		t.Errorf("counts = %d, %d; want %d each", counts.In.Load(), counts.Out.Load(), size)
	}
}

// A sender that stops in the middle of a bulk chunk: what came arrives, and is counted, without its end.
func TestBulkThatPausesArrivesAndIsCounted(t *testing.T) {
	var counts Counts
	visitor, service, result := relayed(t, t.Context(), &counts)
	data := random(3, 3*bulkChunk/2)
	for range 3 { // after each pause small reads, then bulk again
		before := counts.In.Load()
		var wg sync.WaitGroup
		wg.Go(func() { visitor.Write(data) })
		got := make([]byte, len(data))
		if _, err := io.ReadFull(service, got); err != nil || !bytes.Equal(got, data) {
			t.Fatalf("service read a different burst, %v", err)
		}
		wg.Wait()
		for deadline := time.Now().Add(soon); counts.In.Load() != before+int64(len(data)); {
			if time.Now().After(deadline) {
				t.Fatalf("counted %d octets; want %d", counts.In.Load()-before, len(data))
			}
			time.Sleep(time.Millisecond) // polling a counter: nothing else tells
		}
	}
	visitor.Close()
	service.Close()
	want(t, "Relay", result, nil)
}

func TestResetOfOneEndResetsTheOther(t *testing.T) {
	visitor, service, result := relayed(t, t.Context(), new(Counts))
	Reset(service)
	wantReset(t, "visitor", visitor)
	want(t, "Relay", result, syscall.ECONNRESET)
}

func TestEndOfContextResetsBoth(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	visitor, service, result := relayed(t, ctx, new(Counts))
	reason := errors.New("mapping removed")
	cancel(reason)
	want(t, "Relay", result, reason)
	wantReset(t, "visitor", visitor)
	wantReset(t, "service", service)
}

func TestSmallReadsAllocateNothing(t *testing.T) {
	a, b := pair(t)
	r := reader{}
	if err := r.init(b); err != nil {
		t.Fatal(err)
	}
	octet := []byte{1}
	if n := testing.AllocsPerRun(200, func() {
		a.Write(octet)
		buf, n, err := r.read()
		if n != 1 || err != nil {
			t.Errorf("read = %d, %v; want 1 octet", n, err)
		}
		buffers.Put(buf)
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
