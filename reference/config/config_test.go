package config_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/adit-tunnel/adit/reference/config"
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
		octets, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		first, _, _ := strings.Cut(string(octets), "\n")
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
		c.Security.PortRange.Blacklist = nil
		if !reflect.DeepEqual(c, config.DefaultServer()) {
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
		octets, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(octets)
	}
	file := filepath.Join(f.TempDir(), "c.yaml")
	f.Fuzz(func(t *testing.T, octets []byte) {
		if err := os.WriteFile(file, octets, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := config.LoadServer([]string{"-config", file}, nil); err != nil && !strings.Contains(err.Error(), file) {
			t.Errorf("%q: %q does not name the file", octets, err)
		}
	})
}

func TestFlagsOverFileOverDefaults(t *testing.T) {
	file := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(file, []byte("tunnel:\n  listen_port: 1\n  timers:\n    close_wait: 62s\napi:\n  listen_port: 3\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.LoadServer([]string{
		"-config", file, "--tunnel.listen_port", "7", "-map", "10022=[::1]:22", "-map=10080", "-tunnel.target_offset=0",
		"-security.port_range.blacklist", "1,2", "-security.port_range.blacklist", "3", "-debug", "-tunnel.enabled=false",
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []config.Map{{Port: 10022, TargetHost: "::1", TargetPort: 22}, {Port: 10080}}
	if c.Tunnel.ListenPort != 7 || c.API.ListenPort != 3 || c.Tunnel.Timers.CloseWait != 62*time.Second || c.PortRange.End != 10100 ||
		fmt.Sprint(c.Maps) != fmt.Sprint(want) || c.Offset() != 0 || len(c.Security.PortRange.Blacklist) != 3 || c.Log.Level != "debug" || c.Tunnel.Enabled {
		t.Errorf("LoadServer = %+v", c)
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
		{[]string{"-api.listen_port", "-1"}, "flag -api.listen_port"},
		{[]string{"-config", "testdata/no-such-file.yaml"}, "no-such-file"},
	} {
		if _, err := config.LoadServer(c.args, nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("LoadServer(%q) = %v; want an error with %q", c.args, err, c.want)
		}
	}
	for _, server := range []string{"", "localhost", "localhost:99999", ":9000"} {
		if _, err := config.LoadClient([]string{"-server", server}, nil, anyRules); err == nil || !strings.Contains(err.Error(), "server") {
			t.Errorf("LoadClient(-server %q) = %v; want an error that names server", server, err)
		}
	}
}

func anyRules([]string) error { return nil }

// What another package says of the rules is told with file and line, like everything else.
func TestRulesAreRefusedWhereTheyStand(t *testing.T) {
	file := filepath.Join(t.TempDir(), "client.yaml")
	if err := os.WriteFile(file, []byte("server: example.org:9000\nallow: [\"nas:99999\"]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	refuse := func(rules []string) error { return fmt.Errorf("%q: no", rules) }
	_, err := config.LoadClient([]string{"-config", file}, nil, refuse)
	if want := file + `:2: allow: ["nas:99999"]: no`; err == nil || err.Error() != want {
		t.Errorf("LoadClient = %v; want %s", err, want)
	}
}

func TestDefaultsAreValid(t *testing.T) {
	if _, err := config.LoadServer(nil, nil); err != nil {
		t.Error(err)
	}
	if _, err := config.LoadClient(nil, nil, anyRules); err != nil {
		t.Error(err)
	}
}

func TestHelpListsEveryKey(t *testing.T) {
	var out bytes.Buffer
	if _, err := config.LoadServer([]string{"-help"}, &out); !errors.Is(err, config.ErrHelp) {
		t.Fatalf("LoadServer(-help) = %v; want ErrHelp", err)
	}
	for _, key := range []string{"-port_range.from", "-tunnel.timers.stall_window", "-security.tunnel.client_ca", "-map", "-config"} {
		if !strings.Contains(out.String(), key) {
			t.Errorf("-help says nothing of %s:\n%s", key, out.String())
		}
	}
}
