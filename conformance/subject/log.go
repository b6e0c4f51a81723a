package subject

import (
	"bytes"
	"regexp"
	"slices"
	"sync"
)

// maxLine is how much of a line is kept, in octets.
const maxLine = 4096

// A tail keeps the last lines that a child wrote. It is an io.Writer.
type tail struct {
	mu      sync.Mutex
	size    int      // lines kept; guards below
	lines   []string // at most size, oldest first
	part    []byte   // the line that has not ended yet
	watches []*watch
}

// A watch waits for a line; hit is closed when it came.
type watch struct {
	re  *regexp.Regexp
	hit chan struct{}
}

func (t *tail) Write(b []byte) (int, error) {
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
func (t *tail) end() {
	line := string(bytes.TrimSuffix(t.part, []byte("\r")))
	t.part = t.part[:0]
	if len(t.lines) == t.size {
		t.lines = slices.Delete(t.lines, 0, 1)
	}
	t.lines = append(t.lines, line)
	t.watches = slices.DeleteFunc(t.watches, func(w *watch) bool {
		if !w.re.MatchString(line) {
			return false
		}
		close(w.hit)
		return true
	})
}

// flush ends a last line that has no newline.
func (t *tail) flush() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.part) > 0 {
		t.end()
	}
}

// watch returns a channel that is closed at the first line from now on that matches re.
func (t *tail) watch(re *regexp.Regexp) <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	w := &watch{re, make(chan struct{})}
	t.watches = append(t.watches, w)
	return w.hit
}

// last is the last n lines; with n <= 0 all that are kept.
func (t *tail) last(n int) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n <= 0 || n > len(t.lines) {
		n = len(t.lines)
	}
	return slices.Clone(t.lines[len(t.lines)-n:])
}
