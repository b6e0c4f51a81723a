package logging

import (
	"bytes"
	"io"
	"log/slog"
	"sync"
	"time"
)

// mostQueued bounds the bytes that wait to be written.
const mostQueued = 1 << 20

// queue is a writer that never blocks. What cannot be written in time is dropped, the oldest lines first, and
// counted.
type queue struct {
	out io.Writer

	mu      sync.Mutex // guards the following fields
	lines   [][]byte
	size    int // bytes in lines
	dropped int // lines, since the last notice
	notices *slog.Logger
	idle    chan struct{} // closed and replaced whenever all is written
	wake    sync.Cond
}

func newQueue(out io.Writer) *queue {
	q := &queue{out: out, idle: make(chan struct{})}
	q.wake.L = &q.mu
	go q.run()
	return q
}

// setNotices says how dropped lines are told of: by a logger that writes to out itself.
func (q *queue) setNotices(logger *slog.Logger) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.notices = logger
}

// Write takes one line.
func (q *queue) Write(line []byte) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.lines = append(q.lines, bytes.Clone(line))
	q.size += len(line)
	for q.size > mostQueued && len(q.lines) > 1 {
		q.takeLocked()
		q.dropped++
	}
	q.wake.Signal()
	return len(line), nil
}

// takeLocked removes the oldest line.
func (q *queue) takeLocked() []byte {
	line := q.lines[0]
	q.lines[0] = nil
	q.lines = q.lines[1:]
	q.size -= len(line)
	return line
}

// run writes lines, for ever. newQueue starts it; it ends with the program.
func (q *queue) run() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		for len(q.lines) == 0 {
			close(q.idle)
			q.idle = make(chan struct{})
			q.wake.Wait()
		}
		line, dropped, notices := q.takeLocked(), q.dropped, q.notices
		q.dropped = 0
		q.mu.Unlock()
		if dropped > 0 && notices != nil {
			notices.Warn("log lines dropped: they could not be written in time", "lines", dropped)
		}
		_, err := q.out.Write(line)
		q.mu.Lock()
		if err != nil { // a closed pipe, a full disk: later ones may be written again
			q.dropped++
		}
	}
}

// flush waits until all is written, that long at most.
func (q *queue) flush(within time.Duration) {
	q.mu.Lock()
	idle := q.idle
	q.wake.Signal() // it says so again if nothing waits
	q.mu.Unlock()
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case <-idle:
	case <-timer.C:
	}
}
