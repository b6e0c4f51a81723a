package server

import (
	"encoding/json"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/adit-tunnel/adit/reference/api"
)

func TestGracefulStop(t *testing.T) {
	for _, tunnel := range []bool{true, false} {
		s := run(t, config(t))
		s.connect(t, "127.0.0.1")
		addr := s.mapped(t, service(t, echo), func(r *api.CreateRequest) { r.UseTunnel = &tunnel })
		c := dial(t, addr)
		wantEchoOn(t, "a visitor before the stop", c)
		s.stop()
		eventually(t, "new visitors to be refused", func() bool {
			late, err := net.Dial("tcp", addr)
			if err == nil {
				late.Close()
			}
			return err != nil
		})
		wantEchoOn(t, "that visitor while the server stops", c)
		if status := health(t, s.APIAddr().String()); status != "ok" {
			t.Errorf("/health while the server stops: %q", status)
		}
		_, err := s.Create(t.Context(), api.CreateRequest{Port: freePort(t)})
		wantRefused(t, "Create while the server stops", err, http.StatusServiceUnavailable, "")
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
		cfg.DrainTimeout = -1
		s := run(t, cfg)
		s.connect(t, "127.0.0.1")
		c := dial(t, s.mapped(t, service(t, echo), func(r *api.CreateRequest) { r.UseTunnel = &tunnel }))
		wantEchoOn(t, "a visitor before the stop", c)
		s.end(t)
		if n, err := c.Read(make([]byte, 1)); n != 0 || err == nil {
			t.Errorf("after the stop the visitor reads %d octets, %v; want its end", n, err)
		}
	}
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
