package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const soon = 20 * time.Second

// build makes both programs, once.
var build = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "adit-server-test-")
	if err != nil {
		return "", err
	}
	build := exec.Command("go", "build", "-o", dir+"/", "../adit-server", "../adit-client")
	build.Env = append(build.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return dir, fmt.Errorf("go build: %w\n%s", err, out)
	}
	return dir, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if dir, _ := build(); dir != "" {
		os.RemoveAll(dir)
	}
	os.Exit(code)
}

// programs is the folder with adit-server and adit-client.
func programs(t *testing.T) string {
	t.Helper()
	dir, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestTheProgramsCarryAVisitor builds both programs and uses them as the README says.
func TestTheProgramsCarryAVisitor(t *testing.T) {
	bin := programs(t)
	service, public := echoAll(t), freePort(t)

	server := start(t, filepath.Join(bin, "adit-server"), "-tunnel.listen_host", "127.0.0.1", "-tunnel.listen_port", "0", "-api.listen_port", "0",
		"-visitors.listen_host", "127.0.0.1", "-database.path", filepath.Join(t.TempDir(), "mappings.db"), "-map", fmt.Sprintf("%d=%s", public, service))
	ready := server.line(t, "msg=ready")
	tunnel := regexp.MustCompile(`tunnel=(\S+) api=127\.0\.0\.1:\d+ ports=10000-10100`).FindStringSubmatch(ready)
	if tunnel == nil {
		t.Fatalf("the ready line is %q; want tunnel, api and ports", ready)
	}
	client := start(t, filepath.Join(bin, "adit-client"), "-server", tunnel[1])
	client.line(t, "msg=connected")
	server.line(t, "tunnel connected")

	visitor, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", public))
	if err != nil {
		t.Fatal(err)
	}
	defer visitor.Close()
	visitor.SetDeadline(time.Now().Add(soon))
	io.WriteString(visitor, "hello\n")
	if got, err := bufio.NewReader(visitor).ReadString('\n'); got != "hello\n" {
		t.Errorf("the visitor reads %q, %v; want its own line", got, err)
	}
	visitor.Close()
	client.stop(t)
	server.stop(t)
}

// TestUnusableArgumentsEndTheServer wants exit code 2 for a command line that cannot be meant, and 1 for
// one that cannot be done.
func TestUnusableArgumentsEndTheServer(t *testing.T) {
	server := filepath.Join(programs(t), "adit-server")
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := fmt.Sprint(taken.Addr().(*net.TCPAddr).Port)
	db := filepath.Join(t.TempDir(), "mappings.db")
	for _, c := range []struct {
		args []string
		code int
		word string
	}{
		{[]string{"-help"}, 0, "--map PORT"},
		{[]string{"-version"}, 0, "adit-server"},
		{[]string{"-nonsense"}, 2, "nonsense"},
		{[]string{"-tunnel.listen_port", "0", "-api.listen_port", port, "-database.path", db}, 1, "api.listen_port " + port},
	} {
		cmd := exec.Command(server, c.args...)
		out, _ := cmd.CombinedOutput() // the code is looked at
		if code := cmd.ProcessState.ExitCode(); code != c.code || !strings.Contains(string(out), c.word) {
			t.Errorf("adit-server %v: exit code %d, %q; want %d and %q", c.args, code, out, c.code, c.word)
		}
	}
}

// echoAll is a service that sends back what it reads, until the test ends.
func echoAll(t *testing.T) net.Addr {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.SetDeadline(time.Now().Add(soon))
			all.Go(func() { defer c.Close(); io.Copy(c, c) })
		}
	})
	t.Cleanup(func() { l.Close(); all.Wait() })
	return l.Addr()
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// program is a child whose log is read as it comes.
type program struct {
	cmd   *exec.Cmd
	lines chan string // closed at the end of its output
}

func start(t *testing.T, path string, args ...string) *program {
	t.Helper()
	p := &program{cmd: exec.Command(path, args...), lines: make(chan string, 1000)}
	out, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go p.read(out)
	t.Cleanup(func() {
		p.cmd.Process.Kill() // an error means: ended already
		p.cmd.Wait()
	})
	return p
}

// read passes the child's log on; its end ends it.
func (p *program) read(out io.Reader) {
	defer close(p.lines)
	for lines := bufio.NewScanner(out); lines.Scan(); {
		p.lines <- lines.Text()
	}
}

// line waits for a log line with a word in it.
func (p *program) line(t *testing.T, word string) string {
	t.Helper()
	deadline := time.After(soon)
	for {
		select {
		case line, more := <-p.lines:
			if !more {
				t.Fatalf("%s ended without a line with %q", p.cmd, word)
			}
			t.Log(line)
			if strings.Contains(line, word) {
				return line
			}
		case <-deadline:
			t.Fatalf("%s wrote no line with %q", p.cmd, word)
		}
	}
}

// stop asks the child to end, and wants exit code 0.
func (p *program) stop(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	deadline := time.AfterFunc(soon, func() { p.cmd.Process.Kill() })
	defer deadline.Stop()
	for range p.lines { // to the end
	}
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("%s after SIGTERM: %v; want exit code 0", p.cmd, err)
	}
}
