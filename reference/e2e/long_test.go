package e2e

import (
	"io"
	"net"
	"testing"
	"time"
)

// longer is more than every timer of the protocol that an open connection or a tunnel could meet; the
// longest is close-wait, 60 s.
const longer = 66 * time.Second

// TestLong holds connections for longer than every timer: slow bytes one way, and none at all.
func TestLong(t *testing.T) {
	t.Parallel()
	binaries(t)
	t.Run("upload", testLongUpload)
	t.Run("download", testLongDownload)
	t.Run("silent", testLongSilent)
}

func testLongUpload(t *testing.T) {
	t.Parallel()
	got := make(chan checked, 1)
	tun := open(t, service(t, func(c *net.TCPConn) {
		c.SetDeadline(time.Now().Add(longer + soon))
		got <- check(c, 11)
	}))
	c := dial(t, tun.public[0])
	c.SetDeadline(time.Now().Add(longer + soon))
	sent, err := trickle(c, 11)
	if err != nil {
		t.Fatalf("visitor after %d bytes: %v", sent, err)
	}
	c.Close()
	if end := await(t, "the service sees the end", got, soon); end.err != nil || end.right != sent {
		t.Errorf("the service got %d of %d bytes, then %v", end.right, sent, end.err)
	}
}

func testLongDownload(t *testing.T) {
	t.Parallel()
	sent := make(chan int64, 1)
	tun := open(t, service(t, func(c *net.TCPConn) {
		n, err := trickle(c, 12)
		if err != nil {
			n = -1
		}
		sent <- n
	}))
	c := dial(t, tun.public[0])
	c.SetDeadline(time.Now().Add(longer + soon))
	end := check(c, 12)
	want := await(t, "the service has sent all", sent, soon)
	if end.err != nil || end.right != want {
		t.Errorf("the visitor got %d of %d bytes, then %v", end.right, want, end.err)
	}
}

func testLongSilent(t *testing.T) {
	t.Parallel()
	tun := open(t, service(t, echo))
	c := dial(t, tun.public[0])
	for _, when := range []string{"before", "after"} {
		if err := echoedOn(c, 13, 10_000, soon); err != nil {
			t.Fatalf("%s the silence: %v", when, err)
		}
		if when == "before" {
			<-time.After(longer)
		}
	}
	if err := echoed(tun.public[0], 14, 10_000); err != nil {
		t.Errorf("a new visitor after the silence: %v", err)
	}
}

// trickle sends a seed's pattern, some 40 kB/s, for the time longer.
func trickle(w io.Writer, seed int64) (sent int64, err error) {
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	src := &source{seed: seed, left: 1 << 40}
	for end := time.Now().Add(longer); time.Now().Before(end); <-tick.C {
		if _, err := io.CopyN(w, src, 1000); err != nil {
			return src.pos, err
		}
	}
	return src.pos, nil
}

// checked is what a reader got: the number of right bytes, and what ended them if not the end of the stream.
type checked struct {
	right int64
	err   error
}

func check(r io.Reader, seed int64) checked {
	c := checker{seed: seed}
	_, err := io.Copy(&c, r)
	return checked{c.pos, err}
}
