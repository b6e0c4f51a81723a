package logging

import (
	"io"
	"log/slog"
	"time"
)

// Log is the log of a program. It has one goroutine, which ends with the program.
type Log struct {
	*queue
	repeats *repeats // nil: there is no logger yet
}

// New returns a log that is written to out.
func New(out io.Writer) *Log { return &Log{queue: newQueue(out)} }

// Logger returns the logger that make makes for a writer. It never blocks, and counts lines that repeat, unless its
// level is that for debugging. Call it once.
func (l *Log) Logger(make func(io.Writer) *slog.Logger) *slog.Logger {
	l.setNotices(make(l.out))
	handler := make(l.queue).Handler()
	l.repeats = &repeats{counts: map[string]*count{}, handler: handler}
	return slog.New(&counting{Handler: handler, repeats: l.repeats})
}

// Close logs what was counted, and waits until all is written, that long at most.
func (l *Log) Close(within time.Duration) {
	if l.repeats != nil {
		l.repeats.reportAll()
	}
	l.flush(within)
}
