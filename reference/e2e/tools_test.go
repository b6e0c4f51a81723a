package e2e

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
)

// need returns the path of a program that may be missing; the test is then not run.
func need(t *testing.T, program, debianPackage string) string {
	t.Helper()
	if path, err := exec.LookPath(program); err == nil {
		return path
	}
	// Debian keeps these outside of an ordinary user's PATH.
	for _, dir := range []string{"/usr/sbin/", "/usr/lib/postgresql/*/bin/"} {
		if found, _ := filepath.Glob(dir + program); len(found) > 0 {
			return found[len(found)-1]
		}
	}
	t.Skipf("not run: %s is not installed (apt-get install %s)", program, debianPackage)
	return ""
}

// Ports are below those that the kernel gives to outgoing connections and those that subject files choose
// for themselves, so that nobody takes one between its choice and its use. Several runs may share the machine:
// each has a block of its own, which is claimed by listening on the first port of the block.
const portsFrom, portsTo, portBlock = 15000, 20000, 500

var ports struct {
	mu    sync.Mutex   // guards the following fields
	claim net.Listener // held until the process ends
	first int          // port of the block to hand out
	next  int          // offset from first
}

func freePort(t *testing.T) int {
	t.Helper()
	ports.mu.Lock()
	defer ports.mu.Unlock()
	if ports.claim == nil {
		claimPorts(t)
	}
	for range portBlock - 1 {
		port := ports.first + ports.next
		ports.next = (ports.next + 1) % (portBlock - 1)
		if l, err := net.Listen("tcp", loopback(port)); err == nil {
			l.Close()
			return port
		}
	}
	t.Fatalf("no free port from %d to %d", ports.first, ports.first+portBlock-2)
	return 0
}

// claimPorts chooses the block of this run; the lock is held.
func claimPorts(t *testing.T) {
	t.Helper()
	for i := range (portsTo - portsFrom) / portBlock {
		begin := portsFrom + i*portBlock
		if l, err := net.Listen("tcp", loopback(begin)); err == nil {
			ports.claim, ports.first = l, begin+1
			return
		}
	}
	t.Fatalf("every block of ports from %d to %d is another run's", portsFrom, portsTo)
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// portOf is the port of a HOST:PORT address.
func portOf(t *testing.T, addr string) int {
	t.Helper()
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// answers returns nil if somebody listens at addr, be it to reset the connection at once.
func answers(addr string) error {
	c, err := net.Dial("tcp", addr)
	if errors.Is(err, syscall.ECONNRESET) {
		return nil
	}
	if err == nil {
		c.Close()
	}
	return err
}

// openFolder makes a folder that other users can enter, which t.TempDir is not.
func openFolder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "adit-e2e-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func writeFile(t *testing.T, path, format string, args ...any) string {
	t.Helper()
	if err := os.WriteFile(path, fmt.Appendf(nil, format, args...), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func currentUser(t *testing.T) string {
	t.Helper()
	u, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	return u.Username
}
