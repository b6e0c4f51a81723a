package report

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/adit-tunnel/adit/conformance/engine"
)

// A Progress shows what goes on while cases run: a bar on a terminal, else
// one line for each case that is not a plain pass, and how far it is. Its methods may be called
// from several goroutines.
type Progress struct {
	w    io.Writer
	p    paint
	bars *mpb.Progress
	bar  *mpb.Bar

	begun time.Time
	total int

	mu      sync.Mutex // guards the following
	running map[string]bool
	done    int
	failed  int
	said    time.Time // when the last forecast was made
}

// sayAgain is how often a run says how far it is, from its first minute or its first failure on.
const sayAgain = time.Minute

// NewProgress shows the progress of total cases on w.
func NewProgress(w io.Writer, total int, terminal bool) *Progress {
	p := &Progress{w: w, p: plain, running: map[string]bool{}, begun: time.Now(), total: total}
	if terminal && total > 0 {
		p.p = coloured
		p.bars = mpb.New(mpb.WithOutput(w), mpb.WithWidth(40))
		p.bar = p.bars.AddBar(int64(total),
			mpb.PrependDecorators(decor.CountersNoUnit("%d / %d cases")),
			mpb.AppendDecorators(decor.Any(p.status), decor.Any(func(decor.Statistics) string { return "  " + p.forecast() })),
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
	p.done++
	if res.Counts() {
		p.failed++
	}
	last := p.said
	if last.IsZero() && p.failed == 0 {
		last = p.begun
	}
	say := p.bar == nil && p.done < p.total && time.Since(last) >= sayAgain
	if say {
		p.said = time.Now()
	}
	done, failed := p.done, p.failed
	p.mu.Unlock()
	if !silent(res.Verdict) {
		p.line(fmt.Sprintf("%s  %s  %s", p.p(toneOf(res.Verdict), string(res.Verdict)), res.Case.Name(), Headline(res)))
	}
	if say {
		p.line(fmt.Sprintf("%d of %s, %d failed; %s", done, Count(p.total, "case"), failed, p.forecast()))
	}
	if p.bar != nil {
		p.bar.Increment()
	}
}

// forecast is how long the rest will take, by what was done so far. What fails
// takes as long as the text allows, and cases that wait for timers come to their end last.
func (p *Progress) forecast() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.done == 0 {
		return ""
	}
	left := time.Since(p.begun) * time.Duration(p.total-p.done) / time.Duration(p.done)
	if left < time.Minute {
		return "less than a minute to go, unless more fails"
	}
	return fmt.Sprintf("about %s to go, more if more fails", Count(int(left.Round(time.Minute).Minutes()), "minute"))
}

// Live shows one event of a case.
func (p *Progress) Live(c engine.Case, e engine.Event) { p.line(c.Name() + " " + e.String()) }

// Say says something about the whole run.
func (p *Progress) Say(text string) { p.line(text) }

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
