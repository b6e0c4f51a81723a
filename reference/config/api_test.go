package config_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/adit-tunnel/adit/reference/access"
	"github.com/adit-tunnel/adit/reference/config"
)

// An API that asks for no key is for this machine.
func TestWhereTheAPIListens(t *testing.T) {
	keys := filepath.Join(t.TempDir(), "api-keys")
	if _, err := access.AddKey(keys, "a", access.Read); err != nil {
		t.Fatal(err)
	}
	for host, open := range map[string]bool{
		"127.0.0.1": true, "127.9.9.9": true, "::1": true, "::ffff:127.0.0.1": true, "localhost": true,
		"": false, "0.0.0.0": false, "::": false, "192.0.2.1": false, "api.example.org": false, "localhost.example.org": false,
	} {
		for _, more := range [][]string{nil, {"--security.api.allowed_ips", "10.0.0.0/8"}} {
			_, err := config.LoadServer(append(more, "--api.listen_host", host), nil)
			if (err == nil) != open {
				t.Errorf("an API without keys on %q, %v: %v; want it refused: %v", host, more, err, !open)
			}
			for _, remedy := range []string{"set security.api.enable_auth", "adit-server apikey NAME", "listen on 127.0.0.1", "whatever allowed_ips says"} {
				if err != nil && !strings.Contains(err.Error(), remedy) {
					t.Errorf("%v; want the remedy %q", err, remedy)
				}
			}
		}
		c, err := config.LoadServer([]string{"--security.api.enable_auth", "--security.api.keys_file", keys, "--api.listen_host", host}, nil)
		if err != nil || c.Access == nil {
			t.Errorf("an API with keys on %q: %v; want it taken", host, err)
		}
	}
}

func TestWhereProfilesAre(t *testing.T) {
	for text, good := range map[string]bool{
		"127.0.0.1:6060": true, "[::1]:0": true, "localhost:1": true, ":6060": false, "0.0.0.0:6060": false, "192.0.2.1:6060": false, "127.0.0.1": false, "127.0.0.1:x": false, "127.0.0.1:65536": false,
	} {
		_, err := config.LoadServer([]string{"--api.profiling", text}, nil)
		if (err == nil) != good || err != nil && !strings.Contains(err.Error(), "flag --api.profiling: ") {
			t.Errorf("api.profiling %s: %v; want it taken: %v", text, err, good)
		}
	}
}

func TestFilesOfTheAPI(t *testing.T) {
	dir := t.TempDir()
	keys, secret, missing, open := filepath.Join(dir, "keys"), filepath.Join(dir, "secret"), filepath.Join(dir, "missing"), filepath.Join(dir, "open")
	if _, err := access.AddKey(keys, "a", access.Read); err != nil {
		t.Fatal(err)
	}
	for path, mode := range map[string]os.FileMode{secret: 0o600, open: 0o644} {
		if err := os.WriteFile(path, []byte(strings.Repeat("s", 32)), mode); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ keys, tokens, want string }{
		{keys, "", ""},
		{keys, secret, ""},
		{missing, secret, ""}, // tokens alone will do
		{missing, "", "flag --security.api.keys_file: open " + missing},
		{keys, missing, "flag --security.api.jwt_key_file: open " + missing},
		{keys, open, "chmod 600 " + open},
		{open, "", "chmod 600 " + open},
		{secret, "", secret + ":1: a line has a name, a role and a digest"},
	} {
		cfg, err := config.LoadServer([]string{"--security.api.enable_auth", "--security.api.keys_file", c.keys, "--security.api.jwt_key_file", c.tokens}, nil)
		switch {
		case c.want == "" && (err != nil || cfg.Access == nil):
			t.Errorf("keys %s, tokens %s: %v; want them taken", c.keys, c.tokens, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("keys %s, tokens %s: %v; want %q", c.keys, c.tokens, err, c.want)
		}
	}
	for _, key := range []string{"keys_file", "jwt_key_file"} {
		if _, err := config.LoadServer([]string{"--security.api." + key, keys}, nil); err == nil || !strings.HasPrefix(err.Error(), "flag --security.api."+key+": without security.api.enable_auth") {
			t.Errorf("%s without enable_auth = %v; want it refused", key, err)
		}
	}
	if c, err := config.LoadServer(nil, nil); err != nil || c.Access != nil {
		t.Errorf("without enable_auth: %v, %v; want no authentication", c.Access, err)
	}
}

func TestCredentialsThatAreAskedFor(t *testing.T) {
	q, c, err := config.LoadCredential("apikey", []string{"laptop", "--role", "operate", "--security.api.keys_file", "f"}, nil)
	if err != nil || q != (config.Credential{Name: "laptop", Role: access.Operate}) || c.Security.API.KeysFile != "f" {
		t.Errorf("apikey = %+v, %v", q, err)
	}
	q, _, err = config.LoadCredential("apikey", []string{"laptop"}, nil)
	if err != nil || q.Role != access.Read {
		t.Errorf("apikey without a role = %+v, %v; want read", q, err)
	}
	q, c, err = config.LoadCredential("token", []string{"laptop", "--lifetime=8h", "--security.api.jwt_key_file=s"}, nil)
	if err != nil || q != (config.Credential{Name: "laptop", Role: access.Read, Lifetime: 8 * time.Hour}) || c.Security.API.JWTKeyFile != "s" {
		t.Errorf("token = %+v, %v", q, err)
	}
	if q, _, _ = config.LoadCredential("token", []string{"laptop", "--security.api.jwt_key_file=s"}, nil); q.Lifetime != time.Hour {
		t.Errorf("a token is good for %v; want 1h", q.Lifetime)
	}
	for _, c := range []struct{ command, args, want string }{
		{"apikey", "", "apikey: for whom is it?"},
		{"apikey", "laptop --role admin", `"admin" is no role; there are read`},
		{"apikey", "laptop --lifetime 1h", "--help lists the flags"},
		{"token", "laptop", "security.api.jwt_key_file names the file"},
		{"token", "laptop --lifetime soon", "lifetime"},
	} {
		if _, _, err := config.LoadCredential(c.command, strings.Fields(c.args), nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %s = %v; want %q", c.command, c.args, err, c.want)
		}
	}
	for command, flag := range map[string]string{"apikey": "--role", "token": "--lifetime"} {
		var out strings.Builder
		if _, _, err := config.LoadCredential(command, []string{"--help"}, io.Writer(&out)); !errors.Is(err, config.ErrHelp) || !strings.Contains(out.String(), "adit-server "+command) || !strings.Contains(out.String(), flag) {
			t.Errorf("%s --help = %v, %s", command, err, out.String())
		}
	}
}
