package codec

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"github.com/adit-tunnel/adit/conformance/subject"
)

// maxLine is the longest answer that is read: the largest payload has 2 MiB of hex.
const maxLine = 16 << 20

// logLines is how many lines of standard error a finding shows.
const logLines = 10

// grace is how long a program may take to end after the end of its input.
const grace = 2 * time.Second

// What a program does instead of answering.
var (
	errHangs = errors.New("no answer")
	errEnded = errors.New("ended")
	errLong  = errors.New("a line without end")
)

// A program is a running codec. One goroutine reads its answers until it ends;
// one more writes while a question is open. Both end with stop.
type program struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    io.ReadCloser
	log    *subject.Tail
	lines  chan []byte // closed at the end of its output
	quit   chan struct{}
	tooBig bool // set before lines is closed
	wg     sync.WaitGroup
}

// start runs a command line in a shell, in a process group of its own.
func start(command string) (*program, error) {
	p := &program{cmd: exec.Command("sh", "-c", command), log: subject.NewTail(logLines), lines: make(chan []byte), quit: make(chan struct{})}
	p.cmd.Stderr = p.log
	p.cmd.SysProcAttr = subject.OwnGroup()
	p.cmd.WaitDelay = grace // somebody outside of the group may hold a pipe
	var err error
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if p.out, err = p.cmd.StdoutPipe(); err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	p.wg.Go(p.read)
	return p, nil
}

// read hands out the program's lines; start starts it, the end of the output ends it, which stop brings about.
func (p *program) read() {
	defer close(p.lines)
	s := bufio.NewScanner(p.out)
	s.Buffer(nil, maxLine)
	for s.Scan() {
		select {
		case p.lines <- bytes.Clone(s.Bytes()):
		case <-p.quit: // read on, so that the program does not wait for a reader
		}
	}
	p.tooBig = errors.Is(s.Err(), bufio.ErrTooLong)
}

// ask writes a line and waits for one. The program need not have read the whole question.
func (p *program) ask(ctx context.Context, line []byte, patience time.Duration) ([]byte, error) {
	p.wg.Go(func() { _, _ = p.in.Write(line) }) // a program that does not read shows as one that does not answer
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case answer, ok := <-p.lines:
		switch {
		case ok:
			return answer, nil
		case p.tooBig:
			return nil, errLong
		}
		return nil, errEnded
	case <-late.C:
		return nil, errHangs
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// stop ends the program: by the end of its input, at which a codec ends, and
// by force after a grace or at once. It returns how the program ended.
func (p *program) stop(atOnce bool) string {
	_ = p.in.Close() // ends a write, too
	close(p.quit)
	patience := grace
	if atOnce {
		patience = 0
	}
	force := time.AfterFunc(patience, func() {
		_ = subject.SignalGroup(p.cmd.Process, syscall.SIGKILL)
		_ = p.out.Close() // somebody outside of the group may hold it
	})
	p.wg.Wait() // Wait closes the output, so it is read to its end first
	_ = p.cmd.Wait()
	force.Stop()
	p.log.Flush()
	return fmt.Sprint(p.cmd.ProcessState)
}
