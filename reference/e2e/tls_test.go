package e2e

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/adit-tunnel/adit/reference/certtest"
)

// identity is the files of a server and of its clients, all of one authority.
type identity struct {
	ca                    *certtest.CA
	dir, caFile           string
	serverCert, serverKey string
	clientCert, clientKey string
}

func newIdentity(t *testing.T) identity {
	t.Helper()
	id := identity{ca: certtest.NewCA(), dir: t.TempDir()}
	id.caFile = certtest.File(id.dir, "ca.crt", id.ca.PEM)
	id.serverCert, id.serverKey = id.ca.Issue(time.Hour, "127.0.0.1").Write(id.dir, "server")
	id.clientCert, id.clientKey = id.ca.Issue(time.Hour, "workshop").Write(id.dir, "client")
	return id
}

// server is what makes a server one over TLS.
func (id identity) server() []string {
	return []string{"-security.tunnel.enable_tls", "-security.tunnel.cert_file", id.serverCert, "-security.tunnel.key_file", id.serverKey}
}

// serverForClients is server, for clients with a certificate alone.
func (id identity) serverForClients() []string {
	return append(id.server(), "-security.tunnel.client_ca", id.caFile)
}

// client is what makes a client one of that server.
func (id identity) client() []string {
	return []string{"-tls", "-ca", id.caFile, "-cert_file", id.clientCert, "-cert_key_file", id.clientKey}
}

// TestTunnelOverTLS carries bytes both ways, in both profiles: some, much, and after the end of one direction.
func TestTunnelOverTLS(t *testing.T) {
	t.Parallel()
	needBinaries(t)
	const much = 32 << 20
	for _, protocol := range []string{"core", "extended"} {
		t.Run(protocol, func(t *testing.T) {
			id := newIdentity(t)
			tun := openServer(t, []string{service(t, echo), service(t, func(c *net.TCPConn) { // both ways at once
				var sending sync.WaitGroup
				sending.Go(func() { io.Copy(c, &source{seed: 92, left: much}) })
				got := checker{seed: 91}
				io.Copy(&got, io.LimitReader(c, much))
				sending.Wait()
				c.Write([]byte{byte(got.pos >> 24)})
				io.Copy(io.Discard, c)
			}), service(t, func(c *net.TCPConn) { // answers when it has seen the end
				if all, err := io.ReadAll(c); err == nil && len(all) == 1_000_000 {
					io.Copy(c, &source{seed: 94, left: 1_000_000})
				}
			})}, id.serverForClients()...)
			tun.startClient(t, append(id.client(), "-protocol", protocol)...)
			tun.server.log.wait(t, 0, "tunnel connected", "tls=true", "CN=workshop")
			tun.client.log.wait(t, 0, "msg=connected", "tls=true")
			for seed := range int64(5) {
				if err := echoed(tun.public[0], seed, 1_000_000); err != nil {
					t.Error(err)
				}
			}
			c := dial(t, tun.public[1])
			c.SetDeadline(time.Now().Add(2 * soon))
			sent := make(chan error, 1)
			go func() { _, err := io.Copy(c, &source{seed: 91, left: much}); sent <- err }()
			got := checker{seed: 92}
			if _, err := io.Copy(&got, io.LimitReader(c, much)); err != nil || got.pos != much {
				t.Errorf("%d of %d bytes from the service, %v", got.pos, much, err)
			}
			if err := <-sent; err != nil {
				t.Errorf("to the service: %v", err)
			}
			if b := []byte{0}; protocol == "extended" {
				if _, err := io.ReadFull(c, b); err != nil || b[0] != much>>24 {
					t.Errorf("the service has %d times 16 MiB, %v; want 2", b[0], err)
				}
				half := dial(t, tun.public[2])
				half.SetDeadline(time.Now().Add(2 * soon))
				io.Copy(half, &source{seed: 93, left: 1_000_000})
				half.CloseWrite()
				answer := checker{seed: 94}
				if _, err := io.Copy(&answer, half); err != nil || answer.pos != 1_000_000 {
					t.Errorf("the answer behind the end: %d bytes, %v", answer.pos, err)
				}
			}
		})
	}
}

// TestWhoIsRefusedOverTLS: who is not the right one is told, and nobody is served through it.
func TestWhoIsRefusedOverTLS(t *testing.T) {
	t.Parallel()
	needBinaries(t)
	id, stranger := newIdentity(t), newIdentity(t)
	encrypted := id.server()
	for _, c := range []struct {
		name           string
		server, client []string
		serverSays     []string
		clientSays     []string
	}{
		{"another authority", encrypted, []string{"-tls", "-ca", stranger.caFile}, []string{"tunnel refused", "the client refuses this server"}, []string{"nobody whom this client trusts", "--pin "}},
		{"another pin", encrypted, []string{"-tls", "-pin", "0000000000000000000000000000000000000000000000000000000000000000"}, []string{"tunnel refused"}, []string{"not the server whose key was pinned"}},
		{"no certificate of the client", id.serverForClients(), []string{"-tls", "-ca", id.caFile}, []string{"tunnel refused", "certificate"}, []string{"wants a certificate of this client", "--cert_file"}},
		{
			"a stranger's certificate", id.serverForClients(),
			[]string{"-tls", "-ca", id.caFile, "-cert_file", stranger.clientCert, "-cert_key_file", stranger.clientKey},
			[]string{"tunnel refused", "unknown authority"},
			[]string{"refuses this client's certificate"},
		},
		{"a plain client", encrypted, nil, []string{"tunnel refused", "start it with --tls"}, []string{"the server speaks TLS", "--tls"}},
		{"a plain server", nil, []string{"-tls", "-ca", id.caFile}, []string{"the client speaks TLS"}, []string{"security.tunnel.enable_tls"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			tun := openServer(t, []string{service(t, echo)}, c.server...)
			client := start(t, "adit-client", syscall.SIGTERM, tun.clientCommand(append(c.client, "-redial_delay", "10ms")...))
			tun.server.log.wait(t, 0, c.serverSays...)
			client.log.wait(t, 0, append([]string{"msg=waiting"}, c.clientSays...)...)
			if err := notServed(tun.public[0]); err != nil {
				t.Errorf("a visitor: %v", err)
			}
		})
	}
}

// TestRawTLSClients are clients of our own at a server over TLS: what it takes, and what it makes of their ends.
func TestRawTLSClients(t *testing.T) {
	t.Parallel()
	needBinaries(t)
	id := newIdentity(t)
	tun := openServer(t, []string{service(t, echo)}, append(id.server(), "-debug")...)
	good := &tls.Config{RootCAs: id.ca.Pool(), ServerName: "127.0.0.1", NextProtos: []string{"adit/1"}}
	for name, c := range map[string]struct {
		change func(*tls.Config)
		want   tls.AlertError
	}{
		"TLS 1.2":      {func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }, 70},
		"no ALPN":      {func(c *tls.Config) { c.NextProtos = nil }, 120},
		"another ALPN": {func(c *tls.Config) { c.NextProtos = []string{"h2", "http/1.1"} }, 120},
	} {
		cfg := good.Clone()
		c.change(cfg)
		mark := tun.server.log.mark()
		conn, err := tls.Dial("tcp", loopback(tun.tunnelPort), cfg)
		if err == nil {
			conn.Close()
			t.Errorf("%s: the handshake succeeds", name)
			continue
		}
		if e, ok := errors.AsType[*net.OpError](err); !ok || e.Err.Error() != c.want.Error() {
			t.Errorf("%s: %v; want the alert %v", name, err, c.want)
		}
		tun.server.log.wait(t, mark, "tunnel refused")
	}
	for name, c := range map[string]struct {
		end  func(*tls.Conn)
		want string
	}{
		"cut":            {func(c *tls.Conn) { c.NetConn().Close() }, "close_notify"},
		"ended in order": {func(c *tls.Conn) { c.Close() }, "EOF"},
	} {
		conn, err := tls.Dial("tcp", loopback(tun.tunnelPort), good)
		if err != nil {
			t.Fatal(err)
		}
		wantAlive(t, conn)
		tun.connected(t)
		mark := tun.server.log.mark()
		c.end(conn)
		tun.server.log.wait(t, mark, "tunnel lost", c.want)
		if err := notServed(tun.public[0]); err != nil {
			t.Errorf("%s: a visitor behind it: %v", name, err)
		}
	}
}

// TestARenewedCertificate is shown to the next client without a restart, and the tunnel that is there goes on.
func TestARenewedCertificate(t *testing.T) {
	t.Parallel()
	needBinaries(t)
	id := newIdentity(t)
	tun := openServer(t, []string{service(t, echo)}, id.server()...)
	tun.startClient(t, "-tls", "-ca", id.caFile)
	next := newIdentity(t)
	for _, files := range [][2]string{{next.serverCert, id.serverCert}, {next.serverKey, id.serverKey}} {
		if err := os.Rename(files[0], files[1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := echoed(tun.public[0], 1, 100_000); err != nil {
		t.Errorf("the tunnel that is there: %v", err)
	}
	second := start(t, "adit-client", syscall.SIGTERM, tun.clientCommand("-tls", "-ca", next.caFile))
	second.log.wait(t, 0, "msg=connected")
	tun.server.log.wait(t, 0, "were read again")
}
