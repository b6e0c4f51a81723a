package main

import (
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"

	"github.com/adit-tunnel/adit/loadgen"
)

// A progress is a bar on a terminal, and nothing in a pipe.
type progress struct {
	w    io.Writer // nil: not a terminal
	pool *mpb.Progress
	bar  *mpb.Bar
	text atomic.Pointer[string] // the block that runs; the bar's goroutine reads it
}

func newProgress(w io.Writer) *progress {
	if file, ok := w.(*os.File); !ok || !term.IsTerminal(int(file.Fd())) {
		return &progress{}
	}
	return &progress{w: w}
}

// begin shows the block that begins.
func (p *progress) begin(now loadgen.Progress) {
	if p.w == nil {
		return
	}
	text := fmt.Sprintf("%d/%d %v left  %s", now.Step, now.Of, now.Left.Round(time.Second), now.What)
	p.text.Store(&text)
	if p.pool == nil {
		p.pool = mpb.New(mpb.WithOutput(p.w), mpb.WithWidth(24))
		p.bar = p.pool.AddBar(int64(now.Of), mpb.BarRemoveOnComplete(),
			mpb.AppendDecorators(decor.Any(func(decor.Statistics) string { return *p.text.Load() })))
	}
	p.bar.SetCurrent(int64(now.Step))
}

// end takes the bar away.
func (p *progress) end() {
	if p.pool == nil {
		return
	}
	p.bar.Abort(true)
	p.pool.Wait()
	p.pool, p.bar = nil, nil
}
