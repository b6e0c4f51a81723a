package main

import (
	"bytes"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A tool is adit-conform alone in an empty folder: no repository, no home, sh the only other program.
type tool struct{ dir, path string }

func alone(t *testing.T, program string) tool {
	t.Helper()
	a := tool{t.TempDir(), t.TempDir()}
	err := os.Link(program, filepath.Join(a.dir, "adit-conform")) // a copy could be busy: a child that begins meanwhile holds it open
	sh, lookErr := exec.LookPath("sh")
	if err = errors.Join(err, lookErr, os.Symlink(sh, filepath.Join(a.path, "sh"))); err != nil {
		t.Fatal(err)
	}
	return a
}

// command is one that runs there.
func (a tool) command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(a.dir, "adit-conform"), args...)
	cmd.Dir = a.dir
	cmd.Env = []string{"PATH=" + a.path, "HOME=/nonexistent", "TMPDIR=" + t.TempDir()}
	return cmd
}

// does runs it and wants exit code 0 and a word in its output.
func (a tool) does(t *testing.T, says string, args ...string) {
	t.Helper()
	if out, err := a.command(t, args...).CombinedOutput(); err != nil || !bytes.Contains(out, []byte(says)) {
		t.Errorf("adit-conform %q alone in a folder: %v; want success and %q said\n%s", args, err, says, out)
	}
}

// free is n addresses that nobody listens on.
func free(t *testing.T, n int) (addrs []string) {
	t.Helper()
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		addrs = append(addrs, l.Addr().String())
	}
	return addrs
}

func TestTheBinaryIsTheWholeTool(t *testing.T) {
	t.Parallel()
	a := alone(t, binary)
	at := free(t, 3)
	peer := exec.CommandContext(t.Context(), binary, "fault", "server", "--tunnel", at[0], "--visitor", at[1], "--target", at[2])
	if err := peer.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = peer.Process.Kill(); _ = peer.Wait() })

	a.does(t, "FRAME-002/server/two", "list")
	a.does(t, "PASSED, for the selected requirements", "run", "--server", at[0], "--visitor", at[1], "--visitor-target", at[2],
		"--label-filter", "level: isSubsetOf MUST && id: containsAny {FRAME-002,OPEN-001,DATA-001,CLOSE-002}", "--segmentation=off", "--bundle", "r.json", "--html", "r.html")
	a.does(t, "", "report", "r.json", "--markdown", "r.md", "--badge", "r.svg")
	a.does(t, "adit conformance certificate", "report", "r.json")
	a.does(t, "ok        suite", "verify", "r.json")
	a.does(t, "killed", "self-check", "--id", "FRAME-007")
	a.does(t, "requirement_set", "schema", "report")
	a.does(t, "prepare", "schema", "subject")
	a.does(t, "visitor cannot wait for ever", "explain", "OPEN-022")
	a.does(t, "--listen", "watch", "--help")
	for _, name := range []string{"r.json", "r.html", "r.md", "r.svg"} {
		if info, err := os.Stat(filepath.Join(a.dir, name)); err != nil || info.Size() == 0 {
			t.Errorf("report %s: %v; want a text", name, err)
		}
	}
}

func TestTheBinaryExaminesACodecAlone(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("python3", "-c", "import sys; print(sys.executable)").Output()
	if err != nil {
		t.Skip("not run: python3 is not installed")
	}
	codec, err := filepath.Abs("../../examples/python/codec.py")
	if err != nil {
		t.Fatal(err)
	}
	alone(t, binary).does(t, "every vector passed", "codec", "--exec", "'"+strings.TrimSpace(string(out))+"' '"+codec+"'", "--vector", "frame_*")
}
