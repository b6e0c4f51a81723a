package config_test

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/adit-tunnel/adit/reference/certtest"
	"github.com/adit-tunnel/adit/reference/config"
	"github.com/adit-tunnel/adit/reference/mapping"
)

func TestDocumentedFile(t *testing.T) {
	c, err := config.LoadServer([]string{"-config", "testdata/document.yaml"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if c.PortRange.From != 10000 || c.Tunnel.ListenPort != 9000 || c.API.ListenPort != 8080 || c.API.ListenHost != "127.0.0.1" ||
		len(c.AllowedIPs()) != 2 || len(c.Security.PortRange.Blacklist) != 3 || c.Offset() != 10000 {
		t.Errorf("LoadServer(document.yaml) = %+v", c)
	}
}

// Each file has one mistake; its first line says the line, the key and a word of the error.
func TestInvalidFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/invalid-*.yaml")
	if err != nil || len(files) < 15 {
		t.Fatalf("%d invalid files, %v; want at least 15", len(files), err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		first, _, _ := strings.Cut(string(text), "\n")
		where, word, _ := strings.Cut(strings.TrimPrefix(first, "# want: "), ": ")
		line, key, _ := strings.Cut(where, " ")
		_, err = config.LoadServer([]string{"-config", name}, nil)
		if err == nil {
			t.Errorf("%s is accepted", name)
			continue
		}
		if text := err.Error(); !strings.HasPrefix(text, fmt.Sprintf("%s:%s: %s", name, line, key)) || !strings.Contains(text, word) {
			t.Errorf("%s: %q; want line %s, key %q and %q", name, text, line, key, word)
		}
	}
}

// Files that say nothing, or nothing wrong, leave the defaults as they are.
func TestHarmlessFiles(t *testing.T) {
	defaults, err := config.LoadServer(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		"", "# nothing\n", "---\n", "tunnel:\n", "tunnel: {}\n", "api: {listen_port: 8080}\n", "\"api\":\n  'listen_port': 8080\n",
		"security:\n  tunnel:\n    enable_tls: false\n    cert_file: ''\n  port_range:\n    blacklist: []\n", "api:\r\n  listen_port: 8080\r\n",
	} {
		file := filepath.Join(t.TempDir(), "c.yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := config.LoadServer([]string{"-config", file}, nil)
		if err != nil {
			t.Errorf("%q: %v; want the defaults", text, err)
			continue
		}
		c.Security.PortRange.Blacklist, c.File = nil, ""
		if !reflect.DeepEqual(c, defaults) {
			t.Errorf("%q = %+v; want the defaults", text, c)
		}
	}
}

// Whatever the file holds, there is an error that names it or a configuration, and never a panic.
func FuzzFile(f *testing.F) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) == 0 {
		f.Fatalf("no seeds: %v", err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	file := filepath.Join(f.TempDir(), "c.yaml")
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := config.LoadServer([]string{"-config", file}, nil); err != nil && !strings.Contains(err.Error(), file) {
			t.Errorf("%q: %q does not name the file", text, err)
		}
	})
}

func TestFlagsOverFileOverDefaults(t *testing.T) {
	file := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(file, []byte("tunnel:\n  listen_port: 1\n  timers:\n    close_wait: 62s\napi:\n  listen_port: 3\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.LoadServer([]string{
		"-config", file, "--tunnel.listen_port", "7", "-map", "10022=[::1]:22", "-map=10080=h:80", "-tunnel.target_offset=0",
		"-security.port_range.blacklist", "1,2", "-security.port_range.blacklist", "3", "-debug", "-tunnel.enabled=false",
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []mapping.Request{{Port: 10022, TargetHost: "::1", TargetPort: new(22)}, {Port: 10080, TargetHost: "h", TargetPort: new(80)}}
	if c.Tunnel.ListenPort != 7 || c.API.ListenPort != 3 || c.Tunnel.Timers.CloseWait != 62*time.Second || c.PortRange.End != 10100 ||
		!reflect.DeepEqual(c.Maps, want) || c.Offset() != 0 || len(c.Security.PortRange.Blacklist) != 3 || c.Log.Level != "debug" || c.Tunnel.Enabled {
		t.Errorf("LoadServer = %+v", c)
	}
}

// A range maps as many ports as it has, each to the one in the same place of the target's.
func TestMapsOfManyPorts(t *testing.T) {
	one := func(port int, host string, target int) mapping.Request {
		return mapping.Request{Port: port, TargetHost: host, TargetPort: &target}
	}
	for text, want := range map[string][]mapping.Request{
		"10000-10002":                {{Port: 10000}, {Port: 10001}, {Port: 10002}},
		"7-8=17-18":                  {one(7, "", 17), one(8, "", 18)},
		"65534-65535=db.example:1-2": {one(65534, "db.example", 1), one(65535, "db.example", 2)},
		"7-8=[::1]:7-8":              {one(7, "::1", 7), one(8, "::1", 8)},
		"7-7=22":                     {one(7, "", 22)},
	} {
		got, err := config.LoadServer([]string{"--map", text, "--tunnel.target_offset", "0"}, nil)
		if err != nil || !reflect.DeepEqual(got.Maps, want) {
			t.Errorf("--map %s maps %+v, %v; want %+v", text, got.Maps, err, want)
		}
	}
	for text, want := range map[string]string{
		"8-7": "the port must be 1 to 65535", "0-7": "the port must be", "7-65536": "the port must be", "7-": "the port must be",
		"7-9=22": "3 ports lead to 1; give as many", "7=22-23": "1 ports lead to 2", "7-8=h:9-8": "the target's port must be", "7-9,8": "port 8 is mapped twice",
	} {
		if _, err := config.LoadServer([]string{"--map", text}, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("--map %s = %v; want %q", text, err, want)
		}
	}
}

// An element of the file's map may be an object with the fields of the API.
func TestMapsAsObjects(t *testing.T) {
	file := filepath.Join(t.TempDir(), "c.yaml")
	load := func(text string) (config.Server, error) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return config.LoadServer([]string{"--config", file}, nil)
	}
	got, err := load(`map:
  - port: 10022
    target_port: 22
    use_tunnel: true
    allow: [192.0.2.0/24, "::1"]
    max_connections: 3
    idle_timeout: 10m
    rate_up: 1MiB
    rate_down: 65536
  - 10080=80
  - {port: 10081, client: 10.0.0.1}
`)
	want := []mapping.Request{
		{Port: 10022, TargetPort: new(22), UseTunnel: new(true), Options: mapping.Options{
			Allow: []string{"192.0.2.0/24", "::1"}, MaxConnections: 3, IdleTimeout: mapping.Duration(10 * time.Minute), RateUp: 1 << 20, RateDown: 65536,
		}},
		{Port: 10080, TargetPort: new(80)},
		{Port: 10081, Client: "10.0.0.1"},
	}
	if err != nil || !reflect.DeepEqual(got.Maps, want) {
		t.Errorf("the file maps %+v, %v; want %+v", got.Maps, err, want)
	}
	for text, want := range map[string]string{
		"{port: 1, prot: 2}":              "prot is not a field; there are port,",
		"{port: 1, port: 2}":              "port is there twice",
		"{port: 0x10}":                    "port must be a whole number, not a JSON string",
		"{port: 010}":                     "port must be a whole number, not a JSON string",
		"{port: 70000}":                   "port must be 1 to 65535, not 70000",
		"{target_port: 1}":                "port must be 1 to 65535, not 0",
		"{port: 1, client: }":             "client: has no value",
		"{port: 1, max_connections: 1.5}": `max_connections: number "1.5" where`,
		"{port: 1, allow: {a: b}}":        "allow must be a list of strings, not a JSON object",
		"{1: 2}":                          "1 is not a key",
		`{port: 22}, "22"`:                "port 22 is mapped twice",
	} {
		if _, err := load("map: [" + text + "]\n"); err == nil || !strings.HasPrefix(err.Error(), file+":1: map: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("map %s = %v; want the file, the line and %q", text, err, want)
		}
	}
	if _, err := load("log: {level: {a: b}}\n"); err == nil {
		t.Error("an object is accepted where a text is expected")
	}
	if _, err := config.LoadServer([]string{"--map", `{"port":1,"client":"h"}`}, nil); err == nil || !strings.Contains(err.Error(), "an object can only stand in the file") {
		t.Errorf("an object on the command line: %v; want the remedy", err)
	}
}

// A list in the file is one on the command line, and what is given there takes its place.
func TestMapsComeFromTheFileOrTheFlag(t *testing.T) {
	file := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(file, []byte("map:\n  - 10022=22\n  - \"10080\"\n  - 10443=web.example:443\ntunnel: {queue: 2MiB}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	fromFile := []mapping.Request{{Port: 10022, TargetPort: new(22)}, {Port: 10080}, {Port: 10443, TargetHost: "web.example", TargetPort: new(443)}}
	for _, c := range []struct {
		args []string
		want []mapping.Request
	}{
		{[]string{"-config", file}, fromFile},
		{[]string{"-config", file, "-map", "22910=22"}, []mapping.Request{{Port: 22910, TargetPort: new(22)}}},
		{[]string{"-map", "1,2=3", "-map", "4", "-tunnel.target_offset=0"}, []mapping.Request{{Port: 1}, {Port: 2, TargetPort: new(3)}, {Port: 4}}},
	} {
		got, err := config.LoadServer(c.args, nil)
		if err != nil || !reflect.DeepEqual(got.Maps, c.want) {
			t.Errorf("LoadServer(%q) maps %+v, %v; want %+v", c.args, got.Maps, err, c.want)
		}
		if c.args[0] == "-config" && got.Tunnel.Queue != 2<<20 {
			t.Errorf("queue 2MiB is %d", got.Tunnel.Queue)
		}
	}
	if err := os.WriteFile(file, []byte("tunnel: {}\nmap: [\"10022\", \"ssh\"]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := config.LoadServer([]string{"-config", file}, nil); err == nil || !strings.HasPrefix(err.Error(), file+`:2: map: "ssh": `) {
		t.Errorf("LoadServer = %v; want an error with file, line, key and text", err)
	}
	c, err := config.LoadServer([]string{"-tunnel.queue", "64KiB"}, nil)
	if err != nil || c.Tunnel.Queue != 65536 {
		t.Errorf("-tunnel.queue 64KiB is %d, %v", c.Tunnel.Queue, err)
	}
}

func TestBadFlags(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"-nonsense"}, "nonsense"},
		{[]string{"start"}, "start"},
		{[]string{"-map", "ssh"}, "map"},
		{[]string{"-map", "0=127.0.0.1:22"}, "map"},
		{[]string{"-map", "1=127.0.0.1"}, "map"},
		{[]string{"-map", "1=:22"}, "map"},
		{[]string{"-map", "1", "-map", "1"}, "-map"},
		{[]string{"-api.listen_port"}, "api.listen_port"},
		{[]string{"-api.listen_port", "x"}, "api.listen_port"},
		{[]string{"-api.listen_port", "-1"}, "flag --api.listen_port"},
		{[]string{"-tunnel.queue", "17MiB"}, "17MiB must be 64KiB to 16MiB"},
		{[]string{"-tunnel.queue", "1000"}, "1000 must be 64KiB to 16MiB"},
		{[]string{"-config", "testdata/no-such-file.yaml"}, "no-such-file"},
	} {
		if _, err := config.LoadServer(c.args, nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("LoadServer(%q) = %v; want an error with %q", c.args, err, c.want)
		}
	}
	for _, size := range []string{"1Mib", "MiB", "-1KiB", "9999999999999GiB", "64KiB.5"} {
		if _, err := config.LoadServer([]string{"-tunnel.queue", size}, nil); err == nil || !strings.Contains(err.Error(), "tunnel.queue") {
			t.Errorf("LoadServer(-tunnel.queue %q) = %v; want an error that names it", size, err)
		}
	}
	for _, server := range []string{"", "localhost", "localhost:", "localhost:99999", "localhost:0", ":9000", "::1"} {
		if _, err := config.LoadClient([]string{"-server", server}, nil, anyRules); err == nil || !strings.Contains(err.Error(), "server") {
			t.Errorf("LoadClient(-server %q) = %v; want an error that names server", server, err)
		}
	}
}

func TestATargetHostThatCannotBeDialledIsRefused(t *testing.T) {
	for _, host := range []string{"", "no host", "1.2.3"} {
		if _, err := config.LoadClient([]string{"-target_host", host}, nil, anyRules); err == nil || !strings.HasPrefix(err.Error(), "flag --target_host: ") {
			t.Errorf("LoadClient(-target_host %q) = %v; want an error that names target_host", host, err)
		}
	}
}

func anyRules(string, []string) error { return nil }

// Nobody is to believe that a tunnel is encrypted, or that it is checked whose the other end is, when it is not.
func TestKeysOfTLSThatDoNotFitAreRefused(t *testing.T) {
	dir := t.TempDir()
	ca := certtest.NewCA()
	cert, key := ca.Issue(time.Hour, "server.example").Write(dir, "server")
	_, otherKey := ca.Issue(time.Hour, "other.example").Write(dir, "other")
	caFile := certtest.File(dir, "ca.crt", ca.PEM)
	pin := strings.Repeat("0f", 32)
	const section = "-security.tunnel."
	for _, c := range []struct {
		what string
		args []string // of the server when they begin with its section
		want string   // how the error begins; "" for none
		has  string   // the remedy
	}{
		{"a server", []string{section + "enable_tls", section + "cert_file", cert, section + "key_file", key}, "", ""},
		{"a server that wants certificates", []string{section + "enable_tls", section + "cert_file", cert, section + "key_file", key, section + "client_ca", caFile}, "", ""},
		{"a server without key", []string{section + "enable_tls", section + "cert_file", cert}, "flag --security.tunnel.cert_file: needs security.tunnel.key_file", "name the PEM file"},
		{"a server without certificate", []string{section + "enable_tls", section + "key_file", key}, "flag --security.tunnel.key_file: needs security.tunnel.cert_file", "name the PEM file"},
		{"a server without files", []string{section + "enable_tls"}, "flag --security.tunnel.enable_tls: needs security.tunnel.cert_file and security.tunnel.key_file", "adit-server keygen NAME"},
		{"a server with a certificate that it does not use", []string{section + "cert_file", cert, section + "key_file", key}, "flag --security.tunnel.cert_file: without security.tunnel.enable_tls or keys tunnels are not encrypted here", "change that"},
		{"a server with a key that it does not use", []string{section + "key_file", key}, "flag --security.tunnel.key_file: without security.tunnel.enable_tls or keys tunnels are not encrypted here", "change that"},
		{"a server with an authority that it does not use", []string{section + "client_ca", caFile}, "flag --security.tunnel.client_ca: without security.tunnel.enable_tls or keys tunnels are not encrypted here", "change that"},
		{"a server with another's key", []string{section + "enable_tls", section + "cert_file", cert, section + "key_file", otherKey}, "flag --security.tunnel.key_file: ", "name the private key"},
		{"a server without its authority's file", []string{section + "enable_tls", section + "cert_file", cert, section + "key_file", key, section + "client_ca", dir}, "flag --security.tunnel.client_ca: ", "name a PEM file"},
		{"a client", []string{"-tls"}, "", ""},
		{"a client with an authority and a certificate", []string{"-tls", "-ca", caFile, "-cert_file", cert, "-cert_key_file", key}, "", ""},
		{"a client with a pin", []string{"-tls", "-pin", pin}, "", ""},
		{"a client with a pin and an authority", []string{"-tls", "-pin", pin, "-ca", caFile}, "flag --pin: ", "remove either"},
		{"a client with a pin that is none", []string{"-tls", "-pin", "0f"}, "flag --pin: ", "64 hexadecimal digits"},
		{"a client with an authority that it does not use", []string{"-ca", caFile}, "flag --ca: without tls or a key", "change that"},
		{"a client with a pin that it does not use", []string{"-pin", pin}, "flag --pin: without tls or a key", "change that"},
		{"a client with a certificate that it does not use", []string{"-cert_file", cert, "-cert_key_file", key}, "flag --cert_file: without tls or a key", "change that"},
		{"a client with a key that it does not use", []string{"-cert_key_file", key}, "flag --cert_key_file: without tls or a key", "change that"},
		{"a client without key", []string{"-tls", "-cert_file", cert}, "flag --cert_file: needs cert_key_file", "name the PEM file"},
		{"a client without certificate", []string{"-tls", "-cert_key_file", key}, "flag --cert_key_file: needs cert_file", "name the PEM file"},
		{"a client without its authority's file", []string{"-tls", "-ca", dir}, "flag --ca: ", "name a PEM file"},
	} {
		var err error
		encrypts := false
		if strings.HasPrefix(c.args[0], section) {
			var s config.Server
			s, err = config.LoadServer(c.args, nil)
			encrypts = s.TLS != nil
		} else {
			var s config.Client
			s, err = config.LoadClient(c.args, nil, anyRules)
			encrypts = s.Trust != nil
		}
		switch {
		case c.want == "" && (err != nil || !encrypts):
			t.Errorf("%s: %v, encrypts: %v; want it accepted", c.what, err, encrypts)
		case c.want != "" && (err == nil || !strings.HasPrefix(err.Error(), c.want) || !strings.Contains(err.Error(), c.has)):
			t.Errorf("%s: %v; want %s … %s", c.what, err, c.want, c.has)
		}
	}
	s, err := config.LoadServer(nil, nil)
	c, cerr := config.LoadClient(nil, nil, anyRules)
	if err != nil || cerr != nil || s.TLS != nil || c.Trust != nil {
		t.Errorf("the defaults encrypt: %v, %v, %v, %v", s.TLS, c.Trust, err, cerr)
	}
}

// What another package says of the rules is told with file and line, like everything else.
func TestRulesAreRefusedWhereTheyStand(t *testing.T) {
	file := filepath.Join(t.TempDir(), "client.yaml")
	if err := os.WriteFile(file, []byte("server: example.org:9000\nallow: [\"nas:99999\"]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	refuse := func(key string, rules []string) error {
		if key != "allow" {
			return nil
		}
		return fmt.Errorf("%s %q: no", key, rules)
	}
	_, err := config.LoadClient([]string{"-config", file}, nil, refuse)
	if want := file + `:2: allow: allow ["nas:99999"]: no`; err == nil || err.Error() != want {
		t.Errorf("LoadClient = %v; want %s", err, want)
	}
}
