package api_test

import (
	"errors"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/adit-tunnel/adit/reference/api"
	"github.com/adit-tunnel/adit/reference/mapping"
)

const deploy = "../deploy/prometheus/"

// scraped is what /metrics answers of a server with two mappings and three tunnels.
func scraped(t *testing.T, enabled bool, tunnels []api.Tunnel) string {
	t.Helper()
	f := &fake{rows: []mapping.Status{
		{Mapping: mapping.Mapping{ID: 7, Port: 1}, Traffic: mapping.Traffic{Active: 1, Total: 10, Failed: 7, Failures: map[string]int64{"refused": 3, "no-tunnel": 4}, In: 1000, Out: 10000}},
		{Mapping: mapping.Mapping{Port: 2}, Traffic: mapping.Traffic{Active: 2, Total: 20, In: 2000, Out: 20000}, Err: errors.New("taken")},
	}}
	r := httptest.NewRequest("GET", "/metrics", nil)
	status, body, header := serve(f, api.Config{TunnelEnabled: enabled, Version: "1.2", Tunnels: func() []api.Tunnel { return tunnels }}, "192.0.2.1:1", r)
	if status != 200 || !strings.HasPrefix(header.Get("Content-Type"), "text/plain; version=0.0.4") {
		t.Fatalf("/metrics = %d, %s: %.500s", status, header.Get("Content-Type"), body)
	}
	return body
}

var someTunnels = []api.Tunnel{
	{Profile: "extended", TLS: true, Key: "k", Name: "n", RTT: 250, Held: 7, OverBudget: 1},
	{Profile: "extended", TLS: true, Key: "k", Name: "n", RTT: 1.5, Held: 8, OverBudget: 2},
	{Profile: "core", Name: "\xff"}, // which no client can be trusted not to say
}

// Every metric, its unit and its labels are pinned here.
func TestMetrics(t *testing.T) {
	body := scraped(t, true, someTunnels)
	var own []string
	for line := range strings.Lines(body) {
		if line = strings.TrimSpace(line); regexp.MustCompile(`^(adit|tunnel|active)_`).MatchString(line) {
			own = append(own, line)
		}
	}
	want := []string{
		`active_connections 3`,
		`adit_build_info{version="1.2"} 1`,
		`adit_client_held_bytes{key="",name="?"} 0`,
		`adit_client_held_bytes{key="k",name="n"} 15`,
		`adit_client_over_budget{key="",name="?"} 0`,
		`adit_client_over_budget{key="k",name="n"} 3`,
		`adit_client_round_trip_seconds{key="k",name="n"} 0.25`,
		`adit_clients{profile="core",tls="false"} 1`,
		`adit_clients{profile="core",tls="true"} 0`,
		`adit_clients{profile="extended",tls="false"} 0`,
		`adit_clients{profile="extended",tls="true"} 2`,
		`adit_mapping_active_connections{port="1"} 1`,
		`adit_mapping_active_connections{port="2"} 2`,
		`adit_mapping_bytes_total{direction="in",port="1"} 1000`,
		`adit_mapping_bytes_total{direction="in",port="2"} 2000`,
		`adit_mapping_bytes_total{direction="out",port="1"} 10000`,
		`adit_mapping_bytes_total{direction="out",port="2"} 20000`,
		`adit_mapping_connections_total{port="1"} 10`,
		`adit_mapping_connections_total{port="2"} 20`,
		`adit_mapping_failures_total{port="1",reason="no-tunnel"} 4`,
		`adit_mapping_failures_total{port="1",reason="refused"} 3`,
		`adit_mapping_served{port="1"} 1`,
		`adit_mapping_served{port="2"} 0`,
		`tunnel_connected 1`,
	}
	if !slices.Equal(own, want) {
		t.Errorf("/metrics has\n%s\nwant\n%s", strings.Join(own, "\n"), strings.Join(want, "\n"))
	}
	for _, other := range []string{"\ngo_goroutines ", "\nprocess_resident_memory_bytes ", "\nprocess_open_fds ", "\nprocess_cpu_seconds_total "} {
		if !strings.Contains(body, other) {
			t.Errorf("/metrics has no%s", other)
		}
	}
	for _, c := range []struct {
		enabled bool
		tunnels []api.Tunnel
	}{{true, nil}, {false, someTunnels}} {
		if body := scraped(t, c.enabled, c.tunnels); !strings.Contains(body, "\ntunnel_connected 0") {
			t.Errorf("tunnel_connected is not 0 with %d tunnels, enabled: %v", len(c.tunnels), c.enabled)
		}
	}
}

// What is asked is counted by its answer.
func TestRequestsAreCounted(t *testing.T) {
	h := api.New(api.Config{Mappings: &fake{}, Tunnels: func() []api.Tunnel { return nil }}).Handler
	ask := func(path string) string {
		r, w := httptest.NewRequest("GET", "http://127.0.0.1"+path, nil), httptest.NewRecorder()
		r.RemoteAddr = "127.0.0.1:1"
		h.ServeHTTP(w, r)
		return w.Body.String()
	}
	for _, path := range []string{"/health", "/health", "/nothing"} {
		ask(path)
	}
	body := ask("/metrics")
	for _, want := range []string{`adit_api_requests_total{code="200"} 2`, `adit_api_requests_total{code="404"} 1`} {
		if !strings.Contains(body, want+"\n") {
			t.Errorf("/metrics has no %s", want)
		}
	}
}

// Every metric that an alert or a panel of the dashboard reads is one that a server has.
func TestAlertsReadMetricsThatThereAre(t *testing.T) {
	alerts, panels := exprs(t, "prometheus/alerts.yml", `(?m)^ *expr: (.+)$`), exprs(t, "grafana/adit.json", `"expr": ("(?:[^"\\]|\\.)*")`)
	body := scraped(t, true, someTunnels) + "\nadit_api_requests_total "
	words := regexp.MustCompile(`\b(adit|tunnel|active|process|go)_[a-z_]+`)
	read := map[string]bool{}
	for _, expr := range slices.Concat(alerts, panels) {
		names := words.FindAllString(expr, -1)
		if len(names) == 0 {
			t.Errorf("%s reads no metric", expr)
		}
		for _, name := range names {
			read[name] = true
			if !regexp.MustCompile(`(?m)^` + name + `[{ ]`).MatchString(body) {
				t.Errorf("%s: there is no metric %s", expr, name)
			}
		}
	}
	if len(alerts) < 8 || len(panels) < 15 {
		t.Errorf("there are %d alerts and %d queries of panels; want 8 and 15 at least", len(alerts), len(panels))
	}
	for _, own := range regexp.MustCompile(`(?m)^# TYPE ((?:adit|tunnel|active)_\w+) `).FindAllStringSubmatch(body, -1) {
		if !read[own[1]] {
			t.Errorf("neither an alert nor a panel reads %s", own[1])
		}
	}
}

// exprs are the expressions in a file of reference/deploy, each the first group of a pattern.
func exprs(t *testing.T, file, pattern string) (all []string) {
	t.Helper()
	text, err := os.ReadFile("../deploy/" + file)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(string(text), -1) {
		all = append(all, m[1])
	}
	return all
}

// promtool, where it is installed, takes the rules, the configuration and the metrics.
func TestPromtool(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("not run: promtool is not installed (Debian: prometheus)")
	}
	for _, args := range [][]string{{"check", "rules", deploy + "alerts.yml"}, {"check", "config", "--syntax-only", deploy + "prometheus.yml"}, {"check", "metrics"}} {
		cmd := exec.Command(promtool, args...)
		cmd.Stdin = strings.NewReader(scraped(t, true, someTunnels) + "\n")
		out, err := cmd.CombinedOutput()
		if err != nil || args[1] == "rules" && !strings.Contains(string(out), "SUCCESS: 8 rules found") {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}
