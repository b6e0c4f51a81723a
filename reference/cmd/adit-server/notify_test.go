//go:build unix

package main

import (
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Systemd hears when a program is ready; one that cannot be told is no reason to end.
func TestSystemdIsTold(t *testing.T) {
	bin, dir := programs(t), t.TempDir()
	socket := filepath.Join(dir, "notify")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	hears := func(want string) {
		t.Helper()
		l.SetReadDeadline(time.Now().Add(soon))
		b := make([]byte, 100)
		if n, err := l.Read(b); err != nil || string(b[:n]) != want {
			t.Fatalf("systemd hears %q, %v; want %s", b[:n], err, want)
		}
	}
	server := func() []string {
		return []string{
			filepath.Join(bin, "adit-server"), "--tunnel.listen_host", "127.0.0.1", "--tunnel.listen_port", "0", "--api.listen_port", "0",
			"--visitors.listen_host", "127.0.0.1", "--database.path", filepath.Join(t.TempDir(), "m.db"),
		}
	}
	client := func() []string { return []string{filepath.Join(bin, "adit-client"), "--server", "127.0.0.1:1"} }

	t.Setenv("NOTIFY_SOCKET", socket)
	for _, command := range [][]string{server(), client()} {
		p := start(t, command[0], command[1:]...)
		hears("READY=1")
		p.stop(t)
	}
	taken := server()
	for i, arg := range taken {
		if arg == "--api.listen_port" {
			taken[i+1] = strconv.Itoa(echoAll(t).(*net.TCPAddr).Port)
		}
	}
	start(t, taken[0], taken[1:]...).line(t, "another program has it")
	l.SetReadDeadline(time.Now().Add(-time.Second))
	if n, err := l.Read(make([]byte, 100)); err == nil {
		t.Errorf("systemd hears %d bytes of a server that cannot listen", n)
	}

	t.Setenv("NOTIFY_SOCKET", filepath.Join(dir, "nobody"))
	for _, command := range [][]string{server(), client()} {
		p := start(t, command[0], command[1:]...)
		if line := p.line(t, "systemd cannot be told"); !strings.Contains(line, "NotifyAccess") {
			t.Errorf("%s: %q", command[0], line)
		}
		p.stop(t)
	}
}
