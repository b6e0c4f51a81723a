package web

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/adit-tunnel/adit/reference/access"
	"github.com/adit-tunnel/adit/reference/certtest"
)

// client is a visitor that trusts ca and reaches the server by any name.
func (r *rig) client(t *testing.T, ca *certtest.CA) *http.Client {
	t.Helper()
	transport := &http.Transport{
		ForceAttemptHTTP2: true,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			to := r.plain
			if strings.HasSuffix(addr, ":443") {
				to = r.secure
			}
			return (&net.Dialer{}).DialContext(ctx, network, to)
		},
	}
	if ca != nil {
		transport.TLSClientConfig = &tls.Config{RootCAs: ca.Pool()}
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// get asks for a URL, and returns the answer and its body.
func get(t *testing.T, c *http.Client, url string, header ...string) (*http.Response, string) {
	t.Helper()
	q, err := http.NewRequest("GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		q.Header.Add(header[i], header[i+1])
	}
	w, err := c.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Body.Close()
	body, err := io.ReadAll(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	return w, string(body)
}

// Over TLS visitors speak HTTP/2 if they can; without it they are sent there.
func TestTLS(t *testing.T) {
	ca := certtest.NewCA()
	pair, rewrite := watched(t, ca, "a.b")
	r := begin(t, Config{Certificates: OfFiles(pair), Redirect: true})
	r.lead("a.b")
	r.lead("2001:db8::1")
	c := r.client(t, ca)
	if w, body := get(t, c, "https://a.b/x"); w.ProtoMajor != 2 || w.TLS.NegotiatedProtocol != "h2" || body != "/x" {
		t.Errorf("%s %s %s; want the service's answer by HTTP/2", w.Proto, w.Status, body)
	}
	if _, raw := r.service.seen(); !strings.Contains(raw, "X-Forwarded-Proto: https\r\n") || !strings.HasPrefix(raw, "GET /x HTTP/1.1\r\nHost: a.b\r\n") {
		t.Errorf("the service reads %q", raw)
	}
	_, port, _ := net.SplitHostPort(r.secure)
	for url, want := range map[string]string{"http://a.b/x?y=z": "https://a.b:" + port + "/x?y=z", "http://[2001:db8::1]:80/": "https://[2001:db8::1]:" + port + "/"} {
		if w, _ := get(t, c, url); w.StatusCode != 308 || w.Header.Get("Location") != want {
			t.Errorf("%s = %d to %s; want 308 to %s", url, w.StatusCode, w.Header.Get("Location"), want)
		}
	}
	r.tlsPort = 443
	for url, want := range map[string]string{"http://a.b/": "https://a.b/", "http://[2001:db8::1]:80/": "https://[2001:db8::1]/"} {
		if w, _ := get(t, c, url); w.Header.Get("Location") != want {
			t.Errorf("%s leads to %s; want %s", url, w.Header.Get("Location"), want)
		}
	}
	if w, _ := get(t, c, "http://evil.example/"); w.StatusCode != 404 {
		t.Errorf("a host without route = %d; want 404 and nothing that leads there", w.StatusCode)
	}
	if _, err := tls.Dial("tcp", r.secure, &tls.Config{RootCAs: ca.Pool(), ServerName: "a.b", MaxVersion: tls.VersionTLS11}); err == nil {
		t.Error("TLS 1.1 is spoken")
	}
	rewrite("c.d")
	r.lead("c.d")
	if w, body := get(t, r.client(t, ca), "https://c.d/x"); body != "/x" {
		t.Errorf("with a new certificate: %s %s", w.Status, body)
	}
}

// Who is asked for a key gets in with one that is for the route, and the service does not see it.
func TestUsers(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keys")
	keys := map[string]string{}
	for name, role := range map[string]access.Role{"ann": access.Visit, "bob": access.Visit, "operator": access.Operate} {
		var err error
		if keys[name], err = access.AddKey(file, name, role); err != nil {
			t.Fatal(err)
		}
	}
	guard, err := access.Open(file, "")
	if err != nil {
		t.Fatal(err)
	}
	r := begin(t, Config{Access: guard})
	r.lead("a.b")
	r.lead("a.b/shut", "ann", "operator")
	c := r.client(t, nil)
	basic := func(user, password string) string {
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
	}
	for _, q := range []struct {
		what, path, authorization string
		status                    int
		user                      string
	}{
		{"no key", "/shut", "", 401, ""},
		{"Ann's", "/shut/x", basic("whoever", keys["ann"]), 200, "ann"},
		{"Ann's as a token", "/shut", "Bearer " + keys["ann"], 200, "ann"},
		{"Ann's as a name", "/shut", basic(keys["ann"], ""), 200, "ann"},
		{"Bob's, who may not", "/shut", basic("ann", keys["bob"]), 403, ""},
		{"the operator's, of another role", "/shut", basic("ann", keys["operator"]), 403, ""},
		{"a guess", "/shut", basic("ann", "aditapi_ann_0"), 401, ""},
		{"no scheme", "/shut", keys["ann"], 401, ""},
		{"where nobody is asked", "/", basic("ann", "secret"), 200, "-"},
		{"the path in another way", "/x/../shut", "", 400, ""},
	} {
		w, body := get(t, c, "http://a.b"+q.path, "Authorization", q.authorization, "X-Forwarded-User", "root", "X_Forwarded_User", "root")
		_, raw := r.service.seen()
		if w.StatusCode != q.status {
			t.Errorf("%s: %d %s; want %d", q.what, w.StatusCode, body, q.status)
		}
		if asked := w.Header.Get("WWW-Authenticate"); (q.status == 401) != (asked == `Basic realm="adit", charset="UTF-8"`) {
			t.Errorf("%s: WWW-Authenticate is %q", q.what, asked)
		}
		switch {
		case q.status != 200 && raw != "":
			t.Errorf("%s: the service reads %q", q.what, raw)
		case q.user == "-" && !strings.Contains(raw, "Authorization: Basic"):
			t.Errorf("%s: the service's own header is gone: %q", q.what, raw)
		case q.status == 200 && q.user != "-" && (!strings.Contains(raw, "X-Forwarded-User: "+q.user+"\r\n") || strings.Contains(raw, "Authorization")):
			t.Errorf("%s: the service reads %q", q.what, raw)
		}
		if strings.Contains(strings.ToLower(raw), "user: root") {
			t.Errorf("%s: the service believes what the visitor says: %q", q.what, raw)
		}
	}
	if r.cfg.Access = nil; true {
		if w, _ := get(t, c, "http://a.b/shut", "Authorization", basic("", keys["ann"])); w.StatusCode != 401 {
			t.Errorf("a route with users on a server without keys = %d; want 401", w.StatusCode)
		}
	}
}

// Behind balancers the visitor is who they name, and before them whoever is connected.
func TestWhoVisits(t *testing.T) {
	ca := certtest.NewCA()
	pair, _ := watched(t, ca, "a.b")
	for _, c := range []struct {
		trusted, hops, proto string
		from                 string
		wantHops, wantProto  string
		status               int
	}{
		{"", "8.8.8.8", "https", "127.0.0.1", "127.0.0.1", "", 308},
		{"127.0.0.0/8", "8.8.8.8", "https", "8.8.8.8", "8.8.8.8, 127.0.0.1", "https", 200},
		{"127.0.0.0/8", "1.1.1.1, 8.8.8.8", "https", "8.8.8.8", "1.1.1.1, 8.8.8.8, 127.0.0.1", "https", 200},
		{"127.0.0.0/8,10.0.0.0/8", "1.1.1.1, 8.8.8.8, 10.1.1.1", "https", "8.8.8.8", "1.1.1.1, 8.8.8.8, 10.1.1.1, 127.0.0.1", "https", 200},
		{"127.0.0.0/8", "8.8.8.8, nonsense", "https", "127.0.0.1", "8.8.8.8, nonsense, 127.0.0.1", "https", 200},
		{"127.0.0.0/8", "", "https", "127.0.0.1", "127.0.0.1", "https", 200},
		{"127.0.0.0/8", "::ffff:8.8.8.8", "https", "8.8.8.8", "::ffff:8.8.8.8, 127.0.0.1", "https", 200},
		{"127.0.0.0/8", "8.8.8.8", "http", "", "", "", 308},
		{"10.0.0.0/8", "8.8.8.8", "https", "", "", "", 308},
	} {
		var trusted []netip.Prefix
		for _, text := range strings.FieldsFunc(c.trusted, func(r rune) bool { return r == ',' }) {
			trusted = append(trusted, netip.MustParsePrefix(text))
		}
		r := begin(t, Config{Certificates: OfFiles(pair), Redirect: true, Trusted: trusted})
		var from netip.AddrPort
		route := r.lead("a.b")
		dial := route.Dial
		route.Dial = func(ctx context.Context, f netip.AddrPort) (net.Conn, error) { from = f; return dial(ctx, f) }
		header := []string{"X-Forwarded-Proto", c.proto}
		if c.hops != "" {
			header = append(header, "X-Forwarded-For", c.hops)
		}
		w, _ := get(t, r.client(t, ca), "http://a.b/", header...)
		if w.StatusCode != c.status {
			t.Errorf("%+v: %d", c, w.StatusCode)
		}
		if _, raw := r.service.seen(); c.status == 200 && (from.Addr().String() != c.from || !strings.Contains(raw, "X-Forwarded-For: "+c.wantHops+"\r\n") || !strings.Contains(raw, "X-Forwarded-Proto: "+c.wantProto+"\r\n")) {
			t.Errorf("%+v: the visitor is %v, and the service reads %q", c, from, raw)
		}
	}
}

// Headers by which services know who visits are the proxy's alone, however they are spelled.
func TestForwardedHeaders(t *testing.T) {
	r := begin(t, Config{})
	r.lead("a.b")
	lies := []string{"Forwarded", "for=8.8.8.8", "X-Real-IP", "8.8.8.8", "X_Forwarded_For", "8.8.8.8", "x-Forwarded_for", "8.8.8.8", "X-Forwarded-Prefix", "8.8.8.8", "X-Forwarded-Port", "8.8.8.8", "X-Kept", "yes"}
	get(t, r.client(t, nil), "http://a.b/", lies...)
	if _, raw := r.service.seen(); strings.Contains(raw, "8.8.8.8") || !strings.Contains(raw, "X-Kept: yes\r\n") {
		t.Errorf("the service reads %q", raw)
	}
}

// A visitor that sends or takes nothing is given up: with its header, with its body, and with the answer.
func TestSlowVisitors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Config{HeaderTimeout: 7 * time.Second})
		endless := make(chan struct{})
		s.Add(&Route{Host: "a.b", Dial: func(context.Context, netip.AddrPort) (net.Conn, error) {
			near, far := net.Pipe()
			go func() {
				defer far.Close()
				q, err := http.ReadRequest(newReader(far))
				if err != nil {
					return
				}
				if q.Method == "POST" {
					io.Copy(io.Discard, q.Body)
				}
				io.WriteString(far, "HTTP/1.1 200 OK\r\nContent-Length: 1099511627776\r\n\r\n")
				for {
					if _, err := far.Write(make([]byte, 64<<10)); err != nil {
						return
					}
				}
			}()
			return near, nil
		}})
		l := &pipes{all: make(chan net.Conn), done: endless}
		s.Serve(l, nil)
		for _, c := range []struct {
			name string
			play func(c net.Conn)
			want time.Duration
		}{
			{"nothing", func(net.Conn) {}, 7 * time.Second},
			{"a header that drips", func(c net.Conn) {
				go io.Copy(io.Discard, c)
				for _, b := range []byte("GET / HTTP/1.1\r\nHost: a.b\r\nX: " + strings.Repeat("x", 100)) {
					if _, err := c.Write([]byte{b}); err != nil {
						return
					}
					time.Sleep(time.Second)
				}
			}, 7 * time.Second},
			{"a body that stalls", func(c net.Conn) {
				io.WriteString(c, "POST / HTTP/1.1\r\nHost: a.b\r\nContent-Length: 9\r\n\r\n1234")
				io.Copy(io.Discard, c)
			}, time.Minute},
			{"a body that nobody wants", func(c net.Conn) {
				io.WriteString(c, "POST / HTTP/1.1\r\nHost: nobody\r\nContent-Length: 9\r\n\r\n1234")
				io.Copy(io.Discard, c)
			}, time.Minute},
			{"an answer that is not taken", func(c net.Conn) {
				io.WriteString(c, "GET / HTTP/1.1\r\nHost: a.b\r\n\r\n")
				c.Read(make([]byte, 1))
			}, time.Minute},
		} {
			near, far := net.Pipe()
			gone := &watchedConn{Conn: far, closed: make(chan struct{})}
			start := time.Now()
			l.all <- gone
			go c.play(near)
			<-gone.closed
			if took := time.Since(start); took < c.want || took > c.want+2*time.Second {
				t.Errorf("%s is given up after %v; want %v", c.name, took, c.want)
			}
			near.Close()
			synctest.Wait()
		}
		s.Close(t.Context())
	})
}
