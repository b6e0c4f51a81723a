package client

import (
	"bufio"
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"net/url"
	"os"
	"strings"
	"time"

	"golang.org/x/net/proxy"

	"github.com/adit-tunnel/adit/reference/sock"
)

// Proxy is the way to a server through a proxy: HTTP CONNECT or SOCKS5.
type Proxy struct{ url *url.URL }

// longestAnswer bounds what a proxy may answer to CONNECT before the tunnel begins, in bytes.
const longestAnswer = 64 << 10

const proxyForms = "write http://HOST:PORT or socks5://HOST:PORT, with USER:PASSWORD@ before the HOST if it wants them, or env for what HTTPS_PROXY or ALL_PROXY says"

// ParseProxy reads the URL of a proxy for a server, host:port. Env is what the environment says for it, by HTTPS_PROXY or else
// ALL_PROXY, and NO_PROXY. Nil: the server is reached without.
func ParseProxy(text, server string) (*Proxy, error) {
	if text == "" {
		return nil, nil
	}
	if text != "env" {
		return parseProxy(text)
	}
	first := ""
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"} {
		first = cmp.Or(first, os.Getenv(name))
	}
	if first == "" || bypassed(server) {
		return nil, nil
	}
	if !strings.Contains(first, "://") { // as other programs read it
		first = "http://" + first
	}
	return parseProxy(first)
}

// bypassed reports whether NO_PROXY names server.
func bypassed(server string) bool {
	direct := false
	hosts := proxy.NewPerHost(dialFunc(func() {}), dialFunc(func() { direct = true }))
	for host := range strings.SplitSeq(cmp.Or(os.Getenv("NO_PROXY"), os.Getenv("no_proxy")), ",") {
		host = strings.TrimPrefix(strings.TrimSpace(host), ".")
		hosts.AddFromString(host + ",*." + host) // a name is also that of all below it
	}
	_, _ = hosts.Dial("tcp", server)
	return direct
}

// dialFunc is a dialer that only notes that it was chosen.
type dialFunc func()

func (f dialFunc) Dial(string, string) (net.Conn, error) { f(); return nil, net.ErrClosed }

func parseProxy(text string) (*Proxy, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, errors.New("this is not the URL of a proxy; " + proxyForms) // not err, which may have a password
	}
	p := &Proxy{u}
	switch {
	case u.Scheme == "https":
		return nil, fmt.Errorf("%v: a proxy is not spoken to by TLS; the tunnel itself is encrypted by --tls; %s", p, proxyForms)
	case u.Scheme != "http" && u.Scheme != "socks5" && u.Scheme != "socks5h":
		return nil, fmt.Errorf("%v is neither HTTP nor SOCKS5; %s", p, proxyForms)
	case u.Hostname() == "" || u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "":
		return nil, fmt.Errorf("%v has no host, or more than host and port; %s", p, proxyForms)
	case u.Port() == "" && u.Scheme == "http":
		u.Host = net.JoinHostPort(u.Hostname(), "80")
	case u.Port() == "":
		u.Host = net.JoinHostPort(u.Hostname(), "1080")
	}
	return p, nil
}

// String is the URL without the password.
func (p *Proxy) String() string { return p.url.Redacted() }

// Dial reaches server, host:port, whose name the proxy resolves.
func (p *Proxy) Dial(ctx context.Context, server string) (*sock.TCP, error) {
	socket, err := sock.Dial(ctx, p.url.Host)
	if err != nil {
		return nil, fmt.Errorf("the proxy %v: %w", p, err)
	}
	if p.url.Scheme == "http" {
		err = p.connect(ctx, socket.Conn, server)
	} else {
		err = p.socks(ctx, socket.Conn, server)
	}
	if err != nil {
		socket.Reset()
		return nil, fmt.Errorf("the proxy %v: %w", p, err)
	}
	return socket, nil
}

// connect asks an HTTP proxy for a connection.
func (p *Proxy) connect(ctx context.Context, conn *net.TCPConn, server string) error {
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	request := "CONNECT " + server + " HTTP/1.1\r\nHost: " + server + "\r\nUser-Agent: adit\r\n"
	if user := p.url.User; user != nil {
		password, _ := user.Password()
		request += "Proxy-Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(user.Username()+":"+password)) + "\r\n"
	}
	if _, err := io.WriteString(conn, request+"\r\n"); err != nil {
		return err
	}
	// What follows the answer is the tunnel's: it must not be read with it.
	r := textproto.NewReader(bufio.NewReader(io.LimitReader(byByte{conn}, longestAnswer)))
	line, err := r.ReadLine()
	version, status, _ := strings.Cut(line, " ")
	isHTTP := strings.HasPrefix(version, "HTTP/1.")
	if err == nil && isHTTP {
		_, err = r.ReadMIMEHeader()
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return fmt.Errorf("it does not answer as an HTTP proxy: %w", err)
	case !isHTTP:
		return fmt.Errorf("it does not answer as an HTTP proxy, but %.60q", line)
	case strings.HasPrefix(status, "407"):
		return fmt.Errorf("it wants a user and a password, or others (%.60q); write them into the URL, http://USER:PASSWORD@HOST:PORT", status)
	case !strings.HasPrefix(status, "2"):
		return fmt.Errorf("it does not connect to %s (%.60q); many allow port 443 alone: let the server's tunnel.listen_port be that", server, status)
	case !stop():
		return context.Cause(ctx)
	}
	return nil
}

// byByte reads one byte at a time, so that a buffer above has nothing that was not asked for.
type byByte struct{ io.Reader }

func (r byByte) Read(b []byte) (int, error) { return r.Reader.Read(b[:min(1, len(b))]) }

// socks asks a SOCKS5 proxy for a connection.
func (p *Proxy) socks(ctx context.Context, conn net.Conn, server string) error {
	var auth *proxy.Auth
	if user := p.url.User; user != nil {
		password, _ := user.Password()
		auth = &proxy.Auth{User: user.Username(), Password: password}
	}
	dialer, err := proxy.SOCKS5("tcp", p.url.Host, auth, nil)
	if err != nil {
		return err
	}
	// On a connection of our own, which the library would else wrap.
	_, err = dialer.(interface {
		DialWithConn(ctx context.Context, c net.Conn, network, address string) (net.Addr, error)
	}).DialWithConn(ctx, conn, "tcp", server)
	return err
}
