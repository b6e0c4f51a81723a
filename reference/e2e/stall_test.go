package e2e

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

// On a tunnel of Core one slow local peer pauses the others, and is ended for that.

// goOn is what FLOW-004 grants: whatever one local peer does, the others go on within this time.
const goOn = 30 * time.Second

// TestVisitorThatNeverReads lets a service send without end to a visitor that reads nothing.
func TestVisitorThatNeverReads(t *testing.T) {
	t.Parallel()
	needBinaries(t)
	stuck := make(chan struct{})
	firehose := service(t, func(c *net.TCPConn) {
		io.Copy(c, &source{seed: 31, left: 1 << 60})
		close(stuck)
	})
	tun := openAs(t, "core", firehose, service(t, echo))
	memory := tun.watchMemory(t)
	c := dial(t, tun.public[0])
	c.SetReadBuffer(16 << 10)
	othersGoOn(t, tun.public[1], stuck)
	boundMemory(t, memory, 3)
	c.SetReadDeadline(time.Now().Add(soon))
	if end := check(c, 31); end.err == nil || errors.Is(end.err, os.ErrDeadlineExceeded) {
		t.Errorf("after %d bytes of an endless stream the stuck visitor was not reset: %v", end.right, end.err)
	}
}

// TestServiceThatNeverReads lets a visitor send without end to a service that reads nothing.
func TestServiceThatNeverReads(t *testing.T) {
	t.Parallel()
	needBinaries(t)
	stuck, over := make(chan struct{}), make(chan struct{})
	deaf := service(t, func(c *net.TCPConn) {
		c.SetReadBuffer(16 << 10)
		<-over
	})
	t.Cleanup(func() { close(over) })
	tun := openAs(t, "core", deaf, service(t, echo))
	memory := tun.watchMemory(t)
	c := dial(t, tun.public[0])
	go sendUntilError(c, stuck)
	othersGoOn(t, tun.public[1], stuck)
	boundMemory(t, memory, 3)
}

// sendUntilError ends when the connection does, which the test waits for.
func sendUntilError(c *net.TCPConn, done chan<- struct{}) {
	io.Copy(c, &source{seed: 32, left: 1 << 60})
	close(done)
}

// othersGoOn echoes, on one connection and on new ones, until the stuck connection was ended and once more.
func othersGoOn(t *testing.T, addr string, stuckEnded <-chan struct{}) {
	t.Helper()
	c := dial(t, addr)
	var longest time.Duration
	rounds, deadline := 0, time.Now().Add(3*goOn)
	for ended := false; !ended; rounds++ {
		select {
		case <-stuckEnded:
			ended = true
		default:
		}
		begin := time.Now()
		if err := echoedOn(c, int64(rounds), 20_000, goOn); err != nil {
			t.Fatalf("the other visitor, round %d: %v", rounds, err)
		}
		fresh := dial(t, addr)
		if err := echoedOn(fresh, int64(rounds), 20_000, goOn); err != nil {
			t.Fatalf("a new visitor, round %d: %v", rounds, err)
		}
		fresh.Close()
		longest = max(longest, time.Since(begin))
		if time.Now().After(deadline) {
			t.Fatalf("the stuck connection still stands after %v", 3*goOn)
		}
	}
	t.Logf("%d rounds of the others; the longest took %v", rounds, longest.Round(time.Millisecond))
}
