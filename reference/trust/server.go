package trust

import (
	"crypto/tls"
	"crypto/x509"
	"log/slog"

	"github.com/adit-tunnel/adit/reference/files"
)

// protocol is what both ends have to agree on (TLS-002).
const protocol = "adit/1"

// Server is how a server shows who it is, and which clients it takes.
type Server struct {
	pair    *files.Watched[*tls.Certificate]
	made    bool                           // the certificate, when the server started
	clients *files.Watched[*x509.CertPool] // nil: any
}

// NewServer reads the server's certificate and its private key, and the authorities of its clients; clientCA empty: any
// client is taken. Without files the certificate is one of its own making, which suits those that know it by a key.
func NewServer(certFile, keyFile, clientCA string) (*Server, error) {
	s := &Server{made: certFile == ""}
	var err error
	if s.made {
		s.pair, err = files.Watch("certificate", makePair)
	} else {
		s.pair, err = watchPair("key_file", certFile, keyFile)
	}
	if err != nil || clientCA == "" {
		return s, err
	}
	s.clients, err = watchPool("client_ca", clientCA)
	return s, err
}

// Config is what every handshake begins with. It may be used for any number of them.
func (s *Server) Config(log *slog.Logger) *tls.Config {
	return &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return s.current(log), nil }}
}

// current is the configuration for the files as they are now.
func (s *Server) current(log *slog.Logger) *tls.Config {
	cfg := base()
	cfg.Certificates = []tls.Certificate{*s.pair.Now(log)}
	cfg.SessionTicketsDisabled = true // TLS-009; without them there is no early data either (TLS-003)
	if s.clients != nil {             // TLS-005
		cfg.ClientAuth, cfg.ClientCAs = tls.RequireAndVerifyClientCert, s.clients.Now(log)
	}
	return cfg
}

// AsksClients reports whether clients have to show a certificate (TLS-005).
func (s *Server) AsksClients() bool { return s.clients != nil }

// Pin is that of the server's certificate; false: it would not last, as the certificate is made at each start.
func (s *Server) Pin(log *slog.Logger) (Pin, bool) {
	return PinOf(s.pair.Now(log).Leaf), !s.made
}

// base is what both roles have in common.
func base() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13, // TLS-001
		NextProtos: []string{protocol},
		// Records of the size of a packet would cost a bulk stream more than a first byte gains by them.
		DynamicRecordSizingDisabled: true,
	}
}

func watchPair(key, certFile, keyFile string) (*files.Watched[*tls.Certificate], error) {
	return files.Watch("files of certificates", func() (*tls.Certificate, error) { return readPair(key, certFile, keyFile) }, certFile, keyFile)
}

func watchPool(key, file string) (*files.Watched[*x509.CertPool], error) {
	return files.Watch("files of certificates", func() (*x509.CertPool, error) { return readPool(key, file) }, file)
}
