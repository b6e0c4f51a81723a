package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/adit-tunnel/adit/reference/api"
	"github.com/adit-tunnel/adit/reference/mapping"
)

// fake is the mappings of a server, and remembers what it was asked for.
type fake struct {
	created []mapping.Request
	removed []string
	rows    []mapping.Status
	err     error
}

func (f *fake) Create(_ context.Context, q mapping.Request) (mapping.Mapping, error) {
	if f.err != nil {
		return mapping.Mapping{}, f.err
	}
	f.created = append(f.created, q)
	return mapping.Mapping{ID: 1, Port: q.Port, TargetHost: q.TargetHost, TargetPort: q.Port}, nil
}

func (f *fake) Remove(_ context.Context, place string) error {
	f.removed = append(f.removed, place)
	return f.err
}

func (f *fake) List() []mapping.Status { return f.rows }

// serve answers a request that comes from an address, host:port.
func serve(f *fake, cfg api.Config, from string, r *http.Request) (int, string, http.Header) {
	cfg.Mappings = f
	if cfg.Visits == nil {
		cfg.Visits = func() []api.Visit { return nil }
	}
	if cfg.Tunnels == nil {
		cfg.Tunnels = func() []api.Tunnel { return []api.Tunnel{{Profile: "extended"}} }
	}
	if cfg.Bindings == nil {
		cfg.Bindings = func() []api.Binding { return nil }
	}
	r.RemoteAddr = from
	if r.Host == "example.com" { // of httptest
		r.Host = "127.0.0.1:8080"
	}
	w := httptest.NewRecorder()
	api.New(cfg).Handler.ServeHTTP(w, r)
	return w.Code, strings.TrimSpace(w.Body.String()), w.Header()
}

func prefixes(texts ...string) []netip.Prefix {
	var all []netip.Prefix
	for _, text := range texts {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}

func call(f *fake, method, path, body string) (int, string, http.Header) {
	return serve(f, api.Config{TunnelEnabled: true}, "192.0.2.1:5000", httptest.NewRequest(method, path, strings.NewReader(body)))
}

// The examples of document 003, with our own text for people.
func TestDocumentedShapes(t *testing.T) {
	made := time.Date(2024, 1, 1, 12, 0, 0, 0, time.Local)
	f := &fake{rows: []mapping.Status{
		{Mapping: mapping.Mapping{ID: 1, Port: 10001, TargetHost: "192.168.1.100", TargetPort: 10001, CreatedAt: made}},
		{Mapping: mapping.Mapping{ID: 2, Port: 10002, CreatedAt: made, UseTunnel: true, Client: "10.0.0.0/8", Options: mapping.Options{Deny: []string{"::1"}, RateUp: 4096}}, Err: errors.New("port 10002 is taken")},
	}}
	for _, c := range []struct{ method, path, body, want string }{
		{
			"POST", "/api/mapping/create", `{"port": 10001, "target_ip": "192.168.1.100"}`,
			`{"success":true,"message":"port 10001 is mapped","data":{"port":10001,"target_ip":"192.168.1.100","target_port":10001,"use_tunnel":false}}`,
		},
		{
			"POST", "/api/mapping/remove", `{"port": 10001}`,
			`{"success":true,"message":"the mapping of port 10001 is removed","data":{"port":10001}}`,
		},
		{
			"GET", "/api/mapping/list", "",
			`{"success":true,"message":"2 mappings","data":{"count":2,"mappings":[` +
				`{"id":1,"source_port":10001,"target_ip":"192.168.1.100","target_port":10001,"created_at":"2024-01-01 12:00:00","use_tunnel":false,"active":0},` +
				`{"id":2,"source_port":10002,"target_ip":"","target_port":0,"created_at":"2024-01-01 12:00:00","use_tunnel":true,"client":"10.0.0.0/8","active":0,"error":"port 10002 is taken","deny":["::1"],"rate_up":4096}` +
				`],"use_tunnel":true}}`,
		},
		{"GET", "/health", "", `{"status":"ok","tunnel_connected":true,"tunnel_enabled":true,"tunnels":{"extended":1}}`},
	} {
		if status, got, _ := call(f, c.method, c.path, c.body); status != 200 || got != c.want {
			t.Errorf("%s %s = %d %s; want 200 %s", c.method, c.path, status, got, c.want)
		}
	}
	if len(f.created) != 1 || len(f.removed) != 1 {
		t.Errorf("created %v, removed %v; want one each", f.created, f.removed)
	}
}

func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		name, method, path, body string
		status                   int
		field                    string
	}{
		{"empty body", "POST", "/api/mapping/create", "", 400, ""},
		{"half an object", "POST", "/api/mapping/create", `{"port":`, 400, ""},
		{"an array", "POST", "/api/mapping/create", `[1]`, 400, ""},
		{"null", "POST", "/api/mapping/create", `null`, 400, ""},
		{"two objects", "POST", "/api/mapping/create", `{"port":1}{"port":2}`, 400, ""},
		{"unknown field", "POST", "/api/mapping/create", `{"prot":1}`, 400, "prot"},
		{"text for a number", "POST", "/api/mapping/create", `{"port":"1"}`, 400, "port"},
		{"half a port", "POST", "/api/mapping/create", `{"port":1.5}`, 400, "port"},
		{"number for text", "POST", "/api/mapping/create", `{"port":1,"target_ip":1}`, 400, "target_ip"},
		{"text for a boolean", "POST", "/api/mapping/create", `{"port":1,"use_tunnel":"yes"}`, 400, "use_tunnel"},
		{"a name in capitals", "POST", "/api/mapping/create", `{"PORT":1}`, 400, "PORT"},
		{"a field twice", "POST", "/api/mapping/create", `{"port":1,"port":2}`, 400, "port"},
		{"a number beyond all ports", "POST", "/api/mapping/create", `{"port":99999999999999999999}`, 400, "port"},
		{"garbage after the object", "POST", "/api/mapping/create", `{"port":1} x`, 400, ""},
		{"only spaces", "POST", "/api/mapping/create", " \n", 400, ""},
		{"huge body", "POST", "/api/mapping/create", `{"target_ip":"` + strings.Repeat("x", 70_000) + `"}`, 413, ""},
		{"GET create", "GET", "/api/mapping/create", "", 405, ""},
		{"DELETE list", "DELETE", "/api/mapping/list", "", 405, ""},
		{"unknown path", "GET", "/api/nothing", "", 404, ""},
		{"two hosts", "POST", "/api/mapping/create", `{"port":1,"target_host":"h","target_ip":"i"}`, 400, "target_host"},
		{"remove with an unknown field", "POST", "/api/mapping/remove", `{"port":1,"force":true}`, 400, "force"},
		{"remove without port", "POST", "/api/mapping/remove", `{}`, 400, "port"},
	} {
		f := &fake{}
		status, got, header := call(f, c.method, c.path, c.body)
		var e struct {
			Success bool
			Message string
			Data    struct{ Field string }
		}
		if err := json.Unmarshal([]byte(got), &e); err != nil {
			t.Errorf("%s: %q is no JSON", c.name, got)
			continue
		}
		if status != c.status || e.Success || e.Message == "" || e.Data.Field != c.field {
			t.Errorf("%s: %d %s; want %d, success false, a message and field %q", c.name, status, got, c.status, c.field)
		}
		if status == 405 && header.Get("Allow") == "" {
			t.Errorf("%s: no Allow header", c.name)
		}
		if len(f.created)+len(f.removed) > 0 {
			t.Errorf("%s: the manager was asked all the same", c.name)
		}
	}
}

func TestErrorsOfTheManager(t *testing.T) {
	f := &fake{}
	for kind, want := range map[mapping.Kind]int{
		mapping.Invalid: 400, mapping.Forbidden: 403, mapping.Conflict: 409, mapping.NotFound: 404, mapping.Unavailable: 503,
	} {
		f.err = &mapping.Error{Kind: kind, Field: "port", Reason: "1 is no good"}
		if status, got, _ := call(f, "POST", "/api/mapping/create", `{"port":1,"target_ip":"h"}`); status != want ||
			got != `{"success":false,"message":"port 1 is no good","data":{"field":"port"}}` {
			t.Errorf("a refusal of kind %d = %d %s; want %d and the field", kind, status, got, want)
		}
	}
	f.err = &mapping.Error{Kind: mapping.Invalid, Field: "target_host", Reason: "is bad"}
	for body, want := range map[string]string{ // the field as the caller spelled it
		`{"port":1,"target_host":"h"}`:                 "target_host",
		`{"port":1,"target_ip":"h"}`:                   "target_ip",
		`{"port":1,"target_ip":"h","target_host":"h"}`: "target_host",
		`{"port":1}`: "target_host",
	} {
		if _, got, _ := call(f, "POST", "/api/mapping/create", body); got != fmt.Sprintf(`{"success":false,"message":"%s is bad","data":{"field":"%s"}}`, want, want) {
			t.Errorf("a bad host in %s = %s; want field %s", body, got, want)
		}
	}
	f.err = errors.New("disk on fire")
	if status, got, _ := call(f, "POST", "/api/mapping/remove", `{"port":1}`); status != 500 || !strings.Contains(got, `"success":false`) {
		t.Errorf("an internal failure = %d %s; want 500 and the envelope", status, got)
	}
}

func TestFieldsOfCreate(t *testing.T) {
	for body, want := range map[string]mapping.Request{
		`{"port":1}`:                 {Port: 1},
		`{"port":1,"target_ip":"h"}`: {Port: 1, TargetHost: "h"},
		`{"port":1,"target_host":"h","target_ip":"h"}`:                       {Port: 1, TargetHost: "h"},
		`{"port":1,"target_host":null,"target_port":null,"client":null}`:     {Port: 1},
		`{"port":1,"target_host":"","client":""}`:                            {Port: 1},
		`{"port":1,"target_host":"h","target_port":0,"use_tunnel":false}`:    {Port: 1, TargetHost: "h", TargetPort: new(0), UseTunnel: new(false)},
		`{"port":1,"max_connections":2,"rate_up":"1MiB"}`:                    {Port: 1, Options: mapping.Options{MaxConnections: 2, RateUp: 1 << 20}},
		`{"port":2,"target_port":3,"use_tunnel":true,"client":"10.0.0.0/8"}`: {Port: 2, TargetPort: new(3), UseTunnel: new(true), Client: "10.0.0.0/8"},
	} {
		f := &fake{}
		call(f, "POST", "/api/mapping/create", body)
		if len(f.created) != 1 || !reflect.DeepEqual(f.created[0], want) {
			t.Errorf("%s asks for %+v; want %+v", body, f.created, want)
		}
	}
}

// A body of 64 KiB is read, one byte more is not.
func TestLongestBody(t *testing.T) {
	const most = 64 << 10
	frame := len(`{"target_ip":""}`)
	for size, want := range map[int]int{most: 200, most + 1: 413} {
		status, got, _ := call(&fake{}, "POST", "/api/mapping/create", `{"target_ip":"`+strings.Repeat("x", size-frame)+`"}`)
		if status != want {
			t.Errorf("a body of %d bytes: %d %.200s; want %d", size, status, got, want)
		}
	}
}

func TestAllowedAddresses(t *testing.T) {
	for _, c := range []struct {
		allowed, from string
		want          int
	}{
		{"192.0.2.0/24", "192.0.2.1:5000", 200},
		{"192.0.2.0/24", "[::ffff:192.0.2.1]:5000", 200}, // as a socket for both families says it
		{"10.0.0.0/8", "192.0.2.1:5000", 403},
		{"10.0.0.0/8", "[::ffff:192.0.2.1]:5000", 403},
		{"2001:db8::/32", "[2001:db8::1]:5000", 200},
		{"2001:db8::/32", "nobody", 403},
	} {
		cfg := api.Config{Allowed: func() []netip.Prefix { return prefixes(c.allowed) }}
		status, _, _ := serve(&fake{}, cfg, c.from, httptest.NewRequest("GET", "/health", nil))
		if status != c.want {
			t.Errorf("with allowed_ips %s, from %s: %d; want %d", c.allowed, c.from, status, c.want)
		}
	}
}

// API-010.
func TestHealth(t *testing.T) {
	for _, c := range []struct {
		enabled bool
		tunnels int
		want    string
	}{
		{true, 2, `{"status":"ok","tunnel_connected":true,"tunnel_enabled":true,"tunnels":{"core":1,"extended":1}}`},
		{true, 0, `{"status":"ok","tunnel_connected":false,"tunnel_enabled":true,"tunnels":{}}`},
		{false, 0, `{"status":"ok","tunnel_connected":false,"tunnel_enabled":false,"tunnels":{}}`},
	} {
		tunnels := []api.Tunnel{{Profile: "core"}, {Profile: "extended"}}[:c.tunnels]
		cfg := api.Config{TunnelEnabled: c.enabled, Tunnels: func() []api.Tunnel { return tunnels }}
		if status, got, _ := serve(&fake{}, cfg, "192.0.2.1:5000", httptest.NewRequest("GET", "/health", nil)); status != 200 || got != c.want {
			t.Errorf("/health = %d %s; want 200 %s", status, got, c.want)
		}
	}
}

// A page of another site must not be able to use the API through a browser on this machine.
func TestOtherSitesAreRefused(t *testing.T) {
	for header, want := range map[string]int{
		"Origin: http://evil.example":     403,
		"Origin: null":                    403,
		"Sec-Fetch-Site: cross-site":      403,
		"Origin: http://127.0.0.1:8080":   200,
		"Sec-Fetch-Site: same-origin":     200,
		"Content-Type: text/plain":        200,
		"Content-Type: no/such/thing; ;;": 200,
	} {
		f := &fake{}
		r := httptest.NewRequest("POST", "http://127.0.0.1:8080/api/mapping/remove", strings.NewReader(`{"port":1}`))
		name, value, _ := strings.Cut(header, ": ")
		r.Header.Set(name, value)
		status, _, _ := serve(f, api.Config{}, "192.0.2.1:5000", r)
		if status != want || len(f.removed) != map[int]int{200: 1, 403: 0}[want] {
			t.Errorf("%s: %d, removed %v; want %d", header, status, f.removed, want)
		}
	}
}

func TestStats(t *testing.T) {
	f := &fake{rows: []mapping.Status{
		{Mapping: mapping.Mapping{ID: 7, Port: 1, TargetHost: "h", TargetPort: 22}, Traffic: mapping.Traffic{Active: 1, Total: 10, Failed: 100, Failures: map[string]int64{"refused": 60, "no-tunnel": 40}, In: 1000, Out: 10000, Drops: map[string]int64{"rate": 7}}},
		{Mapping: mapping.Mapping{Port: 2, UseTunnel: true}, Traffic: mapping.Traffic{Active: 2, Total: 20, Failed: 200, Failures: map[string]int64{"refused": 200}, In: 2000, Out: 20000}, Err: errors.New("taken")},
	}}
	since := time.Date(2024, 1, 1, 12, 0, 0, 0, time.UTC)
	tunnels := func() []api.Tunnel {
		return []api.Tunnel{{
			ID: "t1", Remote: "192.0.2.9:1", Since: since, Active: 1, Total: 2, Failed: 3, In: 4, Out: 5, KeepAlive: since,
			Profile: "extended", TLS: true, Key: "home", Agent: "adit/1", Name: "workshop", RTT: 1.5, Grown: 6, Held: 7, Queued: 8, OverBudget: 9,
			Connections: []api.Connection{{ID: 10, Target: "h:22", Origin: "192.0.2.10:1", State: "open", Credit: 11, Window: 12, Queue: 13}},
		}}
	}
	refused := func() map[string]int64 { return map[string]int64{"no-key": 14, "foreign": 15} }
	bindings := func() []api.Binding {
		b := api.Binding{Port: 10022, Service: "ssh", Key: "home", Name: "workshop", Remote: "192.0.2.9:1", State: "served", Since: since}
		b.Traffic(mapping.Traffic{Active: 1, Total: 2, In: 3, Out: 4})
		return []api.Binding{b, {Service: "db", Certificate: "ab", State: "held", Since: since}}
	}
	_, body, _ := serve(f, api.Config{Tunnels: tunnels, Bindings: bindings, Refused: refused, Started: since}, "192.0.2.1:5000", httptest.NewRequest("GET", "/api/stats", nil))
	for _, want := range []string{
		`"data":{"since":"2024-01-01T12:00:00Z","uptime_seconds":`,
		`"mappings":[{"port":1,"target":"h:22","use_tunnel":false,"active":1,"total":10,"failed":100,"failures":{"no-tunnel":40,"refused":60},"octets_in":1000,"octets_out":10000,"drops":{"rate":7}},` +
			`{"port":2,"target":":0","use_tunnel":true,"temporary":true,"active":2,"total":20,"failed":200,"failures":{"refused":200},"octets_in":2000,"octets_out":20000,"error":"taken"}]`,
		`"tunnels":[{"id":"t1","remote":"192.0.2.9:1","since":"2024-01-01T12:00:00Z","active":1,"total":2,"failed":3,"octets_in":4,"octets_out":5,"last_keepalive":"2024-01-01T12:00:00Z",` +
			`"profile":"extended","tls":true,"key":"home","agent":"adit/1","name":"workshop","rtt_ms":1.5,"window_growth":6,"held":7,"queued":8,"over_budget":9,` +
			`"connections":[{"id":10,"target":"h:22","origin":"192.0.2.10:1","state":"open","credit":11,"window":12,"queue":13}]}]`,
		`"bindings":[{"port":10022,"service":"ssh","key":"home","name":"workshop","remote":"192.0.2.9:1","state":"served","since":"2024-01-01T12:00:00Z","active":1,"total":2,"failed":0,"octets_in":3,"octets_out":4},` +
			`{"service":"db","certificate":"ab","state":"held","since":"2024-01-01T12:00:00Z","active":0,"total":0,"failed":0,"octets_in":0,"octets_out":0}]`,
		`"all":{"active":3,"total":30,"failed":300,"failures":{"no-tunnel":40,"refused":260},"octets_in":3000,"octets_out":30000,"drops":{"rate":7}},"refused":{"foreign":15,"no-key":14},"process":{"goroutines":`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("stats = %s; want %s in it", body, want)
		}
	}
	_, body, _ = serve(f, api.Config{Tunnels: tunnels, Bindings: bindings, Started: time.Now().Add(-time.Hour)}, "192.0.2.1:5000", httptest.NewRequest("GET", "/api/stats", nil))
	if !strings.Contains(body, `"uptime_seconds":36`) {
		t.Errorf("stats after an hour = %s; want 3600 seconds", body)
	}
	if _, body, _ := call(&fake{}, "GET", "/api/stats", ""); !strings.Contains(body, `"mappings":[],`) || strings.Contains(body, "refused") {
		t.Errorf("stats without mappings = %s; want an empty list, and nobody refused", body)
	}
}

func TestPage(t *testing.T) {
	status, body, header := call(&fake{}, "GET", "/", "")
	if status != 200 || !strings.Contains(body, "/api/stats") || !strings.Contains(body, "counts(d.refused)") || !strings.HasPrefix(header.Get("Content-Type"), "text/html") {
		t.Errorf("GET / = %d, %d bytes of %s; want the page", status, len(body), header.Get("Content-Type"))
	}
	if !strings.Contains(body, `id="bindings"`) || !strings.Contains(body, "d.bindings") {
		t.Error("the page does not show what clients asked for")
	}
	if strings.Contains(body, "http://") || strings.Contains(body, "https://") {
		t.Error("the page fetches something from elsewhere")
	}
}

// A peer that sends half a request, or reads no answer, holds a connection for a bounded time.
func TestTimesAreBounded(t *testing.T) {
	s := api.New(api.Config{})
	got := []time.Duration{s.ReadHeaderTimeout, s.ReadTimeout, s.WriteTimeout, s.IdleTimeout}
	if want := []time.Duration{10 * time.Second, 30 * time.Second, 30 * time.Second, 2 * time.Minute}; !reflect.DeepEqual(got, want) || s.MaxHeaderBytes != 64<<10 {
		t.Errorf("times for a header, a request, an answer and between two are %v, headers have %d bytes; want %v, 64 KiB", got, s.MaxHeaderBytes, want)
	}
}
