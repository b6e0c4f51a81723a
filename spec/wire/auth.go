package wire

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
)

// TypeAuth is the frame of the option auth (PROTOCOL.md section 30): a proof of 32 bytes, or nothing. A side without
// the option takes it like any type that section 5 sets aside.
const TypeAuth Type = 0x19

// Sizes of the option auth, in bytes.
const (
	NonceLen = 32
	ProofLen = 32
	CBLen    = 32

	authLen = 1 + 1 + NonceLen // the tag auth without a key ID
)

// SchemeHMAC is the scheme of section 30, the only one that there is.
const SchemeHMAC = 1

// Bindings: what ties the proofs to the transport.
const (
	BindingNone        = 0 // CB is 32 zero bytes
	BindingExporter    = 1 // CB is what TLS exports for ExporterLabel, without context
	BindingCertificate = 2 // CB is CertificateCB
)

// ExporterLabel is that of RFC 9266.
const ExporterLabel = "EXPORTER-Channel-Binding"

// Auth is what a HELLO says about authentication. Of a scheme other than SchemeHMAC nothing else is known.
type Auth struct {
	Scheme  uint8
	Binding uint8 // as the peer sent it
	Nonce   [NonceLen]byte
	KeyID   string // of a client, as it sent it: 1 to MaxKeyID bytes, which ValidKeyID may refuse
}

// parseAuth reads the value of the tag auth.
func parseAuth(v []byte, client bool) (*Auth, error) {
	least, most := authLen, authLen
	if client {
		least, most = authLen+1, authLen+MaxKeyID
	}
	switch n := len(v); {
	case n > 0 && v[0] != SchemeHMAC:
		return &Auth{Scheme: v[0]}, nil
	case n < least || n > most: // AUTH-013
		return nil, tunnelError("AUTH-013", "tag auth with %d bytes", n)
	}
	return &Auth{SchemeHMAC, v[1], [NonceLen]byte(v[2:authLen]), string(v[authLen:])}, nil
}

// value is the value of the tag.
func (a *Auth) value(client bool) []byte {
	v := append([]byte{a.Scheme, a.Binding}, a.Nonce[:]...)
	if client {
		v = append(v, a.KeyID...)
	}
	return v
}

// CB is the channel binding: what both ends of one transport know, and nobody in their middle has at both.
type CB [CBLen]byte

// CertificateCB is the CB of BindingCertificate: of the server's end-entity certificate, in DER.
func CertificateCB(der []byte) CB { return sha256.Sum256(der) }

// A Transcript is T, what both sides said before the proofs.
type Transcript [sha256.Size]byte

// TranscriptOf is that of two HELLOs, each the whole frame as it was sent.
func TranscriptOf(clientHello, serverHello []byte) (t Transcript) {
	h := sha256.New()
	h.Write(clientHello)
	h.Write(serverHello)
	h.Sum(t[:0])
	return t
}

// A Proof shows that a side has a secret.
type Proof [ProofLen]byte

// Equal compares in a time that does not depend on the proofs (AUTH-008).
func (p Proof) Equal(q Proof) bool { return subtle.ConstantTimeCompare(p[:], q[:]) == 1 }

// ServerProof is the server's proof (AUTH-002).
func (s Secret) ServerProof(cb CB, t Transcript) Proof { return s.proof("adit/1 server proof", cb, t) }

// ClientProof is the client's proof (AUTH-002).
func (s Secret) ClientProof(cb CB, t Transcript) Proof { return s.proof("adit/1 client proof", cb, t) }

func (s Secret) proof(label string, cb CB, t Transcript) (p Proof) {
	m := hmac.New(sha256.New, s[:])
	m.Write(append([]byte(label), 0))
	m.Write(cb[:])
	m.Write(t[:])
	m.Sum(p[:0])
	return p
}

// AppendAuth appends an AUTH with a proof.
func AppendAuth(b []byte, p Proof) []byte {
	return append(AppendHeader(b, TypeAuth, ProofLen), p[:]...)
}

// AppendAuthEmpty appends the AUTH without bytes that lets a client in.
func AppendAuthEmpty(b []byte) []byte { return AppendHeader(b, TypeAuth, 0) }

// ParseAuth parses the payload of an AUTH; ok is false for one without bytes.
func ParseAuth(p []byte) (proof Proof, ok bool, err error) {
	switch len(p) {
	case 0:
		return Proof{}, false, nil
	case ProofLen:
		return Proof(p), true, nil
	}
	return Proof{}, false, badSize(TypeAuth, len(p))
}
