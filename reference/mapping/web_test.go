package mapping

import (
	"strings"
	"testing"
)

func TestMappingsOfTheWeb(t *testing.T) {
	port := func(n int) *int { return &n }
	tunnel := func(b bool) *bool { return &b }
	rules := Rules{TunnelEnabled: true, Web: true, WebKeys: true, TargetOffset: 10000}
	for _, c := range []struct {
		q     Request
		place string // "": it is refused
		want  string // its target, or how the error begins
	}{
		{Request{Options: Options{Host: "App.Example.org"}}, "app.example.org", "127.0.0.1:80"},
		{Request{Options: Options{Host: "a.b", Path: "/api/"}, TargetPort: port(3000)}, "a.b/api", "127.0.0.1:3000"},
		{Request{Options: Options{Host: "a.b", Path: "/"}}, "a.b", "127.0.0.1:80"},
		{Request{Options: Options{Host: "*.a.b", Users: []string{"ann"}}}, "*.a.b", "127.0.0.1:80"},
		{Request{Options: Options{Host: "*"}, TargetHost: "h", UseTunnel: tunnel(false)}, "*", "h:80"},
		{Request{Options: Options{Host: "2001:db8::1"}}, "2001:db8::1", "127.0.0.1:80"},
		{Request{Port: 80, Options: Options{Host: "a.b"}}, "", "host takes the place of a port"},
		{Request{Options: Options{Host: "a.b:80"}}, "", `host "a.b:80" is not a host name`},
		{Request{Options: Options{Host: "a.*.b"}}, "", "host "},
		{Request{Options: Options{Host: "*.1.2.3.4/8"}}, "", "host "},
		{Request{Options: Options{Host: "a.b."}}, "", "host "},
		{Request{Options: Options{Host: "a.b", Path: "api"}}, "", `path "api" is not the beginning of a path`},
		{Request{Options: Options{Host: "a.b", Path: "/a//b"}}, "", "path "},
		{Request{Options: Options{Host: "a.b", Path: "/a/../b"}}, "", "path "},
		{Request{Options: Options{Host: "a.b", Path: "/a%2fb"}}, "", "path "},
		{Request{Options: Options{Host: "a.b", Path: "/a;b"}}, "", "path "},
		{Request{Options: Options{Host: "a.b", Path: "/a b"}}, "", "path "},
		{Request{Options: Options{Host: "a.b", Path: `/a\b`}}, "", "path "},
		{Request{Options: Options{Host: "a.b", Path: "/ä"}}, "", "path "},
		{Request{Options: Options{Host: "a.b", Network: "udp"}}, "", "network has no use beside host"},
		{Request{Options: Options{Host: "a.b", Users: []string{}}}, "", "users is empty"},
		{Request{Options: Options{Host: "a.b", Users: []string{"ann", ""}}}, "", "users has an empty name"},
		{Request{UseTunnel: tunnel(false), TargetHost: "h", Options: Options{Host: "a.b", ProxyProtocol: "v1"}}, "", "proxy_protocol has no use beside host"},
		{Request{Port: 10080, Options: Options{Path: "/a"}}, "", "path needs a host"},
		{Request{Port: 10080, Options: Options{Users: []string{"ann"}}}, "", "users needs a host"},
	} {
		m, err := rules.plan(c.q)
		switch {
		case c.place != "" && (err != nil || m.Place() != c.place || m.Target() != c.want):
			t.Errorf("plan(%+v) = %s to %s, %v; want %s to %s", c.q, m.Place(), m.Target(), err, c.place, c.want)
		case c.place == "" && (err == nil || !strings.HasPrefix(err.Error(), c.want)):
			t.Errorf("plan(%+v) = %v; want %s", c.q, err, c.want)
		}
	}
	for _, c := range []struct {
		rules Rules
		want  string
	}{{Rules{TunnelEnabled: true}, "host needs a server that listens for the web"}, {Rules{TunnelEnabled: true, Web: true}, "users needs keys"}} {
		if _, err := c.rules.plan(Request{Options: Options{Host: "a.b", Users: []string{"ann"}}}); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("with %+v: %v; want %s", c.rules, err, c.want)
		}
	}
}

// Each place has one mapping, whatever it is.
func TestPlacesOfTheWebAreTaken(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.rules.Web = true
		for _, path := range []string{"", "/api"} {
			q := Request{Options: Options{Host: "a.b", Path: path}}
			if _, err := r.Create(t.Context(), q); err != nil {
				t.Fatal(err)
			}
			_, err := r.Create(t.Context(), q)
			wantKind(t, "a second mapping of "+q.Place(), err, Conflict, "host")
		}
		if err := r.Remove(t.Context(), "a.b"); err != nil {
			t.Fatal(err)
		}
		if all := r.List(); len(all) != 1 || all[0].Place() != "a.b/api" {
			t.Errorf("after Remove(a.b) there are %+v; want a.b/api alone", all)
		}
		wantKind(t, "a second Remove", r.Remove(t.Context(), "a.b"), NotFound, "host")
	})
}
