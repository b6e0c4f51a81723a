package trust

import (
	"crypto/tls"
	"crypto/x509"

	"github.com/adit-tunnel/adit/reference/files"
)

// WatchPair reads a certificate for browsers and its private key.
func WatchPair(certFile, keyFile string) (*files.Watched[*tls.Certificate], error) {
	return watchPair("key_file", certFile, keyFile)
}

// ReadPool reads the authorities that a key of the configuration, ca, names.
func ReadPool(file string) (*x509.CertPool, error) { return readPool("ca", file) }
