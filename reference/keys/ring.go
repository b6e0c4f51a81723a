package keys

import (
	"crypto/rand"
	"crypto/sha256"
	"slices"

	"github.com/adit-tunnel/adit/reference/files"
	"github.com/adit-tunnel/adit/spec/wire"
)

// Ring is a server's keys, as its file had them when it was last read without a mistake. Safe for use from any number of
// goroutines.
type Ring struct {
	path string
	salt [sha256.Size]byte
	file *files.Watched[map[[sha256.Size]byte]Entry] // by the digests of their IDs
}

// Open reads a server's file. One without keys is as good as any other: every client is denied.
func Open(path string) (*Ring, error) {
	r := &Ring{path: path}
	rand.Read(r.salt[:])
	var err error
	r.file, err = files.Watch("keys", func() (map[[sha256.Size]byte]Entry, error) {
		all, err := read(path)
		if err != nil {
			return nil, err
		}
		keys := make(map[[sha256.Size]byte]Entry, len(all))
		for _, k := range all {
			keys[r.digest(k.ID)] = k
		}
		return keys, nil
	}, path)
	if err != nil {
		return nil, err
	}
	return r, nil
}

// Find returns the secret of a key. It looks for a digest that nobody else can make, so that the time it takes says nothing
// about what is an ID, and what nearly is one (AUTH-008).
func (r *Ring) Find(id string) (wire.Secret, bool) {
	k, ok := r.file.Value()[r.digest(id)]
	return k.Secret, ok
}

// Path is that of the file.
func (r *Ring) Path() string { return r.path }

// Has reports whether a key is still among the server's.
func (r *Ring) Has(k Key) bool {
	secret, ok := r.Find(k.ID)
	return ok && secret.Equal(k.Secret)
}

// Rights are what the clients of a key may have; false: the ring does not have it.
func (r *Ring) Rights(id string) (Rights, bool) {
	e, ok := r.file.Value()[r.digest(id)]
	return e.Rights, ok
}

// Len is how many keys there are.
func (r *Ring) Len() int { return len(r.file.Value()) }

// IDs lists the keys by name.
func (r *Ring) IDs() []string {
	ids := []string{}
	for _, k := range r.file.Value() {
		ids = append(ids, k.ID)
	}
	slices.Sort(ids)
	return ids
}

// Add makes a key and adds it to the file, and Remove takes one out. Either holds from the next Refresh on.
func (r *Ring) Add(id string) (Key, error) { return Add(r.path, id, Rights{}) }

// Remove is the opposite of Add.
func (r *Ring) Remove(id string) error { return Remove(r.path, id) }

// Refresh reads the file again if it looks different, and reports whether it did. With an error, which a file has once, the
// keys stay as they are.
func (r *Ring) Refresh() (changed bool, err error) { return r.file.Refresh() }

func (r *Ring) digest(id string) [sha256.Size]byte {
	return sha256.Sum256(append(r.salt[:len(r.salt):len(r.salt)], id...))
}
