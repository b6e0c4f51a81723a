package config_test

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/adit-tunnel/adit/reference/config"
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
		{"a file", "-", []string{"--auth_key_file", one}, false, ""},
		{"the file of the configuration", "-", []string{"--config", inConfig}, false, ""},
		{"the flag over the file of the configuration", "-", []string{"--config", file(t, "key: "+work+"\n"), "--key", home}, true, ""},
		{"an empty variable", "", nil, false, "ADIT_KEY: a key has adit1: in front"},
		{"an empty flag", "-", []string{"--key", ""}, false, "flag --key: a key has adit1: in front"},
		{"an empty key in the file", "-", []string{"--config", file(t, "key: ''\n")}, false, ":1: key: a key has adit1: in front"},
		{"a broken variable", home + "A", nil, false, "ADIT_KEY: the secret has 44 characters; want 43; give the key as"},
		{"a broken flag", "-", []string{"--key", home[:50]}, false, "flag --key: the secret has 39 characters"},
		{"a broken file", "-", []string{"--auth_key_file", broken}, false, "flag --auth_key_file: " + broken + ":1: the secret has 42 characters"},
		{"a file with two", "-", []string{"--auth_key_file", two}, false, "has 2 keys; a client has one"},
		{"a file that others may read", "-", []string{"--auth_key_file", open}, false, "chmod 600 " + open},
		{"a file that is not there", "-", []string{"--auth_key_file", one + "x"}, false, "no such file"},
		{"the variable and the flag", home, []string{"--key", home}, false, "flag --key: a client has one key, and ADIT_KEY gives one too"},
		{"the variable and a file", home, []string{"--auth_key_file", one}, false, "flag --auth_key_file: a client has one key, and ADIT_KEY gives one too"},
		{"all three", home, []string{"--auth_key_file", one, "--key", home}, false, "and ADIT_KEY and key gives one too"},
		{"ports of a Core server", "-", []string{"--publish", "8080", "--protocol", "core"}, false, "flag --protocol: core cannot ask for public ports"},
		{"Core", home, []string{"--protocol", "core"}, false, "flag --protocol: core has no keys; set it to auto, or leave the key out (ADIT_KEY)"},
	} {
		t.Run(c.what, func(t *testing.T) {
			os.Unsetenv("ADIT_KEY")
			if c.variable != "-" {
				t.Setenv("ADIT_KEY", c.variable)
			}
			got, err := config.LoadClient(c.args, io.Discard, anyRules, anyRules)
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
	if got, err := config.LoadClient(nil, io.Discard, anyRules, anyRules); err != nil || got.Auth != nil {
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
		{[]string{"--keys", good, "--protocol", "core"}, "flag --keys: cannot be asked for in the Core profile; set protocol to auto"},
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
	if got, err := config.LoadServer(nil, io.Discard); err != nil || got.Ring != nil {
		t.Errorf("without keys: %v, %v", got.Ring, err)
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
