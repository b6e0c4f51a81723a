package run

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/scenario"
)

// Whether results can be written is found out before anything is measured, and
// no record is replaced that somebody may want.
func TestTheFolderForResultsIsTriedFirst(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	taken := filepath.Join(dir, "taken", "b", record.File)
	if err := os.MkdirAll(filepath.Dir(taken), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{file, taken} {
		if err := os.WriteFile(name, []byte("mine"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	both := []*scenario.Scenario{{Name: "a"}, {Name: "b"}}
	for _, tt := range []struct {
		s    Session
		want string
	}{
		{Session{}, ""},
		{Session{Out: filepath.Join(dir, "new", "folder")}, ""},
		{Session{Out: filepath.Join(dir, "new", "folder")}, ""}, // again: there is no record
		{Session{Out: file}, "--out " + file + ": cannot hold results: mkdir " + file + ": not a directory"},
		{Session{Out: "/proc/adit-load"}, "--out /proc/adit-load: cannot hold results: mkdir /proc/adit-load: no such file or directory"},
		{Session{Out: filepath.Join(dir, "taken")}, "--out " + filepath.Join(dir, "taken") + ": " + taken + " is there already: give --force to replace it, or another folder"},
		{Session{Out: filepath.Join(dir, "taken"), Force: true}, ""},
	} {
		got := ""
		if err := tt.s.ready(both); err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%s, force %v: %q; want %q", tt.s.Out, tt.s.Force, got, tt.want)
		}
		if _, err := os.Stat(filepath.Join(dir, "taken", "a")); (err == nil) != tt.s.Force {
			t.Errorf("%s: folder for the first scenario: %v; want none beside a record that is not replaced", tt.s.Out, err)
		}
	}
	left, err := filepath.Glob(filepath.Join(dir, "*", "*", ".adit-load-*"))
	if data, _ := os.ReadFile(taken); err != nil || len(left) > 0 || string(data) != "mine" {
		t.Errorf("left behind: %v, %v; the record is %q now", left, err, data)
	}
}

// It is part of what is checked before a run begins.
func TestARunBeginsWithTheFolderForItsResults(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x.yaml")
	if err := os.WriteFile(file, []byte("# why?\nscenario: x\npaths: [direct]\nload: {mode: pingpong, connections: 1, size: 1KiB}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	subject := filepath.Join(filepath.Dir(file), "subject.yaml")
	if err := os.WriteFile(subject, []byte("name: x\nserver: {address: \"127.0.0.1:9\"}\nvisitor: 127.0.0.1:9\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, _, err := (&Session{Out: "/proc/adit-load", Profile: scenario.Smoke, Subjects: []string{subject}}).prepare([]string{file})
	if e, ok := err.(*ExitError); !ok || e.Code != ExitUsage || !strings.Contains(e.Error(), "cannot hold results") {
		t.Errorf("%v; want %d, and that --out cannot hold results", err, ExitUsage)
	}
}
