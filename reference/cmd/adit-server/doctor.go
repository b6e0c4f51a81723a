package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"time"

	"github.com/adit-tunnel/adit/reference/cmd"
	"github.com/adit-tunnel/adit/reference/config"
)

// doctor looks for what keeps a server from serving, and returns the exit code: 1 for a fault, 2 for a configuration that cannot
// be meant.
func doctor(args []string, out, notes io.Writer) int {
	c, err := config.LoadServer(args, out)
	switch {
	case errors.Is(err, config.ErrHelp):
		return 0
	case err != nil:
		_, _ = fmt.Fprintf(notes, "adit-server doctor: %v\n", err)
		return 2
	}
	d := &cmd.Doctor{Out: out}
	d.Find("configuration", cmp.Or(c.File, "flags and environment alone"), nil)
	d.Machine(time.Now(), cmd.Descriptors(), c.Tunnel.MaxConnections)
	port := func(key, host string, n int) {
		well, err := look(host, n)
		d.Find(key+" "+strconv.Itoa(n), well, err)
	}
	if c.Tunnel.Enabled {
		port("tunnel.listen_port", c.Tunnel.ListenHost, c.Tunnel.ListenPort)
	}
	port("api.listen_port", c.API.ListenHost, c.API.ListenPort)
	for _, m := range c.Maps {
		if m.TCP() {
			port("map", c.Visitors.ListenHost, m.Port)
		}
	}
	dir := filepath.Dir(c.Database.Path)
	d.Find("database.path", c.Database.Path, writable(dir))
	return d.Code()
}

// look says how a port is: free, or an adit-server's; else the error says who has it.
func look(host string, port int) (string, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
	switch {
	case err == nil:
		l.Close()
		return "free", nil
	case errors.Is(err, syscall.EACCES):
		return "", fmt.Errorf("%w: ports below 1024 need CAP_NET_BIND_SERVICE; give that, or choose a higher one", err)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return "", fmt.Errorf("%w: %q is no address of this machine; correct listen_host", err, host)
	case !errors.Is(err, syscall.EADDRINUSE):
		return "", err
	}
	name, pid := holder(port)
	switch {
	case name == "adit-server":
		return fmt.Sprintf("adit-server has it, which runs already (process %d)", pid), nil
	case pid != 0:
		return "", fmt.Errorf("%s has it (process %d); stop that, or choose another port", name, pid)
	}
	return "", errors.New("another program has it, of another user; ask ss -ltnp as root, and stop that, or choose another port")
}

// users finds a program and its process in a line of ss.
var users = regexp.MustCompile(`users:\(\("([^"]+)",pid=(\d+)`)

// holder is the program that listens at a port, and its process, as ss knows it; 0: nobody says.
func holder(port int) (name string, pid int) {
	line, err := exec.Command("ss", "-Hltnp", "sport = :"+strconv.Itoa(port)).Output()
	if m := users.FindSubmatch(line); err == nil && m != nil {
		name = string(m[1])
		pid, _ = strconv.Atoi(string(m[2]))
	}
	return name, pid
}

// writable reports why no file can be made in a folder, or in the nearest one above it that is there.
func writable(dir string) error {
	for _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) && filepath.Dir(dir) != dir; _, err = os.Stat(dir) {
		dir = filepath.Dir(dir)
	}
	f, err := os.CreateTemp(dir, ".adit-doctor")
	if err != nil {
		return fmt.Errorf("%w; change its permissions, or set another database.path", err)
	}
	f.Close()
	return os.Remove(f.Name())
}
