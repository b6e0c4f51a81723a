package config_test

import (
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/adit-tunnel/adit/reference/certtest"
	"github.com/adit-tunnel/adit/reference/config"
	"github.com/adit-tunnel/adit/reference/keys"
)

const (
	secret = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
	home   = "adit1:home:" + secret
	work   = "adit1:work:" + secret
)

// file makes one that its owner alone may read.
func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestTheClientsKey(t *testing.T) {
	one, two, broken := file(t, home+"\n"), file(t, home+"\n"+work+"\n"), file(t, "adit1:home:"+secret[1:]+"\n")
	inConfig := file(t, "key: "+home+"\n")
	open := file(t, home+"\n")
	if err := os.Chmod(open, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what     string
		variable string // "-": not set
		args     []string
		shows    bool
		err      string // "": home
	}{
		{"the variable", home, nil, false, ""},
		{"the flag", "-", []string{"--key", home}, true, ""},
		{"a file", "-", []string{"--key_file", one}, false, ""},
		{"the file of the configuration", "-", []string{"--config", inConfig}, false, ""},
		{"the flag over the file of the configuration", "-", []string{"--config", file(t, "key: "+work+"\n"), "--key", home}, true, ""},
		{"an empty variable", "", nil, false, "ADIT_KEY: a key has adit1: in front"},
		{"an empty flag", "-", []string{"--key", ""}, false, "flag --key: a key has adit1: in front"},
		{"an empty key in the file", "-", []string{"--config", file(t, "key: ''\n")}, false, ":1: key: a key has adit1: in front"},
		{"a broken variable", home + "A", nil, false, "ADIT_KEY: the secret has 44 characters; want 43; give the key as"},
		{"a broken flag", "-", []string{"--key", home[:50]}, false, "flag --key: the secret has 39 characters"},
		{"a broken file", "-", []string{"--key_file", broken}, false, "flag --key_file: " + broken + ":1: the secret has 42 characters"},
		{"a file with two", "-", []string{"--key_file", two}, false, "has 2 keys; a client has one"},
		{"a file that others may read", "-", []string{"--key_file", open}, false, "chmod 600 " + open},
		{"a file that is not there", "-", []string{"--key_file", one + "x"}, false, "no such file"},
		{"the variable and the flag", home, []string{"--key", home}, false, "flag --key: a client has one key, and ADIT_KEY gives one too"},
		{"the variable and a file", home, []string{"--key_file", one}, false, "flag --key_file: a client has one key, and ADIT_KEY gives one too"},
		{"all three", home, []string{"--key_file", one, "--key", home}, false, "and ADIT_KEY and key gives one too"},
		{"ports of a Core server", "-", []string{"--publish", "8080", "--protocol", "core"}, false, "flag --protocol: core cannot ask for public ports"},
		{"Core", home, []string{"--protocol", "core"}, false, "flag --protocol: core has no keys; set it to auto, or leave the key out (ADIT_KEY)"},
	} {
		t.Run(c.what, func(t *testing.T) {
			os.Unsetenv("ADIT_KEY")
			if c.variable != "-" {
				t.Setenv("ADIT_KEY", c.variable)
			}
			got, err := config.LoadClient(c.args, io.Discard, anyRules)
			switch {
			case c.err == "" && (err != nil || got.Auth == nil || got.Auth.Line() != home || got.KeyShows != c.shows):
				t.Errorf("key %v, shows %v, %v; want home, shows %v", got.Auth, got.KeyShows, err, c.shows)
			case c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)):
				t.Errorf("%v; want an error with %q", err, c.err)
			case err != nil && strings.Contains(err.Error(), secret[1:20]):
				t.Errorf("the error has the secret: %v", err)
			}
		})
	}
	if got, err := config.LoadClient(nil, io.Discard, anyRules); err != nil || got.Auth != nil {
		t.Errorf("without a key: %v, %v", got.Auth, err)
	}
}

func TestTheServersKeys(t *testing.T) {
	good := file(t, "# keys\n"+home+"\n"+work+"\n")
	for _, c := range []struct {
		args []string
		err  string
	}{
		{[]string{"--keys", good}, ""},
		{[]string{"--keys", good, "--protocol", "extended"}, ""},
		{[]string{"--keys", good, "--protocol", "core"}, "cannot be asked for in the Core profile; set protocol to auto"},
		{[]string{"--keys", good, "--tunnel.enabled=false"}, "flag --keys: has no effect without tunnels"},
		{[]string{"--keys", good + "x"}, "make it with: adit-server keygen NAME --keys " + good + "x"},
		{[]string{"--keys", file(t, home+"\n"+home[1:]+"\n")}, ":2: a key has adit1: in front; correct the line or remove it"},
		{[]string{"--config", file(t, "keys: "+good+"x\n")}, ":1: keys: "},
	} {
		got, err := config.LoadServer(c.args, io.Discard)
		switch {
		case c.err == "" && (err != nil || got.Ring == nil || got.Ring.Len() != 2):
			t.Errorf("%q: %v; want two keys", c.args, err)
		case c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)):
			t.Errorf("%q: %v; want an error with %q", c.args, err, c.err)
		}
	}
	if got, err := config.LoadServer([]string{"--keys", file(t, "# a\n-----BEGIN PRIVATE KEY-----\n")}, io.Discard); err == nil || !strings.Contains(err.Error(), ":2: this is a PEM file") {
		t.Errorf("a PEM file in the place of keys: %v, %v", got.Ring, err)
	}
}

// Who may be a client: with keys and nothing else who has one, over TLS; without them this machine alone, unless it is told.
func TestAServerIsClosedUnlessItIsTold(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	cert, key := certtest.NewCA().Issue(time.Hour, "server.example").Write(dir, "server")
	files := []string{"--security.tunnel.cert_file", cert, "--security.tunnel.key_file", key}
	const listen = "--tunnel.listen_host"
	load := func(args ...string) (config.Server, error) { return config.LoadServer(args, io.Discard) }
	type want struct {
		host     string // where clients connect
		tls, pin bool
		err      string // in the place of the others
	}
	check := func(keyed bool, args []string, w want) {
		t.Helper()
		got, err := load(args...)
		if w.err != "" {
			if err == nil || !strings.Contains(err.Error(), w.err) {
				t.Errorf("keys %v, %q: %v; want an error with %q", keyed, args, err, w.err)
			}
			return
		}
		if err != nil {
			t.Errorf("keys %v, %q: %v", keyed, args, err)
			return
		}
		lasts := false
		if got.TLS != nil {
			_, lasts = got.TLS.Pin(slog.New(slog.DiscardHandler))
		}
		if got := (want{got.Tunnel.ListenHost, got.TLS != nil, lasts, ""}); got != w {
			t.Errorf("keys %v, %q: %+v; want %+v", keyed, args, got, w)
		}
		if got.Ring != nil != keyed {
			t.Errorf("keys %v, %q: the server asks for keys: %v", keyed, args, got.Ring != nil)
		}
	}
	const reached = `tunnel.listen_host: "%s" is reached from other machines, and no key says who may be a client, so whoever comes would get the visitors; make a key (adit-server keygen NAME), or set open to true (--open)`
	for _, c := range []struct {
		args []string
		want want
	}{
		{nil, want{host: "127.0.0.1"}},
		{[]string{listen, "127.0.0.2"}, want{host: "127.0.0.2"}},
		{[]string{listen, "::1"}, want{host: "::1"}},
		{[]string{listen, "localhost"}, want{host: "localhost"}},
		{[]string{listen, ""}, want{err: strings.Replace(reached, "%s", "", 1)}},
		{[]string{listen, "0.0.0.0"}, want{err: strings.Replace(reached, "%s", "0.0.0.0", 1)}},
		{[]string{listen, "192.0.2.1"}, want{err: strings.Replace(reached, "%s", "192.0.2.1", 1)}},
		{[]string{"--config", file(t, "tunnel:\n  listen_host: '::'\n")}, want{err: ":2: tunnel.listen_host: \"::\" is reached"}},
		{[]string{listen, "0.0.0.0", "--tunnel.enabled=false"}, want{host: "0.0.0.0"}},
		{[]string{"--open"}, want{}},
		{[]string{"--open", listen, "0.0.0.0"}, want{host: "0.0.0.0"}},
		{append([]string{"--security.tunnel.enable_tls"}, files...), want{host: "127.0.0.1", tls: true, pin: true}},
		{append([]string{"--security.tunnel.enable_tls", listen, "0.0.0.0"}, files...), want{err: "is reached from other machines"}},
		{append([]string{"--security.tunnel.enable_tls", "--security.tunnel.client_ca", cert}, files...), want{tls: true, pin: true}},
		{[]string{"--plain"}, want{host: "127.0.0.1"}},
		{[]string{"--tls_ends_before"}, want{err: "flag --tls_ends_before: has no effect without keys"}},
	} {
		check(false, c.args, c.want)
	}
	if err := os.Mkdir("data", 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := keys.Add("data/keys", "home", keys.Rights{}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		want want
	}{
		{nil, want{tls: true}},
		{[]string{listen, "0.0.0.0"}, want{host: "0.0.0.0", tls: true}},
		{[]string{"--open"}, want{tls: true}},
		{files, want{tls: true, pin: true}},
		{[]string{"--security.tunnel.enable_tls"}, want{tls: true}},
		{[]string{"--security.tunnel.client_ca", cert}, want{tls: true}},
		{[]string{"--plain"}, want{}},
		{[]string{"--tls_ends_before"}, want{}},
		{append([]string{"--tls_ends_before", "--security.tunnel.enable_tls"}, files...), want{tls: true, pin: true}},
		{[]string{"--plain", "--tls_ends_before"}, want{err: "flag --plain: says that there is no TLS, and tls_ends_before that there is"}},
		{[]string{"--plain", "--security.tunnel.enable_tls"}, want{err: "flag --plain: turns TLS off, and security.tunnel.enable_tls on"}},
		{append([]string{"--plain"}, files...), want{err: "flag --security.tunnel.cert_file: with plain tunnels are not encrypted here"}},
		{append([]string{"--tls_ends_before"}, files...), want{err: "flag --security.tunnel.cert_file: with tls_ends_before, and without security.tunnel.enable_tls, tunnels are not"}},
		{[]string{"--security.tunnel.enable_tls=false"}, want{err: "flag --security.tunnel.enable_tls: is false, and with keys tunnels are encrypted; remove it, or set plain"}},
		{[]string{"--security.tunnel.cert_file", cert}, want{err: "flag --security.tunnel.cert_file: needs security.tunnel.key_file"}},
		{[]string{"--protocol", "core"}, want{err: "keys: ./data/keys cannot be asked for in the Core profile"}},
	} {
		check(true, c.args, c.want)
	}
	check(false, []string{"--keys", ""}, want{host: "127.0.0.1"})
	check(false, []string{"--tunnel.enabled=false"}, want{})
	if err := os.Chmod("data/keys", 0o644); err != nil {
		t.Fatal(err)
	}
	check(true, nil, want{err: "keys: others may read or change ./data/keys (mode 0644), and whoever has a key can be the client: chmod 600 ./data/keys"})
}

// A client with a key encrypts, and the key says whether it is the right server, unless it is told more or other things.
func TestAClientWithAKeyEncrypts(t *testing.T) {
	dir := t.TempDir()
	ca := certtest.NewCA()
	caFile := certtest.File(dir, "ca.crt", ca.PEM)
	cert, key := ca.Issue(time.Hour, "client.example").Write(dir, "client")
	pin := strings.Repeat("0f", 32)
	t.Setenv("ADIT_KEY", home)
	for _, c := range []struct {
		args      []string
		encrypts  bool
		any, pool bool // any certificate will do to TLS; authorities of a file
		err       string
	}{
		{nil, true, true, false, ""},
		{[]string{"--tls"}, true, true, false, ""},
		{[]string{"--ca", caFile}, true, false, true, ""},
		{[]string{"--pin", pin}, true, true, false, ""},
		{[]string{"--cert_file", cert, "--cert_key_file", key}, true, true, false, ""},
		{[]string{"--plain"}, false, false, false, ""},
		{[]string{"--tls_ends_before"}, true, false, false, ""},
		{[]string{"--tls_ends_before", "--ca", caFile}, true, false, true, ""},
		{[]string{"--plain", "--tls"}, false, false, false, "flag --plain: turns TLS off, and tls on"},
		{[]string{"--plain", "--tls_ends_before"}, false, false, false, "flag --plain: says that there is no TLS"},
		{[]string{"--plain", "--ca", caFile}, false, false, false, "flag --ca: with plain the tunnel is not encrypted"},
	} {
		got, err := config.LoadClient(c.args, io.Discard, anyRules)
		switch {
		case c.err != "":
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%q: %v; want an error with %q", c.args, err, c.err)
			}
		case err != nil || got.Trust != nil != c.encrypts:
			t.Errorf("%q: %v, encrypts %v; want %v", c.args, err, got.Trust != nil, c.encrypts)
		case c.encrypts:
			made := got.Trust.Config("server.example", slog.New(slog.DiscardHandler))
			if made.InsecureSkipVerify != c.any || made.RootCAs != nil != c.pool || made.VerifyConnection != nil != slices.Contains(c.args, "--pin") {
				t.Errorf("%q: any certificate %v, authorities %v, more checks %v", c.args, made.InsecureSkipVerify, made.RootCAs != nil, made.VerifyConnection != nil)
			}
		}
	}
	os.Unsetenv("ADIT_KEY")
	if _, err := config.LoadClient([]string{"--tls_ends_before"}, io.Discard, anyRules); err == nil || !strings.Contains(err.Error(), "flag --tls_ends_before: has no effect without a key") {
		t.Errorf("tls_ends_before without a key: %v", err)
	}
}

func TestKeygenIsTold(t *testing.T) {
	for _, c := range []struct {
		args       []string
		name, keys string
		err        string
	}{
		{[]string{"laptop"}, "laptop", "./data/keys", ""},
		{[]string{"laptop", "--keys", "k"}, "laptop", "k", ""},
		{[]string{"laptop", "--config", file(t, "keys: here\n")}, "laptop", "here", ""},
		{[]string{"laptop", "--keys", ""}, "", "", "keys is empty"},
		{nil, "", "", "for whom is the key?"},
		{[]string{"--keys", "k"}, "", "", "for whom is the key?"},
		{[]string{"a", "b"}, "", "", `"b" is not a flag`},
		{[]string{"a", "--nonsense"}, "", "", "nonsense"},
	} {
		name, got, err := config.LoadKeygen(c.args, io.Discard)
		if c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) || c.err == "" && (err != nil || name != c.name || got.Keys != c.keys) {
			t.Errorf("LoadKeygen(%q) = %q, %q, %v; want %q, %q, %q", c.args, name, got.Keys, err, c.name, c.keys, c.err)
		}
	}
}
