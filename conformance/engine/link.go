package engine

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"time"
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
	t    *T
	who  string
	conn *net.TCPConn
	kick chan struct{} // wakes the writer; capacity 1
	done chan struct{} // closed by shut: the writer ends

	// The recorder's mu guards the following.
	lag    time.Duration // before what is queued is written
	cut    Cut           // of what is pushed
	frames int           // that were cut so far
	queue  []piece
	unsent int // octets queued or being written
	end    End
	endAt  time.Duration // when end was seen
	closed bool          // the suite closed or reset the socket
	held   bool          // the case wants nothing read
	wErr   error         // why writing ended
}

// A piece is octets for one Write, and the pause after it that a dripping sender makes.
type piece struct {
	b      []byte
	pause  time.Duration
	asIs   bool // the case chose this piece
	finish bool // shut down the write side instead
}

func newLink(t *T, who string, conn *net.TCPConn) *link {
	l := &link{t: t, who: who, conn: conn, kick: make(chan struct{}, 1), done: make(chan struct{})}
	t.wg.Go(l.writeLoop)
	return l
}

// push queues pieces for the writer. The caller holds the recorder's mu.
func (l *link) push(ps ...piece) {
	for _, p := range ps {
		l.unsent += len(p.b)
		if p.asIs || p.finish {
			l.queue = append(l.queue, p)
		} else {
			l.queue = append(l.queue, l.cut.pieces(p.b, &l.frames)...)
		}
	}
	if l.cut != Joined {
		l.start()
	}
}

// start wakes the writer.
func (l *link) start() {
	select {
	case l.kick <- struct{}{}:
	default:
	}
}

// writeLoop writes what is queued, one Write for each piece. newLink starts
// it; shut ends it.
func (l *link) writeLoop() {
	for {
		select {
		case <-l.done:
			return
		case <-l.kick:
		}
		l.idle(l.latency())
		for p, ok := l.next(); ok; p, ok = l.next() {
			var err error
			if p.finish {
				err = l.conn.CloseWrite()
			} else {
				_, err = l.conn.Write(p.b)
			}
			l.wrote(len(p.b), err)
			l.idle(p.pause)
		}
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

func (l *link) latency() time.Duration {
	l.t.rec.mu.Lock()
	defer l.t.rec.mu.Unlock()
	return l.lag
}

func (l *link) next() (piece, bool) {
	l.t.rec.mu.Lock()
	defer l.t.rec.mu.Unlock()
	if len(l.queue) == 0 || l.closed || l.wErr != nil {
		return piece{}, false
	}
	p := l.queue[0]
	l.queue = l.queue[1:]
	if l.cut != Joined || p.asIs || p.finish {
		return p, true
	}
	all, size := [][]byte{p.b}, len(p.b)
	for len(l.queue) > 0 && !l.queue[0].asIs && !l.queue[0].finish && size < 1<<20 {
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
		l.wErr = err
	}
	l.t.rec.wake()
}

// ended records the error that ended reading, as the subject's doing unless
// the suite closed the socket itself.
func (l *link) ended(err error) {
	l.t.rec.mu.Lock()
	defer l.t.rec.mu.Unlock()
	if l.closed || l.end != EndNone {
		return
	}
	e := Event{Who: l.who}
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		l.end, e.Kind = EndFIN, EOF
	default:
		l.end, e.Kind = EndReset, Reset
	}
	l.t.rec.add(e)
	l.endAt = l.t.rec.events[len(l.t.rec.events)-1].At
}

// shutTime is how long a socket that is closed may take to write what the case joined.
const shutTime = time.Second

// Finish shuts down the suite's write side (FIN) after all that is queued, and goes on reading.
func (l *link) Finish() {
	l.t.did(Step{Do: "finish", On: l.who})
	l.t.rec.mu.Lock()
	defer l.t.rec.mu.Unlock()
	l.t.rec.add(Event{Who: l.who, Kind: Finished, Text: "write side shut down"})
	l.push(piece{finish: true})
	l.start()
}

// Abort resets the socket (RST).
func (l *link) Abort() {
	l.t.did(Step{Do: "abort", On: l.who})
	l.shut(Aborted)
}

// shut closes the socket, once.
func (l *link) shut(kind Kind) {
	if l.cut == Joined { // nothing was written yet
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
	l.t.did(Step{Do: "hold", On: l.who})
	l.t.rec.mu.Lock()
	defer l.t.rec.mu.Unlock()
	l.held = true
	l.t.rec.add(Event{Who: l.who, Kind: Note, Text: "the suite stops reading"})
	_ = l.conn.SetReadDeadline(time.Unix(1, 0)) // ends a Read that waits
}

// Release ends Hold.
func (l *link) Release() {
	l.t.did(Step{Do: "release", On: l.who})
	l.t.rec.mu.Lock()
	defer l.t.rec.mu.Unlock()
	l.held = false
	_ = l.conn.SetReadDeadline(time.Time{})
	l.t.rec.add(Event{Who: l.who, Kind: Note, Text: "the suite reads again"})
}

// Read reads the socket while the case does not hold it.
func (l *link) Read(p []byte) (int, error) {
	for {
		l.t.rec.mu.Lock()
		held, closed, changed := l.held, l.closed, l.t.rec.changed
		l.t.rec.mu.Unlock()
		if closed {
			return 0, net.ErrClosed
		}
		if held {
			<-changed
			continue
		}
		n, err := l.conn.Read(p)
		if n == 0 && errors.Is(err, os.ErrDeadlineExceeded) { // Hold came
			continue
		}
		return n, err
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
// the buffers between, have room for it.
func (l *link) ExpectSent(sentence string, opts ...Option) {
	x := l.t.expect(sentence, Message, Answer, opts)
	l.t.awaits(x, Step{Do: "taken", On: l.who})
	if !l.t.wait(x.within, func() bool { return l.unsent == 0 || l.wErr != nil }) || l.wErr != nil {
		l.t.failed(x, "the octets are taken", fmt.Sprintf("%d octets not taken, %s is %v", l.unsent, l.who, l.end))
	}
}
