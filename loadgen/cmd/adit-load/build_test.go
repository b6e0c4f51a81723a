package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A commit that cannot be measured is refused before anything is, and leaves no worktree.
func TestBenchCompareRefusesWhatItCannotBuild(t *testing.T) {
	for _, program := range []string{"make", "git"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip("not run: ", err)
		}
	}
	makefile, err := os.ReadFile(filepath.Join("..", "..", "..", "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	dir, tmp := t.TempDir(), t.TempDir()
	run := func(name string, args ...string) (string, error) {
		cmd := exec.Command(name, args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "TMPDIR="+tmp, "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CEILING_DIRECTORIES="+filepath.Dir(dir))
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	// A program that does not compile, beside a subject file that is well.
	for name, text := range map[string]string{
		"Makefile": string(makefile), "go.mod": "module example.org/x\n", "scenarios/subjects/reference.yaml": "name: adit\n", "reference/cmd/adit-server/main.go": "package main\n",
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{{"init", "-q"}, {"add", "."}, {"-c", "user.name=x", "-c", "user.email=x@example.org", "commit", "-qm", "x"}} {
		if out, err := run("git", args...); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	for base, want := range map[string]string{
		"":       "BASE='' is not a commit of this repository",
		"nobody": "BASE='nobody' is not a commit of this repository",
		"--all":  "BASE='--all' is not a commit of this repository",
		"HEAD":   "BASE='HEAD' cannot be measured: its reference does not build",
	} {
		out, err := run("make", "bench-compare", "BASE="+base)
		if err == nil || !strings.Contains(out, want) || strings.Contains(out, "adit-load") {
			t.Errorf("make bench-compare BASE=%s: %v\n%s\nwant %s, and nothing measured", base, err, out, want)
		}
	}
	if out, err := run("git", "worktree", "list"); err != nil || strings.Count(out, "\n") != 1 {
		t.Errorf("worktrees afterwards: %v\n%s; want the first one alone", err, out)
	}
	if left, err := os.ReadDir(tmp); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
