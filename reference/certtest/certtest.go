// Package certtest makes certificates for tests: authorities, and what they issue. It panics where that fails, which
// takes a broken source of random numbers or disk.
package certtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// begin is before the time of testing/synctest.
var begin = time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC)

// CA is a certificate authority.
type CA struct {
	PEM  []byte // its certificate
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// NewCA returns an authority of its own.
func NewCA() *CA {
	key := newKey()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "an authority"}, NotBefore: begin, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der := must(x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key))
	return &CA{PEM: block("CERTIFICATE", der), cert: must(x509.ParseCertificate(der)), key: key}
}

// Pool is what trusts the authority.
func (ca *CA) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	return pool
}

// Pair is a certificate and its private key, as PEM.
type Pair struct{ Cert, Key []byte }

// Issue returns a certificate for hosts, names or addresses, that is valid for that long from now, and before.
func (ca *CA) Issue(valid time.Duration, hosts ...string) Pair {
	key := newKey()
	template := &x509.Certificate{
		SerialNumber: must(rand.Int(rand.Reader, big.NewInt(1<<62))), Subject: pkix.Name{CommonName: hosts[0]}, NotBefore: begin, NotAfter: time.Now().Add(valid),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	der := must(x509.CreateCertificate(rand.Reader, template, ca.cert, &key.PublicKey, ca.key))
	return Pair{Cert: block("CERTIFICATE", der), Key: block("PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(key)))}
}

// TLS is the pair for use.
func (p Pair) TLS() tls.Certificate { return must(tls.X509KeyPair(p.Cert, p.Key)) }

// Write writes the pair to NAME.crt and NAME.key of dir.
func (p Pair) Write(dir, name string) (certFile, keyFile string) {
	return File(dir, name+".crt", p.Cert), File(dir, name+".key", p.Key)
}

// File writes a file of dir and returns its path.
func File(dir, name string, content []byte) string {
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		panic(err)
	}
	return path
}

func newKey() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) }

func block(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
