package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// pairs are the programs as they meet, also while one side is upgraded before the other.
var pairs = []struct{ name, server, client string }{
	{"extended", "extended", "extended"},
	{"auto", "auto", "auto"},
	{"core client", "auto", "core"},
	{"core server", "core", "auto"},
}

func openPair(t *testing.T, server, client string, services ...string) *tunnel {
	t.Helper()
	tun := openServer(t, services, "-protocol", server)
	tun.startClient(t, "-protocol", client)
	return tun
}

// TestEveryPairServes carries bytes between programs of all profiles, and what was told to need one refuses the other.
func TestEveryPairServes(t *testing.T) {
	t.Parallel()
	needBinaries(t)
	for _, p := range pairs {
		t.Run(p.name, func(t *testing.T) {
			tun := openPair(t, p.server, p.client, service(t, echo), loopback(freePort(t)))
			for seed := range int64(5) {
				if err := echoed(tun.public[0], seed, 1_000_000); err != nil {
					t.Error(err)
				}
			}
			if err := notServed(tun.public[1]); err != nil {
				t.Errorf("a service that is not there: %v", err)
			}
			tun.client.kill(t)
			eventually(t, "the server knows", soon, func() error { return notServed(tun.public[0]) })
			tun.startClient(t, "-protocol", p.client)
			if err := echoed(tun.public[0], 6, 1_000_000); err != nil {
				t.Errorf("after a new client: %v", err)
			}
		})
	}
	for _, p := range []struct{ server, client string }{{"core", "extended"}, {"extended", "core"}} {
		tun := openServer(t, []string{service(t, echo)}, "-protocol", p.server)
		client := start(t, "adit-client", syscall.SIGTERM, tun.clientCommand("-protocol", p.client, "-redial_delay", "10ms"))
		refusing := tun.server
		if p.client == "extended" {
			refusing = client
		}
		if !refusing.log.has(0, func(line string) bool { return strings.Contains(line, "Core profile only") }) {
			t.Errorf("server %s, client %s: nobody is told", p.server, p.client)
		}
		if err := notServed(tun.public[0]); err != nil {
			t.Errorf("server %s, client %s: a visitor is served: %v", p.server, p.client, err)
		}
	}
}

// TestHalfClose: the end of one direction leaves the other, in both, for as long as it likes.
func TestHalfClose(t *testing.T) {
	t.Parallel()
	needBinaries(t)
	const n = 4 << 20
	tun := open(t, service(t, func(c *net.TCPConn) { // answers when it has seen the end
		all, err := io.ReadAll(c)
		if err == nil && len(all) == n {
			io.Copy(c, &source{seed: 71, left: n})
		}
	}), service(t, func(c *net.TCPConn) { // ends first, and echoes what comes later to nobody
		io.Copy(c, &source{seed: 72, left: 1000})
		c.CloseWrite()
		io.Copy(&checker{seed: 73}, c)
	}))
	c := dial(t, tun.public[0])
	c.SetDeadline(time.Now().Add(2 * soon))
	io.Copy(c, &source{seed: 70, left: n})
	c.CloseWrite()
	got := checker{seed: 71}
	if _, err := io.Copy(&got, c); err != nil || got.pos != n {
		t.Errorf("the answer behind the end: %d of %d bytes, %v", got.pos, n, err)
	}
	c = dial(t, tun.public[1])
	c.SetDeadline(time.Now().Add(2 * soon))
	got = checker{seed: 72}
	if _, err := io.Copy(&got, c); err != nil || got.pos != 1000 {
		t.Errorf("what the service said: %d of 1000 bytes, %v", got.pos, err)
	}
	src := &source{seed: 73, left: n}
	if _, err := io.Copy(c, src); err != nil {
		t.Errorf("sending behind the service's end: %v", err)
	}
}

// TestAnHTTPClientThatShutsItsWriteSide is answered all the same.
func TestAnHTTPClientThatShutsItsWriteSide(t *testing.T) {
	t.Parallel()
	needBinaries(t)
	l, err := net.Listen("tcp", loopback(freePort(t)))
	if err != nil {
		t.Fatal(err)
	}
	web := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, n, err)
	})}
	go web.Serve(l)
	t.Cleanup(func() { web.Close() })
	tun := open(t, l.Addr().String())
	c := dial(t, tun.public[0])
	c.SetDeadline(time.Now().Add(soon))
	const body = 300_000
	fmt.Fprintf(c, "POST / HTTP/1.0\r\nContent-Length: %d\r\n\r\n%s", body, strings.Repeat("x", body))
	c.CloseWrite()
	answer, err := io.ReadAll(c)
	if err != nil || !bytes.HasSuffix(answer, []byte("300000 <nil>")) {
		t.Errorf("the answer is %q, %v", answer, err)
	}
}

// TestResetIsAReset: neither side takes a cut for an end.
func TestResetIsAReset(t *testing.T) {
	t.Parallel()
	needBinaries(t)
	ended := make(chan error, 1)
	tun := open(t, service(t, func(c *net.TCPConn) {
		c.Read(make([]byte, 1)) // the visitor is there: its dial is not what fails
		io.Copy(c, &source{seed: 74, left: 100_000})
		c.SetLinger(0)
	}), service(t, func(c *net.TCPConn) {
		c.Write([]byte("x")) // it is there: a visitor that resets before meets nobody
		_, err := io.Copy(io.Discard, c)
		ended <- err
	}))
	c := dial(t, tun.public[0])
	c.SetDeadline(time.Now().Add(soon))
	c.Write([]byte("x"))
	if _, err := io.Copy(io.Discard, c); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the service resets, and the visitor sees %v", err)
	}
	c = dial(t, tun.public[1])
	c.SetDeadline(time.Now().Add(soon))
	c.Read(make([]byte, 1))
	io.Copy(c, &source{seed: 75, left: 100_000})
	c.SetLinger(0)
	c.Close()
	select {
	case err := <-ended:
		if !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the visitor resets, and the service sees %v", err)
		}
	case <-time.After(soon):
		t.Error("the visitor resets, and the service sees nothing")
	}
}

// slowly reads everything at a rate, with one pause.
func slowly(c net.Conn, seed int64, rate int, pause time.Duration) (int64, error) {
	got := checker{seed: seed}
	begin := time.Now()
	for {
		n, err := io.CopyN(&got, c, 64<<10)
		if pause > 0 && got.pos > 4<<20 {
			time.Sleep(pause)
			begin, pause = begin.Add(pause), 0
		}
		time.Sleep(time.Until(begin.Add(time.Duration(got.pos) * time.Second / time.Duration(rate))))
		if n == 0 || err != nil {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return got.pos, err
		}
	}
}

// TestSlowReaders: whoever reads slowly, pauses, or reads on after the other side's end gets everything, and others
// do not notice.
func TestSlowReaders(t *testing.T) {
	t.Parallel()
	needBinaries(t)
	const n = 24 << 20
	uploaded := make(chan error, 1)
	tun := open(t, service(t, func(c *net.TCPConn) { io.Copy(c, &source{seed: 76, left: n}) }), service(t, echo),
		service(t, func(c *net.TCPConn) { // takes slowly, and says when it has all
			c.SetReadBuffer(64 << 10)
			got, err := slowly(c, 77, 3<<20, 0)
			if err == nil && got != n {
				err = fmt.Errorf("%d of %d bytes", got, n)
			}
			uploaded <- err
		}), service(t, func(c *net.TCPConn) { io.Copy(c, &source{seed: 78, left: 1 << 60}) }))
	stuck := dial(t, tun.public[3]) // never reads
	defer stuck.Close()
	done := make(chan error, 3)
	for _, r := range []struct {
		rate  int
		pause time.Duration
	}{{4 << 20, 0}, {8 << 20, 7 * time.Second}} {
		c := dial(t, tun.public[0])
		c.SetReadBuffer(64 << 10)
		go func() {
			got, err := slowly(c, 76, r.rate, r.pause)
			if err == nil && got != n {
				err = fmt.Errorf("%d of %d bytes at %d bytes a second", got, n, r.rate)
			}
			done <- err
		}()
	}
	up := dial(t, tun.public[2])
	go func() {
		_, err := io.Copy(up, &source{seed: 77, left: n})
		up.CloseWrite()
		done <- err
	}()
	waiting, longest := 3, time.Duration(0)
	for seed := int64(0); waiting > 0; seed++ {
		select {
		case err := <-done:
			waiting--
			if err != nil {
				t.Error(err)
			}
		default:
			begin := time.Now()
			if err := echoed(tun.public[1], seed, 1000); err != nil {
				t.Fatalf("a visitor beside slow ones: %v", err)
			}
			longest = max(longest, time.Since(begin))
		}
	}
	if err := <-uploaded; err != nil {
		t.Errorf("the slow service: %v", err)
	}
	t.Logf("the longest of the others took %v", longest)
}

// TestNcGivesAndTakes: what people do with nc.
func TestNcGivesAndTakes(t *testing.T) {
	t.Parallel()
	needBinaries(t)
	nc := need(t, "nc", "netcat-openbsd")
	tun := open(t, service(t, func(c *net.TCPConn) { // counts until the end, as wc would
		n, err := io.Copy(io.Discard, c)
		fmt.Fprint(c, n, " ", err)
	}))
	got, code := run(t, bytes.Repeat([]byte("x"), 5_000_000), nc, "-N", "127.0.0.1", fmt.Sprint(portOf(t, tun.public[0])))
	if code != 0 || string(got) != "5000000 <nil>" {
		t.Errorf("nc -N gets %q, exit code %d", got, code)
	}
}

// TestGit clones and pushes by git's own protocol.
func TestGit(t *testing.T) {
	t.Parallel()
	needBinaries(t)
	git := need(t, "git", "git")
	dir := t.TempDir()
	at := func(args ...string) []string {
		return append([]string{"-c", "user.name=e2e", "-c", "user.email=e2e@example.invalid"}, args...)
	}
	run(t, nil, git, at("init", "-q", "--bare", filepath.Join(dir, "origin"))...)
	port := freePort(t)
	daemon := exec.Command(git, "daemon", "--reuseaddr", "--export-all", "--enable=receive-pack", "--listen=127.0.0.1", fmt.Sprint("--port=", port), "--base-path="+dir, dir)
	start(t, "git daemon", syscall.SIGTERM, daemon)
	eventually(t, "git daemon answers", soon, func() error { return answers(loopback(port)) })
	tun := open(t, loopback(port))
	url := fmt.Sprintf("git://127.0.0.1:%d/origin", portOf(t, tun.public[0]))
	work, again := filepath.Join(dir, "work"), filepath.Join(dir, "again")
	content := make([]byte, 3_000_000)
	io.ReadFull(&source{seed: 79, left: int64(len(content))}, content)
	for _, args := range [][]string{
		{"clone", "-q", url, work},
		{"-C", work, "add", "."},
		{"-C", work, "commit", "-qm", "content"},
		{"-C", work, "push", "-q", "origin", "HEAD:refs/heads/main"},
		{"clone", "-q", "-b", "main", url, again},
	} {
		if args[len(args)-1] == "." {
			if err := os.WriteFile(filepath.Join(work, "content"), content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if _, code := run(t, nil, git, at(args...)...); code != 0 {
			t.Fatalf("git %v: exit code %d", args, code)
		}
	}
	if got, err := os.ReadFile(filepath.Join(again, "content")); err != nil || !bytes.Equal(got, content) {
		t.Errorf("what was pushed and cloned differs: %d bytes, %v", len(got), err)
	}
}

// TestRsync copies by rsync's own protocol.
func TestRsync(t *testing.T) {
	t.Parallel()
	needBinaries(t)
	rsync := need(t, "rsync", "rsync")
	dir := t.TempDir()
	content := make([]byte, 3_000_000)
	io.ReadFull(&source{seed: 80, left: int64(len(content))}, content)
	if err := os.WriteFile(filepath.Join(dir, "content"), content, 0o644); err != nil { // a daemon that root starts reads as nobody
		t.Fatal(err)
	}
	port := freePort(t)
	conf := writeFile(t, filepath.Join(dir, "rsyncd.conf"), "use chroot = no\n[files]\npath = %s\nread only = yes\n", dir)
	start(t, "rsync daemon", syscall.SIGTERM, exec.Command(rsync, "--daemon", "--no-detach", "--address=127.0.0.1", fmt.Sprint("--port=", port), "--config="+conf))
	eventually(t, "rsync answers", soon, func() error { return answers(loopback(port)) })
	tun := open(t, loopback(port))
	to := filepath.Join(dir, "copy")
	if _, code := run(t, nil, rsync, fmt.Sprintf("rsync://127.0.0.1:%d/files/content", portOf(t, tun.public[0])), to); code != 0 {
		t.Fatalf("rsync: exit code %d", code)
	}
	if got, err := os.ReadFile(to); err != nil || !bytes.Equal(got, content) {
		t.Errorf("what was copied differs: %d bytes, %v", len(got), err)
	}
}

// TestADrainLosesNothing: a server that is told to end while a client uploads and downloads slowly lets all of it pass,
// and the next server serves the client at once.
func TestADrainLosesNothing(t *testing.T) {
	t.Parallel()
	needBinaries(t)
	const n = 12 << 20
	tun := openServer(t, []string{service(t, echo)})
	tun.startClient(t)
	c := dial(t, tun.public[0])
	c.SetReadBuffer(64 << 10)
	sent := make(chan error, 1)
	go func() {
		_, err := io.Copy(c, &source{seed: 81, left: n})
		c.CloseWrite()
		sent <- err
	}()
	first := checker{seed: 81}
	if _, err := io.CopyN(&first, c, 1<<20); err != nil {
		t.Fatal(err)
	}
	tun.server.signal(t, syscall.SIGTERM)
	begin := time.Now()
	for {
		m, err := io.CopyN(&first, c, 64<<10)
		time.Sleep(time.Until(begin.Add(time.Duration(first.pos) * time.Second / (4 << 20))))
		if m == 0 || err != nil {
			if !errors.Is(err, io.EOF) || first.pos != n {
				t.Errorf("%d of %d bytes, %v", first.pos, n, err)
			}
			break
		}
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
	c.Close()
	if code := tun.server.exit(t, soon); code != 0 {
		t.Errorf("exit code %d", code)
	}
	tun.startServer(t)
	tun.connected(t)
}
