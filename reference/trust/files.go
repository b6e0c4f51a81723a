package trust

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"strings"
	"time"
)

// Error says what is wrong with what a key of the configuration names, and the remedy.
type Error struct {
	Key string // cert_file, key_file or cert_key_file, client_ca, ca or pin
	Err error
}

func (e *Error) Error() string { return e.Key + ": " + e.Err.Error() }

func (e *Error) Unwrap() error { return e.Err }

func wrong(key, format string, args ...any) error { return &Error{key, fmt.Errorf(format, args...)} }

// readPair reads a certificate, those behind it that lead to its authority, and its private key, whose file is what key names.
func readPair(key, certFile, keyFile string) (*tls.Certificate, error) {
	cert, _, err := readCertificates("cert_file", certFile)
	if err != nil {
		return nil, err
	}
	secret, err := os.ReadFile(keyFile)
	if err != nil {
		return nil, wrong(key, "%w; name the PEM file of the certificate's private key, and let this program read it", err)
	}
	if block, _ := pem.Decode(secret); block != nil && (strings.Contains(block.Type, "ENCRYPTED") || block.Headers["DEK-Info"] != "") {
		return nil, wrong(key, "%s is encrypted; write the key without passphrase (openssl pkey -in FILE -out NEW), readable by this program alone", keyFile)
	}
	pair, err := tls.X509KeyPair(cert, secret)
	if err != nil {
		return nil, wrong(key, "%s does not belong to cert_file, %s (%w); name the private key, in PEM form, that the certificate was made with", keyFile, certFile, err)
	}
	if err := checkTime(pair.Leaf); err != nil {
		return nil, wrong("cert_file", "%s %w", certFile, err)
	}
	return &pair, nil
}

// readPool reads the certificates of authorities.
func readPool(key, file string) (*x509.CertPool, error) {
	_, all, err := readCertificates(key, file)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	var late error
	usable := false
	for _, cert := range all {
		pool.AddCert(cert)
		if err := checkTime(cert); err == nil {
			usable = true
		} else {
			late = err
		}
	}
	if !usable {
		return nil, wrong(key, "%s %w", file, late)
	}
	return pool, nil
}

// readCertificates reads a PEM file with at least one certificate.
func readCertificates(key, file string) (text []byte, all []*x509.Certificate, err error) {
	text, err = os.ReadFile(file)
	if err != nil {
		return nil, nil, wrong(key, "%w; name a PEM file of certificates that this program can read", err)
	}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, nil, wrong(key, "%s holds a certificate that cannot be read (%w); make it anew", file, err)
		}
		all = append(all, cert)
	}
	if len(all) == 0 {
		return nil, nil, wrong(key, "%s holds no certificate in PEM form; name the file with -----BEGIN CERTIFICATE-----", file)
	}
	return text, all, nil
}

// checkTime refuses a certificate that is not valid now.
func checkTime(cert *x509.Certificate) error {
	now := time.Now()
	switch {
	case now.After(cert.NotAfter):
		return fmt.Errorf("has expired on %s; renew it", cert.NotAfter.Format(time.DateTime))
	case now.Before(cert.NotBefore):
		return fmt.Errorf("is not valid before %s; look at this machine's clock, or make it anew", cert.NotBefore.Format(time.DateTime))
	}
	return nil
}
