package client

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/adit-tunnel/adit/reference/certtest"
	"github.com/adit-tunnel/adit/reference/session"
	"github.com/adit-tunnel/adit/reference/trust"
	"github.com/adit-tunnel/adit/spec/wire"
)

// serve accepts connections until the test ends, and gives each to one, which may leave it open.
func serve(t *testing.T, one func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { defer c.Close(); one(c) })
		}
	})
	t.Cleanup(func() { l.Close(); all.Wait() })
	return l.Addr().String()
}

// says writes a text to whoever comes, and waits for its end.
func says(text string) func(net.Conn) {
	return func(c net.Conn) { io.WriteString(c, text); io.Copy(io.Discard, c) }
}

// shakes makes a handshake with whoever comes, and waits for its end.
func shakes(cfg *tls.Config) func(net.Conn) {
	return func(c net.Conn) { io.Copy(io.Discard, tls.Server(c, cfg)); io.Copy(io.Discard, c) }
}

// Whatever the user got wrong, the client says what it met and what to do, and never that it is connected.
func TestWhyThereIsNoTLSIsSaidInPlainWords(t *testing.T) {
	ca, dir := certtest.NewCA(), t.TempDir()
	pair := ca.Issue(time.Hour, "127.0.0.1").TLS()
	caFile := certtest.File(dir, "ca.crt", ca.PEM)
	good := &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"adit/1"}}
	with := func(change func(*tls.Config)) *tls.Config {
		cfg := good.Clone()
		change(cfg)
		return cfg
	}
	pin := trust.PinOf(pair.Leaf).String()
	wrong := strings.Repeat("00", 32)
	for _, c := range []struct {
		what    string
		server  func(net.Conn)
		ca, pin string
		want    []string
	}{
		{"SSH", says("SSH-2.0-OpenSSH_9.2\r\n"), caFile, "", []string{"this is not an adit server (it speaks SSH)", "-server has to name its tunnel port"}},
		{"HTTP", says("HTTP/1.1 400 Bad Request\r\n\r\n"), caFile, "", []string{"this is not an adit server (it speaks HTTP)"}},
		{"a plain server that speaks first", says("\x01\x05\x00\x00\x00\x00"), caFile, "", []string{"give it keys (adit-server keygen NAME) or set security.tunnel.enable_tls there, or leave --tls out"}},
		{"a plain server that ends the connection", func(c net.Conn) { c.Read(make([]byte, 1)) }, caFile, "", []string{"set security.tunnel.enable_tls there, or leave --tls out"}},
		{"something else", says("hello, world\n"), caFile, "", []string{"this is not an adit server with TLS;"}},
		{"a silent server", says(""), caFile, "", []string{"does not answer to TLS"}},
		{"HTTPS", shakes(with(func(c *tls.Config) { c.NextProtos = nil })), caFile, "", []string{"this is a TLS server, and not an adit server"}},
		{"HTTPS that is not trusted", shakes(with(func(c *tls.Config) { c.NextProtos = nil })), "", "", []string{"this is a TLS server, and not an adit server"}},
		{"HTTPS that refuses", shakes(with(func(c *tls.Config) { c.NextProtos = []string{"http/1.1"} })), caFile, "", []string{"this is a TLS server, and not an adit server"}},
		{"TLS 1.2", shakes(with(func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 })), caFile, "", []string{"does not have TLS 1.3"}},
		{"an authority that is not known", shakes(good), "", "", []string{"nobody whom this client trusts", "--ca", "--pin " + pin}},
		{"another pin", shakes(good), "", wrong, []string{"not the server whose key was pinned", "the pin is now " + pin}},
		{
			"another name", shakes(with(func(c *tls.Config) {
				c.Certificates = []tls.Certificate{ca.Issue(time.Hour, "other.example", "192.0.2.7").TLS()}
			})), caFile, "",
			[]string{"for another name (other.example, 192.0.2.7)", "-server", "--pin "},
		},
		{
			"a certificate that has expired", shakes(with(func(c *tls.Config) { c.Certificates = []tls.Certificate{ca.Issue(-time.Hour, "127.0.0.1").TLS()} })), caFile, "",
			[]string{"the server's certificate is valid from", "renew it there"},
		},
		{
			"a server that wants a certificate", shakes(with(func(c *tls.Config) { c.ClientAuth, c.ClientCAs = tls.RequireAndVerifyClientCert, ca.Pool() })), caFile, "",
			[]string{"wants a certificate of this client", "--cert_file and --cert_key_file"},
		},
	} {
		t.Run(c.what, func(t *testing.T) {
			known, err := trust.NewClient(c.ca, c.pin, "", "", false)
			if err != nil {
				t.Fatal(err)
			}
			lines := make(chan string, 1000)
			patience := soon
			if c.what == "a silent server" {
				patience = 100 * time.Millisecond
			}
			ctx, stop := context.WithCancel(t.Context())
			done := make(chan struct{})
			client := New(Config{
				Server: serve(t, c.server), TLS: known, ConnectTimeout: patience, RetryFirst: time.Millisecond, RetryMost: time.Millisecond,
				Logger: slog.New(slog.NewTextHandler(writerTo(lines), nil)),
			})
			go func() { defer close(done); client.Run(ctx) }()
			defer func() { stop(); <-done }()
			deadline := time.After(soon)
			for {
				select {
				case line := <-lines:
					if strings.Contains(line, "msg=connected") {
						t.Errorf("it counts as connected: %s", line)
					}
					if !strings.Contains(line, "msg=waiting") {
						continue
					}
					for _, word := range c.want {
						if !strings.Contains(line, word) {
							t.Errorf("the client says %s; want %q", line, word)
						}
					}
					return
				case <-deadline:
					t.Errorf("no line with %q", c.want)
					return
				}
			}
		})
	}
}

// AUTH-027: a client whose server ties proofs to something else does so too from the next attempt on, if that is tied to TLS as
// well. Nobody brings it to a proof that holds for every connection (AUTH-010).
func TestAClientTakesTheBindingOfItsServer(t *testing.T) {
	pair := certtest.NewCA().Issue(time.Hour, "127.0.0.1").TLS()
	anyone, err := trust.NewClient("", "", "", "", true)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what    string
		before  bool    // TLS ends before the server
		answers []uint8 // of the server, one for each attempt
		states  []uint8 // of the client
	}{
		{"the certificate", false, []uint8{2, 2}, []uint8{1, 2, 2}},
		{"the certificate, and then the exporter", false, []uint8{2, 1}, []uint8{1, 2, 1}},
		{"nothing", false, []uint8{0, 0}, []uint8{1, 1, 1}},
		{"nothing, for one that had gone over to the certificate", false, []uint8{2, 0}, []uint8{1, 2, 2}},
		{"what nobody knows", false, []uint8{77, 77}, []uint8{1, 1, 1}},
		{"the exporter, behind a balancer", true, []uint8{1, 2}, []uint8{0, 0, 0}},
	} {
		t.Run(c.what, func(t *testing.T) {
			stated := make(chan uint8)
			ctx, stop := context.WithCancel(t.Context())
			attempts := 0 // one is over before the next begins
			server := serve(t, func(raw net.Conn) {
				conn := tls.Server(raw, &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"adit/1"}})
				head := make([]byte, wire.HeaderLen)
				if _, err := io.ReadFull(conn, head); err != nil {
					return
				}
				payload := make([]byte, binary.BigEndian.Uint32(head[2:]))
				io.ReadFull(conn, payload)
				hello, err := wire.ParseHello(payload, true, wire.TagAuth)
				if err != nil {
					t.Error(err)
					return
				}
				n := min(attempts, len(c.answers)-1)
				attempts++
				select {
				case stated <- hello.Auth.Binding:
				case <-ctx.Done():
					return
				}
				conn.Write(wire.AppendHello(nil, wire.Hello{Auth: &wire.Auth{Scheme: wire.SchemeHMAC, Binding: c.answers[n]}}, false))
				conn.Write(wire.AppendAuth(nil, wire.Proof{}))
				io.Copy(io.Discard, conn)
			})
			client := New(Config{
				Server: server, TLS: anyone, TLSEndsBefore: c.before, ConnectTimeout: soon, RetryFirst: time.Millisecond, RetryMost: time.Millisecond,
				Session: session.Config{Key: &wire.Key{ID: "home"}, Protocol: session.Auto},
			})
			done := make(chan struct{})
			go func() { defer close(done); client.Run(ctx) }()
			defer func() { stop(); <-done }()
			for i, want := range c.states {
				if i > 0 && c.answers[i-1] == c.states[i-1] { // its proof was wrong: the client stays away for long
					return
				}
				select {
				case got := <-stated:
					if got != want {
						t.Fatalf("attempt %d states binding %d; want %d", i+1, got, want)
					}
				case <-time.After(soon):
					t.Fatalf("no attempt %d", i+1)
				}
			}
		})
	}
}
