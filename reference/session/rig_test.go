package session

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/adit-tunnel/adit/reference/sock"
	"github.com/adit-tunnel/adit/spec/wire"
)

// far is the test's end of a socket: a local peer, or the tunnel's.
type far interface {
	io.ReadWriteCloser
	CloseWrite() error
}

// dialCall is one dial that a client's session asks for; the test answers it.
type dialCall struct {
	target Target
	result chan error // nil: connected
	socket sock.Socket
	far    far
}

// rig is a session under test, with a scripted peer at the other end of its tunnel.
type rig struct {
	t      *testing.T
	s      *Session
	timed  bool        // in memory, in a synctest bubble
	near   sock.Socket // the session's end of the tunnel
	tunnel far
	got    []byte // bytes from the session that are not parsed yet
	dials  chan *dialCall
	ended  chan error // what Run returned
	limit  int        // of local sockets in memory
	call   *dialCall  // the dial of connection 1
	pings  bool       // next returns the session's own PINGs too
}

// both runs a test over sockets in memory, with fake time, and over TCP.
func both(t *testing.T, name string, cfg Config, test func(r *rig)) {
	t.Helper()
	t.Run(name+"/memory", func(t *testing.T) { inMemory(t, cfg, test) })
	t.Run(name+"/tcp", func(t *testing.T) { runRig(t, cfg, false, test) })
}

func inMemory(t *testing.T, cfg Config, test func(r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { runRig(t, cfg, true, test) })
}

func runRig(t *testing.T, cfg Config, timed bool, test func(r *rig)) {
	r := &rig{t: t, timed: timed, dials: make(chan *dialCall, 100), ended: make(chan error, 1), limit: 64 << 10}
	cfg.Dial = r.dial
	cfg.Logger = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	r.near, r.tunnel = r.pipe(1 << 20)
	r.s = New(r.near, cfg)
	go r.run()
	defer r.down()
	test(r)
}

// down ends the session; every goroutine of it has to end, or the bubble fails the test.
func (r *rig) down() {
	r.s.abort(nil)
	r.tunnel.Close()
	<-r.ended
}

func (r *rig) run() { r.ended <- r.s.Run(context.Background()) }

// pipe returns a connected pair of sockets.
func (r *rig) pipe(limit int) (sock.Socket, far) {
	r.t.Helper()
	if r.timed {
		a, b := sock.Pipe(limit)
		return a, b.Stream()
	}
	near, end := tcpPair(r.t)
	s, err := sock.NewTCP(near)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { end.Close() })
	return s, end
}

func tcpPair(t testing.TB) (a, b *net.TCPConn) {
	t.Helper()
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if a, err = net.DialTCP("tcp", nil, l.Addr().(*net.TCPAddr)); err != nil {
		t.Fatal(err)
	}
	if b, err = l.AcceptTCP(); err != nil {
		t.Fatal(err)
	}
	return a, b
}

// dial is the session's Dial: it asks the test.
func (r *rig) dial(ctx context.Context, target Target) (sock.Socket, error) {
	call := &dialCall{target: target, result: make(chan error, 1)}
	call.socket, call.far = r.pipe(r.limit)
	r.dials <- call
	select {
	case err := <-call.result:
		return call.socket, err
	case <-ctx.Done():
		call.socket.Reset()
		return nil, ctx.Err()
	}
}

// dialled returns the dial that the session has begun.
func (r *rig) dialled() *dialCall {
	r.t.Helper()
	select {
	case call := <-r.dials:
		return call
	case <-time.After(10 * time.Second):
		r.t.Fatal("no dial was begun")
		return nil
	}
}

// visit opens a connection on a server and returns the visitor's end.
func (r *rig) visit(target Target) far {
	r.t.Helper()
	near, visitor := r.pipe(r.limit)
	if err := r.s.Open(Visitor{Socket: near, Target: target}); err != nil {
		r.t.Fatalf("Open = %v; want nil", err)
	}
	return visitor
}

// visitFrom opens a connection in memory, and returns both ends of the visitor's socket.
func (r *rig) visitFrom(target Target) (near *sock.Mem, visitor sock.Stream) {
	r.t.Helper()
	near, end := sock.Pipe(r.limit)
	if err := r.s.Open(Visitor{Socket: near, Target: target}); err != nil {
		r.t.Fatalf("Open = %v; want nil", err)
	}
	return near, end.Stream()
}

// opened opens a connection, ID 1 on a server whose FirstID is 1, and returns the local peer's end.
func (r *rig) opened(id uint32) far {
	r.t.Helper()
	var local far
	if r.s.cfg.Role == Server {
		local = r.visit(home)
		r.want("request", request(id, 22, "127.0.0.1"))
		r.send(response(id, wire.StatusSuccess))
	} else {
		r.send(request(id, 22, "127.0.0.1"))
		call := r.dialled()
		local = call.far
		call.result <- nil
		r.want("success", response(id, wire.StatusSuccess))
	}
	r.wantState(id, "open")
	return local
}

// bothRoles runs a test for each role over each kind of socket.
func bothRoles(t *testing.T, cfg Config, test func(r *rig)) {
	t.Helper()
	for _, role := range []Role{Server, Client} {
		cfg.Role, cfg.FirstID = role, 1
		both(t, role.String(), cfg, test)
	}
}

// inMemoryBothRoles runs a test that needs fake time for each role.
func inMemoryBothRoles(t *testing.T, cfg Config, test func(r *rig)) {
	t.Helper()
	for _, role := range []Role{Server, Client} {
		cfg.Role, cfg.FirstID = role, 1
		t.Run(role.String(), func(t *testing.T) { inMemory(t, cfg, test) })
	}
}

// send writes frames, or any bytes, to the session.
func (r *rig) send(frames ...[]byte) {
	r.t.Helper()
	for _, f := range frames {
		if _, err := r.tunnel.Write(f); err != nil {
			r.t.Fatalf("write to the tunnel: %v", err)
		}
	}
}

// want reads one frame from the session and compares it.
func (r *rig) want(sentence string, frame []byte) {
	r.t.Helper()
	got, err := r.next()
	if err != nil {
		r.t.Fatalf("%s: got %v; want frame %.60x", sentence, err, frame)
	}
	if !bytes.Equal(got, frame) {
		r.t.Fatalf("%s: got frame %.60x; want %.60x", sentence, got, frame)
	}
}

// wantIdle checks that the session sends nothing: nothing before the answer to a barrier (section 11).
func (r *rig) wantIdle(sentence string) {
	r.t.Helper()
	if r.timed {
		if got, err := r.next(); err == nil || !errors.Is(err, errNothing) {
			r.t.Fatalf("%s: got frame %.60x, %v; want nothing", sentence, got, err)
		}
		return
	}
	r.barrier(sentence)
}

// barrier waits until the session has handled everything sent so far.
func (r *rig) barrier(sentence string) {
	r.t.Helper()
	if r.s.cfg.Role == Server {
		r.send(keepAlive())
		r.want(sentence, keepAlive())
		return
	}
	r.send(data(0xFFFFFFF0, ""))
	r.want(sentence, closeFrame(0xFFFFFFF0))
}

// wantEnd checks that the session closes the tunnel because of a requirement.
func (r *rig) wantEnd(sentence, req string) {
	r.t.Helper()
	select {
	case err := <-r.ended:
		r.ended <- err
		v, ok := errors.AsType[*wire.Violation](err)
		if !ok || v.Req != req {
			r.t.Fatalf("%s: Run = %v; want a violation of %s", sentence, err, req)
		}
	case <-time.After(10 * time.Second):
		r.t.Fatalf("%s: the tunnel is still open", sentence)
	}
}

var errNothing = errors.New("nothing")

// next reads one frame.
func (r *rig) next() ([]byte, error) {
	for {
		h, err := wire.ParseHeader(r.got)
		if n := wire.HeaderLen + int(h.Length); err == nil && len(r.got) >= n {
			f := r.got[:n:n]
			r.got = r.got[n:]
			if h.Type == wire.TypePing && !r.pings {
				continue
			}
			return f, nil
		}
		if err != nil && !errors.Is(err, wire.ErrShort) {
			return nil, err
		}
		b, err := r.readSome(r.tunnel)
		if r.got = append(r.got, b...); len(b) == 0 {
			return nil, err
		}
	}
}

// readSome reads what is there, or what comes.
func (r *rig) readSome(from far) ([]byte, error) {
	b := make([]byte, 64<<10)
	if m, ok := from.(sock.Stream); ok {
		synctest.Wait()
		n, err := m.TryRead(b)
		if n == 0 && err == nil {
			err = errNothing
		}
		return b[:n], err
	}
	from.(*net.TCPConn).SetReadDeadline(time.Now().Add(5 * time.Second))
	n, err := from.Read(b)
	return b[:n], err
}

// wantBytes checks that exactly these bytes come next from the session at a local peer's end.
func (r *rig) wantBytes(from far, want string) {
	r.t.Helper()
	var got []byte
	for len(got) < len(want) {
		b, err := r.readSome(from)
		if got = append(got, b...); err != nil {
			r.t.Fatalf("local peer read %q, then %v; want %q", got, err, want)
		}
	}
	if string(got) != want {
		r.t.Fatalf("local peer read %q; want %q", got, want)
	}
}

// wantSome reads that much and no more.
func (r *rig) wantSome(from far, want string) {
	r.t.Helper()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(from, got); err != nil || string(got) != want {
		r.t.Fatalf("local peer read %q, %v; want %q", got, err, want)
	}
}

// Ends of a local socket as its peer sees them.
const (
	eof   = "end of stream"
	reset = "reset"
	still = "nothing"
)

// wantLocal checks how the local socket has ended, as its peer sees it.
func (r *rig) wantLocal(from far, want string) {
	r.t.Helper()
	if want == still && !r.timed {
		return // nothing to wait for
	}
	b, err := r.readSome(from)
	got := fmt.Sprint(err)
	switch {
	case len(b) > 0:
		got = fmt.Sprintf("bytes %q", b)
	case errors.Is(err, io.EOF):
		got = eof
	case errors.Is(err, errNothing):
		got = still
	case errors.Is(err, syscall.ECONNRESET):
		got = reset
	}
	if got != want {
		r.t.Fatalf("local peer sees %s; want %s", got, want)
	}
}

// wantState checks the state of an ID; "idle" and "retired" are states, too.
func (r *rig) wantState(id uint32, want string) {
	r.t.Helper()
	for deadline := time.Now().Add(5 * time.Second); ; {
		if r.timed {
			synctest.Wait()
		}
		got := r.state(id)
		if got == want {
			return
		}
		if r.timed || time.Now().After(deadline) {
			r.t.Fatalf("connection %d is %s; want %s", id, got, want)
		}
		runtime.Gosched()
	}
}

func (r *rig) state(id uint32) string {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	if c := r.s.ids.conns[id]; c != nil {
		return c.kind.(*coreConn).state.String()
	}
	if r.s.ids.isRetired(id) {
		return "retired"
	}
	for c := range r.s.live {
		if k := c.kind.(*coreConn); c.id == id && k.state == lingering {
			return k.state.String()
		}
	}
	return "idle"
}

// Frames.

func request(id uint32, port uint16, host string) []byte {
	return wire.AppendConnectRequest(nil, wire.ConnectRequest{ID: id, Port: port, Host: host})
}

func shortRequest(id uint32, port uint16) []byte {
	return wire.AppendConnectRequest(nil, wire.ConnectRequest{ID: id, Port: port, Short: true})
}

func response(id uint32, status wire.Status) []byte {
	return wire.AppendConnectResponse(nil, id, status)
}
func data(id uint32, bytes string) []byte { return wire.AppendData(nil, id, []byte(bytes)) }
func closeFrame(id uint32) []byte         { return wire.AppendClose(nil, id) }
func keepAlive() []byte                   { return wire.AppendKeepAlive(nil) }
