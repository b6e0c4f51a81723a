package subject

import (
	"bytes"
	"regexp"
	"slices"
	"sync"
	"time"
)

// maxLine is how much of a line is kept, in bytes.
const maxLine = 4096

// A Tail keeps the last lines that a program wrote. It is an io.Writer.
type Tail struct {
	mu      sync.Mutex
	size    int         // lines kept; guards below
	lines   []string    // at most size, oldest first
	times   []time.Time // of the lines
	part    []byte      // the line that has not ended yet
	watches []*watch
}

// A watch waits for a line; hit is closed when it came.
type watch struct {
	re  *regexp.Regexp
	hit chan struct{}
}

// NewTail keeps a number of lines.
func NewTail(lines int) *Tail { return &Tail{size: lines} }

// Write takes a part of the output.
func (t *Tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(b)
	for {
		line, rest, ended := bytes.Cut(b, []byte("\n"))
		t.part = append(t.part, line[:min(len(line), maxLine-len(t.part))]...)
		if !ended {
			return n, nil
		}
		t.end()
		b = rest
	}
}

// end takes part as a whole line.
func (t *Tail) end() {
	line := string(bytes.TrimSuffix(t.part, []byte("\r")))
	t.part = t.part[:0]
	if len(t.lines) == t.size {
		t.lines, t.times = slices.Delete(t.lines, 0, 1), slices.Delete(t.times, 0, 1)
	}
	t.lines, t.times = append(t.lines, line), append(t.times, time.Now())
	t.watches = slices.DeleteFunc(t.watches, func(w *watch) bool {
		if !w.re.MatchString(line) {
			return false
		}
		close(w.hit)
		return true
	})
}

// Flush ends a last line that has no newline.
func (t *Tail) Flush() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.part) > 0 {
		t.end()
	}
}

// watch returns a channel that is closed at the first line from now on that matches re.
func (t *Tail) watch(re *regexp.Regexp) <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	w := &watch{re, make(chan struct{})}
	t.watches = append(t.watches, w)
	return w.hit
}

// Since is the last n lines that came since then.
func (t *Tail) Since(since time.Time, n int) []string {
	t.mu.Lock()
	i, _ := slices.BinarySearchFunc(t.times, since, time.Time.Compare)
	came := len(t.lines) - i
	t.mu.Unlock()
	if came == 0 {
		return nil
	}
	return t.Last(min(n, came))
}

// Last is the last n lines; with n <= 0 all that are kept.
func (t *Tail) Last(n int) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n <= 0 || n > len(t.lines) {
		n = len(t.lines)
	}
	return slices.Clone(t.lines[len(t.lines)-n:])
}
