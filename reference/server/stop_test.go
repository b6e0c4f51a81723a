package server

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/adit-tunnel/adit/reference/mapping"
)

func TestGracefulStop(t *testing.T) {
	for _, tunnel := range []bool{true, false} {
		s := run(t, config(t))
		s.connect(t, "127.0.0.1")
		addr := s.mapped(t, service(t, echo), func(r *mapping.Request) { r.UseTunnel = &tunnel })
		c := dial(t, addr)
		wantEchoOn(t, "a visitor before the stop", c)
		s.stop()
		awaitRefusal(t, "new visitors", addr)
		wantEchoOn(t, "that visitor while the server stops", c)
		if status := health(t, s.APIAddr().String()); status != "ok" {
			t.Errorf("/health while the server stops: %q", status)
		}
		_, err := s.mappings.Create(t.Context(), mapping.Request{Port: freePort(t)})
		wantRefused(t, "Create while the server stops", err, mapping.Unavailable, "")
		select {
		case <-s.done:
			t.Fatal("the server ended before its visitor")
		default:
		}
		c.Close()
		await(t, "the server's end after its visitor's", s.done)
		wantClosed(t, "the API after the end", s.APIAddr().String())
	}
}

func TestStopCutsWhatDoesNotEnd(t *testing.T) {
	for _, tunnel := range []bool{true, false} {
		cfg := config(t)
		cfg.DrainTimeout = 0
		s := run(t, cfg)
		s.connect(t, "127.0.0.1")
		c := dial(t, s.mapped(t, service(t, echo), func(r *mapping.Request) { r.UseTunnel = &tunnel }))
		wantEchoOn(t, "a visitor before the stop", c)
		s.end(t)
		if n, err := c.Read(make([]byte, 1)); n != 0 || err == nil {
			t.Errorf("after the stop the visitor reads %d bytes, %v; want its end", n, err)
		}
	}
}

// A tunnel that was accepted just before the server begins to stop is closed like the others.
func TestATunnelAcceptedWhileTheServerStopsIsClosed(t *testing.T) {
	cfg := config(t)
	reached, pass := make(chan struct{}), make(chan struct{})
	cfg.Logger = slog.New(&gate{Handler: slog.DiscardHandler, key: "tunnel", reached: reached, pass: pass})
	s := run(t, cfg)
	c := dial(t, s.TunnelAddr().String())
	await(t, "the tunnel's accept", reached)
	s.stop()
	awaitRefusal(t, "new tunnels", s.TunnelAddr().String())
	close(pass)
	if n, err := c.Read(make([]byte, 1)); n != 0 || err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the tunnel reads %d bytes, %v; want its end", n, err)
	}
}

// gate holds up whoever makes a logger with an attribute, the first time, until it lets them pass.
type gate struct {
	slog.Handler
	key     string
	once    sync.Once
	reached chan<- struct{}
	pass    <-chan struct{}
}

func (g *gate) WithAttrs(attrs []slog.Attr) slog.Handler {
	if attrs[0].Key == g.key {
		g.once.Do(func() {
			close(g.reached)
			<-g.pass
		})
	}
	return g
}

// awaitRefusal waits until an address takes no more connections.
func awaitRefusal(t *testing.T, what, addr string) {
	t.Helper()
	eventually(t, what+" to be refused", func() bool {
		late, err := net.Dial("tcp", addr)
		if err == nil {
			late.Close()
		}
		return err != nil
	})
}

func health(t *testing.T, addr string) string {
	t.Helper()
	answer, err := (&http.Client{Timeout: soon, Transport: &http.Transport{DisableKeepAlives: true}}).Get("http://" + addr + "/health")
	if err != nil {
		return err.Error()
	}
	defer answer.Body.Close()
	var body struct{ Status string }
	if err := json.NewDecoder(answer.Body).Decode(&body); err != nil {
		return err.Error()
	}
	return body.Status
}

// readiness is the status of /ready, and 0 where nobody answers.
func readiness(addr string) int {
	answer, err := (&http.Client{Timeout: soon, Transport: &http.Transport{DisableKeepAlives: true}}).Get("http://" + addr + "/ready")
	if err != nil {
		return 0
	}
	answer.Body.Close()
	return answer.StatusCode
}

// A balancer that looks at /ready sends nobody to a server that stops, while what is open goes on.
func TestReadyUntilItStops(t *testing.T) {
	cfg := config(t)
	cfg.Profiling = "127.0.0.1:0"
	r := run(t, cfg)
	addr, profiles := r.APIAddr().String(), r.profiles.Addr().String()
	visitor := dial(t, r.mapped(t, service(t, echo), direct(mapping.Options{})))
	wantEchoOn(t, "at first", visitor)
	if got := readiness(addr); got != 200 {
		t.Errorf("/ready = %d; want 200", got)
	}
	answer, err := http.Get("http://" + profiles + "/debug/pprof/goroutine?debug=1")
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	if answer.StatusCode != 200 {
		t.Errorf("a profile = %s", answer.Status)
	}
	r.stop()
	eventually(t, "/ready to be 503", func() bool { return readiness(addr) == 503 })
	if got := health(t, addr); got != "ok" {
		t.Errorf("/health = %s while the server stops", got)
	}
	wantEchoOn(t, "while the server stops", visitor)
	visitor.Close()
	r.end(t)
	for _, a := range []string{addr, profiles} {
		if c, err := net.Dial("tcp", a); err == nil {
			c.Close()
			t.Errorf("%s listens after the end", a)
		}
	}
}

func portOf(t *testing.T, addr string) int {
	t.Helper()
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func containsWord(err error, word string) bool { return strings.Contains(err.Error(), word) }
