package session

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/onsi/gomega"

	"github.com/adit-tunnel/adit/reference/sock"
)

// counting is a socket that counts what is moved through pipes.
type counting struct {
	*sock.TCP
	read, written *atomic.Int64
}

func (c counting) SpliceRead(size int) (*sock.Buf, error) {
	b, err := c.TCP.SpliceRead(size)
	if err == nil {
		c.read.Add(int64(b.Len()))
	}
	return b, err
}

func (c counting) SpliceWrite(b *sock.Buf, wait bool) (int, error) {
	n, err := c.TCP.SpliceWrite(b, wait)
	c.written.Add(int64(n))
	return n, err
}

// piped is a pair over TCP with one connection, and what its sockets spliced: first the tunnel's ends together, then the local ones.
type pipedPair struct {
	*pair
	visitor, service *net.TCPConn
	tunnel, local    counting
}

func newPipedPair(t *testing.T, protocol Protocol) *pipedPair {
	t.Helper()
	count := func() counting { return counting{read: new(atomic.Int64), written: new(atomic.Int64)} }
	p := &pipedPair{tunnel: count(), local: count()}
	counted := func(c *net.TCPConn, by counting) sock.Socket {
		by.TCP = asSocket(t, c).(*sock.TCP)
		return by
	}
	a, b := tcpPair(t)
	services := make(chan *net.TCPConn, 1)
	p.pair = newPair(t, protocol, counted(a, p.tunnel), counted(b, p.tunnel), func(context.Context, Target) (sock.Socket, error) {
		near, end := tcpPair(t)
		services <- end
		return counted(near, p.local), nil
	})
	near, visitor := tcpPair(t)
	if err := p.server.Open(Visitor{Socket: counted(near, p.local), Target: home}); err != nil {
		t.Fatal(err)
	}
	p.visitor, p.service = visitor, <-services
	for _, c := range []*net.TCPConn{p.visitor, p.service} {
		c.SetDeadline(time.Now().Add(5 * time.Minute))
		t.Cleanup(func() { c.Close() })
	}
	return p
}

func TestBulkIsNotCopied(t *testing.T) {
	for _, protocol := range []Protocol{CoreOnly, ExtendedOnly} {
		t.Run(protocol.String(), func(t *testing.T) {
			p := newPipedPair(t, protocol)
			defer p.down()
			const much = 64 << 20
			stream(t, p.visitor, p.service, 1, much)
			stream(t, p.service, p.visitor, 2, much)
			for name, n := range map[string]int64{
				"read of local sockets": p.local.read.Load(), "written to the tunnel": p.tunnel.written.Load(),
				"read of the tunnel": p.tunnel.read.Load(), "written to local sockets": p.local.written.Load(),
			} {
				if n < much || n > 2*much {
					t.Errorf("of %d bytes %d were spliced when %s; want half of them at least", 2*much, n, name)
				}
			}
		})
	}
}

// What waits for a slow reader, in pipes and in buffers, comes in order, and the process has its pipes back.
func TestAQueueOfPipesIsInOrder(t *testing.T) {
	before := openPipes(t)
	p := newPipedPair(t, ExtendedOnly)
	sent := make([]byte, 48<<20)
	rand.NewChaCha8([32]byte{9}).Read(sent)
	got := make([]byte, len(sent))
	wrote := make(chan error, 1)
	go func() { _, err := p.service.Write(sent); wrote <- err }()
	n, err := io.ReadFull(p.visitor, got[:24<<20]) // so that the window is large
	if err != nil {
		t.Fatal(err)
	}
	gomega.NewWithT(t).Eventually(p.held).WithTimeout(time.Minute).Should(gomega.BeNumerically(">=", 3*leastSpliced))
	if _, err := io.ReadFull(p.visitor, got[n:]); err != nil || !bytes.Equal(got, sent) {
		t.Errorf("bytes changed on the way, or %v", err)
	}
	if err := <-wrote; err != nil {
		t.Error(err)
	}
	p.down()
	if after := openPipes(t) - before; after > 2*16 {
		t.Errorf("%d descriptors of pipes are left; want 32 at most", after)
	}
}

func (p *pipedPair) held() int {
	p.server.mu.Lock()
	defer p.server.mu.Unlock()
	return p.server.held
}

// openPipes is how many descriptors of pipes the process has.
func openPipes(t *testing.T) (n int) {
	t.Helper()
	fds, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		if to, _ := os.Readlink(fd); strings.HasPrefix(to, "pipe:") {
			n++
		}
	}
	return n
}

// Nothing comes between the head of a frame and its payload, which is piped.
func TestUrgentFramesDoNotPartAFrame(t *testing.T) {
	near, end := tcpPair(t)
	defer end.Close()
	source := asSocket(t, near).(sock.Splicer)
	defer source.Reset()
	end.Write([]byte("payload"))
	b, err := source.SpliceRead(7)
	if err != nil {
		t.Fatal(err)
	}
	c := &conn{id: 1}
	for _, wrote := range []int{0, 3, headRoom, headRoom + 2} {
		var line, urgent outbox
		line.data(c, b)
		line.control(keepAlive(), false)
		if line.size != headRoom+7+len(keepAlive()) {
			t.Errorf("size = %d; want %d", line.size, headRoom+7+len(keepAlive()))
		}
		line.written(min(wrote, headRoom)) // of the payload nothing, since it goes on to be used
		line.begun = line.begun || wrote > headRoom
		urgent.control(keepAlive(), false)
		line.interject(&urgent)
		at := -1
		for i, v := range line.vecs {
			if v.piped != nil {
				at = i
			}
		}
		first := wrote == 0
		if want := map[bool]int{true: 2, false: 1}[first]; at != want || at+1 == len(line.vecs) {
			t.Errorf("after %d bytes the payload is number %d of %d; want %d, and behind it the next frame", wrote, at, len(line.vecs), want)
		}
	}
	b.Release()
}
