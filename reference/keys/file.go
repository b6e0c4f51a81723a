package keys

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/adit-tunnel/adit/spec/wire"
)

// Key is a key of section 30.
type Key = wire.Key

// Parse reads a key as text (AUTH-023).
func Parse(text string) (Key, error) { return wire.ParseKey(text) }

// mostBytes bounds a file of keys: some ten thousand of them.
const mostBytes = 1 << 20

// Read reads the file of a client, which has one key.
func Read(path string) (Key, error) {
	all, err := read(path)
	switch {
	case err != nil:
		return Key{}, err
	case len(all) != 1:
		return Key{}, fmt.Errorf("%s has %d keys; a client has one", path, len(all))
	case all[0].Rights.String() != "":
		return Key{}, fmt.Errorf("%s has options behind the key, which belong into the server's file; leave the key alone", path)
	}
	return all[0].Key, nil
}

// Entry is a line of a server's file: a key, and what its clients may have.
type Entry struct {
	Key
	Rights Rights
}

// read reads a file of keys. An error names the line and the part of it that is wrong, and never a secret.
func read(path string) ([]Entry, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if err := private(file); err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(file, mostBytes+1))
	switch {
	case err != nil:
		return nil, err
	case len(text) > mostBytes:
		return nil, fmt.Errorf("%s is no file of keys: it has more than 1 MiB", path)
	}
	return parse(path, string(text))
}

func parse(path, text string) ([]Entry, error) {
	var all []Entry
	seen := map[string]int{} // the line of each ID
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
		if line == "" || line[0] == '#' {
			continue
		}
		text, options := cutOptions(line)
		key, err := Parse(text)
		var rights Rights
		if err == nil {
			rights, err = ParseRights(strings.Fields(options))
		}
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w; correct the line or remove it", path, n, err)
		}
		if before, twice := seen[key.ID]; twice {
			return nil, fmt.Errorf("%s:%d: key ID %s is that of line %d too; remove one of them", path, n, key.ID, before)
		}
		seen[key.ID] = n
		all = append(all, Entry{key, rights})
	}
	return all, nil
}

// cutOptions parts a key from what stands behind it. What is no key with options stays whole: the words for a broken key fit it.
func cutOptions(line string) (key, options string) {
	parts := strings.SplitN(line, ":", 3)
	secret, options, ok := strings.Cut(parts[len(parts)-1], " ")
	if len(parts) < 3 || !ok || strings.TrimSpace(options) == "" {
		return line, ""
	}
	return strings.Join([]string{parts[0], parts[1], secret}, ":"), options
}

// private refuses a file that others than its owner may read or write.
func private(file *os.File) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if info.IsDir() {
		return fmt.Errorf("%s is a directory; name a file", file.Name())
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 && runtime.GOOS != "windows" { // which has no such modes
		return fmt.Errorf("others may read or change %s (mode %04o), and whoever has a key can be the client: chmod 600 %s", file.Name(), mode, file.Name())
	}
	return nil
}

// Add makes a new key with an ID and rights, and adds it to a server's file, which it makes if there is none.
func Add(path, id string, rights Rights) (Key, error) {
	if !wire.ValidKeyID(id) {
		return Key{}, fmt.Errorf("%q is no name of a key: 1 to %d of A to Z, a to z, 0 to 9, dot, underscore and hyphen", id, wire.MaxKeyID)
	}
	all, err := read(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Key{}, err
	}
	for _, k := range all {
		if k.ID == id {
			return Key{}, fmt.Errorf("%s has a key %s already; remove its line first, or choose another name", path, id)
		}
	}
	key := Key{ID: id}
	rand.Read(key.Secret[:])
	return key, add(path, strings.TrimSpace(key.Line()+" "+rights.String()))
}

// add writes a line behind those that a file has.
func add(path, line string) (err error) {
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
