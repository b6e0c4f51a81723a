package wire

import (
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// Sizes of a key.
const (
	SecretLen = 32 // bytes
	MaxKeyID  = 64 // characters

	keyPrefix  = "adit1:"
	secretText = 43 // characters of base64 for SecretLen bytes
)

// A Key is what a client and its server have in common (PROTOCOL.md section 30).
type Key struct {
	ID     string
	Secret Secret
}

// A Secret is the part of a key that is never sent. Whatever prints one prints that it is one.
type Secret [SecretLen]byte

// Equal compares in a time that does not depend on the secrets (AUTH-008).
func (s Secret) Equal(t Secret) bool { return subtle.ConstantTimeCompare(s[:], t[:]) == 1 }

const unprinted = "(secret)"

// Format writes that there is a secret, whatever the verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(unprinted)) }

// MarshalText is for what does not ask Format, as a log in JSON.
func (Secret) MarshalText() ([]byte, error) { return []byte(unprinted), nil }

// Line is the key as text, with its secret.
func (k Key) Line() string {
	return keyPrefix + k.ID + ":" + base64.RawURLEncoding.EncodeToString(k.Secret[:])
}

// ParseKey reads a key as text, without a line break (AUTH-023). The error says which part is wrong and has nothing of the
// text in it: whoever swaps two parts would else find the secret in a log.
func ParseKey(line string) (Key, error) {
	rest, ok := strings.CutPrefix(line, keyPrefix)
	if !ok {
		return Key{}, errors.New("a key has adit1: in front")
	}
	id, text, _ := strings.Cut(rest, ":")
	if strings.Count(rest, ":") != 1 {
		return Key{}, errors.New("a key has two colons: adit1:<key ID>:<secret>")
	}
	switch at := strings.IndexFunc(id, notInKeyID); {
	case at >= 0:
		return Key{}, fmt.Errorf("character %d of the key ID is none of A to Z, a to z, 0 to 9, dot, underscore and hyphen", at+1)
	case !ValidKeyID(id):
		return Key{}, fmt.Errorf("the key ID has %d characters; want 1 to %d", len(id), MaxKeyID)
	}
	switch at := strings.IndexFunc(text, notInName); { // base64url has the characters of names
	case at >= 0: // the decoder would pass over line breaks
		return Key{}, fmt.Errorf("character %d of the secret is none of A to Z, a to z, 0 to 9, hyphen and underscore", at+1)
	case len(text) != secretText:
		return Key{}, fmt.Errorf("the secret has %d characters; want %d", len(text), secretText)
	}
	secret, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return Key{}, errors.New("the last character of the secret is none with which 32 bytes end; is it the right one?")
	}
	return Key{ID: id, Secret: Secret(secret)}, nil
}

// ValidKeyID reports whether a key can have the ID: 1 to 64 of A-Z, a-z, 0-9, dot, underscore and hyphen.
func ValidKeyID(id string) bool {
	return len(id) >= 1 && len(id) <= MaxKeyID && !strings.ContainsFunc(id, notInKeyID)
}

func notInKeyID(c rune) bool { return c != '.' && notInName(c) }
