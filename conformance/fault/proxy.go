package fault

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
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
	l := &link{suite: came, subject: dialled, marks: map[mark]int{}}
	if p.role == string(Client) {
		l.suite, l.subject = dialled, came
	}
	defer context.AfterFunc(ctx, l.cut)()
	var outward sync.WaitGroup
	outward.Go(func() { l.pass(l.subject, l.suite, p.rewrite.out, l.beforeOut, l.afterOut, false) })
	l.pass(l.suite, l.subject, p.rewrite.in, func(frame) {}, l.afterIn, p.rewrite.deaf)
	outward.Wait()
}

// A link is one tunnel through the proxy. Frames of the suite go in, those of
// the subject come out.
type link struct {
	suite, subject     *net.TCPConn
	toSuite, toSubject sync.Mutex // held while a frame is written

	mu    sync.Mutex
	marks map[mark]int // what has been seen so far
	held  *frame       // by ORDER-001, in one direction only
}

// pass carries one direction: every frame through change, if there is one,
// noted before and after. Octets that are no frame, and the end of the stream, pass as they are.
func (l *link) pass(from, to *net.TCPConn, change func(*link, frame), before, after func(frame), deaf bool) {
	for {
		f, part, err := readFrame(from)
		switch {
		case err != nil:
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
		if !f.regular() { // nothing that follows can be told apart
			_, err := io.Copy(to, from)
			pass(err, to)
			return
		}
	}
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

func (l *link) write(to *net.TCPConn, f frame) {
	mu := &l.toSubject
	if to == l.suite {
		mu = &l.toSuite
	}
	mu.Lock()
	defer mu.Unlock()
	_, _ = to.Write(f.bytes()) // that the reader is gone shows when its own stream ends
}

// in and out pass a frame on, or one that the proxy made.
func (l *link) in(f frame)  { l.write(l.subject, f) }
func (l *link) out(f frame) { l.write(l.suite, f) }

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
func (l *link) afterIn(f frame) {
	l.note(f)
	switch {
	case !f.core():
	case f.typ == closing:
		l.add(closedIn, f.id(), 1)
	case f.typ == data:
		l.add(counted, f.id(), 1)
	}
}

// beforeOut notes what the suite may answer at once: its answer must find it noted.
func (l *link) beforeOut(f frame) {
	l.note(f)
	if f.core() && f.typ == closing {
		l.add(closedOut, f.id(), 1)
	}
}

// afterOut notes what a rewrite of the same direction counts.
func (l *link) afterOut(f frame) {
	switch {
	case f.typ == keepAlive:
		l.add(alive, 0, 1)
	case f.core() && f.typ == data:
		l.add(carried, f.id(), len(f.rest()))
	}
}

// note is what either side may have sent, the subject's role deciding which.
func (l *link) note(f frame) {
	switch {
	case !f.core():
	case f.typ == request:
		l.mu.Lock()
		for what := answered; what <= counted; what++ { // an ID may come again
			delete(l.marks, mark{what, f.id()})
		}
		l.mu.Unlock()
		l.add(asked, f.id(), 1)
	case f.typ == response:
		l.add(answered, f.id(), 1)
		if f.rest()[0] == 0 {
			l.add(succeeded, f.id(), 1)
		}
	}
}

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
