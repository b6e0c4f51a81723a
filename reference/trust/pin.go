package trust

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"fmt"
)

// Pin is the SHA-256 of a certificate's public key (SubjectPublicKeyInfo, in DER). It prints as hexadecimal digits.
type Pin [sha256.Size]byte

// PinOf is the pin of a certificate.
func PinOf(cert *x509.Certificate) Pin { return sha256.Sum256(cert.RawSubjectPublicKeyInfo) }

func (p Pin) String() string { return hex.EncodeToString(p[:]) }

// ParsePin reads 64 hexadecimal digits, or 44 characters of base64.
func ParsePin(text string) (p Pin, err error) {
	digest, err := hex.DecodeString(text)
	if err != nil {
		digest, err = base64.StdEncoding.Strict().DecodeString(text)
	}
	if err != nil || len(digest) != len(p) {
		return p, fmt.Errorf("%q is not the SHA-256 of a public key; give the 64 hexadecimal digits that adit-server logs when it is ready, or the same in base64", text)
	}
	return Pin(digest), nil
}

// PinError is the failure of a handshake with a server that has another key than the one that was pinned.
type PinError struct {
	Want, Seen Pin
	Made       bool // the certificate is one that the server made when it started
}

func (e *PinError) Error() string {
	return fmt.Sprintf("the server's key has the pin %s, not %s", e.Seen, e.Want)
}
