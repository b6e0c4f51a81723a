package logging

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// file is where a log goes. While it is shut nothing is written.
type file struct {
	shut sync.Mutex
	mu   sync.Mutex // guards the following fields
	text bytes.Buffer
	err  error
}

func (f *file) Write(b []byte) (int, error) {
	f.shut.Lock()
	defer f.shut.Unlock()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return 0, f.err
	}
	return f.text.Write(b)
}

func (f *file) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

func (f *file) String() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.text.String()
}

func text(level slog.Level) func(io.Writer) *slog.Logger {
	return func(out io.Writer) *slog.Logger {
		return slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: level}))
	}
}

const soon = 15 * time.Second

func TestALogThatNobodyReadsBlocksNobody(t *testing.T) {
	var f file
	l := New(&f)
	logger := l.Logger(text(slog.LevelDebug))
	f.shut.Lock()
	const lines = 50_000
	for i := range lines { // several times as much as is kept; it would block here
		logger.Info("line", "i", i)
	}
	fmt.Fprintln(l, "the last word")
	begin := time.Now()
	l.Close(50 * time.Millisecond)
	if took := time.Since(begin); took > soon {
		t.Errorf("Close took %v; want 50 ms", took)
	}
	if l.size > mostQueued {
		t.Errorf("%d bytes wait; want %d at most", l.size, mostQueued)
	}
	f.shut.Unlock()
	l.Close(soon)
	got := f.String()
	var dropped int
	_, rest, _ := strings.Cut(got, "lines=")
	fmt.Sscan(rest, &dropped)
	if written := strings.Count(got, "msg=line"); dropped == 0 || written+dropped != lines {
		t.Errorf("%d lines written, %d dropped; want %d together", written, dropped, lines)
	}
	if !strings.HasSuffix(got, "the last word\n") {
		t.Error("the last line is not there")
	}
}

func TestALogThatCannotBeWrittenGoesOn(t *testing.T) {
	f := file{err: syscall.EPIPE}
	l := New(&f)
	logger := l.Logger(text(slog.LevelInfo))
	logger.Info("one")
	l.Close(soon)
	f.fail(nil)
	logger.Info("two")
	l.Close(soon)
	if got := f.String(); strings.Contains(got, "one") || !strings.Contains(got, "two") || !strings.Contains(got, "lines=1") {
		t.Errorf("the log is %q; want one line dropped, and the second", got)
	}
}

func TestLinesThatRepeatAreCounted(t *testing.T) {
	var f file
	l := New(&f)
	logger := l.Logger(text(slog.LevelInfo))
	for i := range 1000 {
		logger.With("conn", i, "port", 10_000+i%2).Info("visitor gone", "after", i)
	}
	logger.Info("something else")
	l.Close(soon)
	got := f.String()
	if n := strings.Count(got, `msg="visitor gone"`); n != 20 {
		t.Errorf("%d lines of two kinds; want 10 of each", n)
	}
	for _, want := range []string{`msg=repeated line="visitor gone port=10000" more=490`, `line="visitor gone port=10001" more=490`, "something else"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in\n%s", want, got)
		}
	}
}

func TestKindsOfLinesAreBounded(t *testing.T) {
	var f file
	l := New(&f)
	logger := l.Logger(text(slog.LevelInfo))
	for i := range 5000 {
		logger.Info("dial failed", "port", i)
	}
	l.Close(soon)
	if n, kinds := strings.Count(f.String(), `msg="dial failed"`), len(l.repeats.counts); n != mostCounts+mostAlike || kinds > mostCounts+1 {
		t.Errorf("%d lines written, %d kinds; want %d lines, and %d kinds", n, kinds, mostCounts+mostAlike, mostCounts+1)
	}
}

func TestEveryLineIsWrittenForDebugging(t *testing.T) {
	var f file
	l := New(&f)
	logger := l.Logger(text(slog.LevelDebug))
	for range 100 {
		logger.Info("line")
	}
	l.Close(soon)
	if n := strings.Count(f.String(), "msg=line"); n != 100 {
		t.Errorf("%d lines; want 100", n)
	}
}

// A level that changes while the program runs decides whether lines that repeat are counted.
func TestLevelsThatChange(t *testing.T) {
	var f file
	var level slog.LevelVar
	l := New(&f)
	logger := l.Logger(func(out io.Writer) *slog.Logger {
		return slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: &level}))
	})
	for _, now := range []slog.Level{slog.LevelInfo, slog.LevelDebug, slog.LevelWarn} {
		level.Set(now)
		for range 2 * mostAlike {
			logger.Info("again")
		}
	}
	l.flush(soon)
	if got, want := strings.Count(f.String(), "msg=again"), mostAlike+2*mostAlike; got != want {
		t.Errorf("%d lines; want %d: of info %d, of debug all", got, want, mostAlike)
	}
}
