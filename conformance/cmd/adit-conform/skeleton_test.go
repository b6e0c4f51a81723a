package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/adit-tunnel/adit/conformance/report"
)

// skeleton is a folder with the files that the README shows.
func skeleton(t *testing.T) string {
	t.Helper()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, m := range regexp.MustCompile("(?s)```(?:python|yaml)\n# ([a-z]+\\.(?:py|yaml))\n(.*?)```").FindAllStringSubmatch(string(readme), -1) {
		name, text := m[1], m[2]
		if n := strings.Count(text, "\n"); n > 60 {
			t.Errorf("%s has %d lines; want a skeleton, 60 at most", name, n)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// What the README tells a newcomer to type works as it says.
func TestTheSkeletonOfTheReadme(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip("not run: python3 is not installed")
	}
	dir := skeleton(t)
	t.Run("codec", func(t *testing.T) {
		t.Parallel()
		stdout, stderr, code := conform(t, "codec", "--exec", "python3 '"+filepath.Join(dir, "codec.py")+"'", "--vector", "frame_*,stream_*")
		if code != report.ExitCertified || !strings.Contains(stdout, "every vector passed") {
			t.Errorf("exit code %d; want 0\n%s%s", code, stdout, stderr)
		}
	})
	t.Run("server and client", func(t *testing.T) {
		t.Parallel()
		const ids = "FRAME-001,FRAME-002,FRAME-004,FRAME-006,FRAME-007,OPEN-001,OPEN-005,OPEN-006,DATA-001,CLOSE-002,ALIVE-002,LOSS-004"
		if readme, err := os.ReadFile("../../README.md"); err != nil || !strings.Contains(string(readme), "--subject mine.yaml --id "+ids+"\n") {
			t.Errorf("the README does not tell to run these cases: %v", err)
		}
		stdout, stderr, code := conform(t, "run", "--subject", filepath.Join(dir, "mine.yaml"), "--id", ids, "--segmentation=off")
		if code != report.ExitCertified {
			t.Errorf("exit code %d; want 0\n%s%s", code, stdout, stderr)
		}
	})
}

// A timer of the example counts from when its time began, not from the tick before: "exactly" means not before.
func TestTheExamplesTimersAreNotEarly(t *testing.T) {
	t.Parallel()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("not run: python3 is not installed")
	}
	const check = `
import engine
class Reader: rest, done = 60, 0
t = object.__new__(engine.Tunnel)
class Conn: state = engine.OPEN
t.locals, t.conns, t.full = [], {1: Conn, 2: Conn}, {Conn}  # a pause counts where another connection waits
t.paused, t.silence, t.silence_limit, t.heard, t.sent_at, t.is_server = False, 0.0, 45.0, 100.20, 100.20, False
t.frame_age, t.frame_done, t.frame_marks, t.reader = None, 0, engine.deque(), Reader
t.on_tick(100.25, 0.25)
assert abs(t.silence - 0.05) < 1e-6, "silence %r" % t.silence
assert abs(t.frame_age - 0.05) < 1e-6, "a frame's age %r" % t.frame_age
t.on_tick(100.50, 0.25)
assert abs(t.silence - 0.30) < 1e-6 and abs(t.frame_age - 0.30) < 1e-6, "a whole tick later %r, %r" % (t.silence, t.frame_age)
t.paused, t.pause_clock, t.pause_began, t.judge_pause = True, 0.0, 100.60, lambda now: None
t.on_tick(100.75, 0.25)
assert abs(t.pause_clock - 0.15) < 1e-6, "a pause %r" % t.pause_clock
`
	cmd := exec.CommandContext(t.Context(), python, "-B", "-c", check)
	cmd.Env = append(os.Environ(), "PYTHONPATH=../../examples/python")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
