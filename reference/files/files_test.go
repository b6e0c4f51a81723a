package files

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func write(t *testing.T, path, text string, second int64) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	when := time.Unix(1e9+second, 0)
	if err := os.Chtimes(path, when, when); err != nil {
		t.Fatal(err)
	}
}

func TestReadPrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	for size, ok := range map[int]bool{0: true, mostBytes: true, mostBytes + 1: false} {
		write(t, path, strings.Repeat("x", size), 0)
		if text, err := ReadPrivate(path, ""); (err == nil) != ok || ok && len(text) != size {
			t.Errorf("%d bytes: %d read, %v; want them read: %v", size, len(text), err, ok)
		}
	}
	write(t, path, "", 0)
	for mode, ok := range map[os.FileMode]bool{0o600: true, 0o400: true, 0o610: false, 0o620: false, 0o640: false, 0o601: false, 0o602: false, 0o604: false} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadPrivate(path, "that is bad"); (err == nil) != ok || !ok && !strings.Contains(err.Error(), "and that is bad: chmod 600 "+path) {
			t.Errorf("mode %04o: %v; want it taken: %v", mode, err, ok)
		}
	}
	if _, err := ReadPrivate(filepath.Dir(path), ""); err == nil || !strings.Contains(err.Error(), "is a directory; name a file") {
		t.Errorf("a directory: %v", err)
	}
	if _, err := ReadPrivate(path+"x", ""); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

// Whoever may not read a file is told whom it is for, whoever runs this.
func TestAFileOfSomebodyElse(t *testing.T) {
	defer func(before func(string) (*os.File, error)) { open = before }(open)
	for err, remedy := range map[error]bool{syscall.EACCES: true, syscall.EPERM: true, syscall.EMFILE: false} {
		open = func(name string) (*os.File, error) { return nil, &fs.PathError{Op: "open", Path: name, Err: err} }
		_, got := ReadPrivate("the/file", "")
		if !errors.Is(got, err) || !strings.Contains(got.Error(), "the/file") || strings.Contains(got.Error(), "for its owner alone: run this program as that user, or give it the file (chown)") != remedy {
			t.Errorf("%v: %v; want a remedy: %v", err, got, remedy)
		}
	}
}

func TestAddLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "f")
	for before, want := range map[string]string{"": "line\n", "a\n": "a\nline\n", "a": "a\nline\n"} {
		if err := os.RemoveAll(filepath.Dir(path)); err != nil {
			t.Fatal(err)
		}
		if before != "" {
			if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			write(t, path, before, 0)
		}
		if err := AddLine(path, "line"); err != nil {
			t.Fatal(err)
		}
		text, _ := os.ReadFile(path)
		info, _ := os.Stat(path)
		if string(text) != want || info.Mode().Perm() != 0o600 {
			t.Errorf("%q becomes %q with mode %v; want %q, 0600", before, text, info.Mode(), want)
		}
	}
}

func TestWatched(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	write(t, path, "one", 1)
	reads := 0
	w, err := Watch("things", func() (string, error) {
		reads++
		text, err := os.ReadFile(path)
		if strings.Contains(string(text), "bad") {
			err = errors.New("it is bad")
		}
		return string(text), err
	}, path)
	if err != nil || w.Value() != "one" {
		t.Fatalf("Watch = %q, %v", w.Value(), err)
	}
	var log strings.Builder
	logger := slog.New(slog.NewTextHandler(&log, nil))
	for _, s := range []struct {
		what     string
		do       func()
		want     string
		reads    int
		log, not string
	}{
		{"nothing new", func() {}, "one", 1, "", "things"},
		{"another time", func() { write(t, path, "two", 2) }, "two", 2, "things have changed, and were read again", "ERROR"},
		{"another size", func() { write(t, path, "three", 2) }, "three", 3, "read again", "ERROR"},
		{"another mode", func() { _ = os.Chmod(path, 0o400) }, "three", 4, "read again", "ERROR"},
		{"a mistake", func() { _ = os.Chmod(path, 0o600); write(t, path, "bad", 3) }, "three", 5, "things have changed and cannot be used", "INFO"},
		{"is told once", func() {}, "three", 5, "", "things"},
		{"gone", func() { _ = os.Remove(path) }, "three", 6, "no such file", "INFO"},
		{"and back", func() { write(t, path, "four", 3) }, "four", 7, "read again", "ERROR"},
	} {
		log.Reset()
		s.do()
		if got := w.Now(logger); got != s.want || reads != s.reads || !strings.Contains(log.String(), s.log) || strings.Contains(log.String(), s.not) {
			t.Errorf("%s: %q after %d reads, log %s; want %q, %d, %q and no %q", s.what, got, reads, log.String(), s.want, s.reads, s.log, s.not)
		}
	}
	if _, err := Watch("things", func() (int, error) { return 0, fs.ErrNotExist }); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Watch = %v; want the error of the first read", err)
	}
}
