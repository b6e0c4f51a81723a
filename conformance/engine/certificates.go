package engine

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// A Certificate says how one differs from that which the other end was told to expect; the zero value does not.
type Certificate struct {
	SelfMade bool   // nobody vouches for it
	Stranger bool   // an authority that nobody was told of vouches for it
	Expired  bool   // since yesterday
	Host     string // whom it is for; empty: the suite's addresses
	OtherKey bool   // its key is one that nobody was told of
}

// papers are the keys and authorities of a run. They are made when first asked for, and live in memory.
type papers struct {
	once                        sync.Once
	server, client              *ecdsa.PrivateKey // of the suite's certificates, and of those that a subject is given
	servers, clients, strangers *authority
	serial                      atomic.Int64
}

// An authority vouches for certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  string
}

func (p *papers) make() {
	p.server, p.client = newKey(), newKey()
	p.servers, p.clients, p.strangers = newAuthority("servers"), newAuthority("clients"), newAuthority("strangers")
}

func newAuthority(of string) *authority {
	key := newKey()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "adit-conform's authority of " + of},
		NotBefore: time.Now().AddDate(0, 0, -30), NotAfter: time.Now().AddDate(0, 0, 7),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der := sure(x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key))
	return &authority{sure(x509.ParseCertificate(der)), key, inPEM("CERTIFICATE", der)}
}

// issue makes a certificate of a key, as its owner was told to have it but for what how says.
func (p *papers) issue(a *authority, key *ecdsa.PrivateKey, how Certificate, hosts ...string) tls.Certificate {
	if how.OtherKey {
		key = newKey()
	}
	if how.Host != "" {
		hosts = []string{how.Host}
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(p.serial.Add(1) + 1), Subject: pkix.Name{CommonName: "adit-conform"},
		NotBefore: time.Now().AddDate(0, 0, -7), NotAfter: time.Now().AddDate(0, 0, 7),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if how.Expired {
		template.NotAfter = time.Now().AddDate(0, 0, -1)
	}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	if how.Stranger {
		a = p.strangers
	}
	issuer, signer := a.cert, a.key
	if how.SelfMade {
		issuer, signer = template, key
	}
	der := sure(x509.CreateCertificate(rand.Reader, template, issuer, &key.PublicKey, signer))
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: sure(x509.ParseCertificate(der))}
}

// hostsOf are whom the suite's certificates are for: an address of its own, and this machine.
func hostsOf(addr string) []string {
	hosts := []string{"localhost", "127.0.0.1", "::1"}
	if host, _, err := net.SplitHostPort(addr); err == nil && host != "" {
		hosts = append(hosts, host)
	}
	return hosts
}

// Server is a certificate for a server at addr; Client one for a client.
func (p *papers) Server(how Certificate, addr string) tls.Certificate {
	p.once.Do(p.make)
	return p.issue(p.servers, p.server, how, hostsOf(addr)...)
}

// Client is a certificate for a client.
func (p *papers) Client(how Certificate) tls.Certificate {
	p.once.Do(p.make)
	return p.issue(p.clients, p.client, how, "client.example")
}

// given is what a subject is given, in files by the names of their placeholders: a server its certificate and key, and the authority of
// its clients; a client the authority of its server, and a certificate and key of its own.
func (p *papers) given(addr string) map[string]string {
	server, client := p.Server(Certificate{}, addr), p.Client(Certificate{})
	return map[string]string{
		"cert": inPEM("CERTIFICATE", server.Certificate[0]), "cert.key": keyInPEM(server), "ca": p.servers.pem,
		"client.cert": inPEM("CERTIFICATE", client.Certificate[0]), "client.key": keyInPEM(client), "client.ca": p.clients.pem,
	}
}

// pin is what a client is given to know its server's key by: the SHA-256 of the SubjectPublicKeyInfo, in hexadecimal digits.
func (p *papers) pin() string {
	p.once.Do(p.make)
	digest := sha256.Sum256(sure(x509.MarshalPKIXPublicKey(&p.server.PublicKey)))
	return hex.EncodeToString(digest[:])
}

func newKey() *ecdsa.PrivateKey { return sure(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) }

func keyInPEM(c tls.Certificate) string {
	return inPEM("PRIVATE KEY", sure(x509.MarshalPKCS8PrivateKey(c.PrivateKey)))
}

func inPEM(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// sure is for what fails only without a source of random numbers, or by a bug.
func sure[V any](v V, err error) V {
	if err != nil {
		panic(fmt.Sprintf("engine: internal error: certificates: %v", err))
	}
	return v
}
