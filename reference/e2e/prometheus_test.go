package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

const deployed = "../deploy/"

// panel is a query of the dashboard, and what its legend shows.
type panel struct{ Expr, LegendFormat string }

func panels(t *testing.T) (all []panel) {
	t.Helper()
	text, err := os.ReadFile(deployed + "grafana/adit.json")
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Panels []struct{ Targets []panel }
	}
	if err := json.Unmarshal(text, &dashboard); err != nil {
		t.Fatal(err)
	}
	for _, p := range dashboard.Panels {
		all = append(all, p.Targets...)
	}
	if len(all) < 15 {
		t.Fatalf("the dashboard has %d queries; want 15 at least", len(all))
	}
	return all
}

// A real Prometheus, configured as we say, scrapes a server with a key, loads the alerts, and answers every query of the
// dashboard with the labels that its legend shows.
func TestPrometheus(t *testing.T) {
	prometheus, bin, dir := need(t, "prometheus", "prometheus"), needBinaries(t), t.TempDir()
	keys := filepath.Join(dir, "api-keys")
	key, code := run(t, nil, filepath.Join(bin, "adit-server"), "apikey", "prometheus", "--security.api.keys_file", keys)
	if code != 0 {
		t.Fatalf("apikey: exit code %d", code)
	}
	nobody := loopback(freePort(t))
	tun := openServer(t, []string{service(t, echo), nobody}, "--security.api.enable_auth", "--security.api.keys_file", keys)
	tun.startClient(t)
	if err := echoed(tun.public[0], 1, 100_000); err != nil {
		t.Fatal(err)
	}
	refused := func() {
		if c, err := net.Dial("tcp", tun.public[1]); err == nil {
			_, _ = c.Read(make([]byte, 1)) // until the reset
			c.Close()
		}
	}

	config, err := os.ReadFile(deployed + "prometheus/prometheus.yml")
	if err != nil {
		t.Fatal(err)
	}
	alerts, err := filepath.Abs(deployed + "prometheus/alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	text := string(config)
	for _, r := range [][2]string{
		{"credentials_file: /etc/prometheus/adit-key", "credentials_file: " + writeFile(t, filepath.Join(dir, "adit-key"), "%s", key)},
		{"127.0.0.1:8080", loopback(tun.apiPort)},
		{"- alerts.yml", "- " + alerts},
		{"scrape_interval: 5s", "scrape_interval: 1s"},
		{"evaluation_interval: 15s", "evaluation_interval: 1s"},
	} {
		if strings.Count(text, r[0]) != 1 {
			t.Fatalf("prometheus.yml has %d times %q; want 1", strings.Count(text, r[0]), r[0])
		}
		text = strings.Replace(text, r[0], r[1], 1)
	}
	address := loopback(freePort(t))
	start(t, "prometheus", syscall.SIGTERM, exec.Command(prometheus, "--config.file", writeFile(t, filepath.Join(dir, "prometheus.yml"), "%s", text),
		"--storage.tsdb.path", filepath.Join(dir, "data"), "--web.listen-address", address, "--log.level", "warn"))
	ask := func(path string, to any) error {
		r, err := http.Get("http://" + address + path)
		if err != nil {
			return err
		}
		defer r.Body.Close()
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return err
		}
		if r.StatusCode != http.StatusOK {
			return fmt.Errorf("%d: %s", r.StatusCode, body)
		}
		return json.Unmarshal(body, to)
	}

	shown := regexp.MustCompile(`{{(\w+)}}`)
	for _, p := range panels(t) {
		expr := strings.NewReplacer("$instance", ".*", "$__rate_interval", "20s").Replace(strings.TrimSuffix(p.Expr, " > 0"))
		eventually(t, "series for "+expr, 2*soon, func() error {
			var answer struct {
				Data struct {
					Result []struct{ Metric map[string]string }
				}
			}
			refused()
			if err := ask("/api/v1/query?query="+url.QueryEscape(expr), &answer); err != nil {
				return err
			}
			if len(answer.Data.Result) == 0 {
				return fmt.Errorf("%s: no series", expr)
			}
			for _, m := range shown.FindAllStringSubmatch(p.LegendFormat, -1) {
				if _, ok := answer.Data.Result[0].Metric[m[1]]; !ok && m[1] != "key" && m[1] != "name" { // those are empty without keys
					return fmt.Errorf("%s: the legend %s shows a label that %v lacks", expr, p.LegendFormat, answer.Data.Result[0].Metric)
				}
			}
			return nil
		})
	}

	var rules struct {
		Data struct {
			Groups []struct {
				Rules []struct{ Name, Health, State, LastError string }
			}
		}
	}
	eventually(t, "every alert is evaluated", 2*soon, func() error {
		if err := ask("/api/v1/rules", &rules); err != nil {
			return err
		}
		if len(rules.Data.Groups) != 1 || len(rules.Data.Groups[0].Rules) < 8 {
			return fmt.Errorf("the rules are %+v", rules)
		}
		for _, r := range rules.Data.Groups[0].Rules {
			if r.Health != "ok" {
				return fmt.Errorf("%s is %s: %s", r.Name, r.Health, r.LastError)
			}
		}
		return nil
	})
}
