package trust

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/adit-tunnel/adit/reference/certtest"
)

var silent = slog.New(slog.DiscardHandler)

// shake makes a handshake over TCP, in which the server says a byte at the end, and returns what each end says of it.
func shake(t *testing.T, server, client *tls.Config) (state tls.ConnectionState, serverErr, clientErr error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ended := make(chan error, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			ended <- err
			return
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(15 * time.Second))
		_, err = tls.Server(conn, server).Write([]byte{1})
		ended <- err
	}()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(15 * time.Second))
	secure := tls.Client(conn, client)
	_, clientErr = secure.Read(make([]byte, 1))
	conn.(*net.TCPConn).CloseWrite()
	return secure.ConnectionState(), <-ended, clientErr
}

// made is a server and what its clients may know of it.
type made struct {
	ca                *certtest.CA
	dir               string
	cert, key, caFile string
	pin               Pin
}

func makeServer(t *testing.T) made {
	t.Helper()
	m := made{ca: certtest.NewCA(), dir: t.TempDir()}
	pair := m.ca.Issue(time.Hour, "server.example", "127.0.0.1")
	m.cert, m.key = pair.Write(m.dir, "server")
	m.caFile = certtest.File(m.dir, "ca.crt", m.ca.PEM)
	m.pin = PinOf(pair.TLS().Leaf)
	return m
}

func mustServer(t *testing.T, cert, key, clientCA string) *Server {
	t.Helper()
	s, err := NewServer(cert, key, clientCA)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mustClient(t *testing.T, ca, pin, cert, key string) *Client {
	t.Helper()
	c, err := NewClient(ca, pin, cert, key, false)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TLS-004: by authority and name, or by pin in the place of both.
func TestAClientKnowsItsServer(t *testing.T) {
	m := makeServer(t)
	server := mustServer(t, m.cert, m.key, "")
	if got, lasts := server.Pin(silent); got != m.pin || !lasts {
		t.Errorf("the server's pin is %s; want %s", got, m.pin)
	}
	other := certtest.File(m.dir, "other.crt", certtest.NewCA().PEM)
	wrongPin := m.pin
	wrongPin[31]++
	for _, c := range []struct {
		what, ca, pin, host string
		want                any // a pointer to the client's error; nil: it has none
	}{
		{"authority and name", m.caFile, "", "server.example", nil},
		{"authority and address", m.caFile, "", "127.0.0.1", nil},
		{"authority and another name", m.caFile, "", "other.example", new(x509.HostnameError)},
		{"another authority", other, "", "server.example", new(x509.UnknownAuthorityError)},
		{"the authorities of the system", "", "", "server.example", new(x509.UnknownAuthorityError)},
		{"the pin, whatever the name is", "", m.pin.String(), "other.example", nil},
		{"the pin in base64", "", base64.StdEncoding.EncodeToString(m.pin[:]), "other.example", nil},
		{"another pin", "", wrongPin.String(), "server.example", new(*PinError)},
	} {
		state, _, err := shake(t, server.Config(silent), mustClient(t, c.ca, c.pin, "", "").Config(c.host, silent))
		if c.want == nil {
			if err != nil || state.Version != tls.VersionTLS13 || state.NegotiatedProtocol != "adit/1" {
				t.Errorf("%s: %v, version %x, ALPN %q; want TLS 1.3 and adit/1", c.what, err, state.Version, state.NegotiatedProtocol)
			}
		} else if err == nil || !errors.As(err, c.want) {
			t.Errorf("%s: %v; want a %T", c.what, err, c.want)
		}
	}
}

// TLS-005
func TestAServerKnowsItsClients(t *testing.T) {
	m := makeServer(t)
	clients := certtest.NewCA()
	server := mustServer(t, m.cert, m.key, certtest.File(m.dir, "clients.crt", clients.PEM))
	good, goodKey := clients.Issue(time.Hour, "workshop").Write(m.dir, "good")
	bad, badKey := certtest.NewCA().Issue(time.Hour, "workshop").Write(m.dir, "bad")
	for _, c := range []struct {
		what, cert, key, want string
	}{
		{"a certificate of its authority", good, goodKey, ""},
		{"none", "", "", "certificate required"},
		{"one of another authority", bad, badKey, "unknown certificate authority"},
	} {
		_, serverErr, err := shake(t, server.Config(silent), mustClient(t, m.caFile, "", c.cert, c.key).Config("server.example", silent))
		if (serverErr == nil) != (c.want == "") || (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: the server says %v, the client %v; want %q", c.what, serverErr, err, c.want)
		}
	}
	if cfg := server.current(silent); !cfg.SessionTicketsDisabled {
		t.Error("a client that was let in by a certificate may come back without one")
	}
}

// TLS-001
func TestNothingOlderThanTLS13(t *testing.T) {
	m := makeServer(t)
	server, client := mustServer(t, m.cert, m.key, "").Config(silent), mustClient(t, m.caFile, "", "", "").Config("server.example", silent)
	old := client.Clone()
	old.MinVersion, old.MaxVersion = 0, tls.VersionTLS12
	if _, serverErr, err := shake(t, server, old); serverErr == nil || err == nil {
		t.Errorf("a client of TLS 1.2: the server says %v, the client %v; want errors", serverErr, err)
	}
	oldServer := &tls.Config{MaxVersion: tls.VersionTLS12, Certificates: []tls.Certificate{*mustServer(t, m.cert, m.key, "").pair.Now(silent)}, NextProtos: []string{"adit/1"}}
	if _, serverErr, err := shake(t, oldServer, client); serverErr == nil || err == nil {
		t.Errorf("a server of TLS 1.2: the server says %v, the client %v; want errors", serverErr, err)
	}
}

func TestFilesThatCannotWorkAreRefusedByName(t *testing.T) {
	m := makeServer(t)
	dir := m.dir
	other, otherKey := m.ca.Issue(time.Hour, "other.example").Write(dir, "other")
	late, lateKey := m.ca.Issue(-time.Hour, "late.example").Write(dir, "late")
	text := certtest.File(dir, "text", []byte("no PEM\n"))
	broken := certtest.File(dir, "broken.crt", []byte("-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n"))
	sealed := certtest.File(dir, "sealed.key", []byte("-----BEGIN ENCRYPTED PRIVATE KEY-----\naGVsbG8=\n-----END ENCRYPTED PRIVATE KEY-----\n"))
	missing := filepath.Join(dir, "missing")
	for _, c := range []struct{ what, cert, key, clientCA, ca, pin, want, remedy string }{
		{what: "a certificate that is missing", cert: missing, key: m.key, want: "cert_file", remedy: "name a PEM file"},
		{what: "a key that is missing", cert: m.cert, key: missing, want: "key_file", remedy: "name the PEM file"},
		{what: "a certificate that is a folder", cert: dir, key: m.key, want: "cert_file", remedy: "name a PEM file"},
		{what: "no certificate in the file", cert: text, key: m.key, want: "cert_file", remedy: "BEGIN CERTIFICATE"},
		{what: "the key in the place of the certificate", cert: m.key, key: m.key, want: "cert_file", remedy: "BEGIN CERTIFICATE"},
		{what: "a broken certificate", cert: broken, key: m.key, want: "cert_file", remedy: "make it anew"},
		{what: "no key in the file", cert: m.cert, key: text, want: "key_file", remedy: "name the private key"},
		{what: "another certificate's key", cert: m.cert, key: otherKey, want: "key_file", remedy: "name the private key"},
		{what: "another key's certificate", cert: other, key: m.key, want: "key_file", remedy: "name the private key"},
		{what: "an encrypted key", cert: m.cert, key: sealed, want: "key_file", remedy: "openssl pkey"},
		{what: "an expired certificate", cert: late, key: lateKey, want: "cert_file", remedy: "renew it"},
		{what: "an authority of clients that is missing", cert: m.cert, key: m.key, clientCA: missing, want: "client_ca", remedy: "name a PEM file"},
		{what: "an authority of clients that has expired", cert: m.cert, key: m.key, clientCA: late, want: "client_ca", remedy: "renew it"},
		{what: "an authority that is none", ca: text, want: "ca", remedy: "BEGIN CERTIFICATE"},
		{what: "a pin that is too short", pin: "00ff", want: "pin", remedy: "64 hexadecimal digits"},
		{what: "a pin that is none", pin: "none", want: "pin", remedy: "64 hexadecimal digits"},
		{what: "a client's certificate without its key", ca: m.caFile, cert: m.cert, key: otherKey, want: "cert_key_file", remedy: "name the private key"},
	} {
		var err error
		if c.ca+c.pin == "" {
			_, err = NewServer(c.cert, c.key, c.clientCA)
		} else {
			_, err = NewClient(c.ca, c.pin, c.cert, c.key, false)
		}
		if e, ok := errors.AsType[*Error](err); !ok || e.Key != c.want || !strings.Contains(e.Error(), c.remedy) {
			t.Errorf("%s: %v; want %s named, and %q", c.what, err, c.want, c.remedy)
		}
	}
}

// A certificate is renewed without a restart, and one that cannot be used does not take the old one away.
func TestFilesAreReadAgain(t *testing.T) {
	m := makeServer(t)
	clients := certtest.NewCA()
	clientCA := certtest.File(m.dir, "clients.crt", clients.PEM)
	var lines bytes.Buffer
	log := slog.New(slog.NewTextHandler(&lines, nil))
	server := mustServer(t, m.cert, m.key, clientCA).Config(log)
	cert, key := clients.Issue(time.Hour, "workshop").Write(m.dir, "workshop")
	shown := func(what string, want Pin) {
		t.Helper()
		state, _, err := shake(t, server, mustClient(t, m.caFile, "", cert, key).Config("server.example", log))
		if err != nil {
			t.Errorf("%s: %v", what, err)
		} else if got := PinOf(state.PeerCertificates[0]); got != want {
			t.Errorf("%s the server shows %s; want %s", what, got, want)
		}
	}
	logged := func(what, word string, want int) {
		t.Helper()
		if got := strings.Count(lines.String(), word); got != want {
			t.Errorf("%s: %d lines with %q; want %d:\n%s", what, got, word, want, &lines)
		}
		lines.Reset()
	}
	shown("first", m.pin)
	shown("again", m.pin)
	logged("with nothing changed", "msg", 0)

	renewed := m.ca.Issue(2*time.Hour, "server.example")
	newCert, newKey := renewed.Write(t.TempDir(), "server")
	move(t, newCert, m.cert)
	shown("with a certificate that the key is not of", m.pin)
	shown("and once more", m.pin)
	logged("a file that cannot be used", "cannot be used", 1)
	move(t, newKey, m.key)
	shown("when the key has come", PinOf(renewed.TLS().Leaf))
	logged("files that can", "were read again", 1)

	if err := os.Remove(m.cert); err != nil {
		t.Fatal(err)
	}
	shown("without its file", PinOf(renewed.TLS().Leaf))
	logged("a file that is gone", "cannot be used", 1)

	certtest.File(m.dir, "clients.crt", append(certtest.NewCA().PEM, '\n'))
	if _, serverErr, _ := shake(t, server, mustClient(t, m.caFile, "", cert, key).Config("server.example", log)); serverErr == nil {
		t.Error("a client of an authority that counts no more is served")
	}
}

// move renames a file over another, which is how a file is replaced whole.
func move(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}
