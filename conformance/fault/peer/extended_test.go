package peer

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long a test waits for what has to happen.
const patience = time.Minute

// tcpPair is both ends of a connection over loopback.
func tcpPair(t *testing.T) (near, far *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dialed, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []net.Conn{dialed, accepted} {
		_ = c.SetDeadline(time.Now().Add(patience))
		t.Cleanup(func() { _ = c.Close() })
	}
	return dialed.(*net.TCPConn), accepted.(*net.TCPConn)
}

// start runs one end of a tunnel until the test ends.
func start(t *testing.T, tun *tunnel) (ended chan struct{}) {
	ended = make(chan struct{})
	go func() {
		defer close(ended)
		tun.run()
	}()
	t.Cleanup(func() {
		tun.hangUp()
		wait(t, "the tunnel's end", ended)
		tun.copies.Wait()
	})
	return ended
}

func wait(t *testing.T, what string, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(patience):
		t.Errorf("%s does not come", what)
	}
}

// A rig is a server's tunnel and a client's with each other, and the service behind them.
type rig struct {
	t                        *testing.T
	s                        *server
	server, client           *tunnel
	serverEnded, clientEnded chan struct{}
	service                  net.Listener
}

func newRig(t *testing.T, so, co Options) *rig {
	t.Helper()
	service, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = service.Close() })
	near, far := tcpPair(t)
	r := &rig{
		t: t, s: &server{o: so, next: 1}, service: service,
		server: newTunnel(Server, so, near, deadClient), client: newTunnel(Client, co, far, deadServer),
	}
	r.serverEnded, r.clientEnded = start(t, r.server), start(t, r.client)
	r.until(r.client, func() bool { return r.client.phase != fresh || !r.client.extends })
	return r
}

// until waits until something is so at a tunnel.
func (r *rig) until(tun *tunnel, so func() bool) {
	r.t.Helper()
	tun.mu.Lock()
	defer tun.mu.Unlock()
	for end := time.Now().Add(patience); !so(); {
		if time.Now().After(end) {
			r.t.Fatal("the tunnel does not become what it should")
		}
		tun.waitUntil(time.Now().Add(100 * time.Millisecond))
	}
}

// ask is a visitor's connection, and the service's end of it.
func (r *rig) ask() (visitor, service *net.TCPConn) {
	r.t.Helper()
	visitor, near := tcpPair(r.t)
	_ = near.SetDeadline(time.Time{})
	r.s.mu.Lock()
	if !r.s.request(r.server, near, r.service.Addr().String()) {
		r.t.Error("the tunnel takes no visitor")
	}
	r.s.mu.Unlock()
	c, err := r.service.Accept()
	if err != nil {
		r.t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(patience))
	r.t.Cleanup(func() { _ = c.Close() })
	// A service accepts before OPENED: what ended the connection in between would end a dial.
	for _, tun := range []*tunnel{r.server, r.client} {
		r.until(tun, tun.allOpen)
	}
	return visitor, c.(*net.TCPConn)
}

// allOpen reports whether no connection waits for OPENED.
func (t *tunnel) allOpen() bool {
	for _, c := range t.xconns {
		if c.state == opening {
			return false
		}
	}
	return true
}

// noise is octets that are not the same anywhere.
func noise(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rand.Uint32())
	}
	return b
}

// carries checks that all of b, and then the end, goes from one end to the other.
func carries(t *testing.T, from, to *net.TCPConn, b []byte) {
	t.Helper()
	var writing sync.WaitGroup
	defer writing.Wait()
	writing.Go(func() {
		if _, err := from.Write(b); err != nil {
			t.Errorf("writing: %v", err)
		}
		if err := from.CloseWrite(); err != nil {
			t.Errorf("ending: %v", err)
		}
	})
	got, err := io.ReadAll(to)
	if err != nil {
		t.Errorf("after %d octets of %d: %v", len(got), len(b), err)
	}
	if !bytes.Equal(got, b) {
		t.Errorf("%d octets came of %d, or others", len(got), len(b))
	}
}

func extended(odd string) Options { return Options{Extended: true, Odd: odd} }

// One side of a connection ends long before the other, in both directions, whatever the choices of the two.
func TestExtendedConnectionsCarryEverything(t *testing.T) {
	for _, odd := range []string{"", "bytewise", "chunks", "coalesce", "grease", "ids", "none", "resets", "terse", "tiny", "unknown", "wide"} {
		t.Run("odd "+odd, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, extended(odd), extended(odd))
			r.until(r.server, func() bool { return r.server.phase == up })
			for _, visitorFirst := range []bool{true, false} {
				first, second := r.ask()
				if !visitorFirst {
					first, second = second, first
				}
				carries(t, first, second, noise(300_001))
				carries(t, second, first, noise(2<<20))
			}
			r.until(r.server, func() bool { return r.server.live() == 0 })
			r.until(r.client, func() bool { return r.client.live() == 0 && r.client.held == 0 })
		})
	}
}

// A peer that speaks Core alone is served by Core.
func TestExtendedFallsBackToCore(t *testing.T) {
	for name, o := range map[string][2]Options{"client": {{}, extended("")}, "server": {extended(""), {}}} {
		t.Run("extended "+name, func(t *testing.T) {
			r := newRig(t, o[0], o[1])
			visitor, service := r.ask()
			carries(t, visitor, service, noise(100_000))
			r.client.mu.Lock()
			defer r.client.mu.Unlock()
			if len(r.client.xlocals) > 0 || r.client.phase == up {
				t.Error("the connection is not a Core connection")
			}
		})
	}
}

// A reset of one end is a reset of the other, and nothing but that (RESET-001, RESET-002).
func TestExtendedReset(t *testing.T) {
	r := newRig(t, extended(""), extended(""))
	other, otherService := r.ask()
	for _, byVisitor := range []bool{true, false} {
		for _, halfClosed := range []bool{false, true} {
			a, b := r.ask()
			if !byVisitor {
				a, b = b, a
			}
			if halfClosed {
				carries(t, a, b, []byte("all that there is"))
			}
			_ = a.SetLinger(0)
			_ = a.Close()
			if _, err := io.Copy(io.Discard, b); !errors.Is(err, syscall.ECONNRESET) && !halfClosed {
				t.Errorf("by the visitor %v: %v, want a reset", byVisitor, err)
			}
			r.until(r.server, func() bool { return r.server.live() == 1 })
			r.until(r.client, func() bool { return r.client.live() == 1 })
		}
	}
	carries(t, other, otherService, []byte("still here"))
}

// A visitor whose service refuses is reset.
func TestExtendedRefused(t *testing.T) {
	r := newRig(t, extended(""), extended(""))
	_ = r.service.Close()
	visitor, near := tcpPair(t)
	_ = near.SetDeadline(time.Time{})
	r.s.mu.Lock()
	r.s.request(r.server, near, r.service.Addr().String())
	r.s.mu.Unlock()
	if _, err := visitor.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%v, want a reset", err)
	}
}

// A service that reads nothing stops its own visitor alone; what is held for it is bounded by the credit, and nothing
// of it is lost (WIN-001, WIN-005, WIN-006).
func TestExtendedSlowReader(t *testing.T) {
	for _, odd := range []string{"", "tiny"} {
		r := newRig(t, extended(odd), extended(odd))
		visitor, service := r.ask()
		sent := noise(16 << 20) // more than two kernels' buffers take
		var writing sync.WaitGroup
		writing.Go(func() {
			_, _ = visitor.Write(sent)
			_ = visitor.CloseWrite()
		})
		r.until(r.server, func() bool {
			for _, c := range r.server.xconns {
				return c.limit > r.server.credit0 && c.sent == c.limit
			}
			return false
		})
		other, otherService := r.ask()
		carries(t, other, otherService, noise(100_000))
		r.client.mu.Lock()
		if most := creditUsual + 2*chunkSize; r.client.held > most {
			t.Errorf("%d octets are held, want %d at most", r.client.held, most)
		}
		r.client.mu.Unlock()
		got, err := io.ReadAll(service)
		if err != nil || !bytes.Equal(got, sent) {
			t.Errorf("%d octets came, or others; %v", len(got), err)
		}
		writing.Wait()
	}
}

// When memory is used up the connection that took nothing for longest ends, and no other (WIN-008).
func TestExtendedOverBudget(t *testing.T) {
	o := extended("")
	o.Memory = 3 * creditUsual / 2
	r := newRig(t, extended(""), o)
	other, otherService := r.ask()
	var writing sync.WaitGroup
	for range 2 {
		visitor, _ := r.ask()
		writing.Go(func() { _, _ = io.Copy(visitor, zeros{}) })
	}
	r.until(r.server, func() bool { return r.server.live() == 2 })
	carries(t, other, otherService, noise(100_000))
	r.client.hangUp()
	writing.Wait()
}

// zeros is octets without end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// A drain, whoever asks for it, ends the tunnel when its last connection has, and loses nothing.
func TestExtendedDrain(t *testing.T) {
	for _, role := range []Role{Server, Client} {
		r := newRig(t, extended(""), extended(""))
		visitor, service := r.ask()
		tun := map[Role]*tunnel{Server: r.server, Client: r.client}[role]
		tun.mu.Lock()
		tun.goAway(false)
		tun.mu.Unlock()
		r.until(r.client, func() bool { return r.client.away.heard })
		if role == Server {
			wait(t, "the word that the tunnel drains", r.client.drained)
			r.client.follow() // there is no next one in this test
		}
		near, _ := tcpPair(t)
		if r.s.request(r.server, near, r.service.Addr().String()) {
			t.Errorf("drain of the %s: a server that said GOAWAY takes a visitor", role)
		}
		carries(t, visitor, service, noise(1<<20))
		carries(t, service, visitor, noise(1<<20))
		wait(t, "the server's end", r.serverEnded)
		wait(t, "the client's end", r.clientEnded)
	}
}

// A client whose tunnel is drained dials the next one at once, and serves there.
func TestClientFollowsADrain(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_ = l.(*net.TCPListener).SetDeadline(time.Now().Add(patience))
	o := extended("")
	o.Server = l.Addr().String()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = RunClient(ctx, o)
	}()
	var all []chan struct{}
	for range 2 {
		sock, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		tun := newTunnel(Server, extended(""), sock.(*net.TCPConn), deadClient)
		all = append(all, start(t, tun))
		r := rig{t: t}
		r.until(tun, func() bool { return tun.phase == up })
		tun.mu.Lock()
		tun.goAway(false)
		tun.mu.Unlock()
	}
	wait(t, "the first tunnel's end", all[0])
	stop()
	wait(t, "the client's end", ended)
}

// What breaks a rule ends the tunnel, and its peer is told which.
func TestExtendedTunnelErrors(t *testing.T) {
	hello := frame{typ: typeHello}
	open := func(id uint32, tlvs ...byte) frame { return withID(typeOpen, id, tlvs...) }
	nobody := []byte{0, 0x22, 0, 2, 0, 0} // port 0, which is refused
	for name, c := range map[string]struct {
		role   Role // of the tunnel that hears it
		frames []frame
		req    string
	}{
		"HELLO twice":              {Server, []frame{hello, hello}, "HELLO-003"},
		"HELLO behind KeepAlive":   {Server, []frame{{typ: typeKeepAlive}, hello}, "HELLO-003"},
		"the server's HELLO twice": {Client, []frame{hello, hello}, "HELLO-004"},
		"a huge HELLO":             {Server, []frame{{typeHello, make([]byte, 4097)}}, "HELLO-012"},
		"half a TLV":               {Server, []frame{{typeHello, []byte{0, 4, 0}}}, "TLV-001"},
		"a tag twice":              {Server, []frame{{typeHello, []byte{0, 1, 0, 0, 0, 1, 0, 0}}}, "TLV-001"},
		"a window of 3 octets":     {Server, []frame{{typeHello, []byte{0, 4, 0, 3, 0, 0, 0}}}, "TLV-001"},
		"a critical tag":           {Server, []frame{{typeHello, []byte{0x80, 0, 0, 0}}}, "TLV-003"},
		"ConnectRequest":           {Client, []frame{hello, withID(typeRequest, 1, 0, 80)}, "HELLO-008"},
		"an ID again":              {Client, []frame{hello, open(1, nobody...), open(1, nobody...)}, "XID-002"},
		"a lower ID":               {Client, []frame{hello, open(7, nobody...), open(6, nobody...)}, "XID-002"},
		"Data for a future ID":     {Client, []frame{hello, open(1, nobody...), withID(typeData, 2, 1)}, "XID-003"},
		"FIN for a future ID":      {Server, []frame{hello, withID(typeFin, 0)}, "XID-003"},
		"a short PING":             {Server, []frame{hello, {typePing, make([]byte, 7)}}, "FRAME-008"},
		"a tag of an option":       {Client, []frame{{typeHello, []byte{0, 0x11, 0, 0}}}, "HELLO-005"},
		"a frame of an option":     {Server, []frame{hello, {typ: typeAuth}}, "HELLO-006"},
		"OPEN from a client":       {Server, []frame{hello, open(1, nobody...)}, "XOPEN-016"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			near, far := tcpPair(t)
			start(t, newTunnel(c.role, extended(""), near, deadClient))
			for _, f := range c.frames {
				if _, err := far.Write(f.bytes()); err != nil {
					t.Fatal(err)
				}
			}
			got, err := io.ReadAll(far)
			if err != nil {
				t.Fatal(err)
			}
			want := append(binary.BigEndian.AppendUint16(nil, uint16(codeProtocol)), c.req...)
			if c.req == "TLV-003" {
				want[1] = byte(codeUnsupported)
			}
			if last := (frame{typeGoAway, want}).bytes(); !bytes.HasSuffix(got, last) {
				t.Errorf("% x, want % x at the end", got, last)
			}
		})
	}
}
