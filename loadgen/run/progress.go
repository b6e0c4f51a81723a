package run

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"
)

// A progress is a bar on a terminal with what runs, and above it what is
// complete; in a pipe it is nothing.
type progress struct {
	w    io.Writer // nil: not a terminal
	pool *mpb.Progress
	bar  *mpb.Bar
	text atomic.Pointer[string] // what runs; the bar's goroutine reads it
}

func newProgress(w io.Writer) *progress {
	if !isTerminal(w) {
		return &progress{}
	}
	return &progress{w: w}
}

// isTerminal reports whether a person reads it.
func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// show shows what a run tells.
func (p *progress) show(n Notice) {
	if p.w == nil {
		return
	}
	switch n.Event {
	case Verdict:
		return
	case CellDone:
		if p.pool != nil {
			fmt.Fprintf(p.pool, "  %s, %s, repetition %d: %s\n", n.Cell, n.Route, n.Repetition, going(n))
		}
	}
	text := status(n)
	p.text.Store(&text)
	if p.pool == nil {
		p.pool = mpb.New(mpb.WithOutput(p.w), mpb.WithWidth(24))
		p.bar = p.pool.AddBar(int64(n.Of), mpb.BarRemoveOnComplete(),
			mpb.AppendDecorators(decor.Any(func(decor.Statistics) string { return *p.text.Load() })))
	}
	p.bar.SetTotal(int64(n.Of)+1, false) // at its total the bar would go, but more blocks may follow than were known
	p.bar.SetCurrent(int64(n.Done))
}

// status is one line: how far, what runs, and how it goes.
func status(n Notice) string {
	parts := []string{fmt.Sprintf("%d/%d %v left  %s", n.Done, n.Of, time.Duration(n.Left*1e9).Round(time.Second), n.Scenario)}
	if n.Cell != "" && n.Event != CellDone {
		parts = append(parts, n.Cell, n.Route)
	}
	if n.Phase != "" {
		parts = append(parts, n.Phase)
	}
	if n.Event == Interval {
		parts = append(parts, going(n))
	}
	return strings.Join(parts, ", ")
}

// going is the numbers of all groups.
func going(n Notice) string {
	var parts []string
	for _, g := range n.Groups {
		text := fmt.Sprintf("%.2f MB/s", g.Octets/1e6)
		if g.P99 > 0 {
			text += fmt.Sprintf(", p99 %.3f ms", float64(g.P99)/1e6)
		}
		if len(n.Groups) > 1 {
			text = g.Name + " " + text
		}
		parts = append(parts, text)
	}
	if n.Failed > 0 {
		parts = append(parts, fmt.Sprintf("%d packets not ok", n.Failed))
	}
	return strings.Join(parts, "; ")
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

// An eventFile has what a run tells as JSON, one notice a line. The first error stays.
type eventFile struct {
	enc  *json.Encoder
	file io.Closer // nil: not ours
	err  error
}

// openEvents writes to a file, or - for stdout; without a name nothing.
func openEvents(name string, stdout io.Writer) (*eventFile, error) {
	switch name {
	case "":
		return &eventFile{}, nil
	case "-":
		return &eventFile{enc: json.NewEncoder(stdout)}, nil
	}
	f, err := os.Create(name)
	if err != nil {
		return nil, Usage(fmt.Errorf("--events: %w", err))
	}
	return &eventFile{enc: json.NewEncoder(f), file: f}, nil
}

func (e *eventFile) write(n Notice) {
	if e.enc != nil && e.err == nil {
		e.err = e.enc.Encode(n)
	}
}

// close ends the file, and says whether every notice was written.
func (e *eventFile) close() error {
	if e.file != nil {
		if err := e.file.Close(); e.err == nil {
			e.err = err
		}
	}
	return e.err
}
