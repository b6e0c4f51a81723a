package subject

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"syscall"
	"time"
)

// ExitError says that a process ended before it was ready, or that prepare failed.
type ExitError struct {
	Process string // server, client or prepare
	Command string
	Status  string   // how it ended: exit status 1, signal: killed
	Log     []string // its last lines
}

func (e *ExitError) Error() string {
	return fmt.Sprintf("%s ended too early: %s: %s%s", e.Process, e.Command, e.Status, quoteLog(e.Log))
}

// quoteLog sets the last lines of a log below a message.
func quoteLog(lines []string) string {
	if len(lines) == 0 {
		return " (it wrote nothing)"
	}
	return "\n    " + strings.Join(lines[max(0, len(lines)-20):], "\n    ")
}

// A program is what a Process runs: a command here, or an image in a container.
type program interface {
	// start begins one run. Its output goes to log.
	start(ctx context.Context, log io.Writer) (run, error)
	// remove removes what outlives the runs; it may be called again, and before any start.
	remove() error
	// put writes a file of {dir}, before the first start or later.
	put(path, text string) error
	// with is the same program with one more variable.
	with(variable string) program
	String() string // the command line, filled in
}

// A run is one life of a program.
type run interface {
	pid() int
	signal(syscall.Signal) error // to all of its processes
	wait() end                   // for the end of all of them, and of their output
}

// An end is how a run ended.
type end struct {
	code   int    // exit status; -1 when a signal ended it
	status string // in words: exit status 0, signal: killed
}

// A Process is one program that may be ended and started again, with the same
// command line and data, and keeps its log. One goroutine waits for the end of
// each run.
type Process struct {
	Name string // server, client or prepare

	program program
	grace   time.Duration
	log     *Tail
	ready   func(context.Context, *Process) error
	wg      sync.WaitGroup

	mu     sync.Mutex
	run    run           // the newest; guards below
	exited chan struct{} // closed at its end
	end    end           // set before that
}

func newProcess(name string, what program, o Options) *Process {
	return &Process{Name: name, program: what, grace: o.grace(), log: NewTail(o.logLines())}
}

// start begins a run.
func (p *Process) start(ctx context.Context) error {
	r, err := p.program.start(ctx, p.log)
	if err != nil {
		return fmt.Errorf("%s cannot be started: %w", p.Name, err)
	}
	exited := make(chan struct{})
	p.mu.Lock()
	p.run, p.exited = r, exited
	p.mu.Unlock()
	p.wg.Go(func() { p.reap(r, exited) })
	return nil
}

// reap waits for the end of a run.
func (p *Process) reap(r run, exited chan struct{}) {
	e := r.wait()
	p.log.Flush()
	p.mu.Lock()
	p.end = e
	p.mu.Unlock()
	close(exited)
}

func (p *Process) current() (run, chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.run, p.exited
}

// lastEnd is how the newest run ended, once it has.
func (p *Process) lastEnd() end {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.end
}

// PID is the process ID of the newest run.
func (p *Process) PID() int {
	r, _ := p.current()
	return r.pid()
}

// Image is the ID of the image that the newest run is from; empty for a command.
func (p *Process) Image() string {
	if r, _ := p.current(); r != nil {
		if c, ok := r.(*containerRun); ok {
			return c.image
		}
	}
	return ""
}

// published is where the newest run is reached from this machine, when it is apart from it.
func (p *Process) published() string {
	if r, _ := p.current(); r != nil {
		if c, ok := r.(*containerRun); ok {
			return c.published
		}
	}
	return ""
}

// Command is the command line, filled in; of a container the image and its arguments.
func (p *Process) Command() string { return p.program.String() }

// Exited is closed when the newest run has ended and its output was read.
func (p *Process) Exited() <-chan struct{} {
	_, exited := p.current()
	return exited
}

// Running reports whether the newest run has not ended.
func (p *Process) Running() bool {
	select {
	case <-p.Exited():
		return false
	default:
		return true
	}
}

// Status says how the newest run ended: running, exit status 0, signal: killed.
func (p *Process) Status() string {
	if p.Running() {
		return "running"
	}
	return p.lastEnd().status
}

// Log is the last n lines that the process wrote, over all its runs; all that were kept with n <= 0.
func (p *Process) Log(n int) []string { return p.log.Last(n) }

// LogSince is the last n lines that were written since then.
func (p *Process) LogSince(since time.Time, n int) []string { return p.log.Since(since, n) }

// End ends the process and waits for its end: suddenly, as kill -9 does, or
// by SIGTERM and after a grace SIGKILL. It is sent to all of its processes.
func (p *Process) End(suddenly bool) {
	r, exited := p.current()
	select {
	case <-exited: // it is gone, its number may be somebody else's
		return
	default:
	}
	if !suddenly {
		_ = r.signal(syscall.SIGTERM)
		patience := time.NewTimer(p.grace)
		defer patience.Stop()
		select {
		case <-exited:
			return
		case <-patience.C:
		}
	}
	_ = r.signal(syscall.SIGKILL)
	<-exited
}

// Drain sends SIGTERM, by which a subject begins to end in order, and does not wait.
func (p *Process) Drain() {
	r, exited := p.current()
	select {
	case <-exited:
	default:
		_ = r.signal(syscall.SIGTERM)
	}
}

// Again starts the process again after its end, with the same command line
// and folder, and waits until it is ready.
func (p *Process) Again(ctx context.Context) error {
	if p.Running() {
		return errors.New(p.Name + " still runs; end it first")
	}
	return p.up(ctx)
}

// up starts the process and waits until it is ready.
func (p *Process) up(ctx context.Context) error {
	if p.ready == nil {
		return p.start(ctx)
	}
	return p.ready(ctx, p)
}

// close ends the process for good and removes what it left.
func (p *Process) close() error {
	if r, _ := p.current(); r != nil {
		p.End(false)
		p.wg.Wait()
	}
	return p.program.remove()
}

// exitError says how the process ended.
func (p *Process) exitError() *ExitError {
	return &ExitError{Process: p.Name, Command: p.Command(), Status: p.Status(), Log: p.Log(0)}
}
