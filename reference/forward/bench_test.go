package forward

import (
	"context"
	"io"
	"net"
	"testing"

	"github.com/adit-tunnel/adit/reference/sock"
)

// relayedBench is relayed for benchmarks, without deadlines.
func relayedBench(b *testing.B) (visitor, service *net.TCPConn) {
	b.Helper()
	pair := func() (near, far *net.TCPConn) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		defer l.Close()
		dialled, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		accepted, err := l.Accept()
		if err != nil {
			b.Fatal(err)
		}
		return dialled.(*net.TCPConn), accepted.(*net.TCPConn)
	}
	visitor, near := pair()
	far, service := pair()
	done := make(chan struct{})
	go func() {
		defer close(done)
		Relay(context.Background(), socket(b, near), socket(b, far), new(sock.Counts), Limits{})
	}()
	b.Cleanup(func() { visitor.Close(); service.Close(); <-done })
	return visitor, service
}

func BenchmarkBulk(b *testing.B) {
	visitor, service := relayedBench(b)
	go io.Copy(io.Discard, service)
	block := make([]byte, 256<<10)
	b.SetBytes(int64(len(block)))
	for b.Loop() {
		if _, err := visitor.Write(block); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRoundTrip1KiB(b *testing.B) {
	visitor, service := relayedBench(b)
	go io.Copy(service, service)
	block := make([]byte, 1<<10)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := visitor.Write(block); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(visitor, block); err != nil {
			b.Fatal(err)
		}
	}
}
