package main

import (
	"errors"
	"io"
	"log/slog"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/adit-tunnel/adit/reference/certtest"
	"github.com/adit-tunnel/adit/reference/client"
	"github.com/adit-tunnel/adit/reference/cmd/internal/wiring"
	"github.com/adit-tunnel/adit/reference/trust"
)

var keys = []wiring.Key{
	{"server", "server.example:12001", "Server", "server.example:12001"},
	{"proxy", "http://proxy.example:12002", "Proxy", "http://proxy.example:12002"},
	{"protocol", "extended", "Session.Protocol", "extended"},
	{"name", "workshop", "Session.Name", "workshop"},
	{"key", "adit1:home:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", "Session.Key", "&{home (secret)}"},
	{"key_file", "", "", ""},
	{"plain", false, "", ""},
	{"tls_ends_before", true, "TLSEndsBefore", "true"},
	{"allow", []string{"10.0.0.2:22"}, "", ""},
	{"unix", []string{"10.0.0.3:23=/run/x"}, "", ""},
	{"proxy_protocol", []string{"10.0.0.4:24=v1"}, "", ""},
	{"publish", []string{"10080=web.lan:80"}, "Publish", "[port 10080]"},
	{"status_socket", "/nowhere/s", "", ""},
	{"target_host", "127.0.0.3", "TargetHost", "127.0.0.3"},
	{"connect_timeout", "4s", "ConnectTimeout", "4s"},
	{"redial_delay", "21s", "RetryFirst", "21s"},
	{"redial_most", "22s", "RetryMost", "22s"},
	{"max_connections", 12007, "Session.MaxConnections", "12007"},
	{"queue", 120008, "Session.MaxQueue", "120008"},
	{"window", 120009, "Session.Window", "120009"},
	{"memory", 16777217, "Session.Memory", "16777217"},
	{"timers.dial_timeout", "9s", "Session.DialTimeout", "9s"},
	{"timers.keepalive_interval", "11s", "Session.KeepAliveInterval", "11s"},
	{"timers.dead_peer", "46s", "Session.DeadPeer", "46s"},
	{"timers.close_drain", "5100ms", "Session.CloseDrain", "5.1s"},
	{"timers.close_total", "12s", "Session.CloseTotal", "12s"},
	{"timers.close_stall", "31s", "Session.CloseStall", "31s"},
	{"timers.close_most", "301s", "Session.CloseMost", "5m1s"},
	{"timers.pause_sign", "16s", "Session.PauseSign", "16s"},
	{"timers.close_wait", "63s", "Session.CloseWait", "1m3s"},
	{"timers.stall_limit", "5300ms", "Session.StallLimit", "5.3s"},
	{"timers.stall_budget", "10400ms", "Session.StallBudget", "10.4s"},
	{"timers.stall_window", "17s", "Session.StallWindow", "17s"},
	{"timers.frame_progress", "18s", "Session.FrameProgress", "18s"},
	{"log.level", "error", "", ""},
	{"log.format", "text", "", ""},
	{"shutdown.grace", "20s", "DrainTimeout", "20s"},
}

// others are the fields that no key reaches: looked at below, set by the client, or the server's.
var others = []string{
	"Policy", "Services.unix", "Services.headers", "Services", "Logger", "Published", "Session.Binder", "Session.Publisher", "Session.Up", "DialServer", "TLS", "Session.Role", "Session.Logger", "Session.Proven", "Session.Greet", "Session.Dial",
	"Session.Agent", "Session.Instance", "Session.Keys", "Session.AuthOptional", "Session.Binding", "Session.StateBinding", "Session.Grease", "Session.Draining", "Session.Linger", "Session.Together",
	"Session.ConnectTimeout", "Session.ShortRequests", "Session.FirstID",
}

func TestEveryKeyReachesTheClient(t *testing.T) {
	var made client.Config
	dir := t.TempDir()
	pair := certtest.NewCA().Issue(time.Hour, "client.example")
	cert, key := pair.Write(dir, "client")
	loaded := func(args ...string) (any, any, error) {
		c, err := load(args, io.Discard)
		if err != nil {
			return nil, nil, err
		}
		made, err = clientConfig(c, c.Log.Logger(io.Discard))
		return c, made, err
	}
	all := append(slices.Clone(keys), wiring.Key{Name: "tls", Value: true}, wiring.Key{Name: "ca", Value: cert}, wiring.Key{Name: "pin", Value: ""},
		wiring.Key{Name: "cert_file", Value: cert}, wiring.Key{Name: "cert_key_file", Value: key})
	if err := wiring.Check(dir, all, others, loaded); err != nil {
		t.Error(err)
	}
	if made.TLS == nil {
		t.Error("tls does not reach the client")
	} else if cfg := made.TLS.Config("server.example", made.Logger); cfg.RootCAs == nil || cfg.InsecureSkipVerify || cfg.GetClientCertificate == nil {
		t.Errorf("ca or cert_file does not reach the client: %+v", cfg)
	}
	pin := trust.PinOf(pair.TLS().Leaf).String()
	if _, _, err := loaded("-tls", "-pin", pin, "-allow", "10.0.0.2:22", "-unix", "10.0.0.3:23=/run/x", "-proxy_protocol", "10.0.0.4:24=v1", "-log.level", "error"); err != nil || made.TLS == nil || !made.TLS.Config("", made.Logger).InsecureSkipVerify {
		t.Errorf("pin does not reach the client: %v", err)
	}
	var services client.Services
	if err := errors.Join(services.ParseUnix([]string{"10.0.0.3:23=/run/x"}), services.ParseProxyProtocol([]string{"10.0.0.4:24=v1"})); err != nil || !reflect.DeepEqual(made.Services, services) {
		t.Errorf("-unix and -proxy_protocol become %+v; want %+v, %v", made.Services, services, err)
	}
	if want, err := client.ParsePolicy([]string{"10.0.0.2:22"}); err != nil || !reflect.DeepEqual(made.Policy, want) {
		t.Errorf("allow becomes %v; want %v, %v", made.Policy, want, err)
	}
	if log := made.Logger; log.Enabled(t.Context(), slog.LevelWarn) || !log.Enabled(t.Context(), slog.LevelError) {
		t.Error("log.level does not reach the client's logger")
	}
	if _, ok := made.Logger.Handler().(*slog.TextHandler); !ok {
		t.Errorf("log.format text gives a %T", made.Logger.Handler())
	}
}
