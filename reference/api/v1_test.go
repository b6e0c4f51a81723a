package api_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"

	"github.com/adit-tunnel/adit/reference/api"
	"github.com/adit-tunnel/adit/reference/keys"
	"github.com/adit-tunnel/adit/reference/mapping"
)

// ring is the keys of a server.
type ring struct {
	ids []string
	err error
}

func (r *ring) IDs() []string { return r.ids }

func (r *ring) Add(id string) (string, error) {
	r.ids = append(r.ids, id)
	return "adit1:" + id + ":secret", r.err
}

func (r *ring) Remove(id string) error {
	r.ids = slices.DeleteFunc(r.ids, func(s string) bool { return s == id })
	return r.err
}

func described(t *testing.T) (*openapi3.T, routers.Router) {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromFile("openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	doc.Servers = nil
	router, err := gorillamux.NewRouter(doc)
	if err == nil {
		err = doc.Validate(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	return doc, router
}

// The paths and methods that are described are those that there are.
func TestOpenAPIHasEveryPath(t *testing.T) {
	doc, _ := described(t)
	want := map[string][]string{}
	for path, item := range doc.Paths.Map() {
		want[path] = slices.Sorted(maps.Keys(item.Operations()))
	}
	got := map[string][]string{}
	for path, methods := range api.Endpoints() {
		if strings.HasPrefix(path, "/api/v1/") {
			slices.Sort(methods)
			got[path] = methods
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the server has %v; openapi.yaml has %v", got, want)
	}
}

// Requests and answers are what openapi.yaml says, and every way an operation may succeed is tried.
func TestOpenAPIHolds(t *testing.T) {
	doc, router := described(t)
	made := time.Date(2024, 1, 1, 12, 0, 0, 0, time.UTC)
	tunnel := api.Tunnel{
		ID: "t1", Remote: "192.0.2.9:1", Since: made, KeepAlive: made, Profile: "extended", Key: "home", Agent: "a", Name: "n", RTT: 1.5,
		Connections: []api.Connection{{ID: 1, Target: "h:22", Origin: "192.0.2.10:1", State: "open", Credit: 1, Window: 2, Queue: 3}},
	}
	cfg := func(k api.Keys) api.Config {
		return api.Config{
			Keys: k, Events: api.NewEvents(), Started: made,
			Tunnels: func() []api.Tunnel {
				return []api.Tunnel{tunnel, {ID: "t2", Profile: "core", WhyCore: "old", Connections: []api.Connection{}}}
			},
			Visits: func() []api.Visit {
				return []api.Visit{{ID: "00000000000000ff", Port: 2, Target: "h:2", Visitor: "v:2", Client: "t1", Since: made.Add(1), In: 3, Out: 4}, {ID: "0000000000000001", Port: 1, Target: "h:1", Visitor: "v:1", Since: made}}
			},
		}
	}
	const (
		one = `{"port":10001,"target_host":"h","target_port":22,"use_tunnel":false,"stored":true,"created_at":"2024-01-01T12:00:00Z","active":1,"total":2,"failed":1,"failures":{"refused":1},"octets_in":3,"octets_out":4}`
		two = `{"port":10002,"target_host":"","target_port":2,"use_tunnel":true,"client":"10.0.0.0/8","stored":false,"created_at":"2024-01-01T12:00:00Z","active":0,"total":0,"failed":0,"octets_in":0,"octets_out":0,"error":"taken"}`
	)
	text, err := os.ReadFile("openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, c := range []struct {
		method, path, body string
		keys               *ring
		err                error // of the mappings
		status             int
		want               string // in the answer
	}{
		{"GET", "/api/v1/mappings", "", nil, nil, 200, `{"mappings":[` + one + "," + two + `]}`},
		{"POST", "/api/v1/mappings", `{"port":10003,"target_host":"h"}`, nil, nil, 201, `"data":{"port":10003,"target_host":"h","target_port":10003,"use_tunnel":false,"stored":true,`},
		{"POST", "/api/v1/mappings", `{"port":10003}`, nil, mapping.Exists("10003"), 409, `{"field":"port"}`},
		{"GET", "/api/v1/mappings/10002", "", nil, nil, 200, `"data":` + two},
		{"GET", "/api/v1/mappings/10003", "", nil, nil, 404, `{"field":"port"}`},
		{"DELETE", "/api/v1/mappings/10001", "", nil, nil, 200, `"data":{"port":10001}`},
		{"DELETE", "/api/v1/mappings/10001", "", nil, mapping.Missing("10001"), 404, `{"field":"port"}`},
		{"GET", "/api/v1/clients", "", nil, nil, 200, `"clients":[{"id":"t1",`},
		{"GET", "/api/v1/connections", "", nil, nil, 200, `"data":{"connections":[{"id":"0000000000000001","port":1,"target":"h:1","visitor":"v:1","since":"2024-01-01T12:00:00Z","octets_in":0,"octets_out":0},{"id":"00000000000000ff","port":2,"target":"h:2","visitor":"v:2","client":"t1",`},
		{"GET", "/api/v1/keys", "", &ring{ids: []string{"home", "work"}}, nil, 200, `{"keys":[{"name":"home","clients":1},{"name":"work","clients":0}]}`},
		{"GET", "/api/v1/keys", "", nil, nil, 409, `"data":{}`},
		{"POST", "/api/v1/keys", `{"name":"new"}`, &ring{}, nil, 201, `"data":{"key":"adit1:new:secret","name":"new"}`},
		{"POST", "/api/v1/keys", `{"name":"new"}`, nil, nil, 409, `--keys FILE`},
		{"POST", "/api/v1/keys", `{"name":"new"}`, &ring{err: fmt.Errorf("there: %w", keys.ErrTaken)}, nil, 409, `{"field":"name"}`},
		{"POST", "/api/v1/keys", `{"name":"new"}`, &ring{err: fmt.Errorf("bad: %w", keys.ErrName)}, nil, 400, `{"field":"name"}`},
		{"POST", "/api/v1/keys", `{"name":"new"}`, &ring{err: errors.New("disk full")}, nil, 500, `"message":"disk full"`},
		{"DELETE", "/api/v1/keys/home", "", &ring{ids: []string{"home"}}, nil, 200, `"data":{"name":"home"}`},
		{"DELETE", "/api/v1/keys/home", "", nil, nil, 409, `--keys FILE`},
		{"DELETE", "/api/v1/keys/home", "", &ring{err: fmt.Errorf("none: %w", keys.ErrNoKey)}, nil, 404, `{"field":"name"}`},
		{"GET", "/api/v1/statistics", "", nil, nil, 200, `"uptime_seconds":`},
		{"GET", "/api/v1/openapi.yaml", "", nil, nil, 200, `openapi: 3.0.3`},
	} {
		f := &fake{err: c.err, rows: []mapping.Status{
			{Mapping: mapping.Mapping{ID: 1, Port: 10001, TargetHost: "h", TargetPort: 22, CreatedAt: made}, Traffic: mapping.Traffic{Active: 1, Total: 2, Failed: 1, Failures: map[string]int64{"refused": 1}, In: 3, Out: 4}},
			{Mapping: mapping.Mapping{Port: 10002, TargetPort: 2, UseTunnel: true, Client: "10.0.0.0/8", CreatedAt: made}, Err: errors.New("taken")},
		}}
		var k api.Keys
		if c.keys != nil {
			k = c.keys
		}
		request := func() *http.Request {
			r := httptest.NewRequest(c.method, "http://127.0.0.1:8080"+c.path, strings.NewReader(c.body))
			r.Header.Set("Content-Type", "application/json")
			return r
		}
		status, body, header := serve(f, cfg(k), "192.0.2.1:5000", request())
		if status != c.status || !strings.Contains(body, c.want) {
			t.Errorf("%s %s = %d %s; want %d %s", c.method, c.path, status, body, c.status, c.want)
		}
		route, params, err := router.FindRoute(request())
		if err != nil {
			t.Errorf("%s %s: %v", c.method, c.path, err)
			continue
		}
		in := &openapi3filter.RequestValidationInput{Request: request(), PathParams: params, Route: route, Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc}}
		if err := openapi3filter.ValidateRequest(t.Context(), in); err != nil {
			t.Errorf("%s %s: %v", c.method, c.path, err)
		}
		out := &openapi3filter.ResponseValidationInput{RequestValidationInput: in, Status: status, Header: header, Body: io.NopCloser(strings.NewReader(body))}
		if err := openapi3filter.ValidateResponse(t.Context(), out); err != nil {
			t.Errorf("%s %s = %s: %v", c.method, c.path, body, err)
		}
		for _, name := range regexp.MustCompile(`"(\w+)":`).FindAllStringSubmatch(body, -1) {
			if body[0] == '{' && !strings.Contains(string(text), " "+name[1]+":") && !strings.Contains(string(text), "{"+name[1]+":") && name[1] != "refused" {
				t.Errorf("%s %s answers with %s, which openapi.yaml does not have", c.method, c.path, name[1])
			}
		}
		seen[fmt.Sprintf("%s %d", route.Operation.OperationID, status)] = true
		if created := len(f.created) + len(f.removed); c.err == nil && (c.method != "GET" && strings.Contains(c.path, "mappings")) != (created == 1) {
			t.Errorf("%s %s: the manager was asked %d times", c.method, c.path, created)
		}
		if header.Get("Location") != map[bool]string{true: "/api/v1/mappings/10003"}[c.status == 201 && strings.HasSuffix(c.path, "mappings")] {
			t.Errorf("%s %s: Location %q", c.method, c.path, header.Get("Location"))
		}
		if c.keys != nil && c.keys.err == nil && c.method != "GET" && fmt.Sprint(c.keys.ids) != map[string]string{"POST": "[new]", "DELETE": "[]"}[c.method] {
			t.Errorf("%s %s leaves the keys %v", c.method, c.path, c.keys.ids)
		}
	}
	for _, item := range doc.Paths.Map() {
		for _, op := range item.Operations() {
			for status := range op.Responses.Map() {
				if key := op.OperationID + " " + status; status != "default" && op.OperationID != "events" && !seen[key] {
					t.Errorf("%s is not tried", key)
				}
			}
		}
	}
}

// What the description refuses the server refuses, too.
func TestOpenAPIRefuses(t *testing.T) {
	for _, c := range []struct{ method, path, body, field string }{
		{"GET", "/api/v1/mappings/0", "", "port"},
		{"DELETE", "/api/v1/mappings/65536", "", "port"},
		{"DELETE", "/api/v1/mappings/-1", "", "port"},
		{"POST", "/api/v1/mappings", `{"prot":1}`, "prot"},
		{"POST", "/api/v1/keys", `{"name":"a","secret":"b"}`, "secret"},
		{"GET", "/api/v1/events?kinds=client,all", "", "kinds"},
	} {
		f := &fake{}
		status, body, _ := serve(f, api.Config{Keys: &ring{}, Events: api.NewEvents()}, "192.0.2.1:1", httptest.NewRequest(c.method, c.path, strings.NewReader(c.body)))
		if status != 400 || !strings.Contains(body, fmt.Sprintf(`"field":%q`, c.field)) || len(f.created)+len(f.removed) > 0 {
			t.Errorf("%s %s = %d %s; want 400 and %s", c.method, c.path, status, body, c.field)
		}
	}
	status, _, header := call(&fake{}, "PUT", "/api/v1/mappings", "")
	if status != 405 || header.Get("Allow") != "GET, POST, HEAD" {
		t.Errorf("PUT = %d, Allow %q; want 405 and GET, POST, HEAD", status, header.Get("Allow"))
	}
	_, _, header = call(&fake{}, "POST", "/api/v1/mappings/1", "")
	if header.Get("Allow") != "DELETE, GET, HEAD" {
		t.Errorf("Allow %q; want DELETE, GET, HEAD", header.Get("Allow"))
	}
	_, _, header = call(&fake{}, "GET", "/api/v1/keys/x", "")
	if header.Get("Allow") != "DELETE" {
		t.Errorf("Allow %q; want DELETE", header.Get("Allow"))
	}
}

// At most 1000 visitors are shown, the oldest.
func TestMostConnections(t *testing.T) {
	visits := func() []api.Visit {
		var all []api.Visit
		for i := range 1001 {
			all = append(all, api.Visit{ID: fmt.Sprint(i), Since: time.Unix(int64(2000-i), 0)})
		}
		return all
	}
	_, body, _ := serve(&fake{}, api.Config{Visits: visits}, "192.0.2.1:1", httptest.NewRequest("GET", "/api/v1/connections", nil))
	if !strings.Contains(body, `"data":{"connections":[{"id":"1000",`) || !strings.Contains(body, `"count":1001}`) || strings.Contains(body, `"id":"0"`) || strings.Count(body, `"id"`) != 1000 {
		t.Errorf("of 1001 connections %d are shown: %.200s", strings.Count(body, `"id"`), body)
	}
}

func TestTheDescriptionIsServedAsItIs(t *testing.T) {
	want, err := os.ReadFile("openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	_, body, header := call(&fake{}, "GET", "/api/v1/openapi.yaml", "")
	if !bytes.Equal([]byte(body), bytes.TrimSpace(want)) || header.Get("Content-Type") != "application/yaml" {
		t.Errorf("openapi.yaml is served as %d bytes of %s", len(body), header.Get("Content-Type"))
	}
}
