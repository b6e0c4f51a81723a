package session

import (
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/onsi/gomega"

	"github.com/adit-tunnel/adit/reference/sock"
	"github.com/adit-tunnel/adit/spec/wire"
)

// script is a socket that notes how it is read and written, and fails as it is told.
type script struct {
	sock.Splicer
	mu     sync.Mutex
	calls  []string
	noPipe bool  // SpliceRead gets none
	err    error // of SpliceWrite
}

func (s *script) note(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, fmt.Sprintf(format, args...))
}

// last is the call that was made last: the one that waits, if any does.
func (s *script) last() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.calls) == 0 {
		return ""
	}
	return s.calls[len(s.calls)-1]
}

func (s *script) Read(pool *sock.Pool, size int) (*sock.Buf, error) {
	s.note("read %d", size)
	return s.Splicer.Read(pool, size)
}

func (s *script) SpliceRead(size int) (*sock.Buf, error) {
	s.note("splice %d", size)
	s.mu.Lock()
	noPipe := s.noPipe
	s.mu.Unlock()
	if noPipe {
		return nil, sock.ErrNoPipe
	}
	return s.Splicer.SpliceRead(size)
}

func (s *script) SpliceWrite(b *sock.Buf, wait bool) (int, error) {
	s.note("splice out %d %v", b.Len(), wait)
	if s.err != nil {
		return 0, s.err
	}
	return s.Splicer.SpliceWrite(b, wait)
}

func (s *script) WriteMore(v [][]byte) (int, error) {
	s.note("more of %d", len(v))
	return s.Splicer.WriteMore(v)
}

func (s *script) WriteSome(v [][]byte) (int, error) {
	s.note("write %d", len(v))
	return s.Splicer.WriteSome(v)
}

func (s *script) TryWrite(b []byte) (int, error) {
	s.note("try %d", len(b))
	return s.Splicer.TryWrite(b)
}

// plain hides that a socket can splice.
type plain struct{ sock.Socket }

// scripted is a rig over TCP whose sockets are scripts, with a Core connection 1 that is open.
type scripted struct {
	*rig
	tunnel, local *script
	visitor       far
	before        int // calls of the tunnel, when bytes were sent last
}

func onScript(t *testing.T, splices bool, test func(r *scripted)) {
	t.Helper()
	r := &scripted{rig: &rig{t: t, ended: make(chan error, 1)}, tunnel: &script{}, local: &script{}}
	r.near, r.rig.tunnel = r.pipe(0)
	near, visitor := r.pipe(0)
	r.tunnel.Splicer, r.local.Splicer, r.visitor = r.near.(sock.Splicer), near.(sock.Splicer), visitor
	r.s = New(r.tunnel, Config{Protocol: CoreOnly, FirstID: 1, DeadPeer: time.Hour, StallLimit: time.Hour, StallBudget: time.Hour})
	go r.run()
	defer r.down()
	var local sock.Socket = r.local
	if !splices {
		local = plain{near}
	}
	if err := r.s.Open(Visitor{Socket: local, Target: home}); err != nil {
		t.Fatal(err)
	}
	r.want("request", request(1, 22, "127.0.0.1"))
	r.send(response(1, wire.StatusSuccess))
	r.wantState(1, "open")
	test(r)
}

// send notes how often the tunnel was read before.
func (r *scripted) send(frames ...[]byte) {
	r.t.Helper()
	r.tunnel.mu.Lock()
	r.before = len(r.tunnel.calls)
	r.tunnel.mu.Unlock()
	r.rig.send(frames...)
}

// wantRead checks how the tunnel is read next, when what was sent last is.
func (r *scripted) wantRead(sentence, call string) {
	r.t.Helper()
	next := func() string {
		r.tunnel.mu.Lock()
		defer r.tunnel.mu.Unlock()
		for _, c := range slices.Backward(r.tunnel.calls[min(r.before, len(r.tunnel.calls)):]) {
			if strings.HasPrefix(c, "read") || strings.HasPrefix(c, "splice ") && !strings.HasPrefix(c, "splice out") {
				return c
			}
		}
		return ""
	}
	gomega.NewWithT(r.t).Eventually(next).WithTimeout(20*time.Second).Should(gomega.Equal(call), sentence)
}

// head is what a Data frame of n bytes for connection 1 begins with.
func head(n int) []byte {
	b := make([]byte, headRoom)
	wire.PutData(b, 1, n)
	return b
}

// pass sends bytes of a Data frame, and waits for them at the visitor's end.
func (r *scripted) pass(n int) {
	r.t.Helper()
	r.send(make([]byte, n))
	if _, err := io.ReadFull(r.visitor, make([]byte, n)); err != nil {
		r.t.Fatal(err)
	}
}

// The tunnel is read so that the payload of a large frame, and of those that follow it at once, is not copied.
func TestHowTheTunnelIsRead(t *testing.T) {
	all := fmt.Sprintf("read %d", tunnelRead)
	next := fmt.Sprintf("read %d", headRoom)
	const much = 200 << 10
	onScript(t, true, func(r *scripted) {
		tunnel := r.tunnel
		r.wantRead("at first", all)
		r.send(head(100))
		r.wantRead("behind the head of a small frame", all)
		r.pass(100)
		r.wantRead("behind a small frame", all)
		r.send(head(much))
		r.wantRead("behind the head of a large one", fmt.Sprintf("splice %d", much))
		r.pass(much - 50<<10)
		r.wantRead("of its end, though that is small", fmt.Sprintf("splice %d", 50<<10))
		r.pass(50 << 10)
		r.wantRead("behind it", next)
		r.send(head(much))
		r.wantRead("behind the next head", fmt.Sprintf("splice %d", much))
		r.pass(much)
		r.send(keepAlive()[:5])
		r.wantRead("behind a part of a header, the first read", next)
		r.send(keepAlive()[5:])
		r.want("answer", keepAlive())
		for range bulkReads - 2 {
			r.wantRead("a few reads more", next)
			r.send(keepAlive())
			r.want("answer", keepAlive())
		}
		r.wantRead("when no large frame comes", all)
		r.send(head(much))
		r.pass(much)
		r.send(head(much)[:wire.HeaderLen+1])
		r.wantRead("behind a header whose frame's length is known", fmt.Sprintf("read %d", wire.IDLen-1+much+headRoom))
		r.send(head(much)[wire.HeaderLen+1:])
		r.wantRead("and the ID", fmt.Sprintf("splice %d", much))
		tunnel.mu.Lock()
		tunnel.noPipe = true
		tunnel.mu.Unlock()
		r.pass(100)
		r.wantRead("when the system has no pipe", all)
		r.pass(much - 100)
	})
	onScript(t, false, func(r *scripted) {
		r.send(head(much))
		r.pass(100)
		r.wantRead("where the local socket does not splice", all)
		r.pass(much - 100)
		r.wantRead("and behind the frame", all)
	})
}

func TestWhatNobodyTakesIsNotSpliced(t *testing.T) {
	const much = 200 << 10
	onScript(t, true, func(r *scripted) {
		r.send(head(much))
		r.wantRead("behind the head", fmt.Sprintf("splice %d", much))
		sock.Reset(r.visitor.(*net.TCPConn))
		r.want("its visitor is gone", closeFrame(1))
		r.send(make([]byte, 100))
		r.wantRead("then", fmt.Sprintf("read %d", much-100+headRoom))
	})
}

// loose is a Core connection that is open, of a session that does not run, with its sockets.
func loose(t *testing.T, cfg Config) (*conn, scripted) {
	t.Helper()
	r := scripted{rig: &rig{t: t}}
	near, end := r.pipe(0)
	r.tunnel, r.rig.tunnel = &script{Splicer: near.(sock.Splicer)}, end
	near, r.visitor = r.pipe(0)
	r.local = &script{Splicer: near.(sock.Splicer)}
	cfg.Protocol = CoreOnly
	s := New(r.tunnel, cfg)
	s.mu.Lock()
	core := s.addCoreLocked(1, open)
	core.local.sock = r.local
	s.live[&core.conn] = struct{}{}
	s.unlock()
	t.Cleanup(func() {
		s.abort(nil)
		s.wg.Wait()
		end.Close()
	})
	return &core.conn, r
}

// inPipe returns that many bytes in a pipe.
func inPipe(t *testing.T, n int) *sock.Buf {
	t.Helper()
	near, end := tcpPair(t)
	defer end.Close()
	source := asSocket(t, near).(sock.Splicer)
	defer source.Reset()
	end.SetWriteBuffer(4 * n)
	if _, err := end.Write(make([]byte, n)); err != nil {
		t.Fatal(err)
	}
	b, err := source.SpliceRead(n)
	if err != nil {
		t.Fatal(err)
	}
	if b.Len() != n {
		t.Fatalf("the system gave %d bytes of %d", b.Len(), n)
	}
	return b
}

// fillSocket has s take no more: neither end's system gets more room later.
func fillSocket(t *testing.T, s *script, end far) {
	t.Helper()
	near := s.Splicer.(*sock.TCP)
	if err := errors.Join(near.Conn.SetWriteBuffer(1), end.(*net.TCPConn).SetReadBuffer(1)); err != nil {
		t.Fatal(err)
	}
	for n := 1; n > 0; {
		var err error
		if n, err = near.TryWrite(make([]byte, 64<<10)); err != nil {
			t.Fatal(err)
		}
	}
}

// Much that a local socket does not take waits in its pipe, what is not much in a buffer: a pipe has two descriptors.
func TestWhatALocalSocketDoesNotTake(t *testing.T) {
	const much = leastSpliced
	for _, c := range []struct {
		name           string
		n              int
		full, ended    bool // the local socket; the half
		writes         bool // somebody writes to the socket
		err            error
		queue, most    int // MaxQueue, 0: the usual; of Memory for all tunnels
		copied, queued int
		calls          []string
	}{
		{name: "all is taken", n: much, calls: []string{"splice out 65536 false"}},
		{name: "much is queued", n: much, full: true, queued: much, calls: []string{"splice out 65536 false", "splice out 65536 true"}},
		{name: "not much is copied", n: much - 1, full: true, copied: much - 1, calls: []string{"splice out 65535 false"}},
		{name: "more than the queue has room for", n: much, full: true, queue: much - 1, copied: much, calls: []string{"splice out 65536 false"}},
		{name: "behind what is being written", n: much, writes: true, queued: much},
		{name: "not much behind that", n: 100, writes: true, copied: 100},
		{name: "nobody wants it", n: much, ended: true, copied: much},
		{name: "the socket fails", n: much, err: errors.New("injected"), copied: much, calls: []string{"splice out 65536 false"}},
		{name: "more than all tunnels may hold", n: much, full: true, most: 1, calls: []string{"splice out 65536 false"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn, sockets := loose(t, Config{MaxQueue: c.queue})
			s, local := conn.s, sockets.local
			if c.full {
				fillSocket(t, local, sockets.visitor)
			}
			s.mu.Lock()
			local.err, conn.in.ended, conn.in.writing = c.err, c.ended, c.writes
			if c.most > 0 {
				s.cfg.Together = NewMemory(int64(c.most))
				s.cfg.Together.add(s)
			}
			s.unlock()
			rest, err := conn.deliverPiped(inPipe(t, c.n))
			if err != nil {
				t.Fatal(err)
			}
			copied := 0
			if rest != nil {
				copied = rest.Len()
				if rest.Piped() {
					t.Error("the copy is in a pipe")
				}
				rest.Release()
			}
			s.mu.Lock()
			defer s.unlock()
			if c.most > 0 {
				if s.stats.OverBudget != 1 {
					t.Errorf("%d connections were ended to make room; want 1", s.stats.OverBudget)
				}
				return
			}
			if copied != c.copied || conn.in.queue.Len() != c.queued || s.held != c.queued || conn.in.held != c.queued {
				t.Errorf("%d bytes are copied, %d queued, %d of %d held; want %d, %d", copied, conn.in.queue.Len(), conn.in.held, s.held, c.copied, c.queued)
			}
			if got := int(s.stats.PayloadIn); got != c.n-c.copied {
				t.Errorf("%d bytes count as handed on; want %d", got, c.n-c.copied)
			}
			if (c.queued > 0 && !c.writes) != (conn.in.took > 0) {
				t.Errorf("the socket took something last at %v; a queue that has begun counts from then", conn.in.took)
			}
			if (conn.local.write == writeClosed) != (c.err != nil) {
				t.Errorf("the socket is given up: %v; want %v", conn.local.write == writeClosed, c.err != nil)
			}
			s.mu.Unlock()
			if len(c.calls) > 0 {
				gomega.NewWithT(t).Eventually(local.last).Should(gomega.Equal(c.calls[len(c.calls)-1]))
			}
			local.mu.Lock()
			if !slices.Equal(local.calls, c.calls) {
				t.Errorf("calls %q; want %q", local.calls, c.calls)
			}
			local.mu.Unlock()
			s.mu.Lock()
			if c.writes {
				conn.in.queue.Drop()
				conn.in.writing = false
			}
		})
	}
}

// The local socket is spliced where much is likely to come and may be sent at once, else it is read.
func TestHowALocalSocketIsRead(t *testing.T) {
	for _, c := range []struct {
		name     string
		want     int // of the half
		size     int
		sendable bool
		comes    int
		noPipe   bool
		call     string
		piped    bool
		then     int // want afterwards
	}{
		{"much", large, spliced, true, leastSpliced, false, "splice 524288", true, large},
		{"not much was to come", large, spliced, true, leastSpliced - 1, false, "splice 524288", false, fair},
		{"little came of late", large - 1, spliced, true, leastSpliced, false, "read 524288", false, large - 1},
		{"it may not be sent", large, spliced, false, leastSpliced, false, "read 524288", false, large},
		{"little may be sent", large, leastSpliced - 1, true, leastSpliced, false, "read 65535", false, large},
		{"no pipe", large, spliced, true, leastSpliced, true, "read 524288", false, large},
	} {
		conn, sockets := loose(t, Config{})
		local := sockets.local
		conn.out.want, local.noPipe = c.want, c.noPipe
		if _, err := sockets.visitor.Write(make([]byte, c.comes)); err != nil {
			t.Fatal(err)
		}
		b, err := conn.readSome(c.size, c.sendable)
		if err != nil {
			t.Fatal(err)
		}
		if local.last() != c.call || b.Piped() != c.piped || b.Len() != min(c.comes, c.size) || conn.out.want != c.then {
			t.Errorf("%s: %s gives %d bytes, piped: %v, and wants %d; want %s, %d, %v, %d", c.name, local.last(), b.Len(), b.Piped(), conn.out.want, c.call, min(c.comes, c.size), c.piped, c.then)
		}
		b.Release()
	}
	conn, _ := loose(t, Config{})
	conn.s.splicer = nil
	if conn.splicer() != nil {
		t.Error("a socket is spliced whose tunnel cannot be")
	}
}

// What one read brought says how much the next may bring.
func TestTheSizeOfReadsFollowsWhatComes(t *testing.T) {
	for _, c := range []struct{ want, n, size, then int }{
		{small, small, small, 4 * small},
		{large, large, large, spliced},
		{spliced, small, small, spliced}, // the credit was small
		{small, small - 1, small, small},
		{large, large/4 + 1, large, large},
		{large, large / 4, large, large / 4},
		{small, 1, small, small},
	} {
		o := outHalf{want: c.want}
		if o.resize(c.n, c.size); o.want != c.then {
			t.Errorf("%d of %d bytes make %d of %d; want %d", c.n, c.size, o.want, c.want, c.then)
		}
	}
}

// What is in a pipe can be cut later, so others do not make its reads small.
func TestReadsOfPipesAreNotCut(t *testing.T) {
	for _, splices := range []bool{true, false} {
		conn, sockets := loose(t, Config{})
		want := spliced
		if !splices {
			conn.local.sock = plain{sockets.local}
			want = fair
		}
		conn.out.want = spliced
		conn.s.busy++
		if size, sendable := conn.s.readSize(conn); size != want || !sendable {
			t.Errorf("beside others a read has room for %d bytes, sendable: %v; want %d, true", size, sendable, want)
		}
		conn.s.busy--
		if size, _ := conn.s.readSize(conn); size != spliced {
			t.Errorf("alone a read has room for %d bytes; want %d", size, spliced)
		}
		conn.kind.(*coreConn).state = requested
		if _, sendable := conn.s.readSize(conn); sendable {
			t.Error("what comes before the response may be sent")
		}
		conn.kind.(*coreConn).state = open
	}
}

// A head leaves together with its payload, which follows from its pipe, and with nothing else.
func TestHowPiecesAreWritten(t *testing.T) {
	conn, sockets := loose(t, Config{})
	tunnel := sockets.tunnel
	s, o := conn.s, &conn.s.inFlight
	o.control(keepAlive(), false)
	o.data(conn, inPipe(t, leastSpliced))
	o.control(keepAlive(), false)
	for _, want := range []string{"more of 1", "splice out 65536 true", "write 1"} {
		n, err := s.writeSome()
		if err != nil || tunnel.last() != want || n != o.vecs[o.first].len() {
			t.Fatalf("%s writes %d, %v; want %s, all", tunnel.last(), n, err, want)
		}
		o.written(n)
	}
	o.reset()
	tunnel.calls = nil
	o.data(conn, inPipe(t, leastSpliced))
	o.control(keepAlive(), false)
	fillSocket(t, tunnel, sockets.rig.tunnel)
	if n, err := s.tryWrite(); n != 0 || err != nil || !slices.Equal(tunnel.calls, []string{"try 10"}) {
		t.Errorf("of a full tunnel %d bytes are taken, %v, by %q; want 0 by one call", n, err, tunnel.calls)
	}
	tunnel.calls, o.first = nil, 1
	o.vecs = o.vecs[1:]
	o.first = 0
	if n, err := s.tryWrite(); n != 0 || err != nil || !slices.Equal(tunnel.calls, []string{"splice out 65536 false"}) {
		t.Errorf("of a full tunnel %d bytes are taken, %v, by %q; want 0 by one call", n, err, tunnel.calls)
	}
	tunnel.calls, tunnel.err = nil, errors.New("injected")
	if _, err := s.tryWrite(); err != tunnel.err || len(tunnel.calls) != 1 {
		t.Errorf("a tunnel that fails: %v after %q; want its error, at once", err, tunnel.calls)
	}
	o.reset()
}
