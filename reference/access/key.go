package access

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/adit-tunnel/adit/reference/files"
)

// keyPrefix begins every API key, so that people and programs that look for leaked secrets know one.
const keyPrefix = "aditapi_"

// mostName bounds the name of a key, in characters.
const mostName = 64

// key is a line of the file: NAME ROLE DIGEST.
type key struct {
	who    Who
	digest [sha256.Size]byte // of the key as text
}

// same is replaced by a test that counts.
var same = subtle.ConstantTimeCompare

// find looks at all keys, and at each in the same time.
func find(all []key, text string) (who Who, ok bool) {
	digest := sha256.Sum256([]byte(text))
	for _, k := range all {
		if same(digest[:], k.digest[:]) == 1 {
			who, ok = k.who, true
		}
	}
	return who, ok
}

// AddKey makes a key and adds its digest to a file, which it makes if there is none. The key is returned, and kept nowhere.
func AddKey(path, name string, role Role) (text string, err error) {
	if err := checkName(name); err != nil {
		return "", err
	}
	all, err := readKeys(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	for _, k := range all {
		if k.who.Name == name {
			return "", fmt.Errorf("%s has a key %s already; remove its line first, or choose another name", path, name)
		}
	}
	secret := make([]byte, 32)
	rand.Read(secret)
	text = fmt.Sprintf("%s%s_%x", keyPrefix, name, secret) // one word, whatever splits at a colon
	digest := sha256.Sum256([]byte(text))
	return text, files.AddLine(path, fmt.Sprintf("%s %s %x", name, role, digest))
}

func checkName(name string) error {
	ok := len(name) >= 1 && len(name) <= mostName
	for _, c := range []byte(name) {
		ok = ok && (c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '-')
	}
	if !ok {
		return fmt.Errorf("%q is no name of a key: 1 to %d of A to Z, a to z, 0 to 9, dot, underscore and hyphen", name, mostName)
	}
	return nil
}

// readKeys reads the file of keys. Whoever may write it may add a key, so it is its owner's alone.
func readKeys(path string) ([]key, error) {
	text, err := files.ReadPrivate(path, "whoever writes a line into it can use the API")
	if err != nil {
		return nil, err
	}
	var all []key
	seen := map[string]int{} // the line of each name
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		k, err := parseKey(line)
		if before, twice := seen[k.who.Name]; err == nil && twice {
			err = fmt.Errorf("the name %s is that of line %d too", k.who.Name, before)
		}
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w; correct the line or remove it", path, n, err)
		}
		seen[k.who.Name] = n
		all = append(all, k)
	}
	return all, nil
}

func parseKey(line string) (k key, err error) {
	if strings.Contains(line, keyPrefix) {
		return k, errors.New("this is a key itself, and the file has digests: adit-server apikey NAME writes them")
	}
	parts := strings.Fields(line)
	if len(parts) != 3 {
		return k, errors.New("a line has a name, a role and a digest, as adit-server apikey NAME writes it")
	}
	if err := checkName(parts[0]); err != nil {
		return k, err
	}
	k.who.Name = parts[0]
	if k.who.Role, err = ParseRole(parts[1]); err != nil {
		return k, err
	}
	digest, err := hex.DecodeString(parts[2])
	if err != nil || len(digest) != len(k.digest) {
		return k, fmt.Errorf("the digest must be %d hexadecimal digits", 2*len(k.digest))
	}
	copy(k.digest[:], digest)
	return k, nil
}
