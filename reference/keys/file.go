package keys

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"

	"github.com/adit-tunnel/adit/reference/files"
	"github.com/adit-tunnel/adit/spec/wire"
)

// Key is a key of section 30.
type Key = wire.Key

// Parse reads a key as text (AUTH-023).
func Parse(text string) (Key, error) { return wire.ParseKey(text) }

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
	text, err := files.ReadPrivate(path, "whoever has a key can be the client")
	if err != nil {
		return nil, err
	}
	return parse(path, text)
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
		if strings.HasPrefix(line, "-----BEGIN ") {
			return nil, fmt.Errorf("%s:%d: this is a PEM file, and none of keys; a certificate's private key is named by cert_key_file at the client, and security.tunnel.key_file at the server", path, n)
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

var (
	// ErrName is that of an ID that no key can have.
	ErrName = errors.New("no name of a key")
	// ErrTaken is that of an ID that a key has.
	ErrTaken = errors.New("a key has that name")
	// ErrNoKey is that of an ID that no key has.
	ErrNoKey = errors.New("no key has that name")
)

// refused is one of these errors, with a text of its own.
type refused struct {
	is   error
	text string
}

func (r *refused) Error() string { return r.text }

func (r *refused) Unwrap() error { return r.is }

// changing is held while a file is changed by this process.
var changing sync.Mutex

// cutOptions parts a key from what stands behind it. What is no key with options stays whole: the words for a broken key fit it.
func cutOptions(line string) (key, options string) {
	parts := strings.SplitN(line, ":", 3)
	secret, options, ok := strings.Cut(parts[len(parts)-1], " ")
	if len(parts) < 3 || !ok || strings.TrimSpace(options) == "" {
		return line, ""
	}
	return strings.Join([]string{parts[0], parts[1], secret}, ":"), options
}

// Add makes a new key with an ID and rights, and adds it to a server's file, which it makes if there is none.
func Add(path, id string, rights Rights) (Key, error) {
	if !wire.ValidKeyID(id) {
		return Key{}, &refused{ErrName, fmt.Sprintf("%q is no name of a key: 1 to %d of A to Z, a to z, 0 to 9, dot, underscore and hyphen", id, wire.MaxKeyID)}
	}
	changing.Lock()
	defer changing.Unlock()
	all, err := read(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Key{}, err
	}
	for _, k := range all {
		if k.ID == id {
			return Key{}, &refused{ErrTaken, fmt.Sprintf("%s has a key %s already; remove its line first, or choose another name", path, id)}
		}
	}
	key := Key{ID: id}
	rand.Read(key.Secret[:])
	return key, files.AddLine(path, strings.TrimSpace(key.Line()+" "+rights.String()))
}

// Remove takes a key out of a server's file.
func Remove(path, id string) error {
	changing.Lock()
	defer changing.Unlock()
	if _, err := read(path); err != nil { // a file with a mistake is its owner's to mend
		return err
	}
	removed, err := files.RemoveLines(path, func(line string) bool {
		text, _ := cutOptions(line)
		key, err := Parse(text)
		return err == nil && key.ID == id
	})
	if err == nil && !removed {
		err = &refused{ErrNoKey, fmt.Sprintf("there is no key %q; the list of keys shows those there are", id)}
	}
	return err
}
