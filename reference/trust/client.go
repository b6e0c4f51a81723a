package trust

import (
	"crypto/tls"
	"crypto/x509"
	"log/slog"

	"github.com/adit-tunnel/adit/reference/files"
)

// Client is by what a client knows the server (TLS-004), and its own certificate.
type Client struct {
	byKey       bool                           // the tunnel's key alone says whether it is the server: any certificate will do
	authorities *files.Watched[*x509.CertPool] // nil: those of the system
	pin         *Pin                           // in the place of chain and name; nil: none
	pair        *files.Watched[*tls.Certificate]
}

// NewClient reads what a client was told: the file of the authorities whose certificates it takes, empty for those of the
// system; a pin, empty for none, in whose presence nothing else of the server's certificate counts; and its own
// certificate and private key, empty if it has none. With byKey set and neither ca nor pin any certificate is taken: then the caller has
// to say nothing but HELLO before the server's proof, bound to this TLS connection, was right.
func NewClient(ca, pin, certFile, keyFile string, byKey bool) (*Client, error) {
	c := &Client{byKey: byKey && ca == "" && pin == ""}
	var err error
	if ca != "" {
		if c.authorities, err = watchPool("ca", ca); err != nil {
			return nil, err
		}
	}
	if pin != "" {
		p, err := ParsePin(pin)
		if err != nil {
			return nil, &Error{"pin", err}
		}
		c.pin = &p
	}
	if certFile != "" {
		if c.pair, err = watchPair("cert_key_file", certFile, keyFile); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// Config is the configuration of a handshake with the server that host names.
func (c *Client) Config(host string, log *slog.Logger) *tls.Config {
	cfg := base()
	cfg.ServerName = host
	if c.authorities != nil {
		cfg.RootCAs = c.authorities.Now(log)
	}
	cfg.InsecureSkipVerify = c.byKey || c.pin != nil // chain and name, but not that the server has the certificate's private key
	if c.pin != nil {
		cfg.VerifyConnection = c.checkPin
	}
	if c.pair != nil {
		pair := c.pair.Now(log)
		// Whatever the server asks for: one that does not suit it is refused by name, none is not.
		cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return pair, nil }
	}
	return cfg
}

func (c *Client) checkPin(state tls.ConnectionState) error {
	cert := state.PeerCertificates[0]
	if seen := PinOf(cert); seen != *c.pin {
		return &PinError{Want: *c.pin, Seen: seen, Made: MadeAtStart(cert)}
	}
	return nil
}
