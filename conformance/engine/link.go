package engine

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"time"

	"github.com/adit-tunnel/adit/spec"
)

// End is how the subject ended a stream.
type End int

// Ends.
const (
	EndNone  End = iota // not ended
	EndFIN              // in order
	EndReset            // by a reset
)

func (e End) String() string {
	return [...]string{"still open", "ended in order (FIN)", "reset (RST)"}[e]
}

// A link is one TCP socket of the suite, towards the subject. Writing never
// blocks the case: a writer goroutine drains a queue. A reader goroutine, of
// Tunnel or Socket, takes what comes. Both end when the socket is closed.
type link struct {
	t       *T
	who     string
	conn    *net.TCPConn
	tls     *tls.Conn     // around conn; nil: its octets go as they are
	stream  net.Conn      // the one of the two that is read and written
	pending chan struct{} // wakes the writer; capacity 1
	hold    *time.Timer   // wakes it when octets were joined for long enough
	done    chan struct{} // closed by shut: the writer ends

	// The recorder's mu guards the following.
	cut    Cut // of what is pushed
	frames int // that were cut so far
	queue  []piece
	since  time.Duration // when the first of the queue was put there
	unsent int           // octets queued or being written
	end    End
	endAt  time.Duration  // when end was seen
	closed bool           // the suite closed or reset the socket
	held   bool           // the case wants nothing read
	sip    int            // octets to be read before it is held again; 0: any number
	wErr   error          // why writing ended
	wEnded time.Duration  // when it did
	alert  tls.AlertError // with which the subject ended TLS; 0: none
}

// A piece is octets for one Write, and the pause after it that a dripping sender makes.
type piece struct {
	b      []byte
	pause  time.Duration
	asIs   bool         // the case chose this piece
	finish func() error // shut down the write side instead
}

func newLink(t *T, who string, conn *net.TCPConn, secure *tls.Conn) *link {
	l := &link{t: t, who: who, conn: conn, tls: secure, stream: conn, pending: make(chan struct{}, 1), hold: time.NewTimer(HeldMost), done: make(chan struct{})}
	if secure != nil {
		l.stream = secure
	}
	l.hold.Stop() // until something waits
	t.wg.Go(l.writeLoop)
	return l
}

// push queues pieces for the writer. The caller holds the recorder's mu.
func (l *link) push(ps ...piece) {
	if len(l.queue) == 0 && l.cut == Joined {
		l.since = l.t.Now()
		l.hold.Reset(HeldMost)
	}
	for _, p := range ps {
		l.unsent += len(p.b)
		if p.asIs || p.finish != nil {
			l.queue = append(l.queue, p)
		} else {
			l.queue = append(l.queue, l.cut.pieces(p.b, &l.frames)...)
		}
	}
	if l.cut != Joined {
		l.startWrite()
	}
}

// startWrite wakes the writer.
func (l *link) startWrite() {
	select {
	case l.pending <- struct{}{}:
	default:
	}
}

// writeLoop writes what is queued, one Write for each piece. newLink starts
// it; shut ends it.
func (l *link) writeLoop() {
	defer l.hold.Stop()
	for {
		select {
		case <-l.done:
			return
		case <-l.pending:
		case <-l.hold.C:
		}
		l.woken()
		for p, ok := l.next(); ok; p, ok = l.next() {
			var err error
			if p.finish != nil {
				err = p.finish()
			} else {
				_, err = l.stream.Write(p.b)
			}
			l.wrote(len(p.b), err)
			l.idle(p.pause)
		}
	}
}

// woken notes by how much the writer was late to write what the case joined.
func (l *link) woken() {
	l.t.rec.mu.Lock()
	defer l.t.rec.mu.Unlock()
	if l.cut == Joined && len(l.queue) > 0 {
		l.t.late = max(l.t.late, l.t.Now()-l.since-HeldMost)
	}
}

// idle lets d pass, or less when the socket is closed.
func (l *link) idle(d time.Duration) {
	if d <= 0 {
		return
	}
	pace := time.NewTimer(d)
	defer pace.Stop()
	select {
	case <-l.done:
	case <-pace.C:
	}
}

func (l *link) next() (piece, bool) {
	l.t.rec.mu.Lock()
	defer l.t.rec.mu.Unlock()
	if len(l.queue) == 0 || l.closed || l.wErr != nil {
		return piece{}, false
	}
	p := l.queue[0]
	l.queue = l.queue[1:]
	if l.cut != Joined || p.asIs || p.finish != nil {
		return p, true
	}
	all, size := [][]byte{p.b}, len(p.b)
	for len(l.queue) > 0 && !l.queue[0].asIs && l.queue[0].finish == nil && size < 1<<20 {
		all, size = append(all, l.queue[0].b), size+len(l.queue[0].b)
		l.queue = l.queue[1:]
	}
	if len(all) > 1 {
		p.b = slices.Concat(all...)
	}
	return p, true
}

func (l *link) wrote(n int, err error) {
	l.t.rec.mu.Lock()
	defer l.t.rec.mu.Unlock()
	l.unsent -= n
	if err != nil && l.wErr == nil {
		l.wErr, l.wEnded = err, l.t.Now()
	}
	l.t.rec.wake()
}

// readEnded records the error that ended reading, as the subject's doing unless
// the suite closed the socket itself.
func (l *link) readEnded(err error) {
	l.t.rec.mu.Lock()
	defer l.t.rec.mu.Unlock()
	if l.closed || l.end != EndNone {
		return
	}
	e := Event{Who: l.who}
	l.alert, _ = errors.AsType[tls.AlertError](withAlert(err))
	switch {
	case l.alert != 0:
		l.end, e.Kind, e.Text = EndFIN, EOF, fmt.Sprintf("TLS ends: %v", l.alert)
	case wasCut(l.tls):
		l.end, e.Kind, e.Text = EndFIN, EOF, "end of stream (FIN) without close_notify"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		l.end, e.Kind = EndFIN, EOF
	default:
		l.end, e.Kind = EndReset, Reset
	}
	l.endAt = l.t.rec.add(e)
}

// Finish shuts down the suite's write side (FIN, under TLS behind close_notify) after all that is queued, and goes on reading.
func (l *link) Finish() { l.finishBy(l.closeWrite, "write side shut down") }

func (l *link) closeWrite() error {
	if l.tls != nil {
		_ = l.tls.CloseWrite() // what keeps it from being written ends TCP, too
	}
	return l.conn.CloseWrite()
}

// finishBy is Finish in another way.
func (l *link) finishBy(end func() error, words string) {
	l.t.rec.mu.Lock()
	defer l.t.rec.mu.Unlock()
	l.t.rec.add(Event{Who: l.who, Kind: Finished, Text: words})
	l.push(piece{finish: end})
	l.startWrite()
}

// Abort resets the socket (RST).
func (l *link) Abort() { l.shut(Aborted) }

// shut closes the socket, once.
func (l *link) shut(kind Kind) {
	if l.cut == Joined { // the end may have to wait for its turn
		l.t.wait(shutTime, func() bool { return l.unsent == 0 || l.wErr != nil || l.closed })
	}
	l.t.rec.mu.Lock()
	if l.closed {
		l.t.rec.mu.Unlock()
		return
	}
	l.closed = true
	l.t.rec.add(Event{Who: l.who, Kind: kind})
	close(l.done)
	l.t.rec.mu.Unlock()
	if kind == Aborted {
		_ = l.conn.SetLinger(0)
	}
	_ = l.conn.Close()
}

// Hold stops reading, so that the subject finds the socket's buffers full
// in time; Release goes on.
func (l *link) Hold() {
	l.t.rec.mu.Lock()
	defer l.t.rec.mu.Unlock()
	l.held = true
	l.t.rec.add(Event{Who: l.who, Kind: Held, Text: "the suite stops reading"})
	_ = l.conn.SetReadDeadline(time.Unix(1, 0)) // ends a Read that waits
}

// Release ends Hold.
func (l *link) Release() { l.release(0) }

// Sip reads n octets, and stops again.
func (l *link) Sip(n int) { l.release(n) }

func (l *link) release(sip int) {
	l.t.rec.mu.Lock()
	defer l.t.rec.mu.Unlock()
	l.held, l.sip = false, sip
	_ = l.conn.SetReadDeadline(time.Time{})
	l.t.rec.add(Event{Who: l.who, Kind: Released, Text: "the suite reads again"})
}

// Read reads the socket while the case does not hold it.
func (l *link) Read(p []byte) (int, error) {
	for {
		l.t.rec.mu.Lock()
		held, closed, changed := l.held, l.closed, l.t.rec.changed
		if l.sip > 0 {
			p = p[:min(len(p), l.sip)]
		}
		l.t.rec.mu.Unlock()
		if closed {
			return 0, net.ErrClosed
		}
		if held {
			<-changed
			continue
		}
		n, err := l.stream.Read(p)
		l.sipped(n)
		if n == 0 && errors.Is(err, os.ErrDeadlineExceeded) { // Hold came
			continue
		}
		return n, err
	}
}

// sipped holds the socket after a sip.
func (l *link) sipped(n int) {
	l.t.rec.mu.Lock()
	defer l.t.rec.mu.Unlock()
	if l.sip == 0 {
		return
	}
	if l.sip -= min(n, l.sip); l.sip == 0 {
		l.held = true
		l.t.rec.add(Event{Who: l.who, Kind: Held, Text: "the suite stops reading"})
	}
}

// Local is the suite's own address of the socket; empty when it was never open.
func (l *link) Local() string {
	if l.conn == nil {
		return ""
	}
	return l.conn.LocalAddr().String()
}

// Remote is the subject's address of the socket.
func (l *link) Remote() string { return l.conn.RemoteAddr().String() }

// ExpectSent waits until the kernel took everything queued: the subject, or
// the buffers between, have room for it. The deadline is that of the next octets, as for Conn.ExpectData.
func (l *link) ExpectSent(sentence string, opts ...Option) {
	x := l.t.expect(sentence, Message, Answer, opts).on(l.who, spec.Step{Expect: "takes everything"})
	if !l.t.flows(x.within, func() int { return l.unsent }, func() bool { return l.unsent == 0 || l.wErr != nil }) || l.wErr != nil {
		l.t.failed(x, "the octets are taken", fmt.Sprintf("%d octets not taken, %s is %v", l.unsent, l.who, l.end))
	}
	l.t.met(x, l.t.Now())
}

// Refused is when the subject was seen to answer octets with a reset, also after the end of its own; 0: not yet.
func (l *link) Refused() time.Duration {
	l.t.rec.mu.Lock()
	defer l.t.rec.mu.Unlock()
	return l.wEnded
}

// Tighten keeps what the suite's kernel holds to be sent to some 128 KiB, so that Unsent tells soon what the subject
// reads: a kernel with megabytes to send takes no more before a third of them is read.
func (l *link) Tighten() {
	_ = l.conn.SetWriteBuffer(64 << 10) // a system that keeps its own makes the case slower, not wrong
}

// Unsent is how many octets the suite still has to hand to the kernel.
func (l *link) Unsent() int {
	l.t.rec.mu.Lock()
	defer l.t.rec.mu.Unlock()
	return l.unsent
}
