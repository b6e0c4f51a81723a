package client

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/adit-tunnel/adit/reference/sock"
)

func TestProxiesAsPeopleWriteThem(t *testing.T) {
	for name, value := range map[string]string{"HTTPS_PROXY": "", "https_proxy": "", "ALL_PROXY": "", "all_proxy": "", "NO_PROXY": "", "no_proxy": ""} {
		t.Setenv(name, value)
	}
	for text, want := range map[string]string{
		"": "", "env": "", "http://p:3128": "http://p:3128", "http://p": "http://p:80", "socks5://[::1]": "socks5://[::1]:1080", "socks5h://p:1": "socks5h://p:1",
		"http://u:secret@p:1/": "http://u:xxxxx@p:1/",
	} {
		p, err := ParseProxy(text, "server.example:9000")
		if got := shown(p); err != nil || got != want {
			t.Errorf("ParseProxy(%q) = %s, %v; want %s", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"https://u:secret@p:1": "https://u:xxxxx@p:1: a proxy is not spoken to by TLS", "ftp://p:1": "neither HTTP nor SOCKS5", "p:3128": "neither HTTP nor SOCKS5", "http://": "has no host",
		"http://p:1/path": "has no host, or more than", "http://p:1?x": "has no host, or more", "http://u:secret@p:x": "this is not the URL of a proxy", "http://u:secret@ p": "this is not the URL",
	} {
		if _, err := ParseProxy(text, "h:1"); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "write http://HOST:PORT") || strings.Contains(err.Error(), "secret") {
			t.Errorf("ParseProxy(%q) = %v; want %q, the forms, and no password", text, err, want)
		}
	}
	t.Setenv("ALL_PROXY", "socks5://all:1")
	for _, c := range []struct{ https, no, server, want string }{
		{"", "", "server.example:9000", "socks5://all:1"},
		{"http://h:1", "", "server.example:9000", "http://h:1"},
		{"http://h:1", ".example", "server.example:9000", ""},
		{"h:1", "localhost", "127.0.0.1:9000", "http://h:1"},
		{"http://h:1", "192.0.2.0/24", "192.0.2.1:9000", ""},
	} {
		t.Setenv("HTTPS_PROXY", c.https)
		t.Setenv("NO_PROXY", c.no)
		if p, err := ParseProxy("env", c.server); err != nil || shown(p) != c.want {
			t.Errorf("with %+v: %s, %v", c, shown(p), err)
		}
	}
	t.Setenv("HTTPS_PROXY", "http://u:secret@h:x")
	if _, err := ParseProxy("env", "server.example:9000"); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("a bad HTTPS_PROXY = %v; want an error without its password", err)
	}
}

func shown(p *Proxy) string {
	if p == nil {
		return ""
	}
	return p.String()
}

// fakeProxy accepts one connection, which answer serves.
func fakeProxy(t *testing.T, answer func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(soon))
		answer(c)
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return l.Addr().String()
}

// httpProxy answers CONNECT, and what it says at once behind its answer is the server's.
func httpProxy(t *testing.T, asked *http.Request, answer string) func(net.Conn) {
	return func(c net.Conn) {
		r, err := http.ReadRequest(bufio.NewReader(c))
		if err != nil {
			t.Error(err)
			return
		}
		*asked = *r
		io.WriteString(c, answer)
		io.Copy(io.Discard, c)
	}
}

// socksProxy speaks RFC 1928 and RFC 1929: it wants a user and a password, and what it says behind its answer is the server's.
func socksProxy(t *testing.T, reply byte) func(net.Conn) {
	return func(c net.Conn) {
		want := func(text string) {
			got := make([]byte, len(text))
			if _, err := io.ReadFull(c, got); err != nil || string(got) != text {
				t.Errorf("the proxy reads %q, %v; want %q", got, err, text)
			}
		}
		want("\x05\x02\x00\x02")
		io.WriteString(c, "\x05\x02")
		want("\x01\x01u\x06secret")
		io.WriteString(c, "\x01\x00")
		want("\x05\x01\x00\x03\x0eserver.example\x23\x28")
		io.WriteString(c, "\x05"+string(reply)+"\x00\x01\x7f\x00\x00\x01\x00\x01hello")
		io.Copy(io.Discard, c)
	}
}

// A connection through a proxy begins with the first byte behind the proxy's answer.
func TestTheServerIsReachedThroughAProxy(t *testing.T) {
	var asked http.Request
	for scheme, answer := range map[string]func(net.Conn){
		"http": httpProxy(t, &asked, "HTTP/1.1 200 Connection established\r\nX: y\r\n\r\nhello"), "socks5": socksProxy(t, 0),
	} {
		p, err := ParseProxy(scheme+"://u:secret@"+fakeProxy(t, answer), "")
		if err != nil {
			t.Fatal(err)
		}
		socket, err := p.Dial(t.Context(), "server.example:9000")
		if err != nil {
			t.Errorf("%s: %v", scheme, err)
			continue
		}
		b, err := socket.Read(sock.NewPool(0, 100), 100)
		if err != nil || string(b.Bytes()) != "hello" {
			t.Errorf("%s: behind the answer comes %v, %v; want hello", scheme, b, err)
		}
		socket.Reset()
	}
	user, password, ok := (&http.Request{Header: http.Header{"Authorization": asked.Header["Proxy-Authorization"]}}).BasicAuth()
	if asked.Method != "CONNECT" || asked.RequestURI != "server.example:9000" || asked.Host != "server.example:9000" || asked.Header.Get("Authorization") != "" || !ok || user != "u" || password != "secret" {
		t.Errorf("the proxy was asked %s %s, Host %s, %v; want CONNECT with user and password", asked.Method, asked.RequestURI, asked.Host, asked.Header)
	}
}

func TestAProxyThatDoesNotConnect(t *testing.T) {
	for answer, want := range map[string]string{
		"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n": "write them into the URL", "HTTP/1.1 403 Forbidden\r\n\r\n": "does not connect to server.example:9000 (\"403 Forbidden\"); many allow port 443",
		"SSH-2.0-x\r\n": "it does not answer as an HTTP proxy", "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", longestAnswer): "it does not answer as an HTTP proxy",
	} {
		p, _ := ParseProxy("http://u:secret@"+fakeProxy(t, httpProxy(t, new(http.Request), answer)), "")
		if _, err := p.Dial(t.Context(), "server.example:9000"); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), p.url.Host) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%.40q: %v; want the proxy, %q, and no password", answer, err, want)
		}
	}
	p, _ := ParseProxy("socks5://u:secret@"+fakeProxy(t, socksProxy(t, 5)), "")
	if _, err := p.Dial(t.Context(), "server.example:9000"); err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("a SOCKS5 proxy that is refused: %v", err)
	}
	for _, scheme := range []string{"http", "socks5"} { // silent ones
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		p, _ = ParseProxy(scheme+"://"+fakeProxy(t, func(c net.Conn) { io.Copy(io.Discard, c) }), "")
		_, err := p.Dial(ctx, "server.example:9000")
		cancel()
		if ne, ok := errors.AsType[net.Error](err); !ok || !ne.Timeout() {
			t.Errorf("%s: a silent proxy: %v; want a timeout", scheme, err)
		}
	}
}
