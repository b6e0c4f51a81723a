package watch

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/adit-tunnel/adit/conformance/wire"
)

func listen(t testing.TB) *net.TCPListener {
	t.Helper()
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// watched is a Watch in front of a server that the test plays.
type watched struct {
	client, server *net.TCPConn
	log            *bytes.Buffer
	stop           func() *Report
}

func watch(t *testing.T) watched {
	t.Helper()
	back, front := listen(t), listen(t)
	ctx, cancel := context.WithCancel(t.Context())
	var log bytes.Buffer
	var w sync.WaitGroup
	var rep *Report
	w.Go(func() {
		var err error
		if rep, err = Relay(ctx, front, Options{To: back.Addr().String(), Log: &log}); err != nil {
			t.Errorf("Relay: %v", err)
		}
	})
	stop := func() *Report { cancel(); w.Wait(); return rep }
	t.Cleanup(func() { stop() })
	c, err := net.DialTCP("tcp", nil, front.Addr().(*net.TCPAddr))
	if err != nil {
		t.Fatal(err)
	}
	s, err := back.AcceptTCP()
	if err != nil {
		t.Fatal(err)
	}
	_ = back.Close()
	deadline := time.Now().Add(20 * time.Second)
	_ = c.SetDeadline(deadline)
	_ = s.SetDeadline(deadline)
	t.Cleanup(func() { _ = c.Close(); _ = s.Close() })
	return watched{c, s, &log, stop}
}

func send(t *testing.T, c *net.TCPConn, octets []byte) {
	t.Helper()
	if _, err := c.Write(octets); err != nil {
		t.Fatal(err)
	}
}

func wantOctets(t *testing.T, c *net.TCPConn, want []byte) {
	t.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("read %d octets, %v; want the %d that were sent", n, err, len(want))
	}
}

func TestRelayPassesWhateverComes(t *testing.T) {
	w := watch(t)
	noise := make([]byte, 1<<20)
	_, _ = rand.Read(noise)
	noise[0] = 2 // no frame: every octet is passed on all the same
	for from, to := range map[*net.TCPConn]*net.TCPConn{w.client: w.server, w.server: w.client} {
		var sending sync.WaitGroup
		sending.Go(func() { _, _ = from.Write(noise) })
		wantOctets(t, to, noise)
		sending.Wait()
	}
	// The end of one direction is passed on, and the other goes on.
	if err := w.client.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if n, err := w.server.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("after the client's end the server reads %d octets, %v; want the end", n, err)
	}
	send(t, w.server, []byte("late"))
	wantOctets(t, w.client, []byte("late"))
	rep := w.stop()
	if !rep.Broken() || len(rep.Violations) != 1 || rep.Violations[0].Req != "FRAME-001" {
		t.Errorf("report %+v; want FRAME-001 once, by whoever was first", rep)
	}
	if !strings.Contains(w.log.String(), "version 0x02") {
		t.Errorf("the log does not show the octets:\n%s", w.log)
	}
}

func TestRelayPassesResets(t *testing.T) {
	w := watch(t)
	send(t, w.client, wire.KeepAlive().Bytes())
	wantOctets(t, w.server, wire.KeepAlive().Bytes())
	_ = w.server.SetLinger(0)
	_ = w.server.Close()
	if _, err := w.client.Read(make([]byte, 1)); err == nil || err == io.EOF {
		t.Errorf("after the server's reset the client reads %v; want a reset", err)
	}
	if rep := w.stop(); len(rep.Violations) != 0 || rep.Frames != 1 {
		t.Errorf("report %+v; want one frame and nothing charged", rep)
	}
}

func TestRelayOfTLS(t *testing.T) {
	w := watch(t)
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	server := tls.Server(w.server, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: private}}})
	client := tls.Client(w.client, &tls.Config{InsecureSkipVerify: true})
	noise := make([]byte, 1<<20) // what is no frame at all
	_, _ = rand.Read(noise)
	for from, to := range map[*tls.Conn]*tls.Conn{client: server, server: client} {
		var sending sync.WaitGroup
		sending.Go(func() { _, _ = from.Write(noise) })
		got := make([]byte, len(noise))
		if n, err := io.ReadFull(to, got); err != nil || !bytes.Equal(got, noise) {
			t.Fatalf("read %d octets, %v; want the %d that were sent", n, err, len(noise))
		}
		sending.Wait()
	}
	rep := w.stop()
	if len(rep.Violations) != 0 || rep.Frames != 0 || !slices.Equal(rep.NotJudged, []Lost{{1, "encrypted"}}) {
		t.Errorf("report %+v; want one tunnel that is not judged, and nothing charged", rep)
	}
	var summary bytes.Buffer
	rep.WriteText(&summary)
	for _, text := range []string{w.log.String(), summary.String()} {
		if strings.Count(text, "tunnel 1: encrypted, not judged\n") != 1 {
			t.Errorf("it is not said once that the tunnel is encrypted:\n%s", text)
		}
	}
}

func TestUnreachableServer(t *testing.T) {
	back, front := listen(t), listen(t)
	addr := back.Addr().String()
	_ = back.Close()
	ctx, cancel := context.WithCancel(t.Context())
	var w sync.WaitGroup
	var rep *Report
	w.Go(func() { rep, _ = Relay(ctx, front, Options{To: addr}) })
	// The reset may come before the dial has returned.
	if c, err := net.Dial("tcp", front.Addr().String()); err == nil {
		_ = c.SetDeadline(time.Now().Add(20 * time.Second))
		if _, err := c.Read(make([]byte, 1)); err == nil {
			t.Error("a client without a server reads octets")
		}
		_ = c.Close()
	}
	cancel()
	w.Wait()
	if rep.Unreached != 1 || !rep.Unreachable() {
		t.Errorf("report %+v; want one tunnel, which did not reach the server", rep)
	}
}

// BenchmarkThroughput measures Data frames of a size through watch and
// through a plain io.Copy relay in the same process; MB/s of the two make the ratio.
func BenchmarkThroughput(b *testing.B) {
	for _, size := range []struct {
		name   string
		octets int
	}{{"1KiB", 1 << 10}, {"16KiB", 16 << 10}, {"64KiB", 64 << 10}} {
		b.Run(size.name+"/copy", func(b *testing.B) { throughput(b, size.octets, plain) })
		b.Run(size.name+"/watch", func(b *testing.B) { throughput(b, size.octets, judged) })
	}
}

// plain relays one tunnel with io.Copy; judged relays it with Watch.
func plain(ctx context.Context, l *net.TCPListener, to string) {
	defer context.AfterFunc(ctx, func() { _ = l.Close() })()
	in, err := l.AcceptTCP()
	if err != nil {
		return
	}
	defer in.Close()
	out, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer out.Close()
	_, _ = io.Copy(out, in)
}

func judged(ctx context.Context, l *net.TCPListener, to string) {
	_, _ = Relay(ctx, l, Options{To: to})
}

func throughput(b *testing.B, size int, relay func(context.Context, *net.TCPListener, string)) {
	back, front := listen(b), listen(b)
	ctx, cancel := context.WithCancel(b.Context())
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	running.Go(func() { relay(ctx, front, back.Addr().String()) })
	server, err := net.Dial("tcp", front.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	defer server.Close()
	client, err := back.AcceptTCP()
	_ = back.Close()
	if err != nil {
		b.Fatal(err)
	}
	defer client.Close()
	one := wire.Data(7, make([]byte, size)).Bytes()
	batch := bytes.Repeat(one, max(1, (256<<10)/len(one))) // as a combining sender writes
	const rounds = 64
	total := int64(rounds * len(batch))
	b.SetBytes(total)
	for b.Loop() {
		var sending sync.WaitGroup
		sending.Go(func() {
			for range rounds {
				if _, err := server.Write(batch); err != nil {
					return
				}
			}
		})
		buf := make([]byte, 256<<10)
		for left := total; left > 0; {
			n, err := client.Read(buf)
			if err != nil {
				b.Fatal(err)
			}
			left -= int64(n)
		}
		sending.Wait()
	}
}
