package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestCredentials(t *testing.T) {
	keys, secret := filepath.Join(t.TempDir(), "keys"), filepath.Join(t.TempDir(), "secret")
	for _, c := range []struct {
		command string
		args    []string
		code    int
		out     string // a pattern
		notes   string
	}{
		{"apikey", []string{"laptop", "--role", "operate", "--security.api.keys_file", keys}, 0, `^aditapi_laptop_[0-9a-f]{64}\n$`, "laptop has the role operate"},
		{"apikey", []string{"viewer", "--security.api.keys_file", keys}, 0, `^aditapi_viewer_[0-9a-f]{64}\n$`, "remove the line that begins with viewer"},
		{"apikey", []string{"laptop", "--security.api.keys_file", keys}, 1, `^$`, "has a key laptop already"},
		{"apikey", nil, 2, `^$`, "for whom"},
		{"apikey", []string{"x", "--role", "root"}, 2, `^$`, "there are read"},
		{"token", []string{"ci", "--security.api.jwt_key_file", secret}, 0, `^eyJ[^.\n]+\.[^.\n]+\.[^.\n]+\n$`, "It is good for 1h0m0s"},
		{"token", []string{"ci"}, 2, `^$`, "security.api.jwt_key_file names the file"},
		{"token", []string{"ci", "--lifetime", "-1s", "--security.api.jwt_key_file", secret}, 1, `^$`, "would have expired"},
		{"token", []string{"--version"}, 0, `^adit-server `, ""},
		{"apikey", []string{"--help"}, 0, `^adit-server apikey NAME`, ""},
	} {
		var out, notes bytes.Buffer
		code := credential(c.command, c.args, &out, &notes)
		if code != c.code || !regexp.MustCompile(c.out).MatchString(out.String()) || !strings.Contains(notes.String(), c.notes) {
			t.Errorf("%s %q = %d, %q, %q; want %d, %q, %q", c.command, c.args, code, &out, &notes, c.code, c.out, c.notes)
		}
		if text := strings.TrimSpace(out.String()); len(text) > 30 && strings.Contains(notes.String(), text[20:]) {
			t.Errorf("%s %q: the notes have the secret", c.command, c.args)
		}
	}
	text, err := os.ReadFile(keys)
	if err != nil || strings.Count(string(text), "\n") != 2 || !strings.HasPrefix(string(text), "laptop operate ") || !strings.Contains(string(text), "\nviewer read ") {
		t.Errorf("the file of keys has %q, %v", text, err)
	}
}

// TestKeysOfARunningAPI makes a key while the server runs, uses it, and takes it away.
func TestKeysOfARunningAPI(t *testing.T) {
	bin, dir := programs(t), t.TempDir()
	keys := filepath.Join(dir, "keys")
	if err := os.WriteFile(keys, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	server := start(t, filepath.Join(bin, "adit-server"), "--security.api.enable_auth", "--security.api.keys_file", keys, "--api.listen_host", "0.0.0.0", "--api.listen_port", "0",
		"--tunnel.enabled=false", "--visitors.listen_host", "127.0.0.1", "--database.path", filepath.Join(dir, "mappings.db"))
	server.line(t, "the file of API keys has none")
	server.line(t, "the API is not encrypted")
	port := regexp.MustCompile(`api=\S+:(\d+) `).FindStringSubmatch(server.line(t, "msg=ready"))[1]
	ask := func(key string) int {
		r, err := http.NewRequest("GET", fmt.Sprintf("http://127.0.0.1:%s/api/stats", port), nil)
		if err != nil {
			t.Fatal(err)
		}
		r.SetBasicAuth("me", key)
		w, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer w.Body.Close()
		return w.StatusCode
	}
	if got := ask("none"); got != 401 {
		t.Errorf("without a key: %d; want 401", got)
	}
	server.line(t, "Unauthorized")
	var out bytes.Buffer
	if code := credential("apikey", []string{"viewer", "--security.api.keys_file", keys}, &out, io.Discard); code != 0 {
		t.Fatal(code)
	}
	key := strings.TrimSpace(out.String())
	if got := ask(key); got != 200 {
		t.Errorf("with a new key: %d; want 200", got)
	}
	server.line(t, "API keys have changed, and were read again")
	if err := os.WriteFile(keys, []byte("# none\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := ask(key); got != 401 {
		t.Errorf("with a key that was taken away: %d; want 401", got)
	}
	server.stop(t)
}
