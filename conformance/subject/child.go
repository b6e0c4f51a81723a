package subject

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A command is a program that runs as a child of this process, in a
// session and a process group of its own.
type command struct{ argv, env []string }

func (c command) String() string { return strings.Join(c.argv, " ") }

// remove has nothing to do: a child's files are in {dir}.
func (command) remove() error { return nil }

func (c command) with(variable string) program {
	return command{c.argv, append(slices.Clip(c.env), variable)}
}

// start runs the command. The child ends with this process at the latest, where the system can do that.
func (c command) start(_ context.Context, log io.Writer) (run, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(c.argv[0], c.argv[1:]...)
	cmd.Env = append(os.Environ(), c.env...)
	cmd.Stdout, cmd.Stderr = w, w
	cmd.SysProcAttr = OwnGroup()
	err = cmd.Start()
	_ = w.Close()
	if err != nil {
		_ = r.Close()
		return nil, err
	}
	ch := &child{cmd: cmd, output: r}
	ch.copying.Go(func() { _, _ = io.Copy(log, r) })
	return ch, nil
}

// A child is one run of a command. One goroutine copies its output, until the
// child's end or until wait gives up.
type child struct {
	cmd     *exec.Cmd
	output  *os.File
	copying sync.WaitGroup
}

func (c *child) pid() int { return c.cmd.Process.Pid }

func (c *child) signal(sig syscall.Signal) error { return SignalGroup(c.cmd.Process, sig) }

// wait waits for the child, ends what is left of its group and takes the rest of its output.
func (c *child) wait() end {
	_ = c.cmd.Wait() // ProcessState has the outcome
	_ = c.signal(syscall.SIGKILL)
	_ = c.output.SetReadDeadline(time.Now().Add(time.Second)) // somebody outside the group may hold the pipe
	c.copying.Wait()
	_ = c.output.Close()
	return end{c.cmd.ProcessState.ExitCode(), fmt.Sprint(c.cmd.ProcessState)}
}
