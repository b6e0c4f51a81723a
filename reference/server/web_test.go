package server

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/adit-tunnel/adit/reference/mapping"
)

// withWeb starts a server with visitors of the web.
func withWeb(t *testing.T, change func(*Config)) *running {
	t.Helper()
	cfg := config(t)
	cfg.WebListen, cfg.Rules.Web = "127.0.0.1:0", true
	if change != nil {
		change(&cfg)
	}
	return run(t, cfg)
}

// publish makes a mapping of the web to a target.
func (r *running) publish(t *testing.T, place, target string, change func(*mapping.Request)) {
	t.Helper()
	host, port, err := mapping.ParseTarget(target)
	if err != nil {
		t.Fatal(err)
	}
	q := mapping.Request{TargetHost: host, TargetPort: &port}
	q.Host, q.Path, _ = strings.Cut(place, "/")
	if q.Path != "" {
		q.Path = "/" + q.Path
	}
	if change != nil {
		change(&q)
	}
	if _, err := r.mappings.Create(t.Context(), q); err != nil {
		t.Fatalf("Create(%+v) = %v", q, err)
	}
}

// site is a service of the web until the test ends, and returns its address.
func site(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: h}
	done := make(chan struct{})
	go func() { defer close(done); s.Serve(l) }()
	t.Cleanup(func() { s.Close(); <-done })
	return l.Addr().String()
}

// visit asks the web for a path of a host, over a connection of its own.
func (r *running) visit(t *testing.T, host, path string, header http.Header) (status int, body string) {
	t.Helper()
	q, err := http.NewRequest("GET", "http://"+r.webListener.Addr().String()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	q.Host, q.Close = host, true
	for name, values := range header {
		q.Header[name] = values
	}
	w, err := http.DefaultTransport.RoundTrip(q)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Body.Close()
	text, err := io.ReadAll(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	return w.StatusCode, string(text)
}

func TestTheWebThroughATunnel(t *testing.T) {
	r := withWeb(t, nil)
	shown := site(t, func(w http.ResponseWriter, q *http.Request) {
		fmt.Fprint(w, q.Host, q.URL, " ", q.Header.Get("X-Forwarded-For"), " ", q.Header.Get("X-Forwarded-Host"), " ", q.Header.Get("X-Forwarded-Proto"), " ", q.Header["X-Real-Ip"])
	})
	r.publish(t, "app.example.org", shown, nil)
	r.publish(t, "app.example.org/direct", shown, func(q *mapping.Request) { q.UseTunnel = new(false) })
	if status, body := r.visit(t, "app.example.org", "/", nil); status != 502 || !strings.Contains(body, "its client is not connected") || !strings.Contains(body, `"conn":"`) {
		t.Errorf("without a client: %d %s; want 502 and why", status, body)
	}
	r.connect(t, "127.0.0.1")
	for _, c := range []struct{ host, path, want string }{
		{"app.example.org", "/a?b=c;d", "app.example.org/a?b=c;d 127.0.0.1 app.example.org http []"},
		{"APP.example.org.:80", "/", "APP.example.org.:80/ 127.0.0.1 APP.example.org.:80 http []"},
		{"app.example.org", "/direct/x", "app.example.org/direct/x 127.0.0.1 app.example.org http []"},
	} {
		lies := http.Header{"X-Forwarded-For": {"8.8.8.8"}, "X-Real-Ip": {"8.8.8.8"}, "X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {"bank"}}
		if status, body := r.visit(t, c.host, c.path, lies); status != 200 || body != c.want {
			t.Errorf("%s%s = %d %s; want %s", c.host, c.path, status, body, c.want)
		}
	}
	if status, body := r.visit(t, "other.example.org", "/", nil); status != 404 || !strings.Contains(body, "nothing is published here by the name of other.example.org") {
		t.Errorf("another host: %d %s; want 404", status, body)
	}
	eventually(t, "idle connections to be over", func() bool { return r.active("app.example.org") == 0 && r.active("app.example.org/direct") == 0 })
	for _, s := range r.mappings.List() {
		if s.Total == 0 || s.In == 0 || s.Out == 0 {
			t.Errorf("%s counts %+v", s.Place(), s.Traffic)
		}
	}
}

// active is how many visitors a mapping has now.
func (r *running) active(place string) int {
	for _, s := range r.mappings.List() {
		if s.Place() == place {
			return s.Active
		}
	}
	return -1
}

// Why a service cannot be reached the visitor reads, and the log has its connection.
func TestTheWebSaysWhatIsWrong(t *testing.T) {
	r := withWeb(t, func(c *Config) { c.Web.ResponseTimeout = 50 * time.Millisecond })
	r.connect(t, "127.0.0.1")
	nobody := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	release := make(chan struct{})
	slow := site(t, func(http.ResponseWriter, *http.Request) { <-release })
	defer close(release)
	foreign := service(t, func(c *net.TCPConn) {
		bufio.NewReader(c).ReadString('\n')
		io.WriteString(c, "SSH-2.0-x\r\n\r\n")
	})
	direct := func(q *mapping.Request) { q.UseTunnel = new(false) }
	for _, c := range []struct {
		place, target string
		change        func(*mapping.Request)
		status        int
		want          string
	}{
		{"refused.t", nobody, nil, 502, "(refused)"},
		{"refused.d", nobody, direct, 502, "(refused)"},
		{"denied.t", "192.0.2.1:80", nil, 502, "(denied)"},
		{"slow.t", slow, nil, 504, "not answered in time"},
		{"slow.d", slow, direct, 504, "not answered in time"},
		{"foreign.t", foreign, nil, 502, "no answer that HTTP knows"},
		{"shut.t", nobody, func(q *mapping.Request) { q.Allow = []string{"192.0.2.0/24"} }, 403, "may not visit"},
		{"shut.d", nobody, func(q *mapping.Request) { q.UseTunnel = new(false); q.Deny = []string{"127.0.0.0/8"} }, 403, "may not visit"},
	} {
		r.publish(t, c.place, c.target, c.change)
		if status, body := r.visit(t, c.place, "/", nil); status != c.status || !strings.Contains(body, c.want) {
			t.Errorf("%s: %d %s; want %d and %q", c.place, status, body, c.status, c.want)
		}
	}
	if status, body := r.visit(t, "refused.t", "/", http.Header{"Accept": {"text/html,*/*"}}); status != 502 || !strings.HasPrefix(body, "<!doctype html>") || !strings.Contains(body, "(refused)") {
		t.Errorf("a browser reads %d %s; want a page", status, body)
	}
}

// The service hears of the visitor, and another visitor has another connection.
func TestConnectionsAreAVisitorsOwn(t *testing.T) {
	r := withWeb(t, nil)
	from := site(t, func(w http.ResponseWriter, q *http.Request) { fmt.Fprint(w, q.RemoteAddr) })
	r.publish(t, "a.b", from, nil)
	r.connect(t, "127.0.0.1")
	ask := func(c *http.Client) string {
		q, _ := http.NewRequest("GET", "http://"+r.webListener.Addr().String(), nil)
		q.Host = "a.b"
		w, err := c.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		defer w.Body.Close()
		text, _ := io.ReadAll(w.Body)
		return string(text)
	}
	one, two := &http.Client{Transport: &http.Transport{}}, &http.Client{Transport: &http.Transport{}}
	defer one.CloseIdleConnections()
	defer two.CloseIdleConnections()
	a, b, again := ask(one), ask(two), ask(one)
	if a != again || a == b {
		t.Errorf("the service sees %s, %s and again %s; want the first again, and another for another visitor", a, b, again)
	}
	var visitors []string
	for _, v := range r.visits() {
		visitors = append(visitors, v.Host+" "+netip.MustParseAddrPort(v.Visitor).Addr().String())
	}
	if fmt.Sprint(visitors) != "[a.b 127.0.0.1 a.b 127.0.0.1]" {
		t.Errorf("the API shows the visitors %v", visitors)
	}
}

// WebSocket passes, other upgrades do not: above all not h2c, whose frames nobody would look at.
func TestUpgrades(t *testing.T) {
	r := withWeb(t, nil)
	upgraded := site(t, func(w http.ResponseWriter, q *http.Request) {
		kind := q.Header.Get("Upgrade")
		if kind == "" {
			fmt.Fprint(w, "none ", q.Header["Http2-Settings"])
			return
		}
		c, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer c.Close()
		fmt.Fprintf(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n", kind)
		io.Copy(c, rw)
	})
	r.publish(t, "a.t", upgraded, nil)
	r.publish(t, "a.d", upgraded, func(q *mapping.Request) { q.UseTunnel = new(false) })
	r.connect(t, "127.0.0.1")
	for _, host := range []string{"a.t", "a.d"} {
		for kind, want := range map[string]string{"websocket": "HTTP/1.1 101 ", "h2c": "HTTP/1.1 200 ", "WebSocket, h2c": "HTTP/1.1 200 ", "TLS/1.0": "HTTP/1.1 200 "} {
			c := dial(t, r.webListener.Addr().String())
			fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: %s\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n", host, kind)
			in := bufio.NewReader(c)
			if line, err := in.ReadString('\n'); err != nil || !strings.HasPrefix(line, want) {
				t.Errorf("%s: an upgrade to %s is answered %q, %v; want %s", host, kind, line, err, want)
				continue
			}
			w, err := http.ReadResponse(bufio.NewReader(io.MultiReader(strings.NewReader(want+"x\r\n"), in)), nil)
			if err != nil {
				t.Fatal(err)
			}
			if kind != "websocket" {
				if body, _ := io.ReadAll(w.Body); string(body) != "none []" {
					t.Errorf("%s: with an upgrade to %s the service sees %s; want none of it", host, kind, body)
				}
				continue
			}
			io.WriteString(c, "ping")
			got := make([]byte, 4)
			if _, err := io.ReadFull(in, got); err != nil || string(got) != "ping" {
				t.Errorf("%s: after the upgrade %q, %v come back; want ping", host, got, err)
			}
			c.Close()
		}
	}
}

// What is open when the server stops is finished, and is not begun again.
func TestTheWebStopsInOrder(t *testing.T) {
	r := withWeb(t, nil)
	in, out := make(chan struct{}, 2), make(chan struct{})
	slow := site(t, func(w http.ResponseWriter, q *http.Request) {
		in <- struct{}{}
		<-out
		fmt.Fprint(w, "whole")
	})
	r.publish(t, "a.t", slow, nil)
	r.publish(t, "a.d", slow, func(q *mapping.Request) { q.UseTunnel = new(false) })
	r.connect(t, "127.0.0.1")
	results := make(chan string, 2)
	for _, host := range []string{"a.t", "a.d"} {
		go func() {
			status, body := r.visit(t, host, "/", nil)
			results <- fmt.Sprint(status, body)
		}()
	}
	<-in
	<-in
	r.stop()
	eventually(t, "the port to be closed", func() bool {
		c, err := net.Dial("tcp", r.webListener.Addr().String())
		if err == nil {
			c.Close()
		}
		return err != nil
	})
	close(out)
	for range 2 {
		if got := <-results; got != "200whole" {
			t.Errorf("a request that was under way is answered %s; want all of it", got)
		}
	}
	await(t, "the server's end", r.done)
}

// A WebSocket that goes on is cut when the time for the stop is over, and the server ends.
func TestAWebSocketDoesNotKeepTheServer(t *testing.T) {
	r := withWeb(t, func(c *Config) { c.DrainTimeout = 50 * time.Millisecond })
	held := site(t, func(w http.ResponseWriter, q *http.Request) {
		c, rw, _ := http.NewResponseController(w).Hijack()
		defer c.Close()
		io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		io.Copy(io.Discard, rw)
	})
	r.publish(t, "a.t", held, nil)
	r.publish(t, "a.d", held, func(q *mapping.Request) { q.UseTunnel = new(false) })
	r.connect(t, "127.0.0.1")
	for _, host := range []string{"a.t", "a.d"} {
		c := dial(t, r.webListener.Addr().String())
		fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", host)
		if line, err := bufio.NewReader(c).ReadString('\n'); err != nil || !strings.Contains(line, "101") {
			t.Fatalf("%s: %q, %v; want 101", host, line, err)
		}
	}
	r.end(t)
}

// More connections than may be there are reset, of one address and in all; a trusted balancer's do not count.
func TestConnectionsOfTheWebAreBounded(t *testing.T) {
	for _, c := range []struct {
		most, mostOfAddr int
		trusted          string
		fits             int
	}{{2, 0, "", 2}, {0, 1, "", 1}, {1, 1, "127.0.0.0/8", 3}} {
		r := withWeb(t, func(cfg *Config) {
			cfg.MaxWeb, cfg.MaxWebPerAddress = c.most, c.mostOfAddr
			if c.trusted != "" {
				cfg.Web.Trusted = mapping.Prefixes([]string{c.trusted})
			}
		})
		addr := r.webListener.Addr().String()
		var all []*net.TCPConn
		for range c.fits {
			conn := dial(t, addr)
			io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || !strings.HasPrefix(line, "HTTP/1.1 404") {
				t.Errorf("%+v: %q, %v; want an answer", c, line, err)
			}
			all = append(all, conn)
		}
		if c.trusted == "" {
			wantReset(t, fmt.Sprintf("%+v: one more", c), addr)
			all[0].Close()
			eventually(t, "a place to be free", func() bool { r.webCrowd.mu.Lock(); defer r.webCrowd.mu.Unlock(); return r.webCrowd.n < c.fits })
			if status, _ := r.visit(t, "x", "/", nil); status != 404 {
				t.Errorf("%+v: with a free place %d; want an answer", c, status)
			}
		}
		r.end(t)
	}
}

// A mapping's rates and idle time hold for the web, too.
func TestLimitsOfDirectMappingsOfTheWeb(t *testing.T) {
	r := withWeb(t, nil)
	const size = 48 << 10
	big := site(t, func(w http.ResponseWriter, q *http.Request) { w.Write(bytes.Repeat([]byte("x"), size)) })
	r.publish(t, "a.d", big, func(q *mapping.Request) { q.UseTunnel = new(false); q.RateDown = 64 << 10 })
	start := time.Now()
	if status, body := r.visit(t, "a.d", "/", nil); status != 200 || len(body) != size {
		t.Errorf("%d and %d bytes; want all", status, len(body))
	}
	// An eighth of a second's may come at once.
	if took := time.Since(start); took < 500*time.Millisecond {
		t.Errorf("%d bytes came in %v at 64 KiB/s; want half a second at least", size, took)
	}
	release := make(chan struct{})
	defer close(release)
	silent := site(t, func(http.ResponseWriter, *http.Request) { <-release })
	r.publish(t, "i.d", silent, func(q *mapping.Request) {
		q.UseTunnel = new(false)
		q.IdleTimeout = mapping.Duration(time.Second)
	})
	if status, body := r.visit(t, "i.d", "/", nil); status != 504 {
		t.Errorf("a service that is silent for the idle timeout: %d %s; want 504", status, body)
	}
}

// A mapping of the web comes back at the next start; on a server without web it says what is missing.
func TestMappingsOfTheWebAreKept(t *testing.T) {
	cfg := config(t)
	cfg.WebListen, cfg.Rules.Web = "127.0.0.1:0", true
	r := run(t, cfg)
	r.publish(t, "a.b/c", "127.0.0.1:1", nil)
	r.end(t)
	r = run(t, cfg)
	if all := r.mappings.List(); len(all) != 1 || all[0].Place() != "a.b/c" || all[0].Err != nil {
		t.Errorf("after the start there are %+v", all)
	}
	r.end(t)
	cfg.WebListen, cfg.Rules.Web = "", false
	r = run(t, cfg)
	if all := r.mappings.List(); len(all) != 1 || all[0].Err == nil || !strings.Contains(all[0].Err.Error(), "host needs web.listen") {
		t.Errorf("without web there are %+v; want the reason", all)
	}
}
