package watch

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience is how long a test waits for what processes have to do.
const patience = 40 * time.Second

// bin is the folder of the binaries once they have been built.
var bin string

func TestMain(m *testing.M) {
	code := m.Run()
	if bin != "" {
		_ = os.RemoveAll(bin)
	}
	os.Exit(code)
}

var build = sync.OnceValue(func() error {
	var err error
	if bin, err = os.MkdirTemp("", "watch"); err != nil {
		return err
	}
	out, err := exec.Command("go", "build", "-o", bin+string(filepath.Separator),
		"../../reference/cmd/adit-server", "../../reference/cmd/adit-client", "../cmd/adit-conform").CombinedOutput()
	if err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	return nil
})

// built is the folder of the reference's binaries and of adit-conform.
func built(t *testing.T) string {
	t.Helper()
	if err := build(); err != nil {
		t.Fatal(err)
	}
	return bin
}

// A site is a server, a client, a service, and watch in the middle.
type site struct {
	t                        *testing.T
	dir                      string
	tunnel, visitor, service string // addresses
	front                    *net.TCPListener
	found                    *findings
}

func free(t *testing.T) string {
	t.Helper()
	for range 100 {
		// Below the range of port 0, so that no listener or connection made meanwhile is given it.
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 12000+rand.IntN(8000))); err == nil {
			defer l.Close()
			return l.Addr().String()
		}
	}
	t.Fatal("no free port found")
	return ""
}

func port(addr string) string { _, p, _ := net.SplitHostPort(addr); return p }

// newSite starts watch; its clients connect to front.
func newSite(t *testing.T, service func(net.Conn)) (s *site, stop func() *Report) {
	t.Helper()
	s = &site{t: t, dir: built(t), tunnel: free(t), visitor: free(t), service: free(t), front: listen(t), found: newFindings(true)}
	var running sync.WaitGroup
	if service != nil {
		l := listen(t)
		s.service = l.Addr().String()
		running.Go(func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				running.Go(func() { defer c.Close(); service(c) })
			}
		})
		t.Cleanup(func() { _ = l.Close() })
	}
	ctx, cancel := context.WithCancel(t.Context())
	log := new(bytes.Buffer)
	var watching sync.WaitGroup
	var rep *Report
	watching.Go(func() {
		var err error
		if rep, err = s.found.relay(ctx, s.front, Options{To: s.tunnel, Log: log}); err != nil {
			t.Errorf("Relay: %v", err)
		}
	})
	stop = func() *Report { cancel(); watching.Wait(); return rep }
	t.Cleanup(func() {
		if stop(); t.Failed() {
			t.Logf("watch said:\n%s", tail(log.String()))
		}
	})
	return s, stop
}

func tail(s string) string { return s[max(0, len(s)-6000):] }

// start starts a binary, until the test ends or kill is called.
func (s *site) start(name string, args ...string) (kill func()) {
	s.t.Helper()
	cmd := exec.Command(filepath.Join(s.dir, name), args...)
	log := new(bytes.Buffer)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	kill = sync.OnceFunc(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	s.t.Cleanup(func() {
		if kill(); s.t.Failed() {
			s.t.Logf("%s said:\n%s", name, tail(log.String()))
		}
	})
	return kill
}

func (s *site) referenceServer() (kill func()) {
	dir := s.t.TempDir()
	return s.start("adit-server", "-tunnel.listen_port", port(s.tunnel), "-api.listen_port", port(free(s.t)),
		"-database.path", filepath.Join(dir, "mappings.db"), "-port_range.from", "1024", "-port_range.end", "65535",
		"-visitors.listen_host", "127.0.0.1", "-map", port(s.visitor)+"="+s.service, "-keys=")
}

func (s *site) referenceClient() (kill func()) {
	return s.start("adit-client", "-server", s.front.Addr().String(), "-redial_most", "1s")
}

// visit is one visitor that sends octets, reads as many, and leaves first.
func (s *site) visit(octets []byte) error {
	c, err := net.Dial("tcp", s.visitor)
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	var sending sync.WaitGroup
	defer sending.Wait()
	sending.Go(func() { _, _ = c.Write(octets) })
	_, err = io.ReadFull(c, make([]byte, len(octets)))
	return err
}

// leave is a visitor that sends octets, reads until they have come back or
// the stream ends, and does not mind how.
func (s *site) leave(octets []byte) {
	if len(octets) > 0 {
		_ = s.visit(octets)
		return
	}
	if c, err := net.Dial("tcp", s.visitor); err == nil {
		_ = c.SetDeadline(time.Now().Add(time.Second))
		_, _ = io.Copy(io.Discard, c)
		_ = c.Close()
	}
}

// seen reports whether a side has been charged with a requirement.
func (s *site) seen(side, req string) bool {
	return slices.ContainsFunc(s.found.report().Counts, func(c Count) bool { return c.Side == side && c.Req == req })
}

// until tries again and again, a moment apart, until ok.
func (s *site) until(what string, ok func() bool) {
	s.t.Helper()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for deadline := time.Now().Add(patience); !ok(); <-again.C {
		if time.Now().After(deadline) {
			s.t.Fatalf("%s: not within %s", what, patience)
		}
	}
}

func echo(c net.Conn) { _, _ = io.Copy(c, c) }

// greet speaks first and leaves first.
func greet(c net.Conn) { _, _ = c.Write([]byte("welcome")) }

func TestReferenceIsNotCharged(t *testing.T) {
	s, stop := newSite(t, echo)
	killServer := s.referenceServer()
	killClient := s.referenceClient()
	works := func() bool { return s.visit([]byte("hello")) == nil }
	s.until("the tunnel works", works)
	traffic := func() {
		var visitors sync.WaitGroup
		for i := range 8 {
			visitors.Go(func() {
				for n := range 20 {
					_ = s.visit(make([]byte, 1+(i*n)<<10)) // may be cut short by a kill
				}
			})
		}
		visitors.Wait()
	}
	traffic()
	var visitors sync.WaitGroup
	visitors.Go(traffic)
	s.until("a visitor while there is traffic", works)
	killClient()
	visitors.Wait()
	s.referenceClient()
	s.until("the tunnel works after the client was killed", works)
	visitors.Go(traffic)
	s.until("a visitor while there is traffic", works)
	killServer()
	visitors.Wait()
	s.referenceServer()
	s.until("the tunnel works after the server was killed", works)
	rep := stop()
	if len(rep.Violations) != 0 || len(rep.NotJudged) != 0 {
		t.Errorf("charged %v, not judged %v; want nothing", rep.Violations, rep.NotJudged)
	}
	if rep.Tunnels < 3 || rep.Connections < 160 {
		t.Errorf("%d tunnels, %d connections; want 3 and 160 at least", rep.Tunnels, rep.Connections)
	}
}

func TestMutantsAreCharged(t *testing.T) {
	for _, m := range []struct {
		role, mutant, want string
		service            func(net.Conn) // nil: refuses
		octets             int            // that a visitor sends
	}{
		{"server", "ALIVE-002-unasked", "ALIVE-002", echo, 5},
		{"server", "OPEN-017", "OPEN-017", echo, 5},
		{"client", "OPEN-017", "OPEN-017", greet, 0},
		{"server", "CLOSE-001", "CLOSE-001", echo, 5},
		{"client", "CLOSE-001", "CLOSE-001", greet, 0},
		{"client", "OPEN-004", "OPEN-004", nil, 0},
		{"server", "FRAME-005", "FRAME-005", echo, 16 << 20},
		{"client", "FRAME-005", "FRAME-005", echo, 16 << 20},
	} {
		t.Run(m.role+" "+m.mutant, func(t *testing.T) {
			s, stop := newSite(t, m.service)
			if m.role == "server" {
				s.start("adit-conform", "fault", "server", "--tunnel", s.tunnel, "--visitor", s.visitor, "--target", s.service, "--mutant", m.mutant)
				s.referenceClient()
			} else {
				s.referenceServer()
				s.start("adit-conform", "fault", "client", "--server", s.front.Addr().String(), "--mutant", m.mutant)
			}
			octets := bytes.Repeat([]byte("x"), m.octets)
			s.until("a violation", func() bool {
				s.leave(octets)
				return s.seen(m.role, m.want)
			})
			rep := stop()
			for _, c := range rep.Counts {
				if c.Side != m.role || c.Req != m.want {
					t.Errorf("charged, too: %+v", c)
				}
			}
			if i := slices.IndexFunc(rep.Violations, func(v Violation) bool { return v.Frame != "" && strings.Contains(v.Octets, "|") }); i < 0 && m.mutant != "ALIVE-002-unasked" {
				t.Errorf("no violation shows its frame: %+v", rep.Violations)
			}
		})
	}
}
