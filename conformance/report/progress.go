package report

import (
	"fmt"
	"io"
	"sync"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/adit-tunnel/adit/conformance/engine"
)

// A Progress shows what goes on while cases run: a bar on a terminal, else
// one line for each case that is no plain pass. Its methods may be called
// from several goroutines.
type Progress struct {
	w    io.Writer
	p    paint
	bars *mpb.Progress
	bar  *mpb.Bar

	mu      sync.Mutex // guards the following
	running map[string]bool
	failed  int
}

// NewProgress shows the progress of total cases on w.
func NewProgress(w io.Writer, total int, terminal bool) *Progress {
	p := &Progress{w: w, p: plain, running: map[string]bool{}}
	if terminal && total > 0 {
		p.p = coloured
		p.bars = mpb.New(mpb.WithOutput(w), mpb.WithWidth(40))
		p.bar = p.bars.AddBar(int64(total),
			mpb.PrependDecorators(decor.CountersNoUnit("%d / %d cases")),
			mpb.AppendDecorators(decor.Any(p.status)),
			mpb.BarRemoveOnComplete(),
		)
	}
	return p
}

func (p *Progress) status(decor.Statistics) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	name := ""
	for n := range p.running {
		name = max(name, n)
	}
	return fmt.Sprintf("%d failed  %s", p.failed, name)
}

// Begin notes that a case runs.
func (p *Progress) Begin(c engine.Case) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.running[c.Name()] = true
}

// End notes a result.
func (p *Progress) End(res engine.Result) {
	p.mu.Lock()
	delete(p.running, res.Case.Name())
	if res.Counts() {
		p.failed++
	}
	p.mu.Unlock()
	if !passed(res.Verdict) {
		p.line(fmt.Sprintf("%s  %s  %s", p.p(meaning(res.Verdict), string(res.Verdict)), res.Case.Name(), Headline(res)))
	}
	if p.bar != nil {
		p.bar.Increment()
	}
}

// Live shows one event of a case.
func (p *Progress) Live(c engine.Case, e engine.Event) { p.line(c.Name() + " " + e.String()) }

func (p *Progress) line(s string) {
	if p.bars != nil {
		_, _ = fmt.Fprintln(p.bars, s)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	_, _ = fmt.Fprintln(p.w, s)
}

// Done ends the display.
func (p *Progress) Done() {
	if p.bar == nil {
		return
	}
	p.bar.SetTotal(-1, true)
	p.bars.Wait()
}
