package logging

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"
)

const (
	window     = time.Minute // that lines are counted over
	mostAlike  = 10          // lines of a window that say the same
	mostCounts = 256         // kinds of lines that are told apart
)

// telling are the attributes that make two lines with the same message say different things: they have few values,
// and a stranger cannot choose them freely.
var telling = map[string]bool{"port": true, "req": true, "status": true, "failure": true}

// repeats counts lines that say the same.
type repeats struct {
	handler slog.Handler // what was counted goes to

	mu     sync.Mutex // guards counts
	counts map[string]*count
}

// count is what there was of one kind of line since its window began.
type count struct {
	record slog.Record // its message and level
	attrs  string      // telling ones
	since  time.Time
	lines  int
	timer  *time.Timer // reports at the end of the window; nil: nothing was left out
}

// pass counts a line, and reports whether it is to be written.
func (r *repeats) pass(record slog.Record, attrs string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := record.Level.String() + " " + record.Message + attrs
	c := r.counts[key]
	if c == nil {
		if len(r.counts) >= mostCounts {
			r.forgetLocked(record.Time)
		}
		if len(r.counts) >= mostCounts {
			attrs, key = "", record.Level.String()+" "+record.Message // bounded by the program's text
			c = r.counts[key]
		}
	}
	if c == nil || c.timer == nil && record.Time.Sub(c.since) >= window {
		c = &count{record: record, attrs: attrs, since: record.Time}
		r.counts[key] = c
	}
	if c.lines++; c.lines <= mostAlike {
		return true
	}
	if c.timer == nil {
		c.timer = time.AfterFunc(c.since.Add(window).Sub(record.Time), func() { r.report(key) })
	}
	return false
}

// forgetLocked forgets the kinds whose window is over.
func (r *repeats) forgetLocked(now time.Time) {
	for key, c := range r.counts {
		if c.timer == nil && now.Sub(c.since) >= window {
			delete(r.counts, key)
		}
	}
}

// report logs how many lines of a kind were left out, and begins its next window.
func (r *repeats) report(key string) {
	r.mu.Lock()
	c := r.counts[key]
	if c == nil || c.timer == nil {
		r.mu.Unlock()
		return
	}
	c.timer.Stop()
	delete(r.counts, key)
	r.mu.Unlock()
	if record := slog.NewRecord(time.Now(), c.record.Level, "repeated", 0); r.handler.Enabled(context.Background(), record.Level) {
		record.Add("line", c.record.Message+c.attrs, "more", c.lines-mostAlike, "within", time.Since(c.since).Round(time.Second))
		_ = r.handler.Handle(context.Background(), record)
	}
}

// reportAll reports every kind.
func (r *repeats) reportAll() {
	r.mu.Lock()
	var keys []string
	for key := range r.counts {
		keys = append(keys, key)
	}
	r.mu.Unlock()
	for _, key := range keys {
		r.report(key)
	}
}

// counting is a handler that leaves out lines that repeat.
type counting struct {
	slog.Handler
	repeats *repeats
	attrs   string // telling ones of the logger
}

// Handle writes a line unless it has been written often. For debugging it writes all.
func (h *counting) Handle(ctx context.Context, record slog.Record) error {
	if h.Enabled(ctx, slog.LevelDebug) {
		return h.Handler.Handle(ctx, record)
	}
	var attrs strings.Builder
	attrs.WriteString(h.attrs)
	record.Attrs(func(a slog.Attr) bool { add(&attrs, a); return true })
	if !h.repeats.pass(record, attrs.String()) {
		return nil
	}
	return h.Handler.Handle(ctx, record)
}

// WithAttrs returns a handler for lines with more attributes.
func (h *counting) WithAttrs(attrs []slog.Attr) slog.Handler {
	var all strings.Builder
	all.WriteString(h.attrs)
	for _, a := range attrs {
		add(&all, a)
	}
	return &counting{h.Handler.WithAttrs(attrs), h.repeats, all.String()}
}

// WithGroup returns a handler for lines with a group.
func (h *counting) WithGroup(name string) slog.Handler {
	return &counting{h.Handler.WithGroup(name), h.repeats, h.attrs}
}

func add(to *strings.Builder, a slog.Attr) {
	if telling[a.Key] {
		to.WriteString(" " + a.Key + "=" + a.Value.String())
	}
}
