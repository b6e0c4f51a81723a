package subject

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
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

// A Process is one child, in a process group of its own. It may be ended and
// started again with the same command line, and keeps its log. Two goroutines
// run while the child does: one copies its output, one waits for its end.
type Process struct {
	Name string // server, client or prepare

	argv, env []string
	grace     time.Duration
	log       *tail
	ready     func(context.Context, *Process) error
	wg        sync.WaitGroup

	mu     sync.Mutex
	cmd    *exec.Cmd     // the newest run; guarded by mu
	exited chan struct{} // its end; guarded by mu
}

func newProcess(name string, argv, env []string, o Options) *Process {
	return &Process{Name: name, argv: argv, env: env, grace: o.grace(), log: &tail{size: o.logLines()}}
}

// start runs the command. The child ends with this process at the latest, where the system can do that.
func (p *Process) start() error {
	r, w, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("%s: %w", p.Name, err)
	}
	cmd := exec.Command(p.argv[0], p.argv[1:]...)
	cmd.Env = append(os.Environ(), p.env...)
	cmd.Stdout, cmd.Stderr = w, w
	cmd.SysProcAttr = groupOfItsOwn()
	err = cmd.Start()
	_ = w.Close()
	if err != nil {
		_ = r.Close()
		return fmt.Errorf("%s cannot be started: %w", p.Name, err)
	}
	exited, copied := make(chan struct{}), make(chan struct{})
	p.mu.Lock()
	p.cmd, p.exited = cmd, exited
	p.mu.Unlock()
	p.wg.Go(func() { p.copyLog(r, copied) })
	p.wg.Go(func() { p.reap(cmd, r, copied, exited) })
	return nil
}

// copyLog copies the child's output until its end, or until reap gives up.
func (p *Process) copyLog(r *os.File, copied chan struct{}) {
	_, _ = io.Copy(p.log, r)
	p.log.flush()
	close(copied)
}

// reap waits for the child, ends what is left of its group and takes the rest of its output.
func (p *Process) reap(cmd *exec.Cmd, r *os.File, copied, exited chan struct{}) {
	_ = cmd.Wait() // ProcessState has the outcome
	_ = signalGroup(cmd.Process, syscall.SIGKILL)
	_ = r.SetReadDeadline(time.Now().Add(time.Second)) // somebody outside the group may hold the pipe
	<-copied
	_ = r.Close()
	close(exited)
}

func (p *Process) current() (*exec.Cmd, chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cmd, p.exited
}

// PID is the process ID of the newest run.
func (p *Process) PID() int {
	cmd, _ := p.current()
	return cmd.Process.Pid
}

// Command is the command line, filled in.
func (p *Process) Command() string { return strings.Join(p.argv, " ") }

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
	cmd, _ := p.current()
	return cmd.ProcessState.String()
}

// Log is the last n lines that the process wrote, over all its runs; all that were kept with n <= 0.
func (p *Process) Log(n int) []string { return p.log.last(n) }

// End ends the process and waits for its end: suddenly, as kill -9 does, or
// by SIGTERM and after a grace SIGKILL. It is sent to the whole group.
func (p *Process) End(suddenly bool) {
	cmd, exited := p.current()
	select {
	case <-exited: // its group is gone, the number may be somebody else's
		return
	default:
	}
	if !suddenly {
		_ = signalGroup(cmd.Process, syscall.SIGTERM)
		patience := time.NewTimer(p.grace)
		defer patience.Stop()
		select {
		case <-exited:
			return
		case <-patience.C:
		}
	}
	_ = signalGroup(cmd.Process, syscall.SIGKILL)
	<-exited
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
		return p.start()
	}
	return p.ready(ctx, p)
}

// exitError says how the process ended.
func (p *Process) exitError() *ExitError {
	return &ExitError{Process: p.Name, Command: p.Command(), Status: p.Status(), Log: p.Log(0)}
}
