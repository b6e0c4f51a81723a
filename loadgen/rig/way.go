package rig

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// A way is one direction of one connection: take reads what comes, give writes
// it when it is due.
type way struct {
	l        *line
	alarm    *alarm
	src, dst *net.TCPConn

	mu      sync.Mutex
	changed sync.Cond
	queue   []chunk // guarded by mu
	under   int     // bytes in the queue and in what give writes; guarded by mu
	ended   bool    // src has ended in order: nothing comes behind the queue; guarded by mu
	failed  bool    // a socket has failed; guarded by mu
	last    time.Time
}

// A chunk is bytes and when they arrive.
type chunk struct {
	b  []byte
	at time.Time
}

const chunkSize = 64 << 10

var chunks = sync.Pool{New: func() any { return new([chunkSize]byte) }}

// take reads until the stream ends, and stops reading while too much is under way.
func (w *way) take() {
	for {
		room := w.l.room()
		w.mu.Lock()
		for w.under >= room && !w.failed {
			w.changed.Wait()
		}
		failed, space := w.failed, room-w.under
		w.mu.Unlock()
		if failed {
			return
		}
		buf := chunks.Get().(*[chunkSize]byte)
		n, err := w.src.Read(buf[:min(space, chunkSize)])
		var at time.Time
		if n > 0 {
			at = w.l.send(n)
		}
		w.mu.Lock()
		if n > 0 {
			if at.Before(w.last) { // neither jitter nor a stall changes the order
				at = w.last
			}
			w.last = at
			if w.under == 0 {
				w.l.enter()
			}
			w.queue, w.under = append(w.queue, chunk{buf[:n], at}), w.under+n
		} else {
			chunks.Put(buf)
		}
		w.ended = errors.Is(err, io.EOF)
		w.failed = w.failed || err != nil && !w.ended
		w.changed.Broadcast()
		w.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// give writes chunks when they are due, and then passes the end on.
func (w *way) give() {
	for {
		w.mu.Lock()
		for len(w.queue) == 0 && !w.ended && !w.failed {
			w.changed.Wait()
		}
		if w.failed || len(w.queue) == 0 {
			failed, last := w.failed, w.last
			w.mu.Unlock()
			if !failed {
				w.wait(last)
				_ = w.dst.CloseWrite()
			}
			return
		}
		c := w.queue[0]
		w.queue[0] = chunk{}
		w.queue = w.queue[1:]
		w.mu.Unlock()
		if !w.wait(c.at) {
			return
		}
		_, err := w.dst.Write(c.b)
		chunks.Put((*[chunkSize]byte)(c.b[:chunkSize]))
		w.mu.Lock()
		if w.under -= len(c.b); w.under == 0 {
			w.l.leave()
		}
		w.failed = w.failed || err != nil
		w.changed.Broadcast()
		w.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// wait lets time pass until at, and while the line is frozen; false when the way has failed.
func (w *way) wait(at time.Time) bool {
	for {
		w.alarm.wait(at)
		if w.broken() {
			return false
		}
		if at = w.l.thawed(); !at.After(time.Now()) {
			return true
		}
	}
}

func (w *way) broken() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.failed
}
