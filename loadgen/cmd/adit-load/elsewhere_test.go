package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/run"
)

// role starts adit-load in a role and says at which addresses it is ready. Its
// last words come when it was told to end.
func (b *bench) role(args ...string) (addrs []string, end func() string) {
	b.t.Helper()
	cmd := exec.CommandContext(b.t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), played+"=1")
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		b.t.Fatal(err)
	}
	r := bufio.NewReader(out)
	line, err := r.ReadString('\n')
	_, at, ok := strings.Cut(strings.TrimSpace(line), ": ready at ")
	if !ok {
		b.t.Fatalf("%v: says %q, %v; want that it is ready", args, line, err)
	}
	return strings.Split(at, ", "), func() string {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		rest, _ := io.ReadAll(r)
		_ = cmd.Wait()
		return string(rest)
	}
}

// Generators and a target that run already are used in place of own ones.
func TestARunUsesWhatRunsAlready(t *testing.T) {
	b := newBench(t, "measure: 50ms\nload: {mode: pingpong, connections: 4, size: 1KiB}", "")
	b.write("token", "0123456789abcdef\n")
	secret := []string{"--token-file", b.path("token")}
	target, endTarget := b.role(append([]string{"target"}, secret...)...)
	one, endOne := b.role(append([]string{"worker"}, secret...)...)
	two, endTwo := b.role(append([]string{"worker"}, secret...)...)
	args := append(b.args(), append(secret, "--worker", one[0], "--worker", two[0], "--target-control", target[1], "--direct", target[0])...)
	cmd, _, stderr := b.command(os.Args[0], args...)
	if err := cmd.Run(); err != nil {
		t.Fatalf("run: %v\n%s", err, stderr)
	}
	r := b.record()
	if len(r.Clocks) != 2 || r.Clocks[0].Address != one[0] || r.Clocks[0].WithinSeconds <= 0 {
		t.Errorf("workers %+v; want both, with their clocks", r.Clocks)
	}
	if len(r.NotRun) != 1 || r.NotRun[0].Path != "relay" || len(r.Blocks) != 2 {
		t.Errorf("not run: %v, %d blocks; want direct and tunnel, without relay", r.NotRun, len(r.Blocks))
	}
	if s := r.Subjects[0]; s.Certificate == nil || s.Certificate.Standing != record.Uncertified || len(s.Programs) != 1 || len(s.Programs[0].SHA256) != 64 {
		t.Errorf("subject %+v; want it uncertified, with the digest of its program", s)
	}
	endOne()
	endTwo()
	if said := endTarget(); !strings.Contains(said, "all of them as they were sent") {
		t.Errorf("the target says %q at its end; want what it received", said)
	}
}

// A line that stands where nothing passes would be no line.
func TestALineNeedsItsPlace(t *testing.T) {
	b := newBench(t, "load: {mode: pingpong, connections: 1, size: 1KiB}\nlink: {rtt: 2ms}", "")
	b.write("token", "0123456789abcdef")
	b.write("far.yaml", "{name: far, server: {address: '127.0.0.1:9000'}, visitor: '127.0.0.1:10022'}\n")
	for args, want := range map[string]string{
		"--subject " + b.path("far.yaml"): "subject far: runs already, both ends of it",
		"--subject " + b.path("subject.yaml") + " --token-file " + b.path("token") +
			" --worker 192.0.2.77:7000 --target-control 127.0.0.1:7 --direct 192.0.2.77:7 --allow-remote": "--worker 192.0.2.77:7000: cannot reach the line of path direct",
	} {
		var stdout, stderr bytes.Buffer
		code := execute(t.Context(), append([]string{"adit-load", "run", b.path("x.yaml")}, strings.Fields(args)...), &stdout, &stderr)
		if code != run.ExitUsage || !strings.Contains(stderr.String(), want) {
			t.Errorf("run %s: exit code %d, %q; want %d and %q", args, code, stderr.String(), run.ExitUsage, want)
		}
	}
}

func TestAddressesBeyondThisMachineAreRefusedUnlessAllowed(t *testing.T) {
	b := newBench(t, "load: {mode: pingpong, connections: 1, size: 1KiB}", "")
	b.write("token", "0123456789abcdef")
	b.write("far.yaml", "{name: far, server: {address: '192.0.2.77:9000'}, visitor: '192.0.2.77:10022'}\n")
	b.write("blind.yaml", "{name: blind, server: {address: '127.0.0.1:9000'}}\n")
	b.write("bundle.json", `{"subject": "other", "exit_code": 0, "bundle": {}}`)
	with := " --token-file " + b.path("token")
	for args, want := range map[string]string{
		"--worker 192.0.2.77:7000" + with:                            "--worker 192.0.2.77:7000: is beyond this machine: give --allow-remote",
		"--worker 192.0.2.77:7000":                                   "--token-file",
		"--target-control 127.0.0.1" + with:                          `"127.0.0.1" must be host:port`,
		"--direct 127.0.0.1:7":                                       "give --target-control, too",
		"--worker 192.0.2.77:7000 --allow-remote" + with:             "cannot reach a target on the loopback",
		"--runtime container --worker 127.0.0.1:7":                   "containers are in a network of their own",
		"--runtime container":                                        "needs an image",
		"--runtime cloud":                                            `--runtime "cloud" must be one of process, container`,
		"--subject " + b.path("far.yaml"):                            "subject far: server: 192.0.2.77:9000: is beyond this machine",
		"--subject " + b.path("blind.yaml"):                          "subject blind: visitor: is missing",
		"--certificate " + b.path("bundle.json"):                     `is of "other", which is the name of none of the subjects`,
		"--certificate " + b.path("x.yaml"):                          "--certificate: ",
		"--target-control 127.0.0.1:7 --subject " + b.path("x.yaml"): "unknown key",
	} {
		var stdout, stderr bytes.Buffer
		line := []string{"adit-load", "run", b.path("x.yaml"), "--subject", b.path("subject.yaml")}
		if strings.Contains(args, "--subject") {
			line = line[:3]
		}
		code := execute(t.Context(), append(line, strings.Fields(args)...), &stdout, &stderr)
		if code != run.ExitUsage || !strings.Contains(stderr.String(), want) {
			t.Errorf("run %s: exit code %d, %q; want %d and %q", args, code, stderr.String(), run.ExitUsage, want)
		}
	}
	for _, args := range []string{"target --listen 0.0.0.0:0", "target --control 0.0.0.0:0", "worker --listen 0.0.0.0:0"} {
		var stdout, stderr bytes.Buffer
		if code := execute(t.Context(), append([]string{"adit-load"}, strings.Fields(args)...), &stdout, &stderr); code != run.ExitUsage {
			t.Errorf("%s: exit code %d, %s; want %d", args, code, fmt.Sprint(&stderr), run.ExitUsage)
		}
	}
}
