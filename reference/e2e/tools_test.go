package e2e

import (
	"errors"
	"fmt"
	"math/rand/v2"
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

// ports hands out port numbers below those that the kernel gives to outgoing connections, so that nobody
// takes one between its choice and its use. The start is random: several runs may share the machine.
var ports = struct {
	mu   sync.Mutex
	next int
}{next: portsFrom + rand.IntN(portsTo-portsFrom)}

const portsFrom, portsTo = 14000, 32000

func freePort(t *testing.T) int {
	t.Helper()
	ports.mu.Lock()
	defer ports.mu.Unlock()
	for range portsTo - portsFrom {
		port := ports.next
		if ports.next++; ports.next == portsTo {
			ports.next = portsFrom
		}
		if l, err := net.Listen("tcp", loopback(port)); err == nil {
			l.Close()
			return port
		}
	}
	t.Fatalf("no free port from %d to %d", portsFrom, portsTo)
	return 0
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
