package e2e

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/adit-tunnel/adit/reference/certtest"
)

// pebble is a small authority that speaks ACME, as its makers publish it: https://github.com/letsencrypt/pebble.
const pebble = "github.com/letsencrypt/pebble/v2/cmd/pebble@v2.8.0"

// startPebble runs an authority that finds every name at this machine, and returns where it is asked for certificates, where it
// shows its own, and the file by which its own server is known.
func startPebble(t *testing.T, http, https int) (directory, root, ca string) {
	t.Helper()
	dir := t.TempDir()
	install := exec.Command("go", "install", pebble)
	install.Env = append(os.Environ(), "GOBIN="+dir)
	if out, err := install.CombinedOutput(); err != nil {
		t.Skipf("not run: %s cannot be installed: %v: %s", pebble, err, out)
	}
	authorities := certtest.NewCA()
	cert, key := authorities.Issue(time.Hour, "127.0.0.1").Write(dir, "pebble")
	ask, manage := loopback(freePort(t)), loopback(freePort(t))
	config, err := json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress": ask, "managementListenAddress": manage, "certificate": cert, "privateKey": key,
		"httpPort": http, "tlsPort": https, "retryAfter": map[string]int{"authz": 1, "order": 1},
		"profiles": map[string]any{"default": map[string]any{"description": "for tests", "validityPeriod": 86400}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	authority := exec.Command(filepath.Join(dir, "pebble"), "-config", writeFile(t, filepath.Join(dir, "config.json"), "%s", config), "-dnsserver", namesOfThisMachine(t))
	authority.Env = append(os.Environ(), "PEBBLE_VA_NOSLEEP=1")
	start(t, "pebble", syscall.SIGTERM, authority)
	return "https://" + ask + "/dir", "https://" + manage + "/roots/0", certtest.File(dir, "ca.crt", authorities.PEM)
}

// namesOfThisMachine answers every question about a name: it is here.
func namesOfThisMachine(t *testing.T) string {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for buf := make([]byte, 1500); ; {
			n, from, err := pc.ReadFrom(buf)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buf[:n]) != nil || len(m.Questions) != 1 {
				continue
			}
			m.Response, m.Additionals = true, nil
			if q := m.Questions[0]; q.Type == dnsmessage.TypeA {
				m.Answers = []dnsmessage.Resource{{
					Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 60},
					Body:   &dnsmessage.AResource{A: [4]byte{127, 0, 0, 1}},
				}}
			}
			if answer, err := m.Pack(); err == nil {
				_, _ = pc.WriteTo(answer, from)
			}
		}
	}()
	t.Cleanup(func() { pc.Close(); <-ended })
	return pc.LocalAddr().String()
}

// A site gets its certificate from an authority at its first visit, and a name that is no site gets none.
func TestCertificatesOfAnAuthority(t *testing.T) {
	bin, dir := needBinaries(t), t.TempDir()
	plain, secure, site := freePort(t), freePort(t), httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }))
	t.Cleanup(site.Close)
	port := site.Listener.Addr().(*net.TCPAddr).Port
	directory, root, ca := startPebble(t, plain, secure)
	file := writeFile(t, filepath.Join(dir, "config.yaml"), "map: [{host: app.example.org, target_host: 127.0.0.1, target_port: %d, use_tunnel: false}]\n", port)
	start(t, "server", syscall.SIGTERM, exec.Command(filepath.Join(bin, "adit-server"), "--config", file, "--tunnel.enabled=false",
		"--api.listen_port", fmt.Sprint(freePort(t)), "--database.path", filepath.Join(dir, "m.db"), "--web.acme.cache", filepath.Join(dir, "acme"),
		"--web.listen", loopback(plain), "--web.listen_tls", loopback(secure), "--web.acme.enabled", "--web.acme.directory", directory, "--web.acme.ca", ca))
	get := func(c *http.Client, url string) ([]byte, error) {
		r, err := c.Get(url)
		if err != nil {
			return nil, err
		}
		defer r.Body.Close()
		return io.ReadAll(r.Body)
	}
	trusted := func(pem string) *x509.CertPool {
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM([]byte(pem))
		return pool
	}
	known, err := os.ReadFile(ca)
	if err != nil {
		t.Fatal(err)
	}
	authority := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusted(string(known))}, DisableKeepAlives: true}}
	var signed []byte
	eventually(t, "the authority's certificate", soon, func() (err error) {
		signed, err = get(authority, root)
		return err
	})
	visit := func(host string) ([]byte, error) {
		dial := &net.Dialer{}
		c := &http.Client{Transport: &http.Transport{
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return dial.DialContext(ctx, "tcp", loopback(secure))
			},
			TLSClientConfig: &tls.Config{RootCAs: trusted(string(signed))}, DisableKeepAlives: true,
		}}
		return get(c, "https://"+host+"/")
	}
	eventually(t, "the site with its certificate", 2*soon, func() error {
		body, err := visit("app.example.org")
		if err == nil && string(body) != "hello" {
			err = fmt.Errorf("%q came; want hello", body)
		}
		return err
	})
	if _, err := visit("other.example.org"); err == nil || !strings.Contains(err.Error(), "remote error: tls") {
		t.Errorf("a name that is no site: %v; want an alert of TLS", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "acme", "app.example.org")); err != nil {
		t.Error(err)
	}
}
