package trust

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
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

// watched is what was made of files, and is made again when they have changed.
type watched[T any] struct {
	names []string
	read  func() (T, error)

	mu    sync.Mutex // guards the following fields
	value T
	look  string // of the files, when they were last read
}

// watch reads the files for the first time.
func watch[T any](read func() (T, error), names ...string) (*watched[T], error) {
	w := &watched[T]{names: names, read: read, look: look(names)}
	var err error
	w.value, err = read()
	return w, err
}

// now returns what the files hold, or if that is of no use what they last held; the log is told once.
func (w *watched[T]) now(log *slog.Logger) T {
	if w.changed() {
		if value, err := w.read(); err != nil {
			log.Error("files of certificates have changed and cannot be used; those that were read before go on", "error", err)
		} else {
			log.Info("files of certificates have changed, and were read again", "files", w.names)
			w.set(value)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.value
}

// changed reports whether the files look different, once for each look.
func (w *watched[T]) changed() bool {
	look := look(w.names)
	w.mu.Lock()
	defer w.mu.Unlock()
	before := w.look
	w.look = look
	return look != before
}

func (w *watched[T]) set(value T) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.value = value
}

// look is what shows that one of the files has changed, without reading it.
func look(names []string) string {
	var b strings.Builder
	for _, name := range names {
		if info, err := os.Stat(name); err != nil {
			b.WriteString("? ")
		} else {
			fmt.Fprint(&b, info.ModTime().UnixNano(), " ", info.Size(), " ")
		}
	}
	return b.String()
}

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
