package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/adit-tunnel/adit/reference/api"
)

// fake is a Controller that remembers what it was asked for.
type fake struct {
	created []api.CreateRequest
	removed []int
	rows    []api.Row
	stats   []api.MappingStats
	err     error
}

func (f *fake) Create(_ context.Context, r api.CreateRequest) (api.Row, error) {
	if f.err != nil {
		return api.Row{}, f.err
	}
	f.created = append(f.created, r)
	return api.Row{ID: 1, Port: r.Port, TargetHost: *r.TargetIP, TargetPort: r.Port}, nil
}

func (f *fake) Remove(_ context.Context, port int) error {
	f.removed = append(f.removed, port)
	return f.err
}

func (f *fake) List(context.Context) ([]api.Row, error) { return f.rows, f.err }
func (f *fake) Health() (enabled, connected bool)       { return true, true }
func (f *fake) Stats() api.Stats {
	return api.Stats{Mappings: f.stats, Tunnels: []api.TunnelStats{}}
}

func call(t *testing.T, f *fake, allowed []netip.Prefix, method, path, body string) (int, string, http.Header) {
	t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.RemoteAddr = "192.0.2.1:5000"
	w := httptest.NewRecorder()
	api.NewServer(api.Config{Control: f, Allowed: allowed}).Handler.ServeHTTP(w, r)
	return w.Code, strings.TrimSpace(w.Body.String()), w.Header()
}

// The examples of document 003, with our own text for people.
func TestDocumentedShapes(t *testing.T) {
	made := time.Date(2024, 1, 1, 12, 0, 0, 0, time.Local)
	f := &fake{rows: []api.Row{
		{ID: 1, Port: 10001, TargetHost: "192.168.1.100", TargetPort: 10001, CreatedAt: made},
		{ID: 2, Port: 10002, CreatedAt: made, UseTunnel: true, Client: "10.0.0.0/8", Err: errors.New("port 10002 is taken")},
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
				`{"id":2,"source_port":10002,"target_ip":"","target_port":0,"created_at":"2024-01-01 12:00:00","use_tunnel":true,"client":"10.0.0.0/8","active":0,"error":"port 10002 is taken"}` +
				`],"use_tunnel":true}}`,
		},
		{"GET", "/health", "", `{"status":"ok","tunnel_connected":true,"tunnel_enabled":true}`},
	} {
		if status, got, _ := call(t, f, nil, c.method, c.path, c.body); status != 200 || got != c.want {
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
		{"remove with an unknown field", "POST", "/api/mapping/remove", `{"port":1,"force":true}`, 400, "force"},
		{"remove without port", "POST", "/api/mapping/remove", `{}`, 400, "port"},
	} {
		f := &fake{}
		status, got, header := call(t, f, nil, c.method, c.path, c.body)
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
			t.Errorf("%s: the controller was asked all the same", c.name)
		}
	}
}

func TestErrorsOfTheController(t *testing.T) {
	f := &fake{err: &api.Error{Status: 409, Field: "port", Message: "port 1 is mapped"}}
	if status, got, _ := call(t, f, nil, "POST", "/api/mapping/create", `{"port":1,"target_ip":"h"}`); status != 409 ||
		got != `{"success":false,"message":"port 1 is mapped","data":{"field":"port"}}` {
		t.Errorf("a caller's fault = %d %s; want 409 and the field", status, got)
	}
	f.err = errors.New("disk on fire")
	if status, got, _ := call(t, f, nil, "GET", "/api/mapping/list", ""); status != 500 || !strings.Contains(got, `"success":false`) {
		t.Errorf("an internal failure = %d %s; want 500 and the envelope", status, got)
	}
}

func TestAllowedAddresses(t *testing.T) {
	for prefix, want := range map[string]int{"192.0.2.0/24": 200, "10.0.0.0/8": 403} {
		status, _, _ := call(t, &fake{}, []netip.Prefix{netip.MustParsePrefix(prefix)}, "GET", "/health", "")
		if status != want {
			t.Errorf("with allowed_ips %s: %d; want %d", prefix, status, want)
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
		w := httptest.NewRecorder()
		api.NewServer(api.Config{Control: f}).Handler.ServeHTTP(w, r)
		if w.Code != want || len(f.removed) != map[int]int{200: 1, 403: 0}[want] {
			t.Errorf("%s: %d, removed %v; want %d", header, w.Code, f.removed, want)
		}
	}
}

func TestStatsAddUp(t *testing.T) {
	f := &fake{stats: []api.MappingStats{
		{Port: 1, Active: 1, Total: 10, Failed: 100, In: 1000, Out: 10000},
		{Port: 2, Active: 2, Total: 20, Failed: 200, In: 2000, Out: 20000},
	}}
	_, body, _ := call(t, f, nil, "GET", "/api/stats", "")
	if want := `"all":{"active":3,"total":30,"failed":300,"octets_in":3000,"octets_out":30000}`; !strings.Contains(body, want) {
		t.Errorf("stats = %s; want %s in it", body, want)
	}
}

func TestPage(t *testing.T) {
	status, body, header := call(t, &fake{}, nil, "GET", "/", "")
	if status != 200 || !strings.Contains(body, "/api/stats") || !strings.HasPrefix(header.Get("Content-Type"), "text/html") {
		t.Errorf("GET / = %d, %d octets of %s; want the page", status, len(body), header.Get("Content-Type"))
	}
	if strings.Contains(body, "http://") || strings.Contains(body, "https://") {
		t.Error("the page fetches something from elsewhere")
	}
}
