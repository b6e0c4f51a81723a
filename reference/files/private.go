package files

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// mostBytes bounds a private file: some ten thousand lines.
const mostBytes = 1 << 20

// open is replaced by tests: a system lets root read everything.
var open = os.Open

// ReadPrivate reads a text file, and refuses one that others than its owner may read or write. Why says what they could do.
func ReadPrivate(path, why string) (string, error) {
	file, err := open(path)
	if errors.Is(err, fs.ErrPermission) {
		return "", fmt.Errorf("%w; it is for its owner alone: run this program as that user, or give it the file (chown)", err)
	}
	if err != nil {
		return "", err
	}
	defer file.Close()
	if err := private(file, why); err != nil {
		return "", err
	}
	text, err := io.ReadAll(io.LimitReader(file, mostBytes+1))
	switch {
	case err != nil:
		return "", err
	case len(text) > mostBytes:
		return "", fmt.Errorf("%s is no file of keys: it has more than 1 MiB", path)
	}
	return string(text), nil
}

func private(file *os.File, why string) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if info.IsDir() {
		return fmt.Errorf("%s is a directory; name a file", file.Name())
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 && runtime.GOOS != "windows" { // which has no such modes
		return fmt.Errorf("others may read or change %s (mode %04o), and %s: chmod 600 %s", file.Name(), mode, why, file.Name())
	}
	return nil
}

// AddLine writes a line behind those that a file has. It makes one, for its owner alone, where there is none.
func AddLine(path, line string) (err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	line += "\n"
	if last := []byte{'\n'}; info.Size() > 0 {
		if _, err := file.ReadAt(last, info.Size()-1); err != nil {
			return err
		}
		if last[0] != '\n' { // an editor may have left it out
			line = "\n" + line
		}
	}
	if _, err := io.WriteString(file, line); err != nil { // in one piece: a server may be reading
		return err
	}
	return file.Sync()
}

// RemoveLines takes the lines out of a file that gone is true of, all others as they are, and reports whether there were any. A
// program that reads the file at the same time sees it before or after.
func RemoveLines(path string, gone func(line string) bool) (removed bool, err error) {
	path, err = filepath.EvalSymlinks(path) // else a link would become a file of its own
	if err != nil {
		return false, err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return false, err
	}
	var kept strings.Builder
	for line := range strings.Lines(string(text)) {
		if gone(strings.TrimRight(line, "\r\n")) {
			removed = true
		} else {
			kept.WriteString(line)
		}
	}
	if !removed {
		return false, nil
	}
	next, err := os.CreateTemp(filepath.Dir(path), ".adit-*") // with mode 0600
	if err != nil {
		return false, err
	}
	_, err = next.WriteString(kept.String())
	if err = errors.Join(err, next.Sync(), next.Close()); err == nil {
		err = os.Rename(next.Name(), path)
	}
	if err != nil {
		_ = os.Remove(next.Name())
	}
	return err == nil, err
}
