package api_test

import (
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/adit-tunnel/adit/reference/api"
)

// What is wrong with a body is said as what it is.
func TestBodiesThatAreNoObject(t *testing.T) {
	for body, want := range map[string]string{
		"": "the body is empty", " \n": "the body is empty", "[1]": "JSON but not an object", "null": "JSON but not an object", `{"port":`: "is not JSON",
		`{"a<b&c":1}`: "a<b&c", // as it was written
	} {
		if status, got, _ := call(&fake{}, "POST", "/api/mapping/create", body); status != 400 || !strings.Contains(got, want) {
			t.Errorf("%q: %d %s; want 400 and %q", body, status, got, want)
		}
	}
	if status, got, _ := call(&fake{}, "POST", "/api/mapping/create", "\r\n {\"port\":1} \n"); status != 200 {
		t.Errorf("an object between spaces: %d %s; want 200", status, got)
	}
}

// Answers are of their moment, and say which methods there are.
func TestHeadersOfAnswers(t *testing.T) {
	for path, want := range map[string]string{"/api/stats": "GET, HEAD", "/api/v1/mappings/{port}": "DELETE, GET, HEAD", "/api/mapping/create": "POST"} {
		status, _, header := call(&fake{}, "PATCH", strings.Replace(path, "{port}", "1", 1), "")
		if got := header.Get("Allow"); status != 405 || got != want || header.Get("Cache-Control") != "no-store" {
			t.Errorf("PATCH %s = %d, Allow %q, Cache-Control %q; want 405, %q, no-store", path, status, got, header.Get("Cache-Control"), want)
		}
	}
}

// The log has who changed something, and what broke; and no line for who has read.
func TestWhatTheLogHas(t *testing.T) {
	c := newCredentials(t)
	for _, one := range []struct {
		name, method, path, key string
		access                  bool
		fails                   error
		want                    string
	}{
		{"a change", "POST", "/api/mapping/remove", c.operate, true, nil, `level=INFO msg="API used" by=owner remote=192.0.2.1:5000 method=POST path=/api/mapping/remove`},
		{"a look", "GET", "/api/stats", c.operate, true, nil, ""},
		{"a change by whoever is here", "POST", "/api/mapping/remove", "", false, nil, ""},
		{"what broke", "POST", "/api/mapping/remove", "", false, errors.New("disk on fire"), `level=ERROR msg=api method=POST path=/api/mapping/remove error="disk on fire"`},
	} {
		var log strings.Builder
		cfg := api.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))}
		if one.access {
			cfg.Access = c.guard
		}
		r := httptest.NewRequest(one.method, one.path, strings.NewReader(`{"port":1}`))
		r.Header.Set("Authorization", "Bearer "+one.key)
		serve(&fake{err: one.fails}, cfg, "192.0.2.1:5000", r)
		_, got, _ := strings.Cut(strings.TrimSpace(log.String()), " ") // behind the time
		if got != one.want {
			t.Errorf("%s: the log has %q; want %q", one.name, got, one.want)
		}
	}
}

// The rest of a body that is too long is not read.
func TestALongBodyEndsItsConnection(t *testing.T) {
	url := running(t, api.Config{})
	r, err := http.NewRequestWithContext(t.Context(), "POST", url+"/api/mapping/create", strings.NewReader(`{"target_ip":"`+strings.Repeat("x", 100<<10)))
	if err != nil {
		t.Fatal(err)
	}
	w, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Body.Close()
	if w.StatusCode != 413 || !w.Close {
		t.Errorf("a body of 100 KiB: %s, and the connection ends: %v; want 413 and its end", w.Status, w.Close)
	}
}

// A key has as many clients as have proven it.
func TestClientsOfAKey(t *testing.T) {
	cfg := api.Config{Keys: &ring{ids: []string{"home", "work"}}, Tunnels: func() []api.Tunnel { return []api.Tunnel{{Key: "home"}, {}, {Key: "home"}} }}
	_, got, _ := serve(&fake{}, cfg, "192.0.2.1:5000", httptest.NewRequest("GET", "/api/v1/keys", nil))
	if want := `"keys":[{"name":"home","clients":2},{"name":"work","clients":0}]`; !strings.Contains(got, want) {
		t.Errorf("keys = %s; want %s", got, want)
	}
}
