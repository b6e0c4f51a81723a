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
		const ids = "FRAME-001,FRAME-002,FRAME-004,FRAME-006,FRAME-007,OPEN-001,OPEN-005,OPEN-006,DATA-001,CLOSE-002,ALIVE-002,LOSS-003,LOSS-004"
		if readme, err := os.ReadFile("../../README.md"); err != nil || !strings.Contains(string(readme), "--subject mine.yaml --id "+ids+"\n") {
			t.Errorf("the README does not tell to run these cases: %v", err)
		}
		stdout, stderr, code := conform(t, "run", "--subject", filepath.Join(dir, "mine.yaml"), "--id", ids, "--segmentation=off")
		if code != report.ExitCertified {
			t.Errorf("exit code %d; want 0\n%s%s", code, stdout, stderr)
		}
	})
}
