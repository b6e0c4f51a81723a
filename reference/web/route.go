package web

import (
	"context"
	"net"
	"net/netip"
	"net/url"
	"path"
	"slices"
	"strings"
	"sync"
)

// A Route is a host name and the beginning of a path, and where it leads.
type Route struct {
	Host  string   // like app.example.org, *.example.org for all below that, or * for all
	Path  string   // like /api, without a slash at its end; "": all
	Users []string // names of keys of role visit, one of which is asked for; none: nobody is
	// Dial connects to the service for a visitor. The error is an [*Error], or it is the service's that cannot be reached.
	Dial func(ctx context.Context, from netip.AddrPort) (net.Conn, error)

	number uint64 // of all routes that were added; unlike its address in memory no later one has it
}

// routes are all of them, by host. Safe for use from any number of goroutines.
type routes struct {
	mu    sync.RWMutex // guards the following fields
	all   map[string][]*Route
	added uint64
}

func (t *routes) add(r *Route) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.all == nil {
		t.all = map[string][]*Route{}
	}
	t.added++
	r.number = t.added
	t.all[r.Host] = append(t.all[r.Host], r)
	slices.SortFunc(t.all[r.Host], func(a, b *Route) int { return len(b.Path) - len(a.Path) })
}

func (t *routes) remove(r *Route) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.all[r.Host] = slices.DeleteFunc(t.all[r.Host], func(o *Route) bool { return o == r })
	if len(t.all[r.Host]) == 0 {
		delete(t.all, r.Host)
	}
}

// named reports whether a host has a route of its own, and not by a star alone.
func (t *routes) named(host string) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return host != "*" && len(t.all[host]) > 0
}

// find returns the route of a host whose path is the longest of those that p begins with: of the host itself, or else of the
// next star above it. Nil: there is none.
func (t *routes) find(host, p string, begins func(p, prefix string) bool) *Route {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for name, rest := host, host; ; {
		for _, r := range t.all[name] {
			if begins(p, r.Path) && (len(p) == len(r.Path) || p[len(r.Path)] == '/' || r.Path == "") {
				return r
			}
		}
		if name == "*" {
			return nil
		}
		if _, above, ok := strings.Cut(rest, "."); ok && net.ParseIP(host) == nil {
			name, rest = "*."+above, above
		} else {
			name = "*"
		}
	}
}

// route returns the route of a request. Clear is false where a service may take the path for one of another route: its
// answer could be one that the other's users alone may have.
func (t *routes) route(host, p string) (r *Route, clear bool) {
	r = t.find(host, p, strings.HasPrefix)
	for _, reading := range readings(p) {
		if t.find(host, reading, strings.HasPrefix) != r {
			return r, false
		}
		if o := t.find(host, reading, foldedPrefix); o != r && o != nil && o.Users != nil {
			return r, false
		}
	}
	return r, true
}

// readings are what programs make of a path besides what it says: without its dots, double slashes and parameters, with
// backslashes for slashes, and decoded once more.
func readings(p string) []string {
	all := []string{plainPath(p)}
	if again, err := url.PathUnescape(p); err == nil && again != p {
		all = append(all, plainPath(again))
	}
	return all
}

func plainPath(p string) string {
	parts := strings.Split(strings.ReplaceAll(p, `\`, "/"), "/")
	for i, part := range parts {
		parts[i], _, _ = strings.Cut(part, ";")
	}
	clean := path.Clean("/" + strings.Join(parts, "/"))
	if clean == "/" {
		return ""
	}
	return clean
}

func foldedPrefix(p, prefix string) bool {
	return len(p) >= len(prefix) && strings.EqualFold(p[:len(prefix)], prefix)
}

// hostOf is the name that a Host header or a server name says, as routes have it: in small letters, without port.
func hostOf(header string) string {
	host := header
	if h, _, err := net.SplitHostPort(header); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	return strings.TrimSuffix(strings.ToLower(host), ".")
}
