package e2e

import (
	"bytes"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// logTail keeps the last lines that a child wrote, and lets tests wait for one.
type logTail struct {
	mu      sync.Mutex // guards the following fields
	partial []byte
	lines   []string
	dropped int           // lines no longer in lines
	changed chan struct{} // closed and replaced at every new line
}

const keptLines = 5000

func newLogTail() *logTail { return &logTail{changed: make(chan struct{})} }

// Write takes what the child wrote, in pieces of any size.
func (l *logTail) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.partial = append(l.partial, b...)
	for {
		line, rest, found := bytes.Cut(l.partial, []byte("\n"))
		if !found {
			break
		}
		l.lines = append(l.lines, string(line))
		l.partial = rest
	}
	if extra := len(l.lines) - keptLines; extra > 0 {
		l.lines = slices.Delete(l.lines, 0, extra)
		l.dropped += extra
	}
	close(l.changed)
	l.changed = make(chan struct{})
	return len(b), nil
}

// mark is the number of lines so far: an argument of since and wait.
func (l *logTail) mark() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.dropped + len(l.lines)
}

// since returns the lines after mark, and a channel that is closed when there are more.
func (l *logTail) since(mark int) ([]string, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.lines[min(max(mark-l.dropped, 0), len(l.lines)):]), l.changed
}

// text is everything kept, as one string.
func (l *logTail) text() string {
	lines, _ := l.since(0)
	return strings.Join(lines, "\n")
}

// wait waits for a line after mark that contains every one of words, and fails the test if none comes.
func (l *logTail) wait(t *testing.T, mark int, words ...string) {
	t.Helper()
	if !l.has(mark, func(line string) bool { return containsAll(line, words) }) {
		t.Fatalf("no log line with %q within %v", words, soon)
	}
}

// waitAny waits for a line after mark that names one of the requirements reqs, and fails the test if none comes.
func (l *logTail) waitAny(t *testing.T, mark int, reqs []string) {
	t.Helper()
	if !l.has(mark, func(line string) bool {
		return slices.ContainsFunc(reqs, func(req string) bool { return strings.Contains(line, "req="+req+" ") })
	}) {
		t.Fatalf("no log line with one of %q within %v", reqs, soon)
	}
}

// has waits for a line after mark that is the right one, and returns false if none comes.
func (l *logTail) has(mark int, right func(line string) bool) bool {
	deadline := time.After(soon)
	for {
		lines, changed := l.since(mark)
		if slices.ContainsFunc(lines, right) {
			return true
		}
		select {
		case <-changed:
		case <-deadline:
			return false
		}
	}
}

func containsAll(s string, words []string) bool {
	return !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(s, w) })
}
