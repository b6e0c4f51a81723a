package trust

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"time"
)

// madeName is whom a certificate is for that a server made when it started: people read it in errors of TLS.
const madeName = "adit-server, made at its start"

// makePair makes a certificate that nobody vouches for, and its private key, which is never written anywhere.
func makePair() (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: madeName},
		NotBefore: time.Now().AddDate(-1, 0, 0), NotAfter: time.Now().AddDate(100, 0, 0), // nobody looks: clocks need not agree
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, err
}

// MadeAtStart reports whether a certificate is one that a server of ours made when it started: no authority vouches for it,
// and its pin does not last.
func MadeAtStart(cert *x509.Certificate) bool { return cert.Subject.CommonName == madeName }
