package client

import (
	"context"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"github.com/adit-tunnel/adit/reference/session"
	"github.com/adit-tunnel/adit/reference/sock"
)

func TestServicesAreFoundByTheirRules(t *testing.T) {
	var s Services
	if err := s.ParseProxyProtocol([]string{"127.0.0.1:80=v2", "10.0.0.0/8:81-82=v1", "web.example=v1", ":90=v2"}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		host, dialled string
		port          uint16
		want          string
	}{
		{"127.0.0.1", "127.0.0.1", 80, "v2"},
		{"127.0.0.1", "127.0.0.1", 81, ""},
		{"localhost", "127.0.0.1", 80, "v2"},
		{"localhost", "", 80, ""},
		{"::ffff:127.0.0.1", "", 80, "v2"},
		{"10.1.1.1", "", 82, "v1"},
		{"10.1.1.1", "", 83, ""},
		{"Web.Example.", "", 7, "v1"},
		{"any", "", 90, "v2"},
	} {
		addr, _ := netip.ParseAddr(c.dialled)
		if got := find(s.headers, c.host, addr, c.port); got != c.want {
			t.Errorf("%s (%s) port %d wants %q; want %q", c.host, c.dialled, c.port, got, c.want)
		}
	}
	for text, want := range map[string]string{"127.0.0.1:80": "has no =", "=v1": "bad host", "h=v3": `"v3" must be v1 or v2`, "h:0=v1": "bad ports"} {
		if err := new(Services).ParseProxyProtocol([]string{text}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q = %v; want %q", text, err, want)
		}
	}
	for text, want := range map[string]string{"h": "has no =", "h=x": "begins with /", "h:0=/x": "bad ports"} {
		if err := new(Services).ParseUnix([]string{text}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q = %v; want %q", text, err, want)
		}
	}
}

// A service at a Unix socket is reached by the host and port that stand for it, which need no other permission; both
// directions end by themselves, and it can be told of the visitor.
func TestAServiceAtAUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var s Services
	if err := s.ParseUnix([]string{"docker.internal:2375=" + path, "10.0.0.1:1=" + path + "x"}); err != nil {
		t.Fatal(err)
	}
	if err := s.ParseProxyProtocol([]string{"docker.internal=v1"}); err != nil {
		t.Fatal(err)
	}
	d := newDialer(Policy{}, s, "127.0.0.1")
	dial := func(host string, port uint16) (sock.Socket, error) {
		return d.service(context.Background(), session.Target{Host: host, Port: port, Origin: netip.MustParseAddrPort("192.0.2.1:5"), Local: netip.MustParseAddrPort("192.0.2.2:6")})
	}
	near, err := dial("docker.internal", 2375)
	if err != nil {
		t.Fatal(err)
	}
	far, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	near.WriteSome([][]byte{[]byte("question")})
	near.CloseWrite()
	if got, err := io.ReadAll(far); string(got) != "PROXY TCP4 192.0.2.1 192.0.2.2 5 6\r\nquestion" || err != nil {
		t.Errorf("the service reads %q, %v; want the header, the question and the end", got, err)
	}
	io.WriteString(far, "answer")
	far.Close()
	pool := sock.NewPool(0, 100)
	if b, err := near.Read(pool, 100); err != nil || string(b.Bytes()) != "answer" {
		t.Errorf("the visitor reads %v, %v; want the answer", b, err)
	}
	if _, err := near.Read(pool, 100); err != io.EOF {
		t.Errorf("and then %v; want the end", err)
	}
	near.Close()
	if _, err := dial("10.0.0.1", 1); session.StatusOf(err).String() != "general" || !strings.Contains(err.Error(), path+"x") {
		t.Errorf("without a socket there: %v; want an error that names it", err)
	}
	if _, err := dial("10.0.0.1", 2); session.StatusOf(err).String() != "denied" {
		t.Errorf("another port of that host: %v; want it denied", err)
	}
}
