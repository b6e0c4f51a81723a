package wire

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"slices"
)

// TypeAuth is the frame of the option auth; its payload stands in the table of section 30.
const TypeAuth Type = 0x19

// SchemeHMAC is the scheme that section 30 has.
const SchemeHMAC = 1

// A Key is what a client and its server have in common.
type Key struct {
	ID     string
	Secret [32]byte
}

// NewKey is a key with a secret that nobody knows.
func NewKey(id string) Key {
	k := Key{ID: id}
	_, _ = rand.Read(k.Secret[:]) // it never fails
	return k
}

// Line is the key as text.
func (k Key) Line() string {
	return "adit1:" + k.ID + ":" + base64.RawURLEncoding.EncodeToString(k.Secret[:])
}

// An Auth is the value of the tag auth, of scheme 1.
type Auth struct {
	Binding byte
	Nonce   [32]byte
	ID      string // of the key; a server's has none
}

// NewAuth is one with a nonce that nobody knows.
func NewAuth(binding byte, id string) Auth {
	a := Auth{Binding: binding, ID: id}
	_, _ = rand.Read(a.Nonce[:])
	return a
}

// TLV is the tag with the value.
func (a Auth) TLV() TLV {
	return TLV{TagAuth, append(append([]byte{SchemeHMAC, a.Binding}, a.Nonce[:]...), a.ID...)}
}

// Auth is the tag auth of a HELLO; ok is false for none, and for one of another scheme or shorter than it has to be.
func (f Frame) Auth() (a Auth, ok bool) {
	v, ok := f.Tag(TagAuth)
	if !ok || len(v) < 34 || v[0] != SchemeHMAC {
		return a, false
	}
	return Auth{Binding: v[1], Nonce: [32]byte(v[2:34]), ID: string(v[34:])}, true
}

// AuthSized reports whether the tag auth of a HELLO that a role sends has a size of its scheme (AUTH-013); a HELLO without it has none.
func (f Frame) AuthSized(from string) bool {
	v, ok := f.Tag(TagAuth)
	return !ok || authSized(v, from)
}

// authSized is AUTH-013: a scheme other than 1 has sizes of its own.
func authSized(value []byte, from string) bool {
	switch n := len(value); {
	case n == 0:
		return false
	case value[0] != SchemeHMAC:
		return true
	case from == "client":
		return n >= 35 && n <= 98
	default:
		return n == 34
	}
}

// A Proof shows that who sends it has a key.
type Proof [32]byte

// A CB ties proofs to a transport; the zero one to none.
type CB [32]byte

// Transcript is T: what both HELLOs said, as they were sent.
func Transcript(client, server Frame) [32]byte {
	return sha256.Sum256(append(client.Bytes(), server.Bytes()...))
}

// Proof is that of a role, client or server.
func (k Key) Proof(role string, cb CB, t [32]byte) (p Proof) {
	m := hmac.New(sha256.New, k.Secret[:])
	m.Write(slices.Concat([]byte("adit/1 "+role+" proof"), []byte{0}, cb[:], t[:]))
	m.Sum(p[:0])
	return p
}

// Prove is an AUTH with a proof.
func Prove(p Proof) Frame { return Raw(TypeAuth, p[:]...) }

// Admit is an AUTH without octets.
func Admit() Frame { return Raw(TypeAuth) }

// Proven is the proof of an AUTH; ok is false for one without octets.
func (f Frame) Proven() (p Proof, ok bool) {
	b, ok := f.Field("proof")
	copy(p[:], b)
	return p, ok && len(b) == len(p)
}
