//go:build unix

package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"
	"time"
)

// A cut connection must not look complete to anyone, however one of the programs ends.
func TestEveryExitThatCutsShowsAsAReset(t *testing.T) {
	hup := make(chan os.Signal, 1) // children hear hang-ups where the tests run under nohup, too
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	bin := programs(t)
	for _, c := range []struct {
		what    string
		program string
		signals []syscall.Signal
	}{
		{"kill -9 of the server", "server", []syscall.Signal{syscall.SIGKILL}},
		{"kill -9 of the client", "client", []syscall.Signal{syscall.SIGKILL}},
		{"a second signal to the server", "server", []syscall.Signal{syscall.SIGTERM, syscall.SIGINT}},
		{"a second signal to the client", "client", []syscall.Signal{syscall.SIGINT, syscall.SIGTERM}},
		{"a second hang-up of the server", "server", []syscall.Signal{syscall.SIGHUP, syscall.SIGHUP}},
		{"a stack dump of the server", "server", []syscall.Signal{syscall.SIGQUIT}}, // ends as a panic does
		{"a stack dump of the client", "client", []syscall.Signal{syscall.SIGQUIT}},
	} {
		t.Run(c.what, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			public := freePort(t)
			server := start(t, filepath.Join(bin, "adit-server"), "-tunnel.listen_host", "127.0.0.1", "-tunnel.listen_port", "0", "-api.listen_port", "0",
				"-visitors.listen_host", "127.0.0.1", "-database.path", filepath.Join(t.TempDir(), "m.db"), "-map", fmt.Sprintf("%d=%s", public, l.Addr()))
			client := start(t, filepath.Join(bin, "adit-client"), "-server", regexp.MustCompile(`tunnel=(\S+)`).FindStringSubmatch(server.line(t, "msg=ready"))[1])
			client.line(t, "msg=connected")
			visitor, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", public))
			if err != nil {
				t.Fatal(err)
			}
			defer visitor.Close()
			service, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer service.Close()
			for _, pair := range [][2]net.Conn{{visitor, service}, {service, visitor}} {
				pair[0].SetDeadline(time.Now().Add(soon))
				io.WriteString(pair[0], "x")
				if _, err := io.ReadFull(pair[1], make([]byte, 1)); err != nil {
					t.Fatal(err)
				}
			}
			p := map[string]*program{"server": server, "client": client}[c.program]
			for i, signal := range c.signals {
				p.cmd.Process.Signal(signal)
				if i < len(c.signals)-1 {
					p.line(t, "stopping") // else the second, the same as the first, may become one with it
				} else if i > 0 {
					p.line(t, "ended at once by a second signal")
				}
			}
			for who, conn := range map[string]net.Conn{"visitor": visitor, "service": service} {
				if n, err := conn.Read(make([]byte, 1)); n != 0 || !errors.Is(err, syscall.ECONNRESET) {
					t.Errorf("the %s reads %d bytes, %v; want a reset", who, n, err)
				}
			}
		})
	}
}

// Whoever reads the log may go away or stand still: visitors are served, and the program ends when it is told to.
func TestALogThatIsClosedOrFullStopsNothing(t *testing.T) {
	bin := programs(t)
	for _, closed := range []bool{true, false} {
		read, write, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		public := freePort(t)
		cmd := exec.Command(filepath.Join(bin, "adit-server"), "-tunnel.enabled=false", "-api.listen_port", "0", "-visitors.listen_host", "127.0.0.1",
			"-database.path", filepath.Join(t.TempDir(), "m.db"), "-debug")
		cmd.Args = append(cmd.Args, "-port_range.from", fmt.Sprint(public), "-port_range.end", fmt.Sprint(public))
		cmd.Stderr = write
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
		write.Close()
		ready, err := bufio.NewReader(read).ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if closed {
			read.Close()
		} else {
			defer read.Close()
		}
		api := regexp.MustCompile(`api=(\S+)`).FindStringSubmatch(ready)[1]
		for range 2000 { // each leaves a line, much more than a pipe holds
			c, err := net.Dial("tcp", api)
			if err != nil {
				t.Fatal(err)
			}
			c.SetDeadline(time.Now().Add(soon))
			io.WriteString(c, "GET /nothing HTTP/1.0\r\n\r\n")
			if _, err := io.Copy(io.Discard, c); err != nil {
				t.Fatalf("log closed %v: the API answers with %v", closed, err)
			}
			c.Close()
		}
		cmd.Process.Signal(syscall.SIGTERM)
		kill := time.AfterFunc(soon, func() { cmd.Process.Kill() })
		if err := cmd.Wait(); err != nil {
			t.Errorf("log closed %v: after SIGTERM %v; want exit code 0", closed, err)
		}
		kill.Stop()
	}
}
