package web

import (
	"strings"
	"testing"
)

func TestWhichRouteIsARequests(t *testing.T) {
	var all routes
	for _, place := range []string{"a.b", "a.b/api", "a.b/api/v2", "*.b", "*.c.d/x", "*.d", "1.2.3.4", "e.f/only"} {
		host, path, _ := strings.Cut(place, "/")
		if path != "" {
			path = "/" + path
		}
		all.add(&Route{Host: host, Path: path})
	}
	place := func(r *Route) string {
		if r == nil {
			return "none"
		}
		return r.Host + r.Path
	}
	for _, c := range []struct{ host, path, want string }{
		{"a.b", "/", "a.b"},
		{"a.b", "/apis", "a.b"},
		{"a.b", "/api", "a.b/api"},
		{"a.b", "/api/", "a.b/api"},
		{"a.b", "/api/v1", "a.b/api"},
		{"a.b", "/api/v2/x", "a.b/api/v2"},
		{"a.b", "/API", "a.b"},
		{"x.b", "/api", "*.b"},
		{"y.x.b", "/", "*.b"},
		{"b", "/", "none"},
		{"u.c.d", "/x", "*.c.d/x"},
		{"u.c.d", "/y", "*.d"},
		{"c.d", "/x", "*.d"},
		{"1.2.3.4", "/", "1.2.3.4"},
		{"9.2.3.4", "/", "none"},
		{"e.f", "/other", "none"},
		{"", "/", "none"},
		{"*", "/", "none"},
		{"*.b", "/", "*.b"},
	} {
		if r, clear := all.route(c.host, c.path); place(r) != c.want || !clear {
			t.Errorf("%s%s is led to %s, clear %v; want %s", c.host, c.path, place(r), clear, c.want)
		}
	}
	everything := &Route{Host: "*"}
	all.add(everything)
	if r, _ := all.route("9.2.3.4", "/"); r != everything {
		t.Errorf("with a route of all hosts another address is led to %v", place(r))
	}
	all.remove(everything)
	if r, _ := all.route("9.2.3.4", "/"); r != nil {
		t.Errorf("a route that was removed has %v", place(r))
	}
	if !all.named("a.b") || all.named("x.b") || all.named("*") {
		t.Error("named says the wrong hosts")
	}
}

// What a service may read as a path of another route is refused; the same path is nobody's business without one.
func TestPathsThatAreReadInTwoWays(t *testing.T) {
	var all routes
	open, shut, public := &Route{Host: "a.b"}, &Route{Host: "a.b", Path: "/admin", Users: []string{"ann"}}, &Route{Host: "a.b", Path: "/public"}
	for _, r := range []*Route{open, shut, public} {
		all.add(r)
	}
	all.add(&Route{Host: "c.d"})
	bad := []string{
		"/x/../admin", "//admin", "/./admin", "/admin/../x", "/public/../admin", `/x\..\admin`, `\admin`, "/;a/admin", "/x/..;/admin", "/admin;x=1", "/%61dmin",
		"/x/%2e%2e/admin", "/x%2f..%2fadmin", "/ADMIN", "/Admin/x", "/public/..;/Admin", "/x/../public", "/admin/..",
	}
	for _, path := range bad {
		if _, clear := all.route("a.b", path); clear {
			t.Errorf("%s is led to a service that may read it as another route's", path)
		}
		if _, clear := all.route("c.d", path); !clear {
			t.Errorf("%s is refused where there is one route", path)
		}
	}
	for path, want := range map[string]*Route{
		"/": open, "/x": open, "/admins": open, "/x/../y": open, "/x//y;z": open, "/admin": shut, "/admin/": shut, "/admin/x/../y": shut, "/PUBLIC": open, "/a%20b": open, "/a%zz": open, "/x/admin": open,
	} {
		if r, clear := all.route("a.b", path); r != want || !clear {
			t.Errorf("%s is led to %+v, clear %v; want %+v", path, r, clear, want)
		}
	}
}

// A long path costs no more than it has letters.
func BenchmarkALongPath(b *testing.B) {
	var all routes
	all.add(&Route{Host: "a.b"})
	all.add(&Route{Host: "a.b", Path: "/x"})
	host, path := strings.Repeat("a.", 126)+"b", strings.Repeat("/;", maxHeader/2)
	for b.Loop() {
		all.route(host, path)
	}
}

func TestHostsAsRoutesHaveThem(t *testing.T) {
	for header, want := range map[string]string{"A.b": "a.b", "a.b:80": "a.b", "a.b.": "a.b", "a.b.:443": "a.b", "[::1]:80": "::1", "[::1]": "::1", "": "", ":80": "", "a:b:c": "a:b:c"} {
		if got := hostOf(header); got != want {
			t.Errorf("hostOf(%q) = %q; want %q", header, got, want)
		}
	}
}

// What is kept open to the service of a route that was removed is not used for a later one, wherever that lies in memory.
func TestARouteHasItsOwnConnections(t *testing.T) {
	var all routes
	r := &Route{Host: "a.b"}
	a := &asked{route: r}
	all.add(r)
	before := a.key()
	if again := a.key(); again != before {
		t.Errorf("%s, then %s: a visitor's connection is not used again", before, again)
	}
	all.remove(r)
	all.add(r)
	if a.key() == before {
		t.Errorf("%s before it was removed and after", before)
	}
}

func FuzzRoute(f *testing.F) {
	for _, path := range []string{"/x/../admin", "/%61dmin", "/;a/admin", `\admin`, "/ADMIN"} {
		f.Add("a.b", path)
	}
	var all routes
	shut := &Route{Host: "a.b", Path: "/admin", Users: []string{"ann"}}
	all.add(&Route{Host: "a.b"})
	all.add(shut)
	f.Fuzz(func(t *testing.T, header, path string) {
		host := hostOf(header)
		if again := hostOf(host); strings.Count(host, ":") != 1 && !strings.ContainsAny(host, "[]") && !strings.HasSuffix(host, ".") && again != host {
			t.Errorf("hostOf(%q) = %q, and of that %q", header, host, again)
		}
		r, clear := all.route("a.b", path)
		if r == nil {
			return
		}
		if clear && r != shut && strings.HasPrefix(strings.ToLower(plainPath(path))+"/", "/admin/") {
			t.Errorf("%q is led to %+v", path, r)
		}
	})
}
