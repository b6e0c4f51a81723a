package engine

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/adit-tunnel/adit/conformance/wire"
)

func poolOf(t *testing.T, pem string) *x509.CertPool {
	t.Helper()
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(pem)) {
		t.Fatal("no certificate in PEM")
	}
	return pool
}

// What a subject is given fits together, and each kind of certificate is wrong in what it is called for alone.
func TestCertificates(t *testing.T) {
	p := &papers{}
	given := p.given("192.0.2.7:9000")
	server, err := tls.X509KeyPair([]byte(given["cert"]), []byte(given["cert.key"]))
	if err != nil {
		t.Fatal(err)
	}
	client, err := tls.X509KeyPair([]byte(given["client.cert"]), []byte(given["client.key"]))
	if err != nil {
		t.Fatal(err)
	}
	servers, clients := poolOf(t, given["ca"]), poolOf(t, given["client.ca"])
	for _, tt := range []struct {
		name  string
		cert  *x509.Certificate
		roots *x509.CertPool
		host  string
		want  error // an example of its type; nil: it is good
		pin   bool  // it has the pinned key
	}{
		{"a server's", server.Leaf, servers, "127.0.0.1", nil, true},
		{"a server's, by its own address", server.Leaf, servers, "192.0.2.7", nil, true},
		{"a server's, for clients", server.Leaf, clients, "127.0.0.1", x509.UnknownAuthorityError{}, true},
		{"a client's", client.Leaf, clients, "client.example", nil, false},
		{"a client's, for servers", client.Leaf, servers, "client.example", x509.UnknownAuthorityError{}, false},
		{"a stranger's", p.Server(Certificate{Stranger: true}, "").Leaf, servers, "127.0.0.1", x509.UnknownAuthorityError{}, true},
		{"self-made", p.Server(Certificate{SelfMade: true}, "").Leaf, servers, "127.0.0.1", x509.UnknownAuthorityError{}, true},
		{"expired", p.Server(Certificate{Expired: true}, "").Leaf, servers, "127.0.0.1", x509.CertificateInvalidError{}, true},
		{"for another", p.Server(Certificate{Host: "other.example"}, "").Leaf, servers, "127.0.0.1", x509.HostnameError{}, true},
		{"for another, by that name", p.Server(Certificate{Host: "other.example"}, "").Leaf, servers, "other.example", nil, true},
		{"of another key", p.Server(Certificate{OtherKey: true}, "").Leaf, servers, "127.0.0.1", nil, false},
	} {
		_, err := tt.cert.Verify(x509.VerifyOptions{Roots: tt.roots, DNSName: tt.host, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
		same := false
		switch tt.want.(type) {
		case nil:
			same = err == nil
		case x509.UnknownAuthorityError:
			_, same = errors.AsType[x509.UnknownAuthorityError](err)
		case x509.CertificateInvalidError:
			_, same = errors.AsType[x509.CertificateInvalidError](err)
		case x509.HostnameError:
			_, same = errors.AsType[x509.HostnameError](err)
		}
		if !same {
			t.Errorf("%s: %v; want %T", tt.name, err, tt.want)
		}
		digest := sha256.Sum256(tt.cert.RawSubjectPublicKeyInfo)
		if pinned := hex.EncodeToString(digest[:]) == p.pin(); pinned != tt.pin {
			t.Errorf("%s: it has the pinned key: %t; want %t", tt.name, pinned, tt.pin)
		}
	}
}

// A far is the other end of an encrypted tunnel, or of what does not become one.
type far struct {
	tcp *net.TCPConn
	tls *tls.Conn
	err error // of the handshake
}

// facing is a T in a role whose subject is played by what far does with the next transport connection.
func facing(t *testing.T, role Role, change func(*tls.Config)) (*T, <-chan far) {
	t.Helper()
	et, _ := inbox()
	et.Case.Role = role
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	et.tunnels, et.At.Tunnel = l, l.Addr().String()
	et.encrypt()
	given := et.run.papers.given("")
	ends, opened := make(chan far, 1), make(chan net.Conn, 1)
	cfg := &tls.Config{MinVersion: tls.VersionTLS13, NextProtos: []string{"adit/1"}}
	if role == Client {
		cfg.RootCAs, cfg.ServerName = poolOf(t, given["ca"]), "127.0.0.1"
	} else {
		cfg.Certificates = []tls.Certificate{et.run.papers.Server(Certificate{}, "")}
	}
	if change != nil {
		change(cfg)
	}
	et.wg.Go(func() {
		var f far
		if role == Client {
			conn, err := net.Dial("tcp", et.At.Tunnel)
			if err != nil {
				ends <- far{err: err}
				return
			}
			f.tcp = conn.(*net.TCPConn)
			f.tls = tls.Client(&under{TCPConn: f.tcp}, cfg)
		} else {
			conn, err := l.Accept()
			if err != nil {
				ends <- far{err: err}
				return
			}
			f.tcp = conn.(*net.TCPConn)
			f.tls = tls.Server(&under{TCPConn: f.tcp}, cfg)
		}
		opened <- f.tcp
		if f.err = f.tls.Handshake(); f.err != nil {
			_ = f.tcp.Close()
		}
		ends <- f
	})
	t.Cleanup(func() {
		_ = l.Close()
		select {
		case conn := <-opened:
			_ = conn.Close()
		default:
		}
		et.finish()
	})
	return et, ends
}

func roles(t *testing.T, test func(t *testing.T, role Role)) {
	for _, role := range []Role{Server, Client} {
		t.Run(string(role), func(t *testing.T) { test(t, role) })
	}
}

// Frames pass both ways, the trace says that the transport is TLS, and the bindings are those of the other end.
func TestAnEncryptedTunnel(t *testing.T) {
	roles(t, func(t *testing.T, role Role) {
		et, ends := facing(t, role, nil)
		n := et.Tunnel()
		f := <-ends
		if f.err != nil {
			t.Fatal(f.err)
		}
		_ = f.tcp.SetDeadline(time.Now().Add(Answer))
		n.Send(Close(7))
		if got, _, err := wire.Read(f.tls); err != nil || got.String() != Close(7).String() {
			t.Errorf("%v, %v arrived", got, err)
		}
		_, _ = f.tls.Write(Close(8).Bytes())
		if got := outcome(et, func() { n.Expect("it comes", CloseFor(8)) }); got != "" {
			t.Errorf("a frame of the subject: %s", got)
		}
		events, _ := et.rec.Events()
		if text := events[0].String(); !strings.Contains(text, ` with TLS 1.3, ALPN "adit/1", suite at 127.0.0.1:`) {
			t.Errorf("the trace begins with %q", text)
		}
		state := f.tls.ConnectionState()
		exporter, err := state.ExportKeyingMaterial("EXPORTER-Channel-Binding", nil, 32)
		if cb := n.CB(1); err != nil || string(cb[:]) != string(exporter) {
			t.Errorf("binding 1: %x; the other end has %x, %v", cb, exporter, err)
		}
		if role != Client {
			state = n.tls.ConnectionState()
		}
		cert := state.PeerCertificates[0].Raw
		if cb := n.CB(2); cb != sha256.Sum256(cert) {
			t.Errorf("binding 2: %x; want the digest of %x", cb, cert)
		}
		if cb := n.CB(0); cb != (wire.CB{}) {
			t.Errorf("binding 0: %x", cb)
		}
		if role == Client && (et.Offer().ServerName != "" || len(et.Offer().SupportedVersions) != 1 || et.Offer().SupportedProtos[0] != "adit/1") {
			t.Errorf("the client's offer is %+v", et.Offer())
		}
	})
}

// Each way to end the suite's side is seen at the other end as what it is.
func TestEndsOfAnEncryptedTunnel(t *testing.T) {
	for name, tt := range map[string]struct {
		end  func(*Tunnel)
		want error
		cut  bool
	}{
		"in order":         {(*Tunnel).Finish, io.EOF, false},
		"cut off":          {(*Tunnel).CutOff, io.EOF, true},
		"inside a record":  {(*Tunnel).CutRecord, io.ErrUnexpectedEOF, true},
		"of TLS, not TCP":  {(*Tunnel).Notify, io.EOF, false},
		"closed at once":   {(*Tunnel).Close, io.EOF, true},
		"frames before it": {func(n *Tunnel) { n.Send(Close(1)); n.Finish() }, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			et, ends := facing(t, Client, nil)
			n := et.Tunnel()
			f := <-ends
			tt.end(n)
			_ = f.tcp.SetDeadline(time.Now().Add(Answer))
			if _, err := f.tls.Read(make([]byte, 1)); err != tt.want || wasCut(f.tls) != tt.cut {
				t.Errorf("the other end reads %v, without close_notify %t; want %v, %t", err, wasCut(f.tls), tt.want, tt.cut)
			}
			if name == "of TLS, not TCP" {
				_ = f.tcp.SetReadDeadline(time.Now().Add(Settle))
				if k, err := f.tcp.Read(make([]byte, 1)); k != 0 || err == io.EOF {
					t.Errorf("TCP ends, too: %d octets, %v", k, err)
				}
			}
		})
	}
}

// An alert, a cut and a reset of the subject's are its ends of the tunnel, and the trace tells them apart.
func TestTheSubjectEndsAnEncryptedTunnel(t *testing.T) {
	for name, tt := range map[string]struct {
		end  func(far)
		want string
		is   End
	}{
		"in order": {func(f far) { _ = f.tls.Close() }, "end of stream (FIN)", EndFIN},
		"cut off":  {func(f far) { _ = f.tcp.CloseWrite() }, "end of stream (FIN) without close_notify", EndFIN},
		"reset":    {func(f far) { _ = f.tcp.SetLinger(0); _ = f.tcp.Close() }, "reset (RST)", EndReset},
	} {
		t.Run(name, func(t *testing.T) {
			et, ends := facing(t, Server, nil)
			n := et.Tunnel()
			f := <-ends
			tt.end(f)
			if got := outcome(et, func() { n.ExpectClosed("it ends") }); got != "" {
				t.Fatal(got)
			}
			events, _ := et.rec.Events()
			if last := events[len(events)-1]; !strings.HasSuffix(last.String(), tt.want) || n.Ended() != tt.is {
				t.Errorf("the trace ends with %q, the tunnel is %v", last, n.Ended())
			}
		})
	}
}

// What a refusal is: a handshake that fails, or the end right behind it, before any frame.
func TestExpectRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		role   Role
		change func(*tls.Config) // of the subject
		suite  func(*T)
		does   func(far) // the subject, after a handshake
		hello  bool
		want   string // of what is charged; "": nothing is
		alert  tls.AlertError
	}{
		"by an alert":                            {role: Server, suite: func(t *T) { t.TLS().NextProtos = []string{"h2"} }, alert: NoApplicationProtocol},
		"an old version":                         {role: Server, suite: func(t *T) { t.TLS().MinVersion, t.TLS().MaxVersion = 0, tls.VersionTLS12 }, alert: 70},
		"a client's, of a certificate":           {role: Client, suite: func(t *T) { t.TLS().Certificates[0] = t.Certificate(Certificate{Stranger: true}) }, alert: 42},
		"a client's certificate":                 {role: Server, change: func(c *tls.Config) { c.ClientAuth = tls.RequireAnyClientCert }, alert: 116},
		"ended behind the handshake":             {role: Client, does: func(f far) { _ = f.tls.Close() }},
		"ended behind a HELLO":                   {role: Client, hello: true, does: func(f far) { _, _ = f.tls.Write(wire.Hello().Bytes()); _ = f.tls.Close() }},
		"ended behind a HELLO, which may not be": {role: Client, does: func(f far) { _, _ = f.tls.Write(wire.Hello().Bytes()); _ = f.tls.Close() }, want: "a frame"},
		"ended behind a frame":                   {role: Server, does: func(f far) { _, _ = f.tls.Write(KeepAlive().Bytes()); _ = f.tls.Close() }, want: "a frame"},
		"not ended":                              {role: Server, does: func(far) {}, want: "the tunnel is still open after "},
	} {
		t.Run(name, func(t *testing.T) {
			et, ends := facing(t, tt.role, tt.change)
			if tt.role == Client {
				et.target, _ = net.Listen("tcp", "127.0.0.1:0")
				et.At.Target = et.target.Addr().String()
				defer et.target.Close()
			}
			if tt.suite != nil {
				tt.suite(et)
			}
			done := make(chan struct{})
			go func() {
				defer close(done)
				if f := <-ends; f.err == nil && tt.does != nil {
					tt.does(f)
				}
			}()
			var alert tls.AlertError
			got := outcome(et, func() { alert = et.ExpectRefused("it is refused", tt.hello) })
			<-done
			if tt.want == "" && got != "" || tt.want != "" && !strings.HasPrefix(got, tt.want) {
				t.Errorf("charged %q; want %q", got, tt.want)
			}
			if alert != tt.alert {
				t.Errorf("the alert is %d; want %d", alert, tt.alert)
			}
			if cfg := et.TLS(); cfg.MinVersion != tls.VersionTLS13 || cfg.MaxVersion != 0 || cfg.NextProtos[0] != Protocol {
				t.Errorf("later tunnels are not as they should be: %+v", cfg)
			}
		})
	}
}

// A tunnel comes about with adit/1 alone, and session tickets are counted.
func TestAgreementAndTickets(t *testing.T) {
	et, ends := facing(t, Server, func(c *tls.Config) { c.NextProtos = nil })
	if got := outcome(et, func() { et.Tunnel() }); got != `""` {
		t.Errorf("a server that chooses no protocol: %q", got)
	}
	if f := et.findings[0]; f.Req != "TLS-002" {
		t.Errorf("charged to %s", f.Req)
	}
	<-ends
	for _, disabled := range []bool{false, true} {
		et, ends = facing(t, Server, func(c *tls.Config) { c.SessionTicketsDisabled = disabled })
		n := et.Tunnel()
		f := <-ends
		_, _ = f.tls.Write(Close(1).Bytes())
		n.Expect("it comes", CloseFor(1))
		if got := et.Tickets(); (got == 0) != disabled {
			t.Errorf("%d tickets of a server whose tickets are disabled: %t", got, disabled)
		}
	}
}

// As a client of a server under TLS the suite states a binding that the server has; a case can state another.
func TestWhichBindingTheSuiteStates(t *testing.T) {
	for _, c := range []struct {
		claims       map[string]string
		tls          *tls.Config
		chosen, want byte
	}{
		{nil, nil, 0, 0},
		{map[string]string{"binding": "2"}, nil, 0, 0},
		{nil, &tls.Config{}, 0, 1},
		{nil, &tls.Config{}, 2, 2},
		{map[string]string{"binding": "2"}, &tls.Config{}, 0, 2},
		{map[string]string{"binding": "2"}, &tls.Config{}, 1, 1},
	} {
		et := &T{Case: Case{Role: Server}, run: &Runner{Claims: c.claims}, tls: c.tls}
		et.Bind(c.chosen)
		if got := et.Auth(wire.NewKey("home")).Binding; got != c.want {
			t.Errorf("claims %v, TLS %v, chosen %d: the suite states %d; want %d", c.claims, c.tls != nil, c.chosen, got, c.want)
		}
	}
}
