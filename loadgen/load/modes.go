package load

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/adit-tunnel/adit/loadgen/load/payload"
	"github.com/adit-tunnel/adit/loadgen/scenario"
)

// run keeps the connection busy until the drain (nil), or until it fails.
func (w *visitor) run(c net.Conn) error {
	switch w.Group.Mode {
	case scenario.PingPong:
		return w.pingpong(c)
	case scenario.Churn, scenario.HalfClose:
		return w.calls(c)
	case scenario.Idle:
		return w.idle(c)
	case scenario.Upload:
		return w.upload(c)
	}
	check := w.v.Checker(w.stream) // before the first byte can come, to whichever connection: a fault names the stream that it belongs to
	defer w.v.Done(check)
	if _, err := c.Write([]byte{payload.Go}); err != nil {
		return err
	}
	if w.Group.Mode == scenario.Download {
		return w.download(c, check)
	}
	var wg sync.WaitGroup
	var upErr error
	wg.Go(func() { // reader and writer apart: neither may wait for the other
		if upErr = w.upload(c); upErr != nil {
			_ = c.Close()
		}
	})
	err := w.download(c, check)
	_ = c.Close()
	wg.Wait()
	if err == nil || errors.Is(err, net.ErrClosed) && upErr != nil {
		return upErr
	}
	return err
}

// An echoer sends packets on one connection and takes their echoes.
type echoer struct {
	*visitor
	c        net.Conn
	start    uint64 // of what is sent
	answered uint64 // packets
	check    *payload.Checker
	b        []byte
}

func (w *visitor) echoer(c net.Conn) *echoer {
	return &echoer{
		visitor: w, c: c, start: w.v.Start(w.stream, payload.Up), check: w.v.Checker(w.stream),
		b: make([]byte, min(w.Group.Size, payload.MaxPiece)),
	}
}

// packet sends one packet and waits for its echo.
func (e *echoer) packet() error {
	size, begun := int(e.Group.Size), e.now()
	e.progress.Store(int64(begun))
	e.check.Await(e.answered)
	for left := size; left > 0; {
		n, err := e.c.Write(e.v.At(e.start, e.sent.Load(), min(left, payload.MaxPiece)))
		e.sent.Add(int64(n))
		if left -= n; err != nil {
			return err
		}
	}
	for have := 0; have < size; {
		n, err := e.c.Read(e.b[:min(len(e.b), size-have)])
		if f := e.check.Check(e.b[:n], e.c); f != nil {
			return f
		}
		e.in.Add(int64(n))
		e.got.Add(int64(n))
		if have += n; err != nil && have < size {
			return err
		}
		if n > 0 && e.life != nil && (have == size || e.life.First == Never) {
			e.witness.moved(e.life, begun)
		}
		if have < size { // a large packet on a slow path takes its time
			e.progress.Store(int64(e.now()))
		}
	}
	e.answered++
	return nil
}

// pingpong sends packets and waits for the echo of each.
func (w *visitor) pingpong(c net.Conn) error {
	e := w.echoer(c)
	defer w.v.Done(e.check)
	for {
		due, ok := w.turn()
		if !ok {
			return nil
		}
		sent := w.now()
		if err := e.packet(); err != nil {
			return err
		}
		done := w.now()
		w.progress.Store(0)
		w.complete(sent, due, done)
	}
}

// complete counts what ended now.
func (w *visitor) complete(sent, due, done time.Duration) bool {
	took := done - sent
	if w.Group.Rate > 0 {
		took = done - due
	}
	w.done.Add(1)
	if int64(took) > w.worst.Load() {
		w.worst.Store(int64(took))
	}
	switch w.phase.Load() {
	case measuring:
		w.times[Service].Record(w.id, done-sent)
		w.keepSlow(done - sent)
		if w.Group.Rate > 0 {
			w.times[Response].Record(w.id, took)
			w.times[Lag].Record(w.id, sent-due)
		}
		w.witness.record(w.id, done-took, took)
		w.ok.Add(1)
		return true
	case draining:
		w.late.Add(1)
	}
	return false
}

const (
	slowPackets  = 8  // that each visitor keeps
	slowVisitors = 16 // that keep any, lest a record of thousands of connections be full of them
)

// keepSlow keeps a packet that was complete in the measured time if it is one
// of the slowest so far. Those of a schedule are left out: they are at the same
// places of all streams at the same time, so that what the machine does then
// would look as if it were the place's.
func (w *visitor) keepSlow(took time.Duration) {
	if w.id >= slowVisitors || w.Group.Rate > 0 || w.Group.Mode != scenario.PingPong {
		return
	}
	p := Slow{w.stream, w.sent.Load() - int64(w.Group.Size), took}
	if len(w.slowest) < slowPackets {
		w.slowest = append(w.slowest, p)
		return
	}
	least := 0
	for i := range w.slowest {
		if w.slowest[i].Took < w.slowest[least].Took {
			least = i
		}
	}
	if w.slowest[least].Took < took {
		w.slowest[least] = p
	}
}

// calls dials, uses a connection as its mode says and closes; again and again. The
// connection that it is given is the first one, dialled before the start: it
// shows that the path is there, and is closed.
func (w *visitor) calls(c net.Conn) error {
	e := w.echoer(c)
	_, err := e.use(1)
	w.v.Done(e.check)
	w.progress.Store(0)
	for n := w.id; err == nil; n += int(w.Group.Connections) {
		w.hangUp(false)
		due, ok := w.turn()
		if !ok {
			return nil
		}
		err = w.call(n, due)
	}
	return err
}

// use has some packets answered, one after the other or all at once, and says when the first answer was there.
func (e *echoer) use(packets int) (first time.Duration, err error) {
	if e.Group.Mode == scenario.HalfClose {
		return e.request(int64(packets) * int64(e.Group.Size))
	}
	for i := range packets {
		if err := e.packet(); err != nil {
			return 0, err
		}
		if i == 0 {
			first = e.now()
		}
	}
	return first, nil
}

// request sends so many bytes and the end of this side, takes an answer of as
// many bytes and the end of the other side, and says when the answer began.
func (e *echoer) request(size int64) (first time.Duration, err error) {
	e.check.Await(0)
	for e.sent.Load() < size {
		e.moves()
		n, err := e.c.Write(e.v.At(e.start, e.sent.Load(), int(min(size-e.sent.Load(), payload.MaxPiece))))
		e.sent.Add(int64(n))
		if err != nil {
			return 0, err
		}
	}
	if err := e.c.(*net.TCPConn).CloseWrite(); err != nil {
		return 0, err
	}
	b, p := make([]byte, min(size, 256<<10)), newPacer(&e.Group, e.busy)
	for have := int64(0); ; {
		e.moves()
		n, err := e.c.Read(b[:p.most(len(b))])
		if f := e.check.Check(b[:n], e.c); f != nil {
			return 0, f
		}
		e.in.Add(int64(n))
		e.got.Add(int64(n))
		if have += int64(n); n > 0 {
			if first == 0 {
				first = e.now()
			}
			e.witness.paused(e.life)
			p.took(n)
		}
		switch {
		case err == io.EOF && have == size:
			return first, nil
		case err == io.EOF:
			return 0, io.ErrUnexpectedEOF // or more than was asked for, which both ends' counts tell
		case err != nil:
			return 0, err
		}
	}
}

// moves says that the connection is not stuck.
func (e *echoer) moves() { e.progress.Store(int64(e.now())) }

// call is one connection of those that are made for what is measured, from its dial to its end.
func (w *visitor) call(n int, due time.Duration) error {
	begun := w.now()
	w.progress.Store(int64(begun))
	c, err := w.dial()
	if err != nil {
		return err
	}
	connected := w.now()
	defer context.AfterFunc(w.ctx, func() { _ = c.Close() })()
	e := w.echoer(c)
	defer w.v.Done(e.check)
	first, err := e.use(int(w.Group.Packets))
	if err != nil {
		return err
	}
	w.progress.Store(0)
	if w.complete(begun, due, w.now()) {
		w.times[Connect].Record(w.id, connected-begun)
		w.times[First].Record(w.id, first-begun)
	}
	w.hangUp(w.resets(n))
	return nil
}

// hangUp ends a connection that is done with.
func (w *visitor) hangUp(reset bool) {
	conn, end, _ := w.part()
	if conn == nil {
		return
	}
	w.account.close(end, false, reset)
	w.witness.close(w.life)
	w.life = nil
	if reset {
		Cut(conn)
		return
	}
	_ = conn.Close()
}

// resets reports whether connection n ends with a reset: a fixed share, evenly spread.
func (w *visitor) resets(n int) bool {
	share := float64(w.Group.Resets)
	return int(float64(n+1)*share) > int(float64(n)*share)
}

// idle lets one packet be echoed, and another one at the end: the connection is still there.
func (w *visitor) idle(c net.Conn) error {
	e := w.echoer(c)
	defer w.v.Done(e.check)
	if err := e.packet(); err != nil {
		return err
	}
	w.progress.Store(0)
	if <-w.busy.Done(); w.isGone() {
		return nil
	}
	if err := e.packet(); err != nil {
		return err
	}
	w.progress.Store(0)
	w.ok.Add(1)
	return nil
}

// upload writes packets until the drain, then waits for Close.
func (w *visitor) upload(c net.Conn) error {
	start := w.v.Start(w.stream, payload.Up)
	for w.phase.Load() != draining {
		w.progress.Store(int64(w.now()))
		n, err := c.Write(w.v.At(start, w.sent.Load(), int(min(w.Group.Size, payload.MaxPiece))))
		w.sent.Add(int64(n))
		if w.Group.Mode == scenario.Upload {
			w.witness.paused(w.life)
		}
		if err != nil {
			return err
		}
	}
	w.progress.Store(0)
	<-w.ctx.Done()
	return nil
}

// stall keeps from reading while the time line says so.
func (w *visitor) stall() {
	d := w.witness.stalled()
	if d == 0 {
		return
	}
	if w.Group.Mode == scenario.Download {
		w.progress.Store(0)
	}
	_ = Sleep(w.ctx, d)
	w.life.Last = w.now()
}

// download takes packets until Close.
func (w *visitor) download(c net.Conn, check *payload.Checker) error {
	b, p := make([]byte, 256<<10), newPacer(&w.Group, w.busy)
	for {
		w.stall()
		if w.Group.Mode == scenario.Download && w.phase.Load() != draining {
			w.progress.Store(int64(w.now()))
		}
		n, err := c.Read(b[:p.most(len(b))])
		if f := check.Check(b[:n], c); f != nil {
			return f
		}
		w.in.Add(int64(n))
		w.got.Add(int64(n))
		w.received.Add(int64(n))
		if n > 0 {
			w.witness.paused(w.life)
			p.took(n)
		}
		if err != nil {
			if w.isGone() {
				return nil
			}
			if err == io.EOF {
				return io.ErrUnexpectedEOF
			}
			return err
		}
	}
}
