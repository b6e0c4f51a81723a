package workload

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/adit-tunnel/adit/loadgen/pace"
	"github.com/adit-tunnel/adit/loadgen/payload"
	"github.com/adit-tunnel/adit/loadgen/scenario"
)

// run keeps the connection busy until the drain (nil), or until it fails.
func (w *visitor) run(c net.Conn) error {
	if w.Group.Service().Waits() {
		if _, err := c.Write([]byte{payload.Go}); err != nil {
			return err
		}
	}
	switch w.Group.Mode {
	case scenario.PingPong:
		return w.pingpong(c)
	case scenario.Churn:
		return w.churn(c)
	case scenario.Idle:
		return w.idle(c)
	case scenario.Upload:
		return w.upload(c)
	case scenario.Download:
		return w.download(c)
	}
	var wg sync.WaitGroup
	var upErr error
	wg.Go(func() { // reader and writer apart: neither may wait for the other
		if upErr = w.upload(c); upErr != nil {
			_ = c.Close()
		}
	})
	err := w.download(c)
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
	c     net.Conn
	check *payload.Checker
	b     []byte
}

func (w *visitor) echoer(c net.Conn) *echoer {
	return &echoer{w, c, w.v.Checker(w.stream, payload.Up), make([]byte, min(w.Group.Size, payload.MaxPiece))}
}

// packet sends one packet and waits for its echo.
func (e *echoer) packet() error {
	size, begun := int(e.Group.Size), e.now()
	e.progress.Store(int64(begun))
	for left := size; left > 0; {
		n, err := e.c.Write(e.v.At(e.check.Start, e.sent.Load(), min(left, payload.MaxPiece)))
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
		w.service.Record(w.id, done-sent)
		w.keepSlow(done - sent)
		if w.Group.Rate > 0 {
			w.response.Record(w.id, took)
			w.lag.Record(w.id, sent-due)
		}
		w.witness.record(w.id, done-took, took)
		w.ok.Add(1)
		return true
	case draining:
		w.late.Add(1)
	}
	return false
}

// churn dials, lets some packets be echoed and closes; again and again. The
// connection that it is given is the first one, dialled before the start: it
// shows that the path is there, and is closed.
func (w *visitor) churn(c net.Conn) error {
	e := w.echoer(c)
	err := e.packet()
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

// call is one connection of churn, from its dial to its end.
func (w *visitor) call(n int, due time.Duration) error {
	begun := w.now()
	w.progress.Store(int64(begun))
	c, err := w.dial()
	if err != nil {
		return err
	}
	connected, first := w.now(), time.Duration(0)
	stop := w.cutWhenGone(c)
	defer stop()
	e := w.echoer(c)
	defer w.v.Done(e.check)
	for i := range int(w.Group.Packets) {
		if err := e.packet(); err != nil {
			return err
		}
		if i == 0 {
			first = w.now()
		}
	}
	w.progress.Store(0)
	if w.complete(begun, due, w.now()) {
		w.connect.Record(w.id, connected-begun)
		w.first.Record(w.id, first-begun)
	}
	w.hangUp(w.resets(n))
	return nil
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
	select {
	case <-w.drain:
	case <-w.ctx.Done():
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
	_ = pace.Sleep(w.ctx, d)
	w.life.Last = w.now()
}

// download takes packets until Close.
func (w *visitor) download(c net.Conn) error {
	check := w.v.Checker(w.stream, payload.Down)
	defer w.v.Done(check)
	b := make([]byte, 256<<10)
	for {
		w.stall()
		if w.Group.Mode == scenario.Download && w.phase.Load() != draining {
			w.progress.Store(int64(w.now()))
		}
		n, err := c.Read(b)
		if f := check.Check(b[:n], c); f != nil {
			return f
		}
		w.in.Add(int64(n))
		w.got.Add(int64(n))
		w.received.Add(int64(n))
		if n > 0 {
			w.witness.paused(w.life)
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
