package e2e

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestClientKilled kills the client: its visitors are ended, new ones are ended with no byte, and served
// again when a client returns.
func TestClientKilled(t *testing.T) {
	needBinaries(t)
	tun := open(t, service(t, echo))
	visitor := dial(t, tun.public[0])
	if err := echoedOn(visitor, 41, 1000, soon); err != nil {
		t.Fatal(err)
	}
	tun.client.kill(t)
	wantEnded(t, "the open visitor", visitor)
	eventually(t, "the server knows that the client is gone", soon, func() error {
		if connected, err := tun.health(); err != nil || connected {
			return fmt.Errorf("tunnel_connected %v, %v", connected, err)
		}
		return nil
	})
	if err := errors.Join(answers(tun.public[0]), notServed(tun.public[0])); err != nil {
		t.Errorf("a visitor without a client is not accepted and reset: %v", err)
	}
	tun.startClient(t)
	if err := echoed(tun.public[0], 42, 100_000); err != nil {
		t.Errorf("after the client's return: %v", err)
	}
}

// TestServerKilled kills the server: a mapping made by the API is there again after its restart, and the
// client, which was not touched, finds back.
func TestServerKilled(t *testing.T) {
	tun := openServer(t, nil)
	tun.startClient(t)
	port := freePort(t)
	tun.create(t, fmt.Sprintf(`{"port": %d, "target_port": %d}`, port, portOf(t, service(t, echo))))
	if err := echoed(loopback(port), 43, 100_000); err != nil {
		t.Fatalf("before: %v", err)
	}
	before := tun.list(t)
	tun.server.kill(t)
	tun.startServer(t)
	tun.connected(t)
	if after := tun.list(t); !slices.Equal(before, after) {
		t.Errorf("mappings before: %v, after: %v", before, after)
	}
	if err := echoed(loopback(port), 44, 100_000); err != nil {
		t.Errorf("after: %v", err)
	}
}

// TestGracefulStop asks either program to stop during a download: new visitors are not served, the download
// completes, the exit code is 0.
func TestGracefulStop(t *testing.T) {
	needBinaries(t)
	for _, role := range []string{"adit-server", "adit-client"} {
		t.Run(role, func(t *testing.T) {
			const half = 20_000_000
			rest := make(chan struct{})
			tun := open(t, service(t, func(c *net.TCPConn) {
				src := &source{seed: 45, left: 2 * half}
				io.CopyN(c, src, half)
				<-rest
				io.Copy(c, src)
			}), service(t, greet))
			release := sync.OnceFunc(func() { close(rest) })
			t.Cleanup(release)
			visitor := dial(t, tun.public[0])
			visitor.SetDeadline(time.Now().Add(2 * soon))
			got := checker{seed: 45}
			if _, err := io.CopyN(&got, visitor, half); err != nil {
				t.Fatalf("the first half: %v", err)
			}
			stopping := tun.client
			if role == "adit-server" {
				stopping = tun.server
			}
			stopping.signal(t, syscall.SIGTERM)
			eventually(t, "new visitors are not served", soon, func() error { return notServed(tun.public[1]) })
			if role == "adit-server" {
				if _, err := tun.health(); err != nil {
					t.Errorf("/health while stopping: %v", err)
				}
			}
			release()
			if _, err := io.Copy(&got, visitor); err != nil || got.pos != 2*half {
				t.Errorf("the download: %d of %d bytes, %v", got.pos, 2*half, err)
			}
			visitor.Close()
			if code := stopping.exit(t, soon); code != 0 {
				t.Errorf("exit code %d, not 0", code)
			}
		})
	}
}

// TestSecondSignal asks either program to stop while a visitor stays: the second signal ends it at once.
func TestSecondSignal(t *testing.T) {
	needBinaries(t)
	grace := []string{"-shutdown.grace", "1h"} // the end is not that of the grace
	for _, role := range []string{"adit-server", "adit-client"} {
		t.Run(role, func(t *testing.T) {
			tun := openServer(t, []string{service(t, echo), service(t, greet)}, grace...)
			tun.startClient(t, grace...)
			visitor := dial(t, tun.public[0])
			if err := echoedOn(visitor, 46, 1000, soon); err != nil {
				t.Fatal(err)
			}
			stopping := tun.client
			if role == "adit-server" {
				stopping = tun.server
			}
			stopping.signal(t, os.Interrupt)
			eventually(t, "new visitors are not served", soon, func() error { return notServed(tun.public[1]) })
			if err := echoedOn(visitor, 47, 1000, soon); err != nil {
				t.Fatalf("the open visitor after the first signal: %v", err)
			}
			stopping.signal(t, os.Interrupt)
			stopping.exit(t, soon)
			wantEnded(t, "the open visitor", visitor)
		})
	}
}

// TestGraceEnds asks either program to stop while a visitor stays for longer than the time it is given: the
// visitor is ended, the exit code is 0.
func TestGraceEnds(t *testing.T) {
	needBinaries(t)
	grace := []string{"-shutdown.grace", "500ms"}
	for _, role := range []string{"adit-server", "adit-client"} {
		t.Run(role, func(t *testing.T) {
			tun := openServer(t, []string{service(t, echo)}, grace...)
			tun.startClient(t, grace...)
			visitor := dial(t, tun.public[0])
			if err := echoedOn(visitor, 48, 1000, soon); err != nil {
				t.Fatal(err)
			}
			stopping := tun.client
			if role == "adit-server" {
				stopping = tun.server
			}
			stopping.signal(t, syscall.SIGTERM)
			wantEnded(t, "the open visitor", visitor)
			if code := stopping.exit(t, soon); code != 0 {
				t.Errorf("exit code %d, not 0", code)
			}
		})
	}
}

// TestTwoClients kills the newer of two clients at one address: the older one serves the visitors again.
func TestTwoClients(t *testing.T) {
	needBinaries(t)
	tun := open(t, service(t, echo))
	tun.server.log.wait(t, 0, "tunnel connected")
	mark := tun.server.log.mark()
	second := start(t, "second adit-client", syscall.SIGTERM, tun.clientCommand())
	tun.server.log.wait(t, mark, "tunnel connected")
	visitor := dial(t, tun.public[0])
	if err := echoedOn(visitor, 49, 1000, soon); err != nil {
		t.Fatalf("with two clients: %v", err)
	}
	second.kill(t)
	wantEnded(t, "the visitor of the killed client", visitor)
	eventually(t, "the older client serves", soon, func() error { return echoed(tun.public[0], 50, 1000) })
}

// wantEnded waits until a visitor's connection ends with no further byte.
func wantEnded(t *testing.T, who string, c *net.TCPConn) {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(soon))
	n, err := io.Copy(io.Discard, c)
	if n != 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%s: %d bytes, then %v, instead of an end", who, n, err)
	}
}

// greet is a serve function that tells a visitor at once that it is served.
func greet(c *net.TCPConn) { io.WriteString(c, "hello") }

// notServed returns nil if a new visitor is refused, or accepted and ended with no byte. The service, if
// there may be one, has to greet.
func notServed(addr string) error {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return nil
	}
	defer c.Close()
	c.SetReadDeadline(time.Now().Add(soon))
	n, err := c.Read(make([]byte, 1))
	if n > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("visitor is served: %d bytes, %v", n, err)
	}
	return nil
}
