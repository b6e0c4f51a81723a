package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/adit-tunnel/adit/conformance/dialogue"
	"github.com/adit-tunnel/adit/conformance/engine"
)

// faulty is a subject file of a server that does what it is told at a rare frame.
func faulty(t *testing.T, what string) string {
	t.Helper()
	dir := t.TempDir()
	program := filepath.Join(dir, "faulty")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "../../fuzz/testdata/faulty").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	text := fmt.Sprintf("name: faulty\nserver: {command: \"%s %s {tunnel} {visitor}\", ready: {tcp: \"{tunnel}\"}}\n", program, what)
	name := filepath.Join(dir, "subject.yaml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestFuzzFinds(t *testing.T) {
	t.Parallel()
	// A hang shows on the tunnel beside (harm), or on the next one (hang).
	for _, tt := range []struct{ what, kind string }{{"panic", "death"}, {"hang", "ha"}, {"leak", "memory"}} {
		t.Run(tt.what, func(t *testing.T) {
			if testing.Short() && tt.what != "panic" {
				t.Skip("not run: takes up to a minute; go test without -short runs it")
			}
			t.Parallel()
			dir, subject := t.TempDir(), faulty(t, tt.what)
			out, errs, code := conform(t, "fuzz", "--subject", subject, "--for", "90s", "--fail-fast", "--seed", "3", "--out", dir, "--rss-limit", "80MiB", "--jobs", "1")
			if code != 1 || !strings.Contains(out, tt.kind) {
				t.Fatalf("exit code %d; want 1 and %s\n%s%s", code, tt.kind, out, errs)
			}
			files, err := filepath.Glob(filepath.Join(dir, "server."+tt.kind+"*-*.json"))
			if err != nil || len(files) == 0 {
				t.Fatalf("no replay file of %s: %v\n%s", tt.kind, err, errs)
			}
			v, err := dialogue.Read(files[0])
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(v.Notes, "it did not come again") {
				t.Skipf("the campaign could not repeat it either: %s", v.Notes)
			}
			if out, _, code := conform(t, "replay", files[0], "--subject", subject, "--times", "3"); code != 1 {
				t.Errorf("exit code %d of the replay; want 1\n%s", code, out)
			}
			if out, _, code := conform(t, "replay", files[0], "--subject", peerFile(t, engine.Server, "")); code != 0 && tt.kind != "memory" {
				t.Errorf("exit code %d of the replay against the peer; want 0\n%s", code, out)
			}
		})
	}
}

func TestFuzzFindsNothingInThePeer(t *testing.T) {
	t.Parallel()
	for _, role := range []engine.Role{engine.Server, engine.Client} {
		out, errs, code := conform(t, "fuzz", "--subject", peerFile(t, role, ""), "--for", "4s", "--seed", "1", "--out", t.TempDir())
		if code != 0 || !strings.Contains(out, "nothing found") || strings.Contains(out, " 0 sequences") {
			t.Errorf("%s: exit code %d; want 0 after some sequences\n%s%s", role, code, out, errs)
		}
	}
}

func TestFuzzUsage(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"fuzz"}, 2, "server"},
		{[]string{"fuzz", "--server", "127.0.0.1:1"}, 2, "visitor"},
		{[]string{"fuzz", "--client-cmd", "true {addr}", "--rss-limit", "much"}, 2, "--rss-limit"},
		{[]string{"fuzz", "--client-cmd", "true {addr}", "--for", "-1s"}, 2, "--for"},
		{[]string{"fuzz", "--client-cmd", "true {addr}", "--jobs", "0"}, 2, "--jobs"},
		{[]string{"fuzz", "--client-cmd", "true {addr}"}, 3, "unreachable"},
	} {
		if _, errs, code := conform(t, tt.args...); code != tt.code || !strings.Contains(errs, tt.want) {
			t.Errorf("%q: exit code %d, %q; want %d and %q", tt.args, code, errs, tt.code, tt.want)
		}
	}
}
