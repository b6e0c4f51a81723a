package config_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/adit-tunnel/adit/reference/config"
)

func TestFlagsOverEnvironmentOverFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(file, []byte("tunnel: {listen_port: 1, max_tunnels: 2}\napi: {listen_port: 3}\nmap: ['10003']\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("ADIT_CONFIG", file)
	t.Setenv("ADIT_TUNNEL_LISTEN_PORT", "4")
	t.Setenv("ADIT_TUNNEL_MAX_TUNNELS", "5")
	t.Setenv("ADIT_MAP", "10001=22,10002=23")
	c, err := config.LoadServer([]string{"--tunnel.listen_port", "6"}, nil)
	if err != nil || c.Tunnel.ListenPort != 6 || c.Tunnel.MaxTunnels != 5 || c.API.ListenPort != 3 || !slices.Equal(c.Map, []string{"10001=22", "10002=23"}) {
		t.Errorf("listen_port %d, max_tunnels %d, api %d, map %q, %v; want 6 of the flag, 5 and the maps of the environment, 3 of the file", c.Tunnel.ListenPort, c.Tunnel.MaxTunnels, c.API.ListenPort, c.Map, err)
	}
	other := filepath.Join(t.TempDir(), "other.yaml")
	if err := os.WriteFile(other, []byte("api: {listen_port: 7}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if c, err := config.LoadServer([]string{"--config", other}, nil); err != nil || c.API.ListenPort != 7 {
		t.Errorf("--config over ADIT_CONFIG: api %d, %v; want 7", c.API.ListenPort, err)
	}
}

func TestWhatTheEnvironmentMayNotSay(t *testing.T) {
	for _, c := range []struct{ name, value, want string }{
		{"ADIT_TUNNEL_LISTEN_PORT", "x", `ADIT_TUNNEL_LISTEN_PORT: "x" is not a whole number`},
		{"ADIT_TUNNEL_LISTEN_PORT", "70000", "ADIT_TUNNEL_LISTEN_PORT: 70000 must be 0 to 65535"},
		{"ADIT_TUNNEL_LISTEN_PORT", "", `ADIT_TUNNEL_LISTEN_PORT: "" is not a whole number`},
		{"ADIT_MAP", `{"port":1}`, "ADIT_MAP: an object can only stand in the file"},
		{"ADIT_LOG_LEVEL", "loud", `ADIT_LOG_LEVEL: "loud" must be debug or info`},
		{"ADIT_TUNEL_LISTEN_PORT", "1", "ADIT_TUNEL_LISTEN_PORT: is not a variable of this program; is it to be ADIT_TUNNEL_LISTEN_PORT?"},
		{"ADIT_SECURITY_API_ENABLEAUTH", "true", "is it to be ADIT_SECURITY_API_ENABLE_AUTH?"},
		{"ADIT_TLS_ENDS_BEFORE", "true", "ADIT_TLS_ENDS_BEFORE: has no effect without keys"},
		{"ADIT_CONFIG", "/nowhere/c.yaml", "open /nowhere/c.yaml"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv(c.name, c.value)
			if _, err := config.LoadServer(nil, nil); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s=%q: %v; want %q", c.name, c.value, err, c.want)
			}
		})
	}
	for _, name := range []string{"ADIT_SERVER", "ADIT_KEY", "ADIT_API_KEY", "ADIT_CONNECT_TIMEOUT", "ADIT_E2E", "ADIT_PORT_9000_TCP", "ADIT_SERVICE_HOST"} { // the client's, ctl's, others'
		t.Setenv(name, "x")
	}
	if _, err := config.LoadServer(nil, nil); err != nil {
		t.Errorf("variables that are not the server's: %v; want them passed over", err)
	}
}

// One environment serves a client and its key, which is never that of the file, too.
func TestTheKeysVariableStaysTheOnly(t *testing.T) {
	t.Setenv("ADIT_KEY", home)
	t.Setenv("ADIT_KEY_FILE", file(t, home))
	if _, err := config.LoadClient(nil, nil, anyRules); err == nil || !strings.Contains(err.Error(), "ADIT_KEY_FILE: a client has one key, and ADIT_KEY gives one too") {
		t.Errorf("ADIT_KEY and ADIT_KEY_FILE: %v; want them refused", err)
	}
}

func TestCheckOnly(t *testing.T) {
	var out strings.Builder
	if _, err := config.LoadServer([]string{"--check"}, &out); err != config.ErrHelp || out.String() != "ok\n" {
		t.Errorf("--check = %v, prints %q; want ok", err, out.String())
	}
	out.Reset()
	bad := file(t, "map: ['10050=22']\nsecurity: {port_range: {blacklist: [10050]}}\n")
	_, err := config.LoadServer([]string{"--check", "--config", bad}, &out)
	if want := bad + ":1: map: port 10050: port 10050 is in security.port_range.blacklist; use another"; err == nil || err.Error() != want || out.Len() > 0 {
		t.Errorf("--check = %v, prints %q; want %s", err, out.String(), want)
	}
	if _, err := config.LoadClient([]string{"--check"}, &out, anyRules); err != config.ErrHelp || out.String() != "ok\n" {
		t.Errorf("the client's --check = %v, prints %q; want ok", err, out.String())
	}
}

func TestJSONFiles(t *testing.T) {
	load := func(text string) (config.Server, string, error) {
		name := filepath.Join(t.TempDir(), "c.json")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := config.LoadServer([]string{"--config", name}, nil)
		return c, name, err
	}
	c, _, err := load("{\n\t\"tunnel\": {\n\t\t\"listen_port\": 9001, \"listen_host\": \"127.0.0.1\"\n\t},\n\t\"map\": [{\"port\": 10001, \"client\": \"10.0.0.1\"}],\n\t\"database\": {\"path\": \"a\\tb\\u00e9\\/\"}\n}\n")
	if err != nil || c.Tunnel.ListenPort != 9001 || len(c.Maps) != 1 || c.Maps[0].Client != "10.0.0.1" || c.Database.Path != "a\tbé/" {
		t.Errorf("a JSON file with tabs: %+v, %v", c, err)
	}
	for text, want := range map[string]string{
		"{\n\"api\": {},\n}":             ":3: this is not JSON: invalid character '}'",
		"api:\n  listen_port: 1\n":       ":1: this is not JSON: invalid character 'a'",
		"{\"api\": {}} # no\n":           ":1: this is not JSON: invalid character '#'",
		"":                               ":1: this is not JSON: unexpected end",
		"{\n\"api\": {\"port\": 1}\n}\n": `:2: api.port: unknown field "port"`,
		"{\"api\": {}, \"api\": {}}":     ":1: api: already defined on line 1",
		"{\"memory\": 1.5}":              `:1: memory: number "1.5" where a whole number is expected`,
		"[]":                             ":1: list where keys are expected",
	} {
		if _, name, err := load(text); err == nil || !strings.HasPrefix(err.Error(), name+want) {
			t.Errorf("%q: %v; want %s", text, err, name+want)
		}
	}
}
