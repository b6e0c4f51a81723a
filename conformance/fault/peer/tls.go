package peer

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sync/atomic"
	"syscall"
	"time"
)

// A transport is what a tunnel's octets go through: TCP, or TLS around it.
type transport interface {
	net.Conn
	CloseWrite() error
	SetLinger(sec int) error
}

// secure is TLS around TCP.
type secure struct {
	*tls.Conn
	tcp  *net.TCPConn
	cert []byte // a server's, in DER
}

func (s secure) SetLinger(sec int) error { return s.tcp.SetLinger(sec) }

// CloseWrite ends this side's stream, that of TCP too.
func (s secure) CloseWrite() error {
	_ = s.Conn.CloseWrite()
	return s.tcp.CloseWrite()
}

// protocol is what both ends have to agree on.
const protocol = "adit/1"

// noApplicationProtocol is a record with the fatal alert of that name, as it is before there are keys (TLS-008).
var noApplicationProtocol = []byte{21, 3, 3, 0, 2, 2, 120}

// raw is TCP under TLS. The library takes its end for that of the stream; whether close_notify came first shows here alone.
type raw struct {
	*net.TCPConn
	ended atomic.Bool
}

func (r *raw) Read(p []byte) (int, error) {
	n, err := r.TCPConn.Read(p)
	if err == io.EOF {
		r.ended.Store(true)
	}
	return n, err
}

// cut reports whether a tunnel's stream has ended without close_notify (TLS-006).
func cut(sock transport) bool {
	s, ok := sock.(secure)
	return ok && s.NetConn().(*raw).ended.Load()
}

// errProtocol is the failure of a handshake without adit/1 (TLS-002).
var errProtocol = errors.New("the peer does not have the protocol adit/1")

// bug reports whether the peer has the mutant of that name.
func (o Options) bug(name string) bool { return o.Mutant == name }

// tlsConfig is how the peer speaks TLS; nil: it does not.
func (o Options) tlsConfig(role Role) (*tls.Config, error) {
	if o.Cert == "" && o.CA == "" && o.Pin == "" && !o.TLS {
		return nil, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS13, NextProtos: []string{protocol}}
	if o.bug("TLS-001") {
		c.MinVersion = tls.VersionTLS12
	}
	if role == Server {
		return c, o.serveTLS(c)
	}
	return c, o.dialTLS(c)
}

// serveTLS is what a server adds.
func (o Options) serveTLS(c *tls.Config) error {
	pair, err := tls.LoadX509KeyPair(o.Cert, o.CertKey)
	if err != nil {
		return fmt.Errorf("--cert: %w", err)
	}
	c.Certificates = []tls.Certificate{pair}
	c.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		switch {
		case slices.Contains(hello.SupportedProtos, protocol):
			return nil, nil
		case o.bug("TLS-002"):
			any := c.Clone()
			any.NextProtos = nil
			return any, nil
		case !o.bug("TLS-008"):
			_, _ = hello.Conn.Write(noApplicationProtocol) // before what the library says of an error
		}
		return nil, errProtocol
	}
	if o.ClientCA == "" {
		return nil
	}
	// TLS-005, TLS-009.
	if c.ClientCAs, err = pool(o.ClientCA); err != nil {
		return fmt.Errorf("--client-ca: %w", err)
	}
	c.ClientAuth, c.SessionTicketsDisabled = tls.RequireAndVerifyClientCert, !o.bug("TLS-009")
	switch {
	case o.bug("TLS-005"):
		c.ClientAuth = tls.VerifyClientCertIfGiven
	case o.bug("TLS-005-any"):
		c.ClientAuth = tls.RequireAnyClientCert
	}
	return nil
}

// dialTLS is what a client adds: by what it knows its server (TLS-004), and its own certificate.
func (o Options) dialTLS(c *tls.Config) error {
	var err error
	c.ServerName, _, _ = net.SplitHostPort(o.Server)
	c.InsecureSkipVerify = true // done below, so that mutants can leave parts of it out
	var roots *x509.CertPool
	if o.CA != "" {
		if roots, err = pool(o.CA); err != nil {
			return fmt.Errorf("--ca: %w", err)
		}
	}
	pin, err := hex.DecodeString(o.Pin)
	if err != nil {
		return fmt.Errorf("--pin: %w", err)
	}
	c.VerifyConnection = func(s tls.ConnectionState) error {
		if s.NegotiatedProtocol == "" && !o.bug("TLS-002") {
			return errProtocol
		}
		return o.knows(s.PeerCertificates, roots, pin, c.ServerName)
	}
	if o.Cert == "" {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(o.Cert, o.CertKey)
	if err != nil {
		return fmt.Errorf("--cert: %w", err)
	}
	c.Certificates = []tls.Certificate{pair}
	return nil
}

// knows checks a server's certificate (TLS-004): by roots and name, by a pin, or, with neither, not at all.
func (o Options) knows(shown []*x509.Certificate, roots *x509.CertPool, pin []byte, name string) error {
	v := x509.VerifyOptions{Roots: roots, DNSName: name, Intermediates: x509.NewCertPool()}
	for _, cert := range shown[1:] {
		v.Intermediates.AddCert(cert)
	}
	switch {
	case o.bug("TLS-004"):
		return nil
	case o.bug("TLS-004-name"):
		v.DNSName = ""
	case o.bug("TLS-004-expired"):
		v.CurrentTime = shown[0].NotBefore
	}
	if roots != nil {
		if _, err := shown[0].Verify(v); err != nil {
			return err
		}
	}
	digest := sha256.Sum256(shown[0].RawSubjectPublicKeyInfo)
	if len(pin) > 0 && string(digest[:]) != string(pin) && !o.bug("TLS-004-pin") {
		return errors.New("the server has another key than the one that was pinned")
	}
	return nil
}

func pool(file string) (*x509.CertPool, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	all := x509.NewCertPool()
	if !all.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s has no certificate", file)
	}
	return all, nil
}

// shake makes the handshake of a tunnel, and is done in handshakeTime whatever its peer does (TLS-010); c nil: there is none.
func (o Options) shake(ctx context.Context, role Role, tcp *net.TCPConn, c *tls.Config) (transport, error) {
	if c == nil || o.bug("TLS-001-plain") && !begins(tcp) {
		return tcp, nil
	}
	within := handshakeTime
	if o.bug("TLS-010") {
		within = time.Hour
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	begin := tls.Client
	if role == Server {
		begin = tls.Server
	}
	s := secure{Conn: begin(&raw{TCPConn: tcp}, c), tcp: tcp}
	if role == Server {
		s.cert = c.Certificates[0].Certificate[0]
	}
	err := s.HandshakeContext(ctx)
	if err == nil {
		return s, nil
	}
	_ = tcp.Close()
	return nil, cmp.Or(context.Cause(ctx), err)
}

// begins reports whether a client begins with TLS, and not with a frame. Its first octet is not read.
func begins(tcp *net.TCPConn) bool {
	raw, err := tcp.SyscallConn()
	if err != nil {
		return true
	}
	first := []byte{0}
	_ = raw.Read(func(fd uintptr) bool {
		n, _, err := syscall.Recvfrom(int(fd), first, syscall.MSG_PEEK)
		return n > 0 || err == nil || err != syscall.EAGAIN
	})
	return first[0] == 0x16
}

// encrypted reports whether the tunnel is.
func (t *tunnel) encrypted() bool { _, ok := t.sock.(secure); return ok }

// binds reports whether a binding is one of this tunnel's (AUTH-010).
func (t *tunnel) binds(b byte) bool {
	if !t.encrypted() {
		return b == 0
	}
	return b == 1 || b == 2 || b == 0 && t.bug("AUTH-021-tls")
}

// cb is what the proofs are tied to.
func (t *tunnel) cb() []byte {
	s, ok := t.sock.(secure)
	if !ok || t.binding == 0 || t.bug("AUTH-002-tls") {
		return make([]byte, 32)
	}
	state := s.ConnectionState()
	if t.binding == 1 {
		exported, err := state.ExportKeyingMaterial("EXPORTER-Channel-Binding", nil, 32)
		if err != nil {
			panic("peer: TLS without an exporter: " + err.Error())
		}
		return exported
	}
	cert := s.cert
	if t.role == Client {
		cert = state.PeerCertificates[0].Raw
	}
	digest := sha256.Sum256(cert)
	return digest[:]
}
