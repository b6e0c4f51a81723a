package e2e

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// process is a child in the foreground that a test started, and that ends with the test at the latest.
type process struct {
	cmd  *exec.Cmd
	name string
	log  *logTail
	done chan struct{} // closed when the child has ended and its output was read
}

// start runs cmd until the test ends, or until it ends itself. stop is the signal that asks it to end.
func start(t *testing.T, name string, stop syscall.Signal, cmd *exec.Cmd) *process {
	t.Helper()
	p, err := launch(name, cmd)
	if err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	t.Cleanup(func() { p.end(t, stop) })
	return p
}

// launch runs cmd until it ends, at the latest with this process.
func launch(name string, cmd *exec.Cmd) (*process, error) {
	p := &process{cmd: cmd, name: name, log: newLogTail(), done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = p.log, p.log
	cmd.WaitDelay = time.Second // a grandchild may hold the output open
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	endWithParent(cmd.SysProcAttr)
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go p.reap()
	return p, nil
}

// reap waits for the child; launch starts it, the child's end is its end.
func (p *process) reap() {
	p.cmd.Wait() // the exit code is read from ProcessState
	close(p.done)
}

// end stops the child, with force if it does not obey, and shows its last lines when the test failed.
func (p *process) end(t *testing.T, stop syscall.Signal) {
	p.cmd.Process.Signal(stop) // an error means: ended already
	select {
	case <-p.done:
	case <-time.After(soon):
		t.Errorf("%s did not end within %v of %v", p.name, soon, stop)
		p.cmd.Process.Kill()
		<-p.done
	}
	if t.Failed() {
		lines, _ := p.log.since(p.log.mark() - 25)
		t.Logf("last lines of %s:\n\t%s", p.name, strings.Join(lines, "\n\t"))
	}
}

func (p *process) signal(t *testing.T, sig os.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		t.Fatalf("%v to %s: %v", sig, p.name, err)
	}
}

// kill ends the child without a chance to clean up, as kill -9 does, and waits until it is gone.
func (p *process) kill(t *testing.T) {
	t.Helper()
	p.signal(t, syscall.SIGKILL)
	p.exit(t, soon)
}

// exit waits for the child's own end and returns its exit code, -1 for a signal.
func (p *process) exit(t *testing.T, within time.Duration) int {
	t.Helper()
	select {
	case <-p.done:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(within):
		t.Fatalf("%s still runs after %v", p.name, within)
		return 0
	}
}

// alive fails the test if the child has ended.
func (p *process) alive(t *testing.T) {
	t.Helper()
	select {
	case <-p.done:
		t.Fatalf("%s ended: %v", p.name, p.cmd.ProcessState)
	default:
	}
}

// run runs a short command to its end and returns its standard output and exit code. Its standard error
// is shown when the test fails.
func run(t *testing.T, stdin []byte, name string, args ...string) ([]byte, int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	var out, problems bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(stdin), &out, &problems
	err := cmd.Run()
	if _, isExit := errors.AsType[*exec.ExitError](err); err != nil && !isExit {
		t.Fatalf("%s: %v", name, err)
	}
	t.Cleanup(func() {
		if t.Failed() && problems.Len() > 0 {
			t.Logf("%s wrote:\n%s", cmd, problems.Bytes())
		}
	})
	return out.Bytes(), cmd.ProcessState.ExitCode()
}

// await receives from ch, and fails the test if nothing comes.
func await[T any](t *testing.T, what string, ch <-chan T, within time.Duration) (v T) {
	t.Helper()
	select {
	case v = <-ch:
	case <-time.After(within):
		t.Fatalf("not within %v: %s", within, what)
	}
	return v
}

// eventually calls ok until it returns nil. It is for what has no event to wait on.
func eventually(t *testing.T, what string, within time.Duration, ok func() error) {
	t.Helper()
	deadline := time.After(within)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ok()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not within %v: %s: %v", within, what, err)
		}
	}
}
