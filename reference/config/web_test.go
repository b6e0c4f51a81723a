package config_test

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/adit-tunnel/adit/reference/access"
	"github.com/adit-tunnel/adit/reference/certtest"
	"github.com/adit-tunnel/adit/reference/config"
)

func TestWeb(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir) // where there is no ./data/api-keys
	ca := certtest.NewCA()
	cert, key := ca.Issue(time.Hour, "a.b").Write(dir, "web")
	roots := certtest.File(dir, "roots.crt", ca.PEM)
	apiKeys := filepath.Join(dir, "api-keys")
	if _, err := access.AddKey(apiKeys, "ann", access.Visit); err != nil {
		t.Fatal(err)
	}
	files := []string{"--web.cert_file", cert, "--web.key_file", key}
	for _, c := range []struct {
		args []string
		want string // in the error; "": there is none
	}{
		{[]string{"--web.listen", ":80"}, ""},
		{[]string{"--web.listen", "[::1]:0", "--map", "a.b=3000", "--map", "a.b/c=h:80"}, ""},
		{append([]string{"--web.listen_tls", ":443"}, files...), ""},
		{[]string{"--web.listen_tls", ":443", "--web.acme.enabled", "--web.acme.ca", roots}, ""},
		{[]string{"--web.listen", ":80", "--security.api.keys_file", apiKeys}, ""},
		{[]string{"--web.listen", "80"}, `--web.listen: "80" is not HOST:PORT`},
		{[]string{"--web.listen", ":65536"}, `--web.listen: ":65536" is not HOST:PORT`},
		{[]string{"--web.listen", ":http"}, `--web.listen: ":http" is not HOST:PORT`},
		{append([]string{"--web.listen_tls", "x"}, files...), `--web.listen_tls: "x" is not HOST:PORT`},
		{[]string{"--web.listen_tls", ":443"}, "--web.listen_tls: needs web.cert_file and web.key_file"},
		{[]string{"--web.listen_tls", ":443", "--web.cert_file", cert}, "--web.listen_tls: needs web.cert_file and web.key_file"},
		{[]string{"--web.listen_tls", ":443", "--web.cert_file", "none", "--web.key_file", key}, "--web.cert_file: open none"},
		{[]string{"--web.listen_tls", ":443", "--web.cert_file", cert, "--web.key_file", "none"}, "--web.key_file: open none"},
		{files, "--web.cert_file: has no effect without web.listen_tls"},
		{append([]string{"--web.listen_tls", ":443", "--web.acme.enabled"}, files...), "--web.acme.enabled: takes the place of web.cert_file"},
		{[]string{"--web.acme.enabled"}, "--web.acme.enabled: has no effect without web.listen_tls"},
		{append([]string{"--web.listen_tls", ":443", "--web.acme.email", "a@b"}, files...), "--web.acme.email: has no effect without web.acme.enabled"},
		{[]string{"--web.listen_tls", ":443", "--web.acme.enabled", "--web.acme.directory", "http://a"}, "--web.acme.directory: \"http://a\" is not the address of an authority"},
		{[]string{"--web.listen_tls", ":443", "--web.acme.enabled", "--web.acme.cache="}, "--web.acme.cache: is empty"},
		{[]string{"--web.listen_tls", ":443", "--web.acme.enabled", "--web.acme.ca", "none"}, "--web.acme.ca: open none"},
		{[]string{"--web.listen", ":80", "--web.trusted_proxies", "x"}, "--web.trusted_proxies: \"x\" is neither"},
		{[]string{"--web.listen", ":80", "--security.api.keys_file", "none"}, "--security.api.keys_file: open none"},
		{[]string{"--security.api.keys_file", apiKeys}, "--security.api.keys_file: without security.api.enable_auth"},
		{[]string{"--map", "a.b=3000"}, "--map: a.b: host needs a server that listens for the web"},
		{[]string{"--web.listen", ":80", "--map", "a.b=3000", "--map", "a.b=3001"}, "--map: a.b is mapped twice"},
		{[]string{"--web.listen", ":80", "--map", "a.b="}, `--map: "a.b=": the target's port must be 1 to 65535; give HOST=PORT`},
		{[]string{"--web.listen", ":80", "--map", "a.b/../c=80"}, `--map: a.b/../c: path "/../c" is not the beginning of a path`},
	} {
		read, err := config.LoadServer(append([]string{"--keys="}, c.args...), io.Discard)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%q = %v; want %q", c.args, err, c.want)
		}
		if err != nil {
			continue
		}
		if got, want := read.VisitorKeys != nil, strings.Contains(strings.Join(c.args, " "), "keys_file"); got != want {
			t.Errorf("%q has keys of visitors: %v; want %v", c.args, got, want)
		}
		if got, want := read.WebPair != nil, strings.Contains(strings.Join(c.args, " "), "cert_file"); got != want {
			t.Errorf("%q has a certificate: %v; want %v", c.args, got, want)
		}
		if got, want := read.WebAuthorities != nil, strings.Contains(strings.Join(c.args, " "), "acme.ca"); got != want {
			t.Errorf("%q knows authorities: %v; want %v", c.args, got, want)
		}
	}
	if _, err := os.Stat("data"); err == nil {
		t.Error("reading the configuration makes files")
	}
}
