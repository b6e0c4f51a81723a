package fault

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"syscall"

	"github.com/adit-tunnel/adit/conformance/wire"
)

// Types that the proxy uses beside those of section 6.
const (
	reserved wire.Type = 0x06 // of a later Core
	foreign  wire.Type = 0x80 // that the suite uses to see unknown types ignored
)

// A proxy stands between the suite and a subject that conforms, and breaks
// one rule for it. Run owns all of its goroutines.
type proxy struct {
	rewrite Rewrite
	role    string                                          // of the subject
	dial    func(ctx context.Context) (*net.TCPConn, error) // the side that did not come by itself
}

// run passes on every tunnel that comes to l, until ctx ends.
func (p proxy) run(ctx context.Context, l *net.TCPListener) error {
	var tunnels sync.WaitGroup
	defer tunnels.Wait()
	defer context.AfterFunc(ctx, func() { _ = l.Close() })()
	for n := 0; ; n++ {
		sock, err := l.AcceptTCP()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		if p.rewrite.once && n > 0 {
			_ = sock.Close()
			continue
		}
		tunnels.Go(func() { p.tunnel(ctx, sock) })
	}
}

// tunnel passes on one tunnel until both of its directions have ended.
func (p proxy) tunnel(ctx context.Context, came *net.TCPConn) {
	defer came.Close()
	dialled, err := p.dial(ctx)
	if err != nil {
		return
	}
	defer dialled.Close()
	l := &link{role: p.role, waits: p.rewrite.name == "HELLO-012", suite: came, subject: dialled, marks: map[mark]int{}}
	if p.role == string(Client) {
		l.suite, l.subject = dialled, came
	}
	defer context.AfterFunc(ctx, l.cut)()
	var outward sync.WaitGroup
	outward.Go(func() { l.pass(l.subject, l.suite, p.rewrite.out, l.beforeOut, l.afterOut, false) })
	l.pass(l.suite, l.subject, p.rewrite.in, func(wire.Frame) {}, l.afterIn, p.rewrite.deaf)
	outward.Wait()
}

// A link is one tunnel through the proxy. Frames of the suite go in, those of
// the subject come out.
type link struct {
	role               string // of the subject
	waits              bool   // for the payload of a HELLO that is too long
	suite, subject     *net.TCPConn
	toSuite, toSubject sync.Mutex // held while a frame is written

	mu    sync.Mutex
	marks map[mark]int // what has been seen so far
	held  *wire.Frame  // by ORDER-001, in one direction only
}

// pass carries one direction: every frame through change, if there is one,
// noted before and after. Octets that are no frame, and the end of the stream, pass as they are.
func (l *link) pass(from, to *net.TCPConn, change func(*link, wire.Frame), before, after func(wire.Frame), deaf bool) {
	in := bufio.NewReader(from)
	for {
		if head, err := in.Peek(wire.HeaderLen); err == nil && l.longHello(head) { // its header alone decides
			_, err := io.Copy(to, in)
			pass(err, to)
			return
		}
		f, part, err := wire.Read(in)
		switch {
		case err != nil && err != wire.ErrVersion && err != wire.ErrLength:
			_, _ = to.Write(part)
			if !deaf {
				pass(err, to)
			}
			return
		case change != nil:
			before(f)
			change(l, f)
		default:
			before(f)
			l.write(to, f)
		}
		after(f)
		if f.Framing() != nil { // nothing that follows can be told apart
			_, err := io.Copy(to, in)
			pass(err, to)
			return
		}
	}
}

// longHello reports whether a header is that of a HELLO that is too long, which passes as it comes, unless the rewrite takes it.
func (l *link) longHello(head []byte) bool {
	return !l.waits && wire.Type(head[1]) == wire.TypeHello && binary.BigEndian.Uint32(head[2:]) > wire.MaxTLVs
}

// pass ends a stream the way in which the one that it continues has ended.
func pass(err error, to *net.TCPConn) {
	if errors.Is(err, syscall.ECONNRESET) {
		_ = to.SetLinger(0)
		_ = to.Close()
		return
	}
	_ = to.CloseWrite()
}

func (l *link) write(to *net.TCPConn, f wire.Frame) {
	mu := &l.toSubject
	if to == l.suite {
		mu = &l.toSuite
	}
	mu.Lock()
	defer mu.Unlock()
	_, _ = to.Write(f.Bytes()) // that the reader is gone shows when its own stream ends
}

// in and out pass a frame on, or one that the proxy made.
func (l *link) in(f wire.Frame)  { l.write(l.subject, f) }
func (l *link) out(f wire.Frame) { l.write(l.suite, f) }

// cut ends the tunnel on both sides.
func (l *link) cut() {
	_ = l.suite.Close()
	_ = l.subject.Close()
}

// A mark is something that was seen of a connection.
type mark struct {
	what fact
	id   uint32
}

type fact int

const (
	asked     fact = iota // ConnectRequest
	answered              // ConnectResponse
	succeeded             // with success
	closedIn              // Close from the suite
	closedOut             // Close from the subject
	alive                 // KeepAlive from the subject; ID 0
	carried               // octets of Data from the subject
	counted               // Data from the suite

	spoke   // frames from the suite; ID 0
	greeted // HELLOs from the suite; ID 0
	pinged  // PINGs of the subject less PONGs of the suite; ID 0
	away    // GOAWAYs from the suite; ID 0
	highest // one more than the highest ID that was asked for or opened; ID 0
	opened  // OPEN
	taken   // OPENED
	finIn   // FIN from the suite
	finOut  // FIN from the subject
	reset   // RESET from either
)

// seen is how often, or how much, a fact was seen.
func (l *link) seen(what fact, id uint32) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.marks[mark{what, id}]
}

// add notes a fact and returns how much of it was seen before.
func (l *link) add(what fact, id uint32, n int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := l.marks[mark{what, id}]
	l.marks[mark{what, id}] = before + n
	return before
}

// afterIn notes a frame of the suite. A rewrite asks what was before it.
func (l *link) afterIn(f wire.Frame) {
	l.note(f)
	l.add(spoke, 0, 1)
	switch {
	case is(f, wire.TypeClose):
		l.add(closedIn, f.ID(), 1)
	case is(f, wire.TypeData):
		l.add(counted, f.ID(), 1)
	case is(f, wire.TypeFin):
		l.add(finIn, f.ID(), 1)
	case is(f, wire.TypeHello):
		l.add(greeted, 0, 1)
	case is(f, wire.TypePong):
		l.add(pinged, 0, -1)
	case is(f, wire.TypeGoAway):
		l.add(away, 0, 1)
	}
}

// beforeOut notes what the suite may answer at once: its answer must find it noted.
func (l *link) beforeOut(f wire.Frame) {
	l.note(f)
	switch {
	case is(f, wire.TypeClose):
		l.add(closedOut, f.ID(), 1)
	case is(f, wire.TypeFin):
		l.add(finOut, f.ID(), 1)
	case is(f, wire.TypePing):
		l.add(pinged, 0, 1)
	}
}

// afterOut notes what a rewrite of the same direction counts.
func (l *link) afterOut(f wire.Frame) {
	switch {
	case f.Type == wire.TypeKeepAlive:
		l.add(alive, 0, 1)
	case is(f, wire.TypeData):
		l.add(carried, f.ID(), len(f.Octets()))
	}
}

// note is what either side may have sent, the subject's role deciding which.
func (l *link) note(f wire.Frame) {
	switch {
	case is(f, wire.TypeConnectRequest):
		l.mu.Lock()
		for what := answered; what <= counted; what++ { // an ID may come again
			delete(l.marks, mark{what, f.ID()})
		}
		l.raise(f.ID())
		l.mu.Unlock()
		l.add(asked, f.ID(), 1)
	case is(f, wire.TypeOpen):
		l.mu.Lock()
		l.raise(f.ID())
		l.mu.Unlock()
		l.add(opened, f.ID(), 1)
	case is(f, wire.TypeOpened):
		l.add(taken, f.ID(), 1)
	case is(f, wire.TypeReset):
		l.add(reset, f.ID(), 1)
	case is(f, wire.TypeConnectResponse):
		l.add(answered, f.ID(), 1)
		if f.Status() == wire.Success {
			l.add(succeeded, f.ID(), 1)
		}
	}
}

// raise notes the highest ID so far. mu is held.
func (l *link) raise(id uint32) {
	l.marks[mark{highest, 0}] = max(l.marks[mark{highest, 0}], int(id)+1)
}

// above reports whether an ID was never used on an extended tunnel.
func (l *link) above(id uint32) bool { return l.seen(greeted, 0) > 0 && int(id) >= l.seen(highest, 0) }

// living reports whether an extended connection has not ended, dead whether one has.
func (l *link) living(id uint32) bool {
	return l.seen(opened, id) > 0 && l.seen(reset, id) == 0 && (l.seen(finIn, id) == 0 || l.seen(finOut, id) == 0)
}

func (l *link) dead(id uint32) bool { return l.seen(opened, id) > 0 && !l.living(id) }

// dialling reports whether an OPEN waits for its answer.
func (l *link) dialling(id uint32) bool { return l.living(id) && l.seen(taken, id) == 0 }

// pending reports whether a request for the ID waits for its response.
func (l *link) pending(id uint32) bool { return l.seen(asked, id) > 0 && l.seen(answered, id) == 0 }

// idle reports whether the ID is free: never used, refused, or closed by both.
func (l *link) idle(id uint32) bool {
	switch {
	case l.seen(asked, id) == 0:
		return true
	case l.seen(answered, id) > 0 && l.seen(succeeded, id) == 0:
		return true
	}
	return l.seen(closedIn, id) > 0 && l.seen(closedOut, id) > 0
}
