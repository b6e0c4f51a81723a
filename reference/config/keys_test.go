package config_test

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/adit-tunnel/adit/reference/config"
)

// A key is what -help says of one, and what may be given for it.
type key struct {
	def         string // the default
	least, most string // both edges; "" where anything goes, or what with refuses is no number
	with        string // flags that the edges need
}

var timerKeys = map[string]key{
	"close_drain":    {"5s", "5s", "10s", ""},
	"close_total":    {"30s", "1ms", "30s", ""},
	"close_stall":    {"30s", "30s", "35s", ""},
	"close_most":     {"5m0s", "300s", "1h", ""},
	"pause_sign":     {"15s", "1s", "30s", ""},
	"close_wait":     {"1m0s", "60s", "65s", ""},
	"stall_limit":    {"5s", "5s", "10s", ""},
	"stall_budget":   {"10s", "10s", "15s", ""},
	"stall_window":   {"15s", "15s", "20s", ""},
	"frame_progress": {"1m0s", "1s", "1h", ""},
}

var serverKeys = map[string]key{
	"port_range.from":               {"10000", "1", "65535", "-port_range.end=65535"},
	"port_range.end":                {"10100", "1", "65535", "-port_range.from=1"},
	"memory":                        {"0", "0", "1099511627776", ""},
	"protocol":                      {"auto", "", "", ""},
	"keys":                          {"./data/keys", "", "", ""},
	"open":                          {"false", "", "", ""},
	"plain":                         {"false", "", "", ""},
	"tls_ends_before":               {"false", "", "", ""},
	"tunnel.enabled":                {"true", "", "", ""},
	"tunnel.listen_host":            {"", "", "", ""},
	"tunnel.listen_port":            {"9000", "0", "65535", ""},
	"tunnel.allowed_clients":        {"", "", "", ""},
	"tunnel.connect_request":        {"addressed", "", "", ""},
	"tunnel.target_offset":          {"", "0", "65535", ""},
	"tunnel.allow_bind":             {"false", "", "", ""},
	"tunnel.timers.bind_hold":       {"30s", "1ms", "300s", ""},
	"tunnel.max_tunnels":            {"1024", "1", "1048576", ""},
	"tunnel.max_connections":        {"16384", "1", "1048576", ""},
	"tunnel.queue":                  {"1048576", "65536", "16777216", ""},
	"tunnel.window":                 {"262144", "4096", "1073741824", ""},
	"tunnel.memory":                 {"536870912", "16777216", "1099511627776", ""},
	"tunnel.timers.connect_timeout": {"10s", "5s", "30s", ""},
	"tunnel.timers.dead_peer":       {"45s", "45s", "300s", ""},
	"visitors.listen_host":          {"", "", "", ""},
	"direct.dial_timeout":           {"10s", "1ms", "1h", ""},
	"direct.max_connections":        {"16384", "1", "1048576", ""},
	"tunnel.trusted_proxies":        {"", "", "", ""},
	"visitors.trusted_proxies":      {"", "", "", ""},
	"visitors.max_connections":      {"0", "0", "1048576", ""},
	"visitors.max_per_address":      {"0", "0", "1048576", ""},
	"api.listen_host":               {"127.0.0.1", "", "", ""},
	"api.profiling":                 {"", "", "", ""},
	"api.listen_port":               {"8080", "0", "65535", ""},
	"map":                           {"", "", "", ""},
	"web.listen":                    {"", "", "", ""},
	"web.listen_tls":                {"", "", "", ""},
	"web.cert_file":                 {"", "", "", ""},
	"web.key_file":                  {"", "", "", ""},
	"web.acme.enabled":              {"false", "", "", ""},
	"web.acme.email":                {"", "", "", ""},
	"web.acme.directory":            {"https://acme-v02.api.letsencrypt.org/directory", "", "", ""},
	"web.acme.ca":                   {"", "", "", ""},
	"web.acme.cache":                {"./data/acme", "", "", ""},
	"web.redirect":                  {"true", "", "", ""},
	"web.trusted_proxies":           {"", "", "", ""},
	"web.max_connections":           {"4096", "1", "1048576", ""},
	"web.max_per_address":           {"256", "0", "1048576", ""},
	"web.response_timeout":          {"1m0s", "0s", "24h", ""},
	"database.path":                 {"./data/mappings.db", "", "", ""},
	"security.api.enable_auth":      {"false", "", "", ""},
	"security.api.keys_file":        {"./data/api-keys", "", "", ""},
	"security.api.jwt_key_file":     {"", "", "", ""},
	"security.api.allowed_ips":      {"", "", "", ""},
	"security.tunnel.enable_tls":    {"false", "", "", ""},
	"security.tunnel.cert_file":     {"", "", "", ""},
	"security.tunnel.key_file":      {"", "", "", ""},
	"security.tunnel.client_ca":     {"", "", "", ""},
	"security.port_range.blacklist": {"", "1", "65535", ""},
	"log.level":                     {"info", "", "", ""},
	"log.format":                    {"text", "", "", ""},
	"shutdown.grace":                {"30s", "0s", "1h", ""},
}

var clientKeys = map[string]key{
	"server":                    {"127.0.0.1:9000", "", "", ""},
	"protocol":                  {"auto", "", "", ""},
	"name":                      {"", "", "", ""},
	"tls":                       {"false", "", "", ""},
	"ca":                        {"", "", "", ""},
	"pin":                       {"", "", "", ""},
	"cert_file":                 {"", "", "", ""},
	"cert_key_file":             {"", "", "", ""},
	"allow":                     {"", "", "", ""},
	"proxy":                     {"", "", "", ""},
	"unix":                      {"", "", "", ""},
	"proxy_protocol":            {"", "", "", ""},
	"publish":                   {"", "", "", ""},
	"key":                       {"", "", "", ""},
	"key_file":                  {"", "", "", ""},
	"plain":                     {"false", "", "", ""},
	"tls_ends_before":           {"false", "", "", ""},
	"target_host":               {"127.0.0.1", "", "", ""},
	"status_socket":             {"", "", "", ""},
	"connect_timeout":           {"10s", "1ms", "1m", ""},
	"redial_delay":              {"500ms", "1ms", "40s", "-redial_most=40s"},
	"redial_most":               {"30s", "500ms", "40s", ""},
	"max_connections":           {"16384", "1", "1048576", ""},
	"queue":                     {"1048576", "65536", "16777216", ""},
	"window":                    {"262144", "4096", "1073741824", ""},
	"memory":                    {"536870912", "16777216", "1099511627776", ""},
	"timers.dial_timeout":       {"8s", "1ms", "30s", ""},
	"timers.keepalive_interval": {"15s", "1ms", "15s", ""},
	"timers.dead_peer":          {"45s", "45s", "50s", ""},
	"log.level":                 {"info", "", "", ""},
	"log.format":                {"text", "", "", ""},
	"shutdown.grace":            {"30s", "0s", "1h", ""},
}

// Every key has the default and the bounds that are written here, and there are no other keys.
func TestDefaultsAndBoundsOfEveryKey(t *testing.T) {
	for name, c := range map[string]struct {
		keys  map[string]key
		timer string // where the common timers stand
		load  func(args []string, out io.Writer) error
	}{
		"server": {serverKeys, "tunnel.timers.", func(args []string, out io.Writer) error {
			_, err := config.LoadServer(args, out)
			return err
		}},
		"client": {clientKeys, "timers.", func(args []string, out io.Writer) error {
			_, err := config.LoadClient(args, out, anyRules)
			return err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			keys := maps.Clone(c.keys)
			for k, v := range timerKeys {
				keys[c.timer+k] = v
			}
			if err := c.load(nil, nil); err != nil {
				t.Errorf("the defaults are refused: %v", err)
			}
			defaults := helped(t, c.load)
			if got, want := slices.Sorted(maps.Keys(defaults)), slices.Sorted(maps.Keys(keys)); !slices.Equal(got, want) {
				t.Fatalf("--help lists the keys %q; want %q", got, want)
			}
			for name, k := range keys {
				if defaults[name] != k.def {
					t.Errorf("--help says that %s is %q by default; want %q", name, defaults[name], k.def)
				}
				if k.least == "" {
					continue
				}
				for value, want := range map[string]bool{k.least: true, beyond(t, k.least, -1): false, k.most: true, beyond(t, k.most, +1): false} {
					args := append(strings.Fields(k.with), "-"+name+"="+value)
					err := c.load(args, nil)
					if (err == nil) != want || err != nil && !strings.HasPrefix(err.Error(), "flag --"+name+": ") {
						t.Errorf("%v = %v; want it accepted: %v", args, err, want)
					}
				}
			}
		})
	}
}

// One dash or two, and a script for a shell that knows every flag.
func TestFlagsCompleteAndTakeOneDashOrTwo(t *testing.T) {
	for _, dashes := range []string{"-", "--"} {
		c, err := config.LoadServer([]string{dashes + "api.listen_port", "7", dashes + "debug"}, nil)
		if err != nil || c.API.ListenPort != 7 {
			t.Errorf("%sapi.listen_port 7: %d, %v", dashes, c.API.ListenPort, err)
		}
		if _, err := config.LoadClient([]string{dashes + "version"}, nil, anyRules); !errors.Is(err, config.ErrVersion) {
			t.Errorf("%sversion = %v; want ErrVersion", dashes, err)
		}
	}
	for shell, want := range map[string]string{"bash": "complete -o default -W '--help --allow ", "zsh": "bashcompinit\ncomplete -o default -W '--help --allow ", "fish": "complete -c adit-client -l help\ncomplete -c adit-client -l allow\n"} {
		var out bytes.Buffer
		if _, err := config.LoadClient([]string{"--completion", shell}, &out, anyRules); !errors.Is(err, config.ErrHelp) || !strings.Contains(out.String(), want) {
			t.Errorf("--completion %s = %v, %s; want %s", shell, err, &out, want)
		}
	}
	if _, err := config.LoadServer([]string{"--completion", "csh"}, nil); err == nil || !strings.Contains(err.Error(), "write bash, zsh or fish") {
		t.Errorf("--completion csh = %v; want the shells", err)
	}
}

// helped returns the keys of -help and their defaults.
func helped(t *testing.T, load func([]string, io.Writer) error) map[string]string {
	t.Helper()
	var out bytes.Buffer
	if err := load([]string{"-help"}, &out); !errors.Is(err, config.ErrHelp) {
		t.Fatalf("-help = %v; want ErrHelp", err)
	}
	usage, list, _ := strings.Cut(out.String(), "Keys and their defaults:\n")
	for _, flag := range []string{"--config", "--debug", "--completion", "--version", "--help"} {
		if !strings.Contains(usage, "  "+flag+" ") {
			t.Errorf("--help says nothing of %s", flag)
		}
	}
	defaults := map[string]string{}
	for line := range strings.Lines(list) {
		words, _, _ := strings.Cut(strings.TrimSpace(line), "  ")
		name, value, _ := strings.Cut(strings.Replace(words, "=", " ", 1), " ")
		if name != "" {
			defaults[strings.TrimPrefix(name, "--")] = value
		}
	}
	return defaults
}

// beyond is the next number in a direction.
func beyond(t *testing.T, text string, step int) string {
	t.Helper()
	if n, err := strconv.Atoi(text); err == nil {
		return strconv.Itoa(n + step)
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return (d + time.Duration(step)).String()
}
