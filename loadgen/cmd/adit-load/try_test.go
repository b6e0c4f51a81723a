package main

import (
	"bytes"
	"context"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/adit-tunnel/adit/loadgen/run"
	"github.com/adit-tunnel/adit/loadgen/scenario"
)

// serving is the address of a service that does something with each connection.
func serving(t *testing.T, do func(*net.TCPConn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { // until the listener is closed
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			do(c.(*net.TCPConn))
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
	})
	return l.Addr().String()
}

// What is not ours is connected to, and listened to: nothing is sent, and what cannot be known is not said.
func TestTryingAServiceOfSomebodyElse(t *testing.T) {
	keep := func(c net.Conn) { t.Cleanup(func() { _ = c.Close() }) }
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = gone.Close()
	for name, tt := range map[string]struct {
		addr string
		code int
		want []string
	}{
		"one that speaks first": {serving(t, func(c *net.TCPConn) { _, _ = c.Write([]byte("SSH-2.0-x\r\n")); keep(c) }), run.ExitOK, []string{"2 of 2 connections made in ", "; on 2 the service spoke first, after ", "--target HOST:PORT"}},
		"one that waits":        {serving(t, func(c *net.TCPConn) { keep(c) }), run.ExitOK, []string{"2 of 2 connections made", "; on 2 it waits for the visitor to speak\n"}},
		"no service, a tunnel":  {serving(t, func(c *net.TCPConn) { _ = c.SetLinger(0); _ = c.Close() }), run.ExitFailures, []string{"2 were reset at once: no service is behind it, or no tunnel"}},
		"one that hangs up":     {serving(t, func(c *net.TCPConn) { _ = c.Close() }), run.ExitFailures, []string{"2 were closed before anybody spoke"}},
		"nobody":                {gone.Addr().String(), run.ExitFailures, []string{"0 of 2 connections made; ", "refused"}},
	} {
		var stdout, stderr bytes.Buffer
		code := execute(t.Context(), []string{"adit-load", "try", tt.addr, "-connects", "2"}, &stdout, &stderr)
		if code != tt.code || stderr.Len() > 0 || slices.ContainsFunc(tt.want, func(w string) bool { return !strings.Contains(stdout.String(), w) }) {
			t.Errorf("%s: exit code %d, %s%s; want %d and %q", name, code, &stdout, &stderr, tt.code, tt.want)
		}
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if r := run.Reach(ended, gone.Addr().String(), 5); r.Times != 0 || r.Well() {
		t.Errorf("interrupted: %+v; want that nothing was found", r)
	}
}

// With a target of its own behind the address a scenario is run through it.
func TestTryingAnAddressThatLeadsHere(t *testing.T) {
	b := newBench(t, "measure: 50ms\nload: {mode: pingpong, connections: 2, size: 1KiB}", "")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	target := l.Addr().String()
	_ = l.Close()
	addrs, end := b.role("relay", "--to", target)
	defer end()
	cmd, stdout, stderr := b.command(os.Args[0], "try", addrs[0], "--target", target, "--scenario", b.path("x.yaml"), "--out", b.path("out"))
	if err := cmd.Run(); err != nil {
		t.Fatalf("try: %v\n%s%s", err, stdout, stderr)
	}
	r := b.record()
	paths := map[string]int{}
	for _, block := range r.Blocks {
		paths[block.Route.String()]++
	}
	if len(paths) != 3 || paths["tunnel "+addrs[0]] != 1 || r.Subjects[0].Name != addrs[0] || r.Profile != scenario.Smoke || !strings.Contains(stdout.String(), "every packet ok") {
		t.Errorf("paths %v, subject %+v, profile %s; want direct, relay and the address\n%s", paths, r.Subjects, r.Profile, stdout)
	}
	if left, _ := filepath.Glob(b.path("adit-load-try-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestTryRefusesWhatIsNoAddress(t *testing.T) {
	for args, want := range map[string]string{
		"":               "try takes one address, host:port, not 0",
		"a:1 b:2":        "try takes one address, host:port, not 2",
		"nowhere":        `"nowhere": must be host:port`,
		"h:1 --target x": `--target "x": must be host:port`,
		"192.0.2.1:9 --target 127.0.0.1:9 --scenario speed": "192.0.2.1:9: is beyond this machine: give --allow-remote",
		"127.0.0.1:9 --target 127.0.0.1:9 --scenario spede": "did you mean speed?",
	} {
		var stdout, stderr bytes.Buffer
		code := execute(t.Context(), append([]string{"adit-load", "try"}, strings.Fields(args)...), &stdout, &stderr)
		if code != run.ExitUsage || !strings.Contains(stderr.String(), want) {
			t.Errorf("try %s: exit code %d, %s; want %d and %q", args, code, &stderr, run.ExitUsage, want)
		}
	}
}

// Scenarios need no folder, and adit-load no repository: the reference is what lies beside it.
func TestScenariosAreBuiltIn(t *testing.T) {
	t.Chdir(t.TempDir())
	for args, want := range map[string]string{
		"scenarios":                         "packet-size         Which packet size carries the most",
		"scenarios speed":                   "# How fast is one connection",
		"lint " + "speed knee churn":        "",
		"plan packet-size --profile smoke":  "16 cells on direct, relay, tunnel subject",
		"plan concurrency --emit swarm":     "image: adit-load",
		"run --help":                        "adit-load run speed",
		"__complete run pack":               "packet-size",
		"__complete try 127.0.0.1:9 --prof": "--profile",
	} {
		var stdout, stderr bytes.Buffer
		if code := execute(t.Context(), append([]string{"adit-load"}, strings.Fields(args)...), &stdout, &stderr); code != run.ExitOK || !strings.Contains(stdout.String(), want) {
			t.Errorf("adit-load %s: exit code %d, %s%s; want %q", args, code, &stdout, &stderr, want)
		}
	}
	var stdout, stderr bytes.Buffer
	if code := execute(t.Context(), []string{"adit-load", "run", "speed"}, &stdout, &stderr); code != run.ExitUsage || !strings.Contains(stderr.String(), "--subject is missing") {
		t.Errorf("run speed where nothing is: exit code %d, %s; want that the subject is missing", code, &stderr)
	}
}
