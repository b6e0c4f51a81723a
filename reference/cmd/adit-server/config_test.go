package main

import (
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/adit-tunnel/adit/reference/access"
	"github.com/adit-tunnel/adit/reference/certtest"
	"github.com/adit-tunnel/adit/reference/cmd/internal/wiring"
	"github.com/adit-tunnel/adit/reference/config"
	"github.com/adit-tunnel/adit/reference/keys"
	"github.com/adit-tunnel/adit/reference/server"
	"github.com/adit-tunnel/adit/reference/trust"
)

var settings = []wiring.Key{
	{"map", []string{"11020=h:22"}, "", ""},
	{"port_range.from", 11001, "Rules.PortFrom", "11001"},
	{"port_range.end", 11002, "Rules.PortEnd", "11002"},
	{"tunnel.enabled", false, "Rules.TunnelEnabled", "false"},
	{"tunnel.listen_host", "127.0.0.3", "TunnelHost", "127.0.0.3"},
	{"tunnel.listen_port", 11003, "TunnelPort", "11003"},
	{"memory", 17, "Memory", "17"},
	{"protocol", "extended", "Session.Protocol", "extended"},
	{"keys", "", "", ""},
	{"open", true, "AuthOptional", "true"},
	{"plain", false, "", ""},
	{"tls_ends_before", false, "TLSEndsBefore", "false"},
	{"tunnel.allowed_clients", []string{"10.0.0.4"}, "AllowedClients", "[10.0.0.4/32]"},
	{"tunnel.connect_request", "short", "Rules.ShortRequests", "true"},
	{"tunnel.target_offset", 11005, "Rules.TargetOffset", "11005"},
	{"tunnel.allow_bind", true, "AllowBind", "true"},
	{"tunnel.timers.bind_hold", "29s", "BindHold", "29s"},
	{"tunnel.max_tunnels", 11006, "MaxTunnels", "11006"},
	{"tunnel.max_connections", 11007, "Session.MaxConnections", "11007"},
	{"tunnel.queue", 110008, "Session.MaxQueue", "110008"},
	{"tunnel.window", 110009, "Session.Window", "110009"},
	{"tunnel.memory", 16777217, "Session.Memory", "16777217"},
	{"tunnel.timers.connect_timeout", "9s", "Session.ConnectTimeout", "9s"},
	{"tunnel.timers.dead_peer", "100s", "Session.DeadPeer", "1m40s"},
	{"tunnel.timers.close_drain", "5100ms", "Session.CloseDrain", "5.1s"},
	{"tunnel.timers.close_total", "12s", "Session.CloseTotal", "12s"},
	{"tunnel.timers.close_stall", "31s", "Session.CloseStall", "31s"},
	{"tunnel.timers.close_most", "301s", "Session.CloseMost", "5m1s"},
	{"tunnel.timers.pause_sign", "16s", "Session.PauseSign", "16s"},
	{"tunnel.timers.close_wait", "63s", "Session.CloseWait", "1m3s"},
	{"tunnel.timers.stall_limit", "5300ms", "Session.StallLimit", "5.3s"},
	{"tunnel.timers.stall_budget", "10400ms", "Session.StallBudget", "10.4s"},
	{"tunnel.timers.stall_window", "17s", "Session.StallWindow", "17s"},
	{"tunnel.timers.frame_progress", "18s", "Session.FrameProgress", "18s"},
	{"visitors.listen_host", "127.0.0.9", "VisitorHost", "127.0.0.9"},
	{"tunnel.trusted_proxies", []string{"10.0.0.18"}, "TunnelProxies", "[10.0.0.18/32]"},
	{"visitors.trusted_proxies", []string{"10.0.0.19"}, "VisitorProxies", "[10.0.0.19/32]"},
	{"visitors.max_connections", 11016, "MaxVisitors", "11016"},
	{"visitors.max_per_address", 11017, "MaxVisitorsPerAddress", "11017"},
	{"direct.dial_timeout", "19s", "DialTimeout", "19s"},
	{"direct.max_connections", 11010, "MaxDirect", "11010"},
	{"api.listen_host", "127.0.0.11", "APIHost", "127.0.0.11"},
	{"api.listen_port", 11012, "APIPort", "11012"},
	{"api.profiling", "127.0.0.12:0", "Profiling", "127.0.0.12:0"},
	{"database.path", "/nowhere/15.db", "", ""},
	{"security.api.enable_auth", true, "", ""},
	{"security.api.allowed_ips", []string{"10.13.0.0/16"}, "APIAllowed", "[10.13.0.0/16]"},
	{"security.port_range.blacklist", []int{11014}, "Rules.Blacklist", "[11014]"},
	{"web.listen", "127.0.0.1:11021", "WebListen", "127.0.0.1:11021"},
	{"web.listen_tls", "127.0.0.1:11022", "WebListenTLS", "127.0.0.1:11022"},
	{"web.acme.enabled", false, "", ""},
	{"web.acme.email", "", "", ""},
	{"web.acme.directory", "https://a.example/", "", ""},
	{"web.acme.ca", "", "", ""},
	{"web.acme.cache", "/nowhere/acme", "", ""},
	{"web.redirect", true, "Web.Redirect", "true"},
	{"web.trusted_proxies", []string{"10.0.0.23"}, "Web.Trusted", "[10.0.0.23/32]"},
	{"web.max_connections", 11024, "MaxWeb", "11024"},
	{"web.max_per_address", 11025, "MaxWebPerAddress", "11025"},
	{"web.response_timeout", "26s", "Web.ResponseTimeout", "26s"},
	{"log.level", "warn", "", ""},
	{"log.format", "json", "", ""},
	{"shutdown.grace", "20s", "DrainTimeout", "20s"},
}

// others are the fields that no key reaches: given by run, set by the server, or the client's.
var others = []string{
	"Rules.Web", "Rules.WebKeys", "Web.Certificates", "Web.HeaderTimeout", "Web.Access", "Web.Logger", "Store", "Sockets", "Maps", "Keys", "Rules.Keys", "Access", "Version", "Session.Binder", "Session.Publisher", "Session.Up", "Logger", "TLS", "Session.Key", "Session.Keys", "Session.AuthOptional", "Session.Binding", "Session.StateBinding", "Session.Role", "Session.Logger", "Session.Proven", "Session.Greet", "Session.ShortRequests", "Session.FirstID",
	"Session.Agent", "Session.Name", "Session.Instance", "Session.Grease", "Session.Draining", "Session.Linger", "Session.Together",
	"Session.Dial", "Session.DialTimeout", "Session.KeepAliveInterval",
}

func TestEveryKeyReachesTheServer(t *testing.T) {
	var made server.Config
	var read config.Server
	dir := t.TempDir()
	pair := certtest.NewCA().Issue(time.Hour, "server.example")
	cert, key := pair.Write(dir, "server")
	apiKeys := filepath.Join(dir, "api-keys")
	apiKey, err := access.AddKey(apiKeys, "laptop", access.Operate)
	if err != nil {
		t.Fatal(err)
	}
	all := append(slices.Clone(settings),
		wiring.Key{Name: "security.api.keys_file", Value: apiKeys}, wiring.Key{Name: "security.api.jwt_key_file", Value: ""},
		wiring.Key{Name: "web.cert_file", Value: cert}, wiring.Key{Name: "web.key_file", Value: key},
		wiring.Key{Name: "security.tunnel.enable_tls", Value: true}, wiring.Key{Name: "security.tunnel.cert_file", Value: cert},
		wiring.Key{Name: "security.tunnel.key_file", Value: key}, wiring.Key{Name: "security.tunnel.client_ca", Value: cert})
	if err := wiring.Check(dir, all, others, func(args ...string) (any, any, error) {
		c, err := config.LoadServer(args, nil)
		read, made = c, serverConfig(c, nil, c.Log.Logger(io.Discard))
		return read, made, err
	}); err != nil {
		t.Error(err)
	}
	if read.Database.Path != "/nowhere/15.db" {
		t.Errorf("database.path is %s", read.Database.Path)
	}
	if log := made.Logger; log.Enabled(t.Context(), slog.LevelInfo) || !log.Enabled(t.Context(), slog.LevelWarn) {
		t.Error("log.level does not reach the server's logger")
	}
	if _, ok := made.Logger.Handler().(*slog.JSONHandler); !ok {
		t.Errorf("log.format json gives a %T", made.Logger.Handler())
	}
	if made.TLS == nil {
		t.Error("security.tunnel does not reach the server")
	} else if got, want := pinOf(made), trust.PinOf(pair.TLS().Leaf); got != want {
		t.Errorf("security.tunnel.cert_file becomes the pin %s; want %s", got, want)
	} else if cfg, err := made.TLS.Config(made.Logger).GetConfigForClient(nil); err != nil || cfg.ClientCAs == nil {
		t.Errorf("security.tunnel.client_ca does not reach the server: %v", err)
	}
	if who, err := made.Access.Check(apiKey, made.Logger); err != nil || who.Name != "laptop" {
		t.Errorf("security.api.keys_file does not reach the server: %v", err)
	}
	if made.Web.Certificates == nil || made.Web.Access == nil || !made.Rules.Web || !made.Rules.WebKeys {
		t.Errorf("web becomes %+v, %+v", made.Web, made.Rules)
	}
	if len(made.Maps) != 1 || made.Maps[0].Port != 11020 || *made.Maps[0].TargetPort != 22 {
		t.Errorf("-map becomes %+v", made.Maps)
	}
}

// What can change while the server runs reaches fields that Reload takes, and the two that run takes itself.
func TestKeysThatCanChange(t *testing.T) {
	all := []string{"map", "port_range.from"}
	var to config.Server
	args := []string{"--port_range.from", "2", "--map", "3=4"}
	for _, s := range settings {
		if s.Field != "" && s.Name != "port_range.from" && s.Name != "tunnel.enabled" && s.Name != "tunnel.connect_request" && s.Name != "web.listen_tls" { // which needs files
			args = append(args, fmt.Sprintf("--%s=%s", s.Name, strings.Trim(fmt.Sprint(s.Value), "[]")))
		}
	}
	from, err := config.LoadServer(nil, io.Discard)
	if err == nil {
		to, err = config.LoadServer(append(args, "--log.level=warn"), io.Discard)
	}
	if err != nil {
		t.Fatal(err)
	}
	live, restart := config.Changed(&from, &to)
	all = append(all, "port_range.end", "tunnel.allowed_clients", "tunnel.trusted_proxies", "tunnel.target_offset", "tunnel.allow_bind", "tunnel.max_tunnels", "tunnel.max_connections",
		"tunnel.queue", "tunnel.window", "tunnel.memory", "tunnel.timers.bind_hold", "visitors.trusted_proxies", "visitors.max_connections", "visitors.max_per_address",
		"direct.dial_timeout", "direct.max_connections", "security.api.allowed_ips", "security.port_range.blacklist", "log.level", "shutdown.grace")
	if !slices.Equal(live, all) {
		t.Errorf("these can change: %q; want %q", live, all)
	}
	for _, key := range []string{"memory", "protocol", "open", "tunnel.listen_host", "tunnel.listen_port", "tunnel.timers.dead_peer", "visitors.listen_host", "api.listen_host", "api.listen_port", "api.profiling"} {
		if !slices.Contains(restart, key) {
			t.Errorf("a restart is needed for %q; want %s among them", restart, key)
		}
	}
}

func pinOf(c server.Config) trust.Pin {
	pin, _ := c.TLS.Pin(c.Logger)
	return pin
}

// With keys there is TLS, unless the server is told that there is none, or that somebody else ends it.
func TestKeysReachTheServer(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keys")
	if _, err := keys.Add(file, "home", keys.Rights{}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args                    []string
		tls, balanced, optional bool
	}{
		{nil, true, false, false},
		{[]string{"--open"}, true, false, true},
		{[]string{"--plain"}, false, false, false},
		{[]string{"--tls_ends_before"}, false, true, false},
	} {
		read, err := config.LoadServer(append([]string{"--keys", file}, c.args...), io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		if made := serverConfig(read, nil, nil); made.Keys == nil || made.Keys.Len() != 1 || made.TLS != nil != c.tls || made.TLSEndsBefore != c.balanced || made.AuthOptional != c.optional {
			t.Errorf("%q become %+v; want TLS %v, TLSEndsBefore %v, AuthOptional %v", c.args, made, c.tls, c.balanced, c.optional)
		}
	}
}
