package e2e

import (
	"bytes"
	"errors"
	"net"
	"os"
	"slices"
	"testing"
	"time"
)

// frameProgress is the time that a frame without progress is given.
const frameProgress = 60 * time.Second

// TestSingleBytes sends good frames to either role one byte at a time: they count like any others.
func TestSingleBytes(t *testing.T) {
	bin := needBinaries(t)
	port := portOf(t, service(t, echo))
	for _, role := range []struct {
		name       string
		connect    func(*testing.T) net.Conn
		data, want []byte
	}{
		{"server", func(t *testing.T) net.Conn {
			return openServer(t, nil).dialTunnel(t)
		}, slices.Concat(frame(0xff, 1, 2, 3), frame(4, 9, 9, 9, 9), frame(5)), frame(5)},
		{"client", func(t *testing.T) net.Conn {
			return newFakeServer(t, bin).accept(t)
		}, slices.Concat(frame(0xff, 1, 2, 3), frame(1, 0, 0, 0, 1, byte(port>>8), byte(port)), frame(3, 9, 9, 9, 9)), frame(2, 0, 0, 0, 1, 0)},
	} {
		t.Run(role.name, func(t *testing.T) {
			c := role.connect(t)
			drip(c, role.data, 5*time.Millisecond)
			c.SetDeadline(time.Now().Add(answer))
			wantFrame(t, c, role.want)
		})
	}
}

// drip writes bytes one by one, a pause after each, until all are written or the connection ends.
func drip(c net.Conn, data []byte, pause time.Duration) {
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for i := range data {
		if _, err := c.Write(data[i : i+1]); err != nil {
			return
		}
		<-tick.C
	}
}

// TestFrameWithoutProgress begins a frame of 1 MiB to either role and goes on with a few bytes each
// second: the tunnel is closed after a minute, and not before.
func TestFrameWithoutProgress(t *testing.T) {
	t.Parallel()
	bin := needBinaries(t)
	data := append(frame(5), header(3, 1<<20)...)
	data = append(data, make([]byte, 1000)...)
	begun := func(t *testing.T, c net.Conn, log *logTail) {
		begin, mark := time.Now(), log.mark()
		go drip(c, data, 100*time.Millisecond) // ends with the connection
		c.SetReadDeadline(begin.Add(frameProgress + answer))
		for buf := make([]byte, 100); ; {
			_, err := c.Read(buf)
			if ne, ok := err.(net.Error); ok && ne.Timeout() {
				t.Fatalf("the tunnel is still open after %v", time.Since(begin))
			}
			if err != nil {
				break
			}
		}
		if took := time.Since(begin); took < frameProgress {
			t.Errorf("the tunnel was closed after %v, before %v", took, frameProgress)
		}
		log.wait(t, mark, "FRAME-011")
	}
	t.Run("server", func(t *testing.T) {
		t.Parallel()
		tun := openServer(t, []string{service(t, echo)})
		tun.startClient(t)
		bystander := dial(t, tun.public[0])
		begun(t, tun.dialTunnel(t), tun.server.log)
		if err := echoedOn(bystander, 71, 10_000, soon); err != nil {
			t.Errorf("the bystander: %v", err)
		}
	})
	t.Run("client", func(t *testing.T) {
		t.Parallel()
		fake := newFakeServer(t, bin)
		begun(t, fake.accept(t), fake.client.log)
		fake.accept(t) // it dials again
	})
}

// TestManyAnnouncements has 200 tunnels announce 1 MiB each and send little of it: no memory is set aside
// for what was merely announced.
func TestManyAnnouncements(t *testing.T) {
	const tunnels = 200
	tun := openServer(t, []string{service(t, echo)})
	tun.startClient(t)
	memory := tun.watchMemory(t)
	for range tunnels {
		c := tun.dialTunnel(t)
		c.Write(slices.Concat(frame(5), header(3, 1<<20), []byte{0, 0, 0, 9}))
		c.SetDeadline(time.Now().Add(answer))
		wantFrame(t, c, frame(5)) // the server has read this far
	}
	if err := echoed(tun.public[0], 72, 1_000_000); err != nil {
		t.Errorf("the bystander: %v", err)
	}
	boundMemory(t, memory, 1)
}

// TestAnswersNeverRead asks either role for answers without end and reads none: what it owes is bounded, and
// then the tunnel is closed.
func TestAnswersNeverRead(t *testing.T) {
	bin := needBinaries(t)
	ask := func(t *testing.T, c *net.TCPConn, question []byte, log *logTail) {
		t.Helper()
		c.SetReadBuffer(16 << 10)
		c.SetWriteDeadline(time.Now().Add(soon))
		mark, many := log.mark(), bytes.Repeat(question, 10_000)
		for {
			if _, err := c.Write(many); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatalf("the tunnel is still open, and takes no more, after %v", soon)
			} else if err != nil {
				break
			}
		}
		log.wait(t, mark, "FLOW-006")
	}
	t.Run("server", func(t *testing.T) {
		tun := openServer(t, []string{service(t, echo)})
		tun.startClient(t)
		memory := tun.watchMemory(t)
		ask(t, tun.dialTunnel(t), frame(5), tun.server.log)
		if err := echoed(tun.public[0], 73, 100_000); err != nil {
			t.Errorf("the bystander: %v", err)
		}
		boundMemory(t, memory, 1)
	})
	t.Run("client", func(t *testing.T) {
		fake := newFakeServer(t, bin)
		c := fake.accept(t)
		idle, _ := resident(t, fake.client)
		ask(t, c.(*net.TCPConn), frame(3, 9, 9, 9, 9), fake.client.log)
		boundMemory(t, []memoryWatch{{fake.client, idle}}, 1)
		fake.accept(t) // it dials again
	})
}
