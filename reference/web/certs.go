package web

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"

	"github.com/adit-tunnel/adit/reference/files"
)

// Certificates are what visitors over TLS are shown: the pair of files, or one for each host that an authority gives by ACME.
type Certificates struct {
	pair *files.Watched[*tls.Certificate]
	acme *autocert.Manager // nil: the pair is shown
}

// OfFiles shows the certificate of files, which are read again when they change.
func OfFiles(pair *files.Watched[*tls.Certificate]) *Certificates { return &Certificates{pair: pair} }

// ByACME asks the authority at directory ("": Let's Encrypt) for a certificate when the first visitor comes for a host that
// has a route, and keeps it in the folder cache. The authority itself is known by those in known, nil: the system's. Whoever sets this accepts the authority's terms.
func ByACME(directory, email, cache string, known *x509.CertPool) *Certificates {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{RootCAs: known, MinVersion: tls.VersionTLS12}
	return &Certificates{acme: &autocert.Manager{
		Prompt: autocert.AcceptTOS, Cache: autocert.DirCache(cache), Email: email,
		Client: &acme.Client{DirectoryURL: directory, HTTPClient: &http.Client{Transport: transport, Timeout: time.Minute}, UserAgent: "adit"},
	}}
}

// config is what handshakes begin with. Named says which hosts have a route of their own.
func (c *Certificates) config(log *slog.Logger, named func(host string) bool) *tls.Config {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}
	if c.acme == nil {
		cfg.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.pair.Now(log), nil }
		return cfg
	}
	cfg.NextProtos = append(cfg.NextProtos, acme.ALPNProto)
	c.acme.HostPolicy = func(_ context.Context, host string) error {
		if !named(host) {
			return fmt.Errorf("web: %q has no mapping of its own, so no certificate is asked for", host)
		}
		return nil
	}
	cfg.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		cert, err := c.acme.GetCertificate(hello)
		if err != nil && !errors.Is(err, context.Canceled) {
			log.Warn("no certificate", "host", hello.ServerName, "visitor", hello.Conn.RemoteAddr(), "error", err)
		}
		return cert, err
	}
	return cfg
}

// challenges lets the authority look at what proves that a host is ours, by requests without TLS.
func (c *Certificates) challenges(next http.Handler) http.Handler {
	if c.acme == nil {
		return next
	}
	challenge := c.acme.HTTPHandler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS == nil {
			challenge.ServeHTTP(w, r)
		} else {
			next.ServeHTTP(w, r)
		}
	})
}
