package engine

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"
)

// joining is a tunnel whose octets are joined, and the other end of it.
func joining(t *testing.T) (*T, *Tunnel, net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	far, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	et, _ := inbox()
	et.Case.Role, et.cut = Client, Joined // no KeepAlives
	n := et.adopt(conn.(*net.TCPConn), nil, "dialled")
	t.Cleanup(func() {
		_ = far.Close()
		n.Close()
		et.wg.Wait()
	})
	return et, n, far
}

// Octets that wait to be joined leave by themselves, however long the case looks at something else.
func TestJoinedOctetsAreHeldForAMomentOnly(t *testing.T) {
	_, n, far := joining(t)
	begun := time.Now()
	n.Send(Close(1))
	n.Send(Close(2))
	_ = far.SetReadDeadline(begun.Add(Answer))
	got := make([]byte, 2*len(Close(1).Bytes()))
	k, err := far.Read(got)
	if took := time.Since(begun); err != nil || k != len(got) || took < HeldMost {
		t.Errorf("%d octets after %s, %v; want both frames in one, held for %s", k, took, err, HeldMost)
	}
}

// What the case waits for does not wait: looking sends.
func TestLookingSendsWhatIsJoined(t *testing.T) {
	et, n, far := joining(t)
	n.Send(Close(1))
	if et.wait(0, func() bool { return false }) {
		t.Fatal("nothing came true")
	}
	_ = far.SetReadDeadline(time.Now().Add(Answer))
	got := make([]byte, len(Close(1).Bytes()))
	if _, err := io.ReadFull(far, got); err != nil || !bytes.Equal(got, Close(1).Bytes()) {
		t.Errorf("%x, %v", got, err)
	}
	et.rec.mu.Lock()
	defer et.rec.mu.Unlock()
	if et.late > 0 {
		t.Errorf("the writer is said to be %s late", et.late)
	}
}

// A writer that comes too late to what was joined voids the attempt: the subject's own timers ran meanwhile.
func TestALateWriterIsTheSuitesFault(t *testing.T) {
	et, n, _ := joining(t)
	et.rec.mu.Lock()
	n.push(piece{b: Close(1).Bytes()})
	n.since -= HeldMost + time.Second
	et.rec.mu.Unlock()
	n.woken()
	et.rec.mu.Lock()
	by := et.late
	et.rec.mu.Unlock()
	if by < time.Second {
		t.Errorf("the writer is said to be %s late; want 1 s or more", by)
	}
	r := &Runner{Subject: &peerSubject{role: Server, owned: true}, Role: Server}
	got, err := runCases(t, r, []Case{{ID: "X-001", Role: Server, Run: func(t *T) {
		t.late = starvedBy
		t.Fail("", "the subject waits")
	}}})
	if res := got["X-001"]; err != nil || res.Verdict != Inconclusive || res.Attempts != attempts {
		t.Errorf("%s after %d attempts, %v; want inconclusive after %d", res.Verdict, res.Attempts, err, attempts)
	}
}
