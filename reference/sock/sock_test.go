package sock

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// both runs a test over a socket in memory and over one of the kernel: near is under test, far its peer.
func both(t *testing.T, test func(t *testing.T, near, far Socket)) {
	t.Helper()
	t.Run("memory", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a, b := Pipe(8 << 20)
			test(t, a, b)
		})
	})
	t.Run("tcp", func(t *testing.T) {
		near, far := loopback(t)
		defer near.Close()
		defer far.Close()
		test(t, near, far)
	})
}

// loopback returns two connected sockets of the kernel, that fail rather than hang.
func loopback(t testing.TB) (near, far Socket) {
	t.Helper()
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	a, err := net.DialTCP("tcp", nil, l.Addr().(*net.TCPAddr))
	if err != nil {
		t.Fatal(err)
	}
	b, err := l.AcceptTCP()
	if err != nil {
		t.Fatal(err)
	}
	var ends [2]Socket
	for i, c := range []*net.TCPConn{a, b} {
		c.SetDeadline(time.Now().Add(10 * time.Second))
		if ends[i], err = NewTCP(c); err != nil {
			t.Fatal(err)
		}
	}
	return ends[0], ends[1]
}

// everywhere is both, and the same through TLS.
func everywhere(t *testing.T, test func(t *testing.T, near, far Socket)) {
	t.Helper()
	both(t, test)
	t.Run("tls", func(t *testing.T) {
		configs() // before the time stands still
		both(t, func(t *testing.T, near, far Socket) {
			server, client := encrypted(t, near, far)
			test(t, server, client)
		})
	})
}

// inMemory reports whether a socket is one in memory, in the end.
func inMemory(s Socket) bool {
	if t, ok := s.(*TLS); ok {
		s = t.under
	}
	_, ok := s.(*Mem)
	return ok
}

// mustWrite writes all of text.
func mustWrite(t *testing.T, to Socket, text string) {
	t.Helper()
	for b := []byte(text); len(b) > 0; {
		n, err := to.WriteSome([][]byte{b})
		if err != nil {
			t.Fatalf("write: %v", err)
		}
		b = b[n:]
	}
}

func TestAReadLendsWhatIsThereAndThenTheEnd(t *testing.T) {
	everywhere(t, func(t *testing.T, near, far Socket) {
		pool := NewPool(3, 4, 16)
		mustWrite(t, far, "hello")
		b, err := near.Read(pool, 5)
		if err != nil {
			t.Fatal(err)
		}
		if string(b.Bytes()) != "hello" || b.Size() != 16 || b.Room() != 11 {
			t.Errorf("Read = %q in a buffer of %d with room for %d; want hello, 16, 11", b.Bytes(), b.Size(), b.Room())
		}
		copy(b.Prepend(3), ">> ")
		if string(b.Bytes()) != ">> hello" {
			t.Errorf("with the room in front: %q; want %q", b.Bytes(), ">> hello")
		}
		b.Release()
		mustWrite(t, far, "more than four")
		if b, err = near.Read(pool, 4); err != nil || string(b.Bytes()) != "more" {
			t.Fatalf("Read of 4 = %q, %v; want %q", b.Bytes(), err, "more")
		}
		b.Release()
		far.CloseWrite()
		if b, err = near.Read(pool, 16); err != nil || string(b.Bytes()) != " than four" {
			t.Fatalf("Read = %q, %v; want the rest", b.Bytes(), err)
		}
		b.Release()
		if b, err = near.Read(pool, 16); b != nil || !errors.Is(err, io.EOF) {
			t.Errorf("Read = %v, %v; want nil, io.EOF", b, err)
		}
		mustWrite(t, near, "still")
		if b, err = far.Read(pool, 16); err != nil || string(b.Bytes()) != "still" {
			t.Errorf("the other way: %v, %v; want still", b, err)
		}
	})
}

func TestAResetIsSeenAsOne(t *testing.T) {
	everywhere(t, func(t *testing.T, near, far Socket) {
		far.Reset()
		far.Reset() // a second time does no harm
		if b, err := near.Read(NewPool(0, 16), 16); b != nil || !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("Read = %v, %v; want nil, ECONNRESET", b, err)
		}
	})
}

func TestCloseMakesPendingCallsReturn(t *testing.T) {
	everywhere(t, func(t *testing.T, near, _ Socket) {
		read := make(chan error, 1)
		go func() { _, err := near.Read(NewPool(0, 16), 16); read <- err }()
		if inMemory(near) {
			synctest.Wait()
		}
		near.Close()
		if err := <-read; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Read = %v; want net.ErrClosed", err)
		}
	})
}

func TestAWriteTakesWhatFitsAndThenNothing(t *testing.T) {
	both(t, func(t *testing.T, near, far Socket) {
		block := make([]byte, 1<<20)
		total := 0
		for {
			n, err := near.TryWrite(block)
			if err != nil {
				t.Fatal(err)
			}
			if total += n; n == 0 {
				break
			}
		}
		pool, got := NewPool(0, 1<<20), 0
		for got < total {
			b, err := far.Read(pool, 1<<20)
			if err != nil {
				t.Fatalf("after %d of %d bytes: %v", got, total, err)
			}
			got += b.Len()
			b.Release()
		}
		if n, err := near.WriteSome([][]byte{[]byte("a"), {}, []byte("bc")}); n != 3 || err != nil {
			t.Errorf("WriteSome of three = %d, %v; want 3", n, err)
		}
		if b, err := far.Read(pool, 3); err != nil || string(b.Bytes()) != "abc" {
			t.Errorf("read %v, %v; want abc", b, err)
		}
	})
}

func TestMemTakesAPartAndThenMore(t *testing.T) {
	near, far := Pipe(8)
	near.WriteAtMost(3)
	for i, want := range []int{3, 3, 2, 0} {
		if n, err := near.TryWrite([]byte("abcdef")[:4]); n != want || err != nil {
			t.Errorf("write %d took %d, %v; want %d", i, n, err, want)
		}
	}
	if b, err := far.Read(NewPool(0, 16), 16); err != nil || string(b.Bytes()) != "abcabcab" {
		t.Errorf("read %v, %v; want abcabcab", b, err)
	}
	near.WriteAtMost(4)
	if n, err := near.WriteSome([][]byte{[]byte("12"), []byte("345")}); n != 4 || err != nil {
		t.Errorf("WriteSome = %d, %v; want 4 of 5", n, err)
	}
}

func TestMemFailsAPendingWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := Pipe(4)
		failed := make(chan error, 1)
		go func() { _, err := near.Stream().Write([]byte("12345678")); failed <- err }()
		synctest.Wait()
		near.FailWrite(os.ErrDeadlineExceeded)
		if err := <-failed; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Write = %v; want os.ErrDeadlineExceeded", err)
		}
		if b, err := far.Read(NewPool(0, 16), 16); err != nil || string(b.Bytes()) != "1234" {
			t.Errorf("read %v, %v; want what was taken before", b, err)
		}
		near.SetLimit(6)
		if n, err := near.TryWrite([]byte("12345678")); n != 6 || err != nil {
			t.Errorf("the write after it took %d, %v; want 6", n, err)
		}
	})
}

func TestAPoolLendsTheSmallestSizeThatFits(t *testing.T) {
	pool := NewPool(0, 4, 8, 32)
	for want, sizes := range map[int][]int{4: {0, 1, 4}, 8: {5, 8}, 32: {9, 32, 1000}} {
		for _, size := range sizes {
			b := pool.Get(size)
			if b.Size() != want || b.Room() != want || b.Len() != 0 {
				t.Errorf("Get(%d) has size %d, room %d and %d bytes; want %d, %d, 0", size, b.Size(), b.Room(), b.Len(), want, want)
			}
			b.Add([]byte("x")) // not there any more when b is lent again
			b.Release()
		}
	}
}

func TestAQueueKeepsOrderAndHoldsLittleMoreThanItsBytes(t *testing.T) {
	pool := NewPool(0, 4, 8)
	var q Queue
	for _, s := range []string{"a", "bc", "defghijklmnop", "q"} {
		q.Add(pool, []byte(s))
	}
	held, got := 0, ""
	for b := q.head; b != nil; b = b.next {
		held += b.Size()
	}
	if held > 2*q.Len() {
		t.Errorf("%d bytes wait in buffers of %d; want no more than twice as much", q.Len(), held)
	}
	first := q.Take()
	got += string(first.Bytes())
	if q.Len() != 17 {
		t.Errorf("Len = %d with %d bytes taken; want 17 until they are done with", q.Len(), first.Len())
	}
	q.Done(first.Len())
	for b := q.Take(); b != nil; b = q.Take() {
		got += string(b.Bytes())
		q.Done(b.Len())
		b.Release()
	}
	if got != "abcdefghijklmnopq" || q.Len() != 0 || q.tail != nil {
		t.Errorf("took %q, %d are left; want all letters, none", got, q.Len())
	}
	q.Add(pool, []byte("dropped"))
	taken := q.Take()
	q.Add(pool, []byte("too"))
	if n := q.Drop(); n != 3 {
		t.Errorf("Drop = %d; want the 3 that were not taken", n)
	}
	if q.Len() != taken.Len() || q.Take() != nil {
		t.Errorf("Len = %d after Drop; want the %d that were taken", q.Len(), taken.Len())
	}
}

// A port that is bound before connecting is taken for a minute after the connection has ended, whatever its destination was.
func TestDialLeavesTheLocalPortToTheSystem(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close() // so that the error says how it was dialled
	_, err = Dial(t.Context(), l.Addr().String())
	if op, ok := errors.AsType[*net.OpError](err); !ok || op.Source != nil {
		t.Errorf("Dial = %v; want an error that names no local address", err)
	}
}

// However a process ends, the system closes its descriptors, and does not call Close.
func TestTheSystemResetsWhatWasNotClosed(t *testing.T) {
	for _, c := range []struct {
		how   string
		close func(*TCP)
		want  error
	}{
		{"by the system", func(s *TCP) { s.Conn.Close() }, syscall.ECONNRESET},
		{"by the system, after CloseWrite with bytes on the way", func(s *TCP) { s.CloseWrite(); s.Conn.Close() }, syscall.ECONNRESET},
		{"in order", func(s *TCP) { s.Close() }, io.EOF},
	} {
		l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		far, err := net.DialTCP("tcp", nil, l.Addr().(*net.TCPAddr))
		if err != nil {
			t.Fatal(err)
		}
		conn, err := l.AcceptTCP()
		if err != nil {
			t.Fatal(err)
		}
		near, err := NewTCP(conn)
		if err != nil {
			t.Fatal(err)
		}
		for n := 1; n > 0; { // more than the peer's window
			if n, err = near.TryWrite(make([]byte, 1<<20)); err != nil {
				t.Fatal(err)
			}
		}
		c.close(near)
		far.SetDeadline(time.Now().Add(10 * time.Second))
		if _, err = io.Copy(io.Discard, far); err == nil {
			err = io.EOF
		}
		if !errors.Is(err, c.want) {
			t.Errorf("closed %s: the peer reads %v; want %v", c.how, err, c.want)
		}
		far.Close()
		l.Close()
	}
}
