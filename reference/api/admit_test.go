package api_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/adit-tunnel/adit/reference/access"
	"github.com/adit-tunnel/adit/reference/api"
)

// credentials are a guard, and a key or token for each role.
type credentials struct {
	guard                *access.Guard
	read, operate, token string
}

func newCredentials(t testing.TB) credentials {
	t.Helper()
	dir := t.TempDir()
	keys, secret := filepath.Join(dir, "keys"), filepath.Join(dir, "secret")
	must := func(text string, err error) string {
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	c := credentials{
		read: must(access.AddKey(keys, "viewer", access.Read)), operate: must(access.AddKey(keys, "owner", access.Operate)),
		token: must(access.NewToken(secret, "ci", access.Operate, time.Hour)),
	}
	var err error
	if c.guard, err = access.Open(keys, secret); err != nil {
		t.Fatal(err)
	}
	return c
}

func basic(user, password string) string {
	r := &http.Request{Header: http.Header{}}
	r.SetBasicAuth(user, password)
	return r.Header.Get("Authorization")
}

// Every path asks for what it takes, and health for nothing.
func TestWhatEachRoleMay(t *testing.T) {
	c := newCredentials(t)
	for _, path := range []struct {
		method, path, body string
		need               access.Role
	}{
		{"POST", "/api/mapping/create", `{"port":1}`, access.Operate},
		{"POST", "/api/mapping/remove", `{"port":1}`, access.Operate},
		{"POST", "/api/v1/mappings", `{"port":1}`, access.Operate},
		{"DELETE", "/api/v1/mappings/1", "", access.Operate},
		{"POST", "/api/v1/keys", `{"name":"n"}`, access.Operate},
		{"DELETE", "/api/v1/keys/n", "", access.Operate},
		{"GET", "/api/v1/mappings", "", access.Read},
		{"GET", "/api/v1/mappings/1", "", access.Read},
		{"GET", "/api/v1/clients", "", access.Read},
		{"GET", "/api/v1/connections", "", access.Read},
		{"GET", "/api/v1/keys", "", access.Read},
		{"GET", "/api/v1/statistics", "", access.Read},
		{"GET", "/api/v1/openapi.yaml", "", ""},
		{"GET", "/metrics", "", access.Read},
		{"GET", "/api/v1/events?kinds=x", "", access.Read}, // which would have no end
		{"GET", "/api/mapping/list", "", access.Read},
		{"HEAD", "/api/mapping/list", "", access.Read},
		{"GET", "/api/stats", "", access.Read},
		{"GET", "/", "", access.Read},
		{"GET", "/health", "", ""},
		{"GET", "/ready", "", ""},
	} {
		for authorization, role := range map[string]access.Role{"": "", "Bearer " + c.read: access.Read, "Bearer " + c.operate: access.Operate, "Bearer " + c.token: access.Operate} {
			f := &fake{}
			r := httptest.NewRequest(path.method, path.path, strings.NewReader(path.body))
			if authorization != "" {
				r.Header.Set("Authorization", authorization)
			}
			want := 200
			switch {
			case path.need == "":
			case role == "":
				want = 401
			case path.need == access.Operate && role == access.Read:
				want = 403
			}
			k := &ring{ids: []string{"n"}}
			status, body, header := serve(f, api.Config{Access: c.guard, TunnelEnabled: true, Keys: k, Events: api.NewEvents()}, "192.0.2.1:5000", r)
			if strings.Contains(path.path, "kinds") && status == 400 {
				status = 200
			}
			if path.path == "/api/v1/mappings/1" && path.method == "GET" && status == 404 || status == 201 {
				status = 200
			}
			if status != want || (want == 401) != (len(header["Www-Authenticate"]) == 2) {
				t.Errorf("%s %s with %q = %d %s %v; want %d", path.method, path.path, role, status, body, header, want)
			}
			did := len(f.created) + len(f.removed)
			if fmt.Sprint(k.ids) != "[n]" {
				did++
			}
			if want != 200 && did > 0 || want == 200 && (path.need == access.Operate) != (did == 1) {
				t.Errorf("%s %s with %q: the manager was asked %d times", path.method, path.path, role, did)
			}
		}
	}
}

// A refusal has the envelope and says what to do; the log says who was refused, and has no credential.
func TestRefusedCredentials(t *testing.T) {
	c := newCredentials(t)
	for authorization, want := range map[string]struct {
		status int
		word   string
	}{
		"":                                      {401, "this needs an API key; send a key or a token as Authorization: Bearer KEY"},
		"Bearer":                                {401, "this needs an API key"},
		"Bearer ":                               {401, "this needs an API key"},
		"Digest " + c.operate:                   {401, "this needs an API key"},
		c.operate:                               {401, "this needs an API key"},
		"Basic !":                               {401, "this needs an API key"},
		basic("", ""):                           {401, "this needs an API key"},
		"Bearer " + c.operate[:40]:              {401, "adit-server apikey NAME"},
		"Bearer " + c.token[:len(c.token)-3]:    {401, "not made with the key of this server"},
		"Bearer " + c.operate + "," + c.operate: {401, "is not, or no more, one of this server"},
		"Bearer " + c.read:                      {403, "this takes the role operate, and viewer has read; use a key that was made with --role operate"},
		"Bearer " + c.operate:                   {200, "mapped"},
		"bearer   " + c.operate:                 {200, "mapped"},
		"Bearer " + c.token:                     {200, "mapped"},
		basic("anyone", c.operate):              {200, "mapped"},
		basic(c.operate, ""):                    {200, "mapped"},
	} {
		var log strings.Builder
		r := httptest.NewRequest("POST", "/api/mapping/create", strings.NewReader(`{"port":1}`))
		r.Header.Set("Authorization", authorization)
		cfg := api.Config{Access: c.guard, Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelInfo}))}
		status, body, _ := serve(&fake{}, cfg, "192.0.2.1:5000", r)
		var e struct {
			Success bool
			Message string
			Data    any
		}
		if err := json.Unmarshal([]byte(body), &e); err != nil || status != want.status || e.Success != (status == 200) || e.Data == nil || !strings.Contains(e.Message, want.word) {
			t.Errorf("%q: %d %s; want %d and %q", authorization, status, body, want.status, want.word)
		}
		logged := map[int]string{401: "level=WARN msg=\"API request refused: Unauthorized\" remote=192.0.2.1:5000 method=POST path=/api/mapping/create", 403: "", 200: "msg=\"API used\" by="}[status]
		if !strings.Contains(log.String(), logged) {
			t.Errorf("%q: the log has %s; want %s", authorization, &log, logged)
		}
		for _, secret := range []string{c.read, c.operate, c.token} {
			if end := secret[20:]; strings.Contains(log.String()+body, end) {
				t.Errorf("%q: answer or log has a secret: %s %s", authorization, body, &log)
			}
		}
	}
}

// Without authentication a page of another site, whose name leads to this machine, is told apart by that name.
func TestNamesOfOtherSitesAreRefused(t *testing.T) {
	c := newCredentials(t)
	for host, want := range map[string]int{
		"127.0.0.1:8080": 200, "127.0.0.1": 200, "[::1]:8080": 200, "[::1]": 200, "localhost:8080": 200, "LOCALHOST": 200, "adit.localhost:8080": 200, "": 200,
		"evil.example:8080": 403, "evil.example": 403, "127.0.0.1.evil.example": 403, "localhost.evil.example:8080": 403, "xlocalhost": 403,
	} {
		ask := func(cfg api.Config, path, authorization string) int {
			r := httptest.NewRequest("GET", path, nil)
			r.Host = host
			r.Header.Set("Authorization", authorization)
			status, _, _ := serve(&fake{}, cfg, "127.0.0.1:5000", r)
			return status
		}
		if got := ask(api.Config{}, "/api/mapping/list", ""); got != want {
			t.Errorf("Host %q without authentication: %d; want %d", host, got, want)
		}
		if got := ask(api.Config{}, "/health", ""); got != 200 {
			t.Errorf("health of Host %q: %d; want 200", host, got)
		}
		if got := ask(api.Config{Access: c.guard}, "/api/mapping/list", "Bearer "+c.read); got != 200 {
			t.Errorf("Host %q with a key: %d; want 200", host, got)
		}
	}
}

// A browser that has logged in sends the key along for pages of other sites too: what changes something is refused.
func TestOtherSitesAreRefusedWithAKey(t *testing.T) {
	c := newCredentials(t)
	for header, want := range map[string]int{"Origin: http://evil.example": 403, "Sec-Fetch-Site: cross-site": 403, "Sec-Fetch-Site: same-site": 403, "Sec-Fetch-Site: same-origin": 200} {
		f := &fake{}
		r := httptest.NewRequest("POST", "http://adit.example/api/mapping/remove", strings.NewReader(`{"port":1}`))
		name, value, _ := strings.Cut(header, ": ")
		r.Header.Set(name, value)
		r.Header.Set("Authorization", basic("me", c.operate))
		if status, _, _ := serve(f, api.Config{Access: c.guard}, "192.0.2.1:5000", r); status != want || len(f.removed) != map[int]int{200: 1, 403: 0}[want] {
			t.Errorf("%s: %d, removed %v; want %d", header, status, f.removed, want)
		}
	}
}

func TestAllowedAddressesAreNoAuthentication(t *testing.T) {
	c := newCredentials(t)
	cfg := api.Config{Access: c.guard, Allowed: func() []netip.Prefix { return prefixes("192.0.2.0/24") }}
	for _, ask := range []struct {
		from, authorization string
		want                int
	}{
		{"192.0.2.1:1", "", 401}, {"192.0.2.1:1", "Bearer " + c.read, 200}, {"10.0.0.1:1", "Bearer " + c.read, 403},
	} {
		r := httptest.NewRequest("GET", "/api/stats", nil)
		r.Header.Set("Authorization", ask.authorization)
		if status, body, _ := serve(&fake{}, cfg, ask.from, r); status != ask.want {
			t.Errorf("%s with %q: %d %s; want %d", ask.from, ask.authorization, status, body, ask.want)
		}
	}
}

// Whatever a stranger sends in front of a proof, the answer is a refusal in JSON, and nothing is asked of the mappings.
func FuzzBeforeAuthentication(f *testing.F) {
	c := newCredentials(f)
	f.Add("GET", "/api/stats", "Bearer "+c.read[:30], "127.0.0.1", "")
	f.Add("POST", "/api/mapping/create", "Basic OmE=", "evil.example", `{"port":1}`)
	f.Add("DELETE", "/api/../health", "Basic", "[::1", "x")
	f.Add("POST", "//api/mapping/remove", "Bearer a.b.c", "", "{")
	f.Fuzz(func(t *testing.T, method, path, authorization, host, body string) {
		r, err := http.NewRequest(method, "http://h"+path, strings.NewReader(body))
		if err != nil || r.URL.Host != "h" {
			return
		}
		r.Host, r.Header = host, http.Header{"Authorization": {authorization}}
		m := &fake{}
		status, answer, header := serve(m, api.Config{Access: c.guard}, "192.0.2.1:5000", r)
		if len(m.created)+len(m.removed) > 0 {
			t.Errorf("%s %s with %q: the manager was asked", method, path, authorization)
		}
		if !reflect.DeepEqual(header["Content-Type"], []string{"application/json; charset=utf-8"}) {
			if status < 300 || status > 399 { // a path that is not clean leads to the clean one
				t.Errorf("%s %s = %d %v; want JSON", method, path, status, header)
			}
			return
		}
		if status == 200 && r.URL.Path != "/health" && r.URL.Path != "/ready" || answer != "" && !json.Valid([]byte(answer)) {
			t.Errorf("%s %s with %q = %d %s", method, path, authorization, status, answer)
		}
	})
}

// BenchmarkRefusal is what a stranger's request costs: one with an unknown key, and one with a known key whose end is wrong.
func BenchmarkRefusal(b *testing.B) {
	c := newCredentials(b)
	for name, key := range map[string]string{"unknown": "aditapi_nobody_" + strings.Repeat("0", 64), "near": c.operate[:len(c.operate)-1] + "x"} {
		b.Run(fmt.Sprint(name), func(b *testing.B) {
			for b.Loop() {
				r := httptest.NewRequest("GET", "/api/stats", nil)
				r.Header.Set("Authorization", "Bearer "+key)
				if status, _, _ := serve(&fake{}, api.Config{Access: c.guard}, "192.0.2.1:1", r); status != 401 {
					b.Fatal(status)
				}
			}
		})
	}
}
