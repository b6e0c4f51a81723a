package keys

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"os"
	"sync"

	"github.com/adit-tunnel/adit/spec/wire"
)

// Ring is a server's keys, as its file had them when it was last read without a mistake. Safe for use from any number of
// goroutines.
type Ring struct {
	path string
	salt [sha256.Size]byte

	refreshing sync.Mutex // held while the file is read again: what is read last counts

	mu    sync.Mutex // guards the following fields
	keys  map[[sha256.Size]byte]Entry
	looks string // of the file when it was last read
}

// Open reads a server's file. One without keys is as good as any other: every client is denied.
func Open(path string) (*Ring, error) {
	r := &Ring{path: path}
	rand.Read(r.salt[:])
	r.looks = looks(path)
	all, err := read(path)
	if err != nil {
		return nil, err
	}
	r.set(all)
	return r, nil
}

// Find returns the secret of a key. It looks for a digest that nobody else can make, so that the time it takes says nothing
// about what is an ID, and what nearly is one (AUTH-008).
func (r *Ring) Find(id string) (wire.Secret, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	k, ok := r.keys[r.digest(id)]
	return k.Secret, ok
}

// Has reports whether a key is still among the server's.
func (r *Ring) Has(k Key) bool {
	secret, ok := r.Find(k.ID)
	return ok && subtle.ConstantTimeCompare(secret[:], k.Secret[:]) == 1
}

// Rights are what the clients of a key may have; false: the ring does not have it.
func (r *Ring) Rights(id string) (Rights, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e, ok := r.keys[r.digest(id)]
	return e.Rights, ok
}

// Len is how many keys there are.
func (r *Ring) Len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.keys)
}

// Refresh reads the file again if it looks different, and reports whether it did. With an error, which a file has once, the
// keys stay as they are.
func (r *Ring) Refresh() (changed bool, err error) {
	r.refreshing.Lock()
	defer r.refreshing.Unlock()
	if !r.noteLooks(looks(r.path)) {
		return false, nil
	}
	all, err := read(r.path)
	if err != nil {
		return false, err
	}
	r.set(all)
	return true, nil
}

// noteLooks reports whether the file looked different before.
func (r *Ring) noteLooks(now string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	before := r.looks
	r.looks = now
	return now != before
}

func (r *Ring) set(all []Entry) {
	keys := make(map[[sha256.Size]byte]Entry, len(all))
	for _, k := range all {
		keys[r.digest(k.ID)] = k
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.keys = keys
}

func (r *Ring) digest(id string) [sha256.Size]byte {
	return sha256.Sum256(append(r.salt[:len(r.salt):len(r.salt)], id...))
}

// looks is what shows that a file has changed, without reading it. A new mode counts: it may be why a file could not be read.
func looks(path string) string {
	info, err := os.Stat(path)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprint(info.ModTime().UnixNano(), " ", info.Size(), " ", info.Mode())
}
