package server

import (
	"io"
	"net"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/adit-tunnel/adit/reference/mapping"
	"github.com/adit-tunnel/adit/reference/session"
)

// reloaded are the fields of Config that Reload takes.
var reloaded = []string{
	"Rules.TargetOffset", "Rules.PortFrom", "Rules.PortEnd", "Rules.Blacklist", "AllowedClients", "TunnelProxies", "MaxTunnels", "AllowBind", "BindHold", "APIAllowed",
	"VisitorProxies", "MaxVisitors", "MaxVisitorsPerAddress", "DialTimeout", "MaxDirect", "DrainTimeout",
	"Session.MaxConnections", "Session.MaxQueue", "Session.Window", "Session.Memory",
}

// fill sets every field of a struct, and of those in it, that has a simple type.
func fill(v reflect.Value, at string, each func(name string, v reflect.Value)) {
	for i := range v.NumField() {
		f, name := v.Field(i), at+v.Type().Field(i).Name
		switch f.Interface().(type) {
		case bool, int, time.Duration, []int, []netip.Prefix, string:
			each(name, f)
		case mapping.Rules, session.Config:
			fill(f, name+".", each)
		}
	}
}

func TestReloadTakesWhatCanChange(t *testing.T) {
	cfg := config(t)
	r := run(t, cfg)
	next := cfg
	fill(reflect.ValueOf(&next).Elem(), "", func(name string, v reflect.Value) {
		switch p := v.Addr().Interface().(type) {
		case *bool:
			*p = !*p
		case *int:
			*p += 7
		case *time.Duration:
			*p += 7
		case *[]int:
			*p = []int{7}
		case *[]netip.Prefix:
			*p = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
		case *string:
			*p += "7"
		}
	})
	if err := r.Reload(next); err != nil {
		t.Fatal(err)
	}
	now := map[string]any{}
	fill(reflect.ValueOf(r.now()).Elem(), "", func(name string, v reflect.Value) { now[name] = v.Interface() })
	was := map[string]any{}
	fill(reflect.ValueOf(&r.cfg).Elem(), "", func(name string, v reflect.Value) { was[name] = v.Interface() })
	fill(reflect.ValueOf(&next).Elem(), "", func(name string, v reflect.Value) {
		want := was[name]
		if slices.Contains(reloaded, name) {
			want = v.Interface()
		}
		if !reflect.DeepEqual(now[name], want) {
			t.Errorf("%s is %v; want %v", name, now[name], want)
		}
	})
	if r.now().Session.Together == nil {
		t.Error("tunnels have no memory together any more")
	}
}

// requested is a mapping of the operator's own that leads to an address.
func requested(t *testing.T, port int, target string, o mapping.Options) mapping.Request {
	t.Helper()
	host, p, err := net.SplitHostPort(target)
	if err != nil {
		t.Fatal(err)
	}
	n, _ := strconv.Atoi(p)
	return mapping.Request{Port: port, TargetHost: host, TargetPort: &n, UseTunnel: new(false), Options: o}
}

// Whoever is there stays, through every change of the mapping that it came by; what comes later goes by the new one.
func TestAChangeEndsNoVisitor(t *testing.T) {
	cfg := config(t)
	port := freePort(t)
	echoes, greets := service(t, echo), service(t, func(c *net.TCPConn) { io.WriteString(c, "hello") })
	cfg.Maps = []mapping.Request{requested(t, port, echoes, mapping.Options{})}
	r := run(t, cfg)
	there := dial(t, local(port))
	wantEchoOn(t, "at first", there)
	change := func(maps ...mapping.Request) {
		t.Helper()
		next := cfg
		next.Maps = maps
		if err := r.Reload(next); err != nil {
			t.Fatal(err)
		}
		wantEchoOn(t, "a visitor that was there", there)
	}

	change(requested(t, port, echoes, mapping.Options{MaxPerAddress: 1}))
	if visits(t, "127.0.0.1", local(port)) || !visits(t, "127.0.0.2", local(port)) {
		t.Error("max_per_address 1 does not count who was there before, or counts others")
	}
	change(requested(t, port, echoes, mapping.Options{Deny: []string{"127.0.0.2"}}))
	if visits(t, "127.0.0.2", local(port)) || !visits(t, "127.0.0.1", local(port)) {
		t.Error("deny has no effect on who comes later, or on everybody")
	}
	change(requested(t, port, greets, mapping.Options{HealthCheck: mapping.Duration(time.Hour)}))
	if text, err := io.ReadAll(dial(t, local(port))); string(text) != "hello" {
		t.Errorf("the new target sends %q, %v", text, err)
	}
	if s := r.mappings.List()[0]; s.Total != 6 || len(s.Targets) != 1 {
		t.Errorf("%d visitors so far, targets %v; want 6, counted through all changes, and the state of one target", s.Total, s.Targets)
	}
	change() // no mapping any more
	if c, err := net.DialTimeout("tcp", local(port), soon); err == nil {
		c.Close()
		t.Error("a mapping that is no more has its port open")
	}
}

// Who waits in the port's queue while the mapping changes is served.
func TestAChangeLosesNobodyInTheQueue(t *testing.T) {
	cfg := config(t)
	port := freePort(t)
	echoes := service(t, echo)
	r := run(t, cfg)
	for i := range 50 {
		next := cfg
		next.Maps = []mapping.Request{requested(t, port, echoes, mapping.Options{MaxConnections: 100 + i})}
		if i == 0 {
			if err := r.Reload(next); err != nil {
				t.Fatal(err)
			}
			continue
		}
		changed := make(chan error, 1)
		go func() { changed <- r.Reload(next) }()
		wantEcho(t, "while the mapping changes", local(port))
		if err := <-changed; err != nil {
			t.Fatal(err)
		}
	}
}

func TestLimitsChangeForWhoComesLater(t *testing.T) {
	cfg := config(t)
	port := freePort(t)
	cfg.Maps = []mapping.Request{requested(t, port, service(t, echo), mapping.Options{})}
	r := run(t, cfg)
	there := dial(t, local(port))
	wantEchoOn(t, "at first", there)
	for _, c := range []struct {
		what   string
		change func(*Config)
		visits bool
	}{
		{"visitors.max_per_address 1", func(c *Config) { c.MaxVisitorsPerAddress = 1 }, false},
		{"visitors.max_connections 1", func(c *Config) { c.MaxVisitors = 1 }, false},
		{"direct.max_connections 1", func(c *Config) { c.MaxDirect = 1 }, false},
		{"direct.max_connections 2", func(c *Config) { c.MaxDirect = 2 }, true},
		{"no bound", func(c *Config) {}, true},
	} {
		next := cfg
		c.change(&next)
		if err := r.Reload(next); err != nil {
			t.Fatal(err)
		}
		if got := visits(t, "127.0.0.1", local(port)); got != c.visits {
			t.Errorf("%s: a second visitor is served: %v; want %v", c.what, got, c.visits)
		}
		eventually(t, "the second one's end", func() bool { return r.mappings.List()[0].Active == 1 })
	}
	wantEchoOn(t, "a visitor that was there", there)
}
