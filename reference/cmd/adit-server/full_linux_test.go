package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// fullPipe is a pipe that takes no more bytes. Both ends are closed with the test.
func fullPipe(t *testing.T) (read, write *os.File) {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { read.Close(); write.Close() })
	fill, err := syscall.Open(fmt.Sprintf("/proc/self/fd/%d", write.Fd()), syscall.O_WRONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fill)
	for _, size := range []int{4096, 1} {
		for err = nil; err == nil; {
			_, err = syscall.Write(fill, bytes.Repeat([]byte("\n"), size))
		}
		if err != syscall.EAGAIN {
			t.Fatal(err)
		}
	}
	return read, write
}

// silent starts a program whose log nobody reads: a pipe that is full.
func silent(t *testing.T, path string, args ...string) *exec.Cmd {
	t.Helper()
	_, write := fullPipe(t)
	cmd := exec.Command(path, args...)
	cmd.Stderr = write
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() }) // an error means: ended already
	return cmd
}

// What the runtime says of a panic goes where the log goes, and must not wait for a reader: connections would stay open,
// and nobody serve them. Out of memory is a panic of the runtime that no program can prevent.
func TestAPanicIsNotHeldUpByALogThatNobodyReads(t *testing.T) {
	bin := programs(t)
	for _, c := range []struct {
		what, program string
		end           func(t *testing.T, p *os.Process, visit func() net.Conn)
	}{
		{"a stack dump of the server", "server", dump},
		{"a stack dump of the client", "client", dump},
		{"the server out of memory", "server", exhaust},
		{"the client out of memory", "client", exhaust},
	} {
		t.Run(c.what, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			tunnel, public := freePort(t), freePort(t)
			server := silent(t, filepath.Join(bin, "adit-server"), "-tunnel.listen_host", "127.0.0.1", "-tunnel.listen_port", fmt.Sprint(tunnel), "-api.listen_port", "0",
				"-visitors.listen_host", "127.0.0.1", "-database.path", filepath.Join(t.TempDir(), "m.db"), "-map", fmt.Sprintf("%d=%s", public, l.Addr()))
			client := silent(t, filepath.Join(bin, "adit-client"), "-server", fmt.Sprintf("127.0.0.1:%d", tunnel))
			visit := func() net.Conn {
				c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", public))
				if err != nil {
					return nil
				}
				t.Cleanup(func() { c.Close() })
				c.SetDeadline(time.Now().Add(soon))
				return c
			}
			accepted := make(chan net.Conn, 10_000)
			go func() {
				for {
					c, err := l.Accept()
					if err != nil {
						return
					}
					io.WriteString(c, "x")
					accepted <- c
				}
			}()
			again := time.NewTicker(50 * time.Millisecond)
			defer again.Stop()
			visitor := visit()
			for !greeted(visitor) { // refused or reset until all is up
				<-again.C
				visitor = visit()
			}
			service := <-accepted
			service.SetDeadline(time.Now().Add(soon))
			c.end(t, map[string]*exec.Cmd{"server": server, "client": client}[c.program].Process, visit)
			for who, conn := range map[string]net.Conn{"visitor": visitor, "service": service} {
				if n, err := conn.Read(make([]byte, 1)); n != 0 || !errors.Is(err, syscall.ECONNRESET) {
					t.Errorf("the %s reads %d bytes, %v; want a reset", who, n, err)
				}
			}
		})
	}
}

// greeted reports whether a visitor reads what the service says first.
func greeted(visitor net.Conn) bool {
	if visitor == nil {
		return false
	}
	_, err := io.ReadFull(visitor, make([]byte, 1))
	return err == nil
}

// dump makes a program end as a panic does.
func dump(_ *testing.T, p *os.Process, _ func() net.Conn) { p.Signal(syscall.SIGQUIT) }

// exhaust takes a program's memory away, and makes it ask for more.
func exhaust(t *testing.T, p *os.Process, visit func() net.Conn) {
	limit := syscall.Rlimit{Cur: 1, Max: 1}
	if _, _, errno := syscall.RawSyscall6(syscall.SYS_PRLIMIT64, uintptr(p.Pid), syscall.RLIMIT_AS, uintptr(unsafe.Pointer(&limit)), 0, 0, 0); errno != 0 {
		t.Fatal(errno)
	}
	for range 3000 {
		c := visit()
		if c == nil {
			return
		}
		if _, err := io.WriteString(c, strings.Repeat("x", 32<<10)); err != nil {
			return
		}
	}
}

// The last line says why a program ended: whoever reads the log late still gets it, and one that nobody reads holds the
// program up for a second, no more.
func TestTheLastLineIsWrittenWithinASecond(t *testing.T) {
	server := filepath.Join(programs(t), "adit-server")
	for _, late := range []bool{true, false} {
		read, write := fullPipe(t)
		cmd := exec.Command(server, "-nonsense")
		cmd.Stderr = write
		begin := time.Now()
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		write.Close()
		got := make(chan string, 1)
		if late {
			go func() { all, _ := io.ReadAll(read); got <- string(all) }()
		}
		kill := time.AfterFunc(soon, func() { cmd.Process.Kill() })
		cmd.Wait()
		kill.Stop()
		took := time.Since(begin)
		if code := cmd.ProcessState.ExitCode(); code != 2 {
			t.Errorf("the log read: %v: exit code %d after %v; want 2", late, code, took)
		}
		if late {
			if all := <-got; !strings.Contains(all, "-nonsense") || !strings.HasSuffix(all, "\n") {
				t.Errorf("the log ends with %q; want what is wrong", strings.TrimSpace(all))
			}
		} else if took < time.Second || took > 8*time.Second { // and what the start takes on a busy machine
			t.Errorf("it ended after %v; want a second for who reads late, and no more", took)
		}
	}
}
