package client

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/adit-tunnel/adit/reference/session"
	"github.com/adit-tunnel/adit/reference/sock"
	"github.com/adit-tunnel/adit/reference/trust"
)

// dialServer reaches the server, and where the tunnel is to be encrypted makes sure that it is the right one before
// anything is said (TLS-004).
func (c *Client) dialServer(ctx context.Context) (sock.Socket, error) {
	socket, err := c.cfg.DialServer(ctx, c.cfg.Server)
	if err != nil || c.cfg.TLS == nil {
		return socket, err
	}
	host, _, err := net.SplitHostPort(c.cfg.Server)
	if err != nil {
		socket.Reset()
		return nil, err
	}
	secure := sock.ClientTLS(socket, c.cfg.TLS.Config(host, c.log))
	if err := secure.Handshake(ctx); err != nil {
		return nil, c.whyNoTLS(err)
	}
	return secure, nil
}

// Alerts of RFC 8446 that say what a user can do.
const (
	firstOfCertificates   tls.AlertError = 42 // bad, unsupported, revoked, expired, unknown
	lastOfCertificates    tls.AlertError = 46
	unknownAuthority      tls.AlertError = 48
	protocolVersion       tls.AlertError = 70
	certificateRequired   tls.AlertError = 116
	noApplicationProtocol tls.AlertError = 120
)

// whyRefused says in plain words what the server has refused by an alert, and the remedy. Other errors it returns as they
// are. With TLS 1.3 a server may refuse a client which believes the handshake to be over.
func whyRefused(err error) error {
	alert, ok := errors.AsType[tls.AlertError](err)
	switch {
	case !ok:
		return err
	case alert == protocolVersion:
		return fmt.Errorf("the server does not have TLS 1.3; -server has to name the tunnel port of an adit server: %w", err)
	case alert == noApplicationProtocol:
		return fmt.Errorf("%w: %w", errOtherServer, err)
	case alert == certificateRequired:
		return fmt.Errorf("the server wants a certificate of this client; name one that its security.tunnel.client_ca has issued by --cert_file and --cert_key_file: %w", err)
	case alert >= firstOfCertificates && alert <= lastOfCertificates, alert == unknownAuthority:
		return fmt.Errorf("the server refuses this client's certificate; --cert_file has to be one that its security.tunnel.client_ca has issued: %w", err)
	}
	return err
}

// whyNoTLS says in plain words why a handshake failed, and the remedy.
func (c *Client) whyNoTLS(err error) error {
	if e, ok := errors.AsType[*sock.NotTLSError](err); ok {
		switch speaks := session.Speaks(e.Begin); speaks {
		case "adit":
			return c.plainServer(err)
		case "":
			return fmt.Errorf("this is not an adit server with TLS; -server has to name its tunnel port: %w", err)
		default:
			return fmt.Errorf("this is not an adit server (it speaks %s); -server has to name its tunnel port: %w", speaks, err)
		}
	}
	if errors.Is(err, sock.ErrNoProtocol) {
		return fmt.Errorf("%w: %w", errOtherServer, err)
	}
	if e, ok := errors.AsType[*trust.PinError](err); ok && e.Made {
		return fmt.Errorf("%w, and its pin does not last; %s: %w", errMade, c.notByCertificate("--pin"), err)
	} else if ok {
		return fmt.Errorf("this is not the server whose key was pinned; if its key was changed, and by you, the pin is now %s: %w", e.Seen, err)
	}
	if e, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return c.whyNotTrusted(e)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("the server does not answer to TLS; -server has to name the tunnel port of an adit server that has keys, or security.tunnel.enable_tls: %w", err)
	}
	if errors.Is(err, sock.ErrCut) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		return c.plainServer(err)
	}
	return whyRefused(err)
}

var (
	errMade        = errors.New("the server has made its certificate when it started, as one with keys and without files does")
	errOtherServer = errors.New("this is a TLS server, and not an adit server; -server has to name its tunnel port")
)

// plainServer says what to do about a server without TLS.
func (c *Client) plainServer(err error) error {
	remedy := "give it keys (adit-server keygen NAME) or set security.tunnel.enable_tls there, or leave --tls out"
	if c.cfg.Session.Key != nil {
		remedy = "give it keys (adit-server keygen NAME); if it has them it was started with --plain: leave that out there, or start this client with --plain too"
	}
	return fmt.Errorf("the server ends what begins with TLS, as one without does; %s: %w", remedy, err)
}

// notByCertificate is the remedy where a server has no certificate by which it could be known.
func (c *Client) notByCertificate(flag string) string {
	if c.cfg.Session.Key == nil {
		return "start this client with a key of it (adit-server keygen NAME there)"
	}
	return "leave " + flag + " out, as the key says whether it is the right server, or name files there (security.tunnel.cert_file)"
}

// whyNotTrusted says why a server's certificate was refused.
func (c *Client) whyNotTrusted(e *tls.CertificateVerificationError) error {
	cert := e.UnverifiedCertificates[0]
	pin := trust.PinOf(cert)
	if trust.MadeAtStart(cert) {
		return fmt.Errorf("%w; %s: %w", errMade, c.notByCertificate("--ca"), e)
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](e); ok {
		return fmt.Errorf("nobody whom this client trusts vouches for the server's certificate; name the authority's file by --ca, "+
			"or if the server logs the same pin when it is ready, start this client with --pin %s: %w", pin, e)
	}
	if _, ok := errors.AsType[x509.HostnameError](e); ok {
		return fmt.Errorf("the server's certificate is for another name (%s); call the server by that in -server, or start this client with --pin %s if the server logs that pin: %w",
			strings.Join(names(cert), ", "), pin, e)
	}
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](e); ok && invalid.Reason == x509.Expired {
		return fmt.Errorf("the server's certificate is valid from %s to %s, and not now; renew it there, or look at this machine's clock: %w",
			cert.NotBefore.Format(time.DateTime), cert.NotAfter.Format(time.DateTime), e)
	}
	return fmt.Errorf("the server's certificate is refused: %w", e)
}

// names are whom a certificate is for.
func names(cert *x509.Certificate) []string {
	all := slices.Clone(cert.DNSNames)
	for _, ip := range cert.IPAddresses {
		all = append(all, ip.String())
	}
	if len(all) == 0 {
		return []string{"none: it has no subjectAltName"}
	}
	return all
}
