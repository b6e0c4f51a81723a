package api_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/adit-tunnel/adit/reference/api"
)

func TestReady(t *testing.T) {
	for _, c := range []struct {
		draining func() bool
		status   int
		body     string
	}{
		{nil, 200, `{"status":"ready"}`},
		{func() bool { return false }, 200, `{"status":"ready"}`},
		{func() bool { return true }, 503, `{"status":"draining"}`},
	} {
		status, body, _ := serve(&fake{}, api.Config{Draining: c.draining}, "192.0.2.1:1", httptest.NewRequest("GET", "/ready", nil))
		if status != c.status || body != c.body {
			t.Errorf("/ready = %d %s; want %d %s", status, body, c.status, c.body)
		}
	}
}

func TestWhatTheProcessTakesUp(t *testing.T) {
	_, body, _ := serve(&fake{}, api.Config{}, "192.0.2.1:1", httptest.NewRequest("GET", "/api/stats", nil))
	var answer struct {
		Data struct {
			Process struct {
				Goroutines, Descriptors int
				CPU                     float64 `json:"cpu_seconds"`
				Memory                  int64   `json:"memory_bytes"`
				Most                    int64   `json:"max_descriptors"`
			}
		}
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		t.Fatal(err)
	}
	p := answer.Data.Process
	if p.Goroutines < 1 || p.Goroutines > 10*runtime.NumGoroutine() {
		t.Errorf("%d goroutines; want about %d", p.Goroutines, runtime.NumGoroutine())
	}
	if runtime.GOOS != "linux" {
		return
	}
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	if d := p.Descriptors - len(open); d < -3 || d > 3 || p.Most < int64(len(open)) {
		t.Errorf("%d of %d descriptors; want about %d", p.Descriptors, p.Most, len(open))
	}
	if p.CPU <= 0 || p.CPU > 3600 || p.Memory < 1<<20 || p.Memory > 1<<34 {
		t.Errorf("%v s of processor, %d bytes; want those of a test", p.CPU, p.Memory)
	}
}

func TestProfilesTakeTheRoleOperate(t *testing.T) {
	c := newCredentials(t)
	ask := func(cfg api.Config, path, credential string, change func(*http.Request)) (int, string) {
		r := httptest.NewRequest("GET", path, nil)
		r.Host, r.RemoteAddr = "127.0.0.1:6060", "127.0.0.1:5"
		if credential != "" {
			r.Header.Set("Authorization", "Bearer "+credential)
		}
		if change != nil {
			change(r)
		}
		w := httptest.NewRecorder()
		api.NewProfiling(cfg).Handler.ServeHTTP(w, r)
		return w.Code, w.Body.String()
	}
	guarded := api.Config{Access: c.guard}
	for _, path := range []string{"/debug/pprof/", "/debug/pprof/goroutine?debug=1", "/debug/pprof/heap", "/debug/pprof/trace?seconds=0.01", "/debug/pprof/symbol"} {
		for credential, want := range map[string]int{"": 401, c.read: 403, c.operate: 200} {
			if status, body := ask(guarded, path, credential, nil); status != want {
				t.Errorf("%s = %d; want %d: %.200s", path, status, want, body)
			}
		}
		if status, _ := ask(api.Config{}, path, "", nil); status != 200 {
			t.Errorf("%s without authentication, on this machine = %d; want 200", path, status)
		}
	}
	if status, body := ask(api.Config{}, "/debug/pprof/goroutine?debug=1", "", nil); !strings.Contains(body, "goroutine profile: total") {
		t.Errorf("the profile of goroutines = %d %.100s", status, body)
	}
	for what, change := range map[string]func(*http.Request){
		"for a name that a page chose": func(r *http.Request) { r.Host = "evil.example:6060" },
		"the command line":             func(r *http.Request) { r.URL.Path = "/debug/pprof/cmdline" },
		"another path":                 func(r *http.Request) { r.URL.Path = "/api/stats" },
		"by POST":                      func(r *http.Request) { r.Method = "POST" },
	} {
		if status, body := ask(api.Config{}, "/debug/pprof/heap", "", change); status < 400 {
			t.Errorf("%s: %d %.100s; want it refused", what, status, body)
		}
	}
}
