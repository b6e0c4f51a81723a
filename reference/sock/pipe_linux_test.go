package sock

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"unsafe"
)

// spliced is a connected pair whose first end is a Splicer.
func spliced(t *testing.T) (*TCP, *net.TCPConn) {
	t.Helper()
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	far, err := net.DialTCP("tcp", nil, l.Addr().(*net.TCPAddr))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { far.Close() })
	near, err := l.AcceptTCP()
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewTCP(near)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Reset)
	return s, far
}

// descriptors is how many pipes' descriptors the process has, but for those of pipes that wait for use.
func descriptors(t *testing.T) (n int) {
	t.Helper()
	all, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range all {
		if to, _ := os.Readlink(fd); strings.HasPrefix(to, "pipe:") {
			n++
		}
	}
	return n - 2*len(pipes.idle)
}

// noPipes fails the test if pipes are lent at its end, more wait than may, or one was forgotten open.
func noPipes(t *testing.T) {
	t.Helper()
	before := descriptors(t)
	t.Cleanup(func() {
		pipes.Lock()
		defer pipes.Unlock()
		if got := descriptors(t); got != before {
			t.Errorf("%d descriptors of pipes are open that nobody has; want none", got-before)
		}
		if pipes.lent != 0 || len(pipes.idle) > idlePipes {
			t.Errorf("%d pipes are lent and %d idle; want none and at most %d", pipes.lent, len(pipes.idle), idlePipes)
		}
	})
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{byte(n)}).Read(b)
	return b
}

// spliceAll reads n bytes of s into pipes.
func spliceAll(t *testing.T, s *TCP, n int) (all []*Buf) {
	t.Helper()
	for n > 0 {
		b, err := s.SpliceRead(n)
		if err != nil {
			t.Fatal(err)
		}
		if !b.Piped() || b.Len() == 0 || b.Len() > n || b.Size() != b.Len() || b.Room() != 0 {
			t.Fatalf("piped %v, %d bytes of %d, size %d, room %d", b.Piped(), b.Len(), n, b.Size(), b.Room())
		}
		n -= b.Len()
		all = append(all, b)
	}
	return all
}

func writeAll(t *testing.T, s *TCP, b *Buf) {
	t.Helper()
	for b.Len() > 0 {
		n, err := s.SpliceWrite(b, true)
		if err != nil || n == 0 {
			t.Fatalf("SpliceWrite = %d, %v; want bytes", n, err)
		}
		b.Consume(n)
	}
	b.Release()
}

func receive(t *testing.T, c net.Conn, want []byte) {
	t.Helper()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(c, got); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("bytes changed on the way")
	}
}

func TestBytesGoThroughAPipe(t *testing.T) {
	noPipes(t)
	in, source := spliced(t)
	out, sink := spliced(t)
	sent := random(3 << 20)
	go source.Write(sent)
	done := make(chan struct{})
	go func() { defer close(done); receive(t, sink, sent) }()
	for left := len(sent); left > 0; {
		b, err := in.SpliceRead(left)
		if err != nil {
			t.Fatal(err)
		}
		left -= b.Len()
		writeAll(t, out, b)
	}
	<-done
}

// A Buf and those that were split from it have the bytes of one pipe in order, wherever they go.
func TestAPipedBufIsSplit(t *testing.T) {
	noPipes(t)
	in, source := spliced(t)
	out, sink := spliced(t)
	sent := random(1000)
	source.Write(sent)
	first := spliceAll(t, in, len(sent))[0]
	if first.Len() != len(sent) {
		t.Skip("not run: the system gave the bytes in parts")
	}
	second := first.Split(nil, 300)
	third := second.Split(nil, 200)
	if first.Len() != 300 || second.Len() != 200 || third.Len() != 500 || first.Size()+second.Size()+third.Size() != 1000 {
		t.Errorf("split into %d, %d, %d of sizes %d, %d, %d", first.Len(), second.Len(), third.Len(), first.Size(), second.Size(), third.Size())
	}
	writeAll(t, out, first)
	receive(t, sink, sent[:300])
	pool := NewPool(4, 16, 1024)
	copied, err := second.Copied(pool)
	if err != nil || !bytes.Equal(copied.Bytes(), sent[300:500]) {
		t.Errorf("Copied = %v; want the bytes", err)
	}
	copied.Release()
	writeAll(t, out, third)
	receive(t, sink, sent[500:])
}

// What is not wanted any more does not come out of the pipe for whoever has it next.
func TestAPipeWithBytesIsNotLentAgain(t *testing.T) {
	noPipes(t)
	in, source := spliced(t)
	out, sink := spliced(t)
	for i := range 3 {
		source.Write([]byte("unwanted"))
		for _, b := range spliceAll(t, in, 8) {
			b.Release()
		}
		want := []byte{byte(i), 1, 2, 3}
		source.Write(want)
		for _, b := range spliceAll(t, in, 4) {
			writeAll(t, out, b)
		}
		receive(t, sink, want)
	}
}

// A pipe that was emptied is lent again, however it was emptied: making one costs more than copying what goes through it.
func TestAnEmptyPipeIsLentAgain(t *testing.T) {
	noPipes(t)
	in, source := spliced(t)
	out, sink := spliced(t)
	pool := NewPool(0, 16)
	var first *sysPipe
	for i := range 4 {
		source.Write([]byte{byte(i)})
		b := spliceAll(t, in, 1)[0]
		if i == 0 {
			first = b.pipe
		}
		if b.pipe != first || first.left != 1 {
			t.Fatalf("use %d is of another pipe, or %d bytes are left in it; want the first one, with 1", i, b.pipe.left)
		}
		if i%2 == 0 {
			writeAll(t, out, b)
			receive(t, sink, []byte{byte(i)})
			continue
		}
		c, err := b.Copied(pool)
		if err != nil || c.Len() != 1 || c.Bytes()[0] != byte(i) {
			t.Fatalf("Copied = %v; want the byte", err)
		}
		c.Release()
	}
}

// A pipe has the room that it was made for, or there is none.
func TestAPipeHasRoom(t *testing.T) {
	noPipes(t)
	const fGetPipeSize = 1032
	p := newPipe(pipeSize)
	if p == nil {
		t.Fatal("the system gives no pipe")
	}
	defer p.close()
	if size, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(p.r), fGetPipeSize, 0); errno != 0 || size != pipeSize {
		t.Errorf("the pipe has room for %d bytes, %v; want %d", size, errno, pipeSize)
	}
	if p := newPipe(1 << 31); p != nil { // more than any has
		p.close()
		t.Error("a pipe without the room that was asked for is one")
	}
}

// What a pipe does not have is an error, and nothing stays lent.
func TestAPipeThatLacksBytesFails(t *testing.T) {
	noPipes(t)
	out, _ := spliced(t)
	for name, use := range map[string]func(b *Buf) error{
		"Copied": func(b *Buf) error { _, err := b.Copied(NewPool(0, 16)); return err },
		"SpliceWrite": func(b *Buf) error {
			defer b.Release()
			syscall.Close(b.pipe.r)
			b.pipe.r = -1
			n, err := out.SpliceWrite(b, true)
			if n != 0 || b.Len() != 8 {
				t.Errorf("SpliceWrite of nothing = %d, and %d bytes are left; want 0, 8", n, b.Len())
			}
			return err
		},
	} {
		p := borrowPipe()
		if p == nil {
			t.Fatal("the system gives no pipe")
		}
		if err := use(piped(p, 8)); err == nil {
			t.Errorf("%s of bytes that are not there succeeds", name)
		}
		pipes.Lock() // a pipe that failed serves nobody
		pipes.idle = slices.DeleteFunc(pipes.idle, func(q *sysPipe) bool { return q == p })
		pipes.Unlock()
		p.close()
	}
}

// A call through a pipe says nothing of the next call.
func TestASocketIsReadAndWrittenInAllWays(t *testing.T) {
	noPipes(t)
	s, far := spliced(t)
	pool := NewPool(0, 16)
	for range 2 {
		far.Write([]byte("a"))
		writeAll(t, s, spliceAll(t, s, 1)[0])
		receive(t, far, []byte("a"))
		far.Write([]byte("b"))
		b, err := s.Read(pool, 16)
		if err != nil || b.Piped() || string(b.Bytes()) != "b" {
			t.Fatalf("Read behind SpliceRead = %v, or in a pipe; want the byte", err)
		}
		if n, err := s.TryWrite(b.Bytes()); n != 1 || err != nil {
			t.Fatalf("TryWrite behind SpliceWrite = %d, %v; want 1", n, err)
		}
		receive(t, far, []byte("b"))
		b.Release()
	}
}

func TestASplicedStreamEnds(t *testing.T) {
	noPipes(t)
	in, source := spliced(t)
	source.CloseWrite()
	if _, err := in.SpliceRead(10); err != io.EOF {
		t.Errorf("SpliceRead at the end = %v; want EOF", err)
	}
	in, source = spliced(t)
	source.SetLinger(0)
	source.Close()
	if _, err := in.SpliceRead(10); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("SpliceRead of a reset = %v; want ECONNRESET", err)
	}
}

// With waiting a write takes something, when there is room.
func TestASplicedWriteWaits(t *testing.T) {
	noPipes(t)
	in, source := spliced(t)
	out, sink := spliced(t)
	total := fill(t, out)
	source.Write(make([]byte, 1000))
	b := spliceAll(t, in, 1000)[0]
	done := make(chan struct{})
	go func() {
		defer close(done)
		io.CopyN(io.Discard, sink, int64(total))
	}()
	writeAll(t, out, b)
	<-done
}

// Without waiting a write takes what fits, and then nothing.
func TestASplicedWriteDoesNotWait(t *testing.T) {
	noPipes(t)
	in, source := spliced(t)
	out, sink := spliced(t)
	fill(t, out)
	source.Write(make([]byte, 1000))
	b := spliceAll(t, in, 1000)[0]
	if n, err := out.SpliceWrite(b, false); n != 0 || err != nil {
		t.Errorf("SpliceWrite to a full socket = %d, %v; want 0, nil", n, err)
	}
	sink.SetLinger(0)
	sink.Close()
	if _, err := out.SpliceWrite(b, true); err == nil {
		t.Error("SpliceWrite to a socket that was reset succeeded")
	}
	b.Release()
}

func TestPipesAreBounded(t *testing.T) {
	noPipes(t)
	in, source := spliced(t)
	go source.Write(make([]byte, mostPipes+1))
	var all []*Buf
	for range mostPipes {
		all = append(all, spliceAll(t, in, 1)...)
	}
	if _, err := in.SpliceRead(1); err != ErrNoPipe {
		t.Errorf("SpliceRead with all pipes lent = %v; want ErrNoPipe", err)
	}
	for _, b := range all {
		if _, err := b.Copied(NewPool(0, 16)); err != nil {
			t.Error(err)
		}
	}
}

// unsent is how many bytes the system has of s that it did not send.
func unsent(t *testing.T, s *TCP) (n int32) {
	t.Helper()
	const siocOutQNSD = 0x894B
	var errno syscall.Errno
	err := s.raw.Control(func(fd uintptr) {
		_, _, errno = syscall.Syscall(syscall.SYS_IOCTL, fd, siocOutQNSD, uintptr(unsafe.Pointer(&n)))
	})
	if err != nil || errno != 0 {
		t.Fatal(err, errno)
	}
	return n
}

// Nothing is sent of what more follows until that is there: the peer gets both in one piece.
func TestWriteMoreWaitsForMore(t *testing.T) {
	out, sink := spliced(t)
	head, rest := random(10), random(100)
	if n, err := out.WriteMore([][]byte{head[:4], {}, head[4:]}); n != len(head) || err != nil {
		t.Fatalf("WriteMore = %d, %v; want %d", n, err, len(head))
	}
	if n := unsent(t, out); n != int32(len(head)) {
		t.Errorf("of %d bytes that more follows %d wait; want all", len(head), n)
	}
	if n, err := out.WriteSome([][]byte{rest}); n != len(rest) || err != nil {
		t.Fatalf("WriteSome = %d, %v; want %d", n, err, len(rest))
	}
	if n := unsent(t, out); n != 0 {
		t.Errorf("%d bytes wait that nothing follows; want none", n)
	}
	got := make([]byte, 1000)
	n, err := sink.Read(got)
	if err != nil || !bytes.Equal(got[:n], append(head, rest...)) {
		t.Errorf("the peer read %d bytes at first, %v; want all of %d", n, err, len(head)+len(rest))
	}
}

func TestAQueueOfPipesAndBuffers(t *testing.T) {
	noPipes(t)
	in, source := spliced(t)
	out, sink := spliced(t)
	sent := random(100)
	source.Write(sent[10:90])
	pool := NewPool(0, 16)
	var q Queue
	q.Add(pool, sent[:10])
	for _, b := range spliceAll(t, in, 80) {
		q.AddBuf(b)
	}
	q.Add(pool, sent[90:])
	if q.Len() != 100 || q.Held() != 16+80+16 {
		t.Errorf("queue of %d bytes, %d held; want 100, 112", q.Len(), q.Held())
	}
	for b := q.Take(); b != nil; b = q.Take() {
		n := b.Len()
		if b.Piped() {
			for b.Len() > 0 {
				n, _ := out.SpliceWrite(b, true)
				b.Consume(n)
			}
		} else {
			out.WriteSome([][]byte{b.Bytes()})
		}
		q.Done(n)
		q.Release(b)
	}
	if q.Len() != 0 || q.Held() != 0 {
		t.Errorf("empty queue of %d bytes, %d held", q.Len(), q.Held())
	}
	receive(t, sink, sent)
	source.Write(sent)
	for _, b := range spliceAll(t, in, 100) {
		q.AddBuf(b)
	}
	if n := q.Drop(); n != 100 || q.Len() != 0 || q.Held() != 0 {
		t.Errorf("Drop = %d, and %d, %d are left; want 100, 0, 0", n, q.Len(), q.Held())
	}
}
