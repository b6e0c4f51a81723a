package mapping

import (
	"path"
	"slices"
	"strings"
)

// planWeb fills in what a mapping of the web has, and refuses what the server is not set up for.
func (r *Rules) planWeb(m *Mapping) error {
	switch {
	case m.Host == "":
		return nil
	case !r.Web:
		return refuse(Invalid, "host", "needs a server that listens for the web; start it with --web.listen or --web.listen_tls, or give a port")
	case len(m.Users) > 0 && !r.WebKeys:
		return refuse(Invalid, "users", "needs keys; make one with: adit-server apikey NAME --role visit, and start the server with security.api.keys_file")
	}
	m.Host = strings.ToLower(m.Host)
	m.Path = strings.TrimSuffix(m.Path, "/")
	return nil
}

// checkWeb refuses what cannot be said of a mapping of the web, or of another.
func (m Mapping) checkWeb() error {
	switch {
	case m.Host == "" && m.Path != "":
		return refuse(Invalid, "path", "needs a host; give one, or leave it out")
	case m.Host == "" && m.Users != nil:
		return refuse(Invalid, "users", "needs a host; a port cannot ask who comes")
	case m.Host == "":
		return nil
	case m.Port != 0:
		return refuse(Invalid, "host", "takes the place of a port; give one of the two")
	case !validWebHost(m.Host):
		return refuse(Invalid, "host", "%q is not a host name like app.example.org, *.example.org or *, without port", m.Host)
	case !validWebPath(m.Path):
		return refuse(Invalid, "path", "%q is not the beginning of a path like /api, without empty or dotted parts and %%", m.Path)
	case m.Network != "" && m.Network != "tcp":
		return refuse(Invalid, "network", "has no use beside host; leave it out")
	case m.ProxyProtocol != "":
		return refuse(Invalid, "proxy_protocol", "has no use beside host: X-Forwarded-For names the visitor; leave it out")
	case m.Users != nil && len(m.Users) == 0:
		return refuse(Invalid, "users", "is empty; leave it out, or name keys of role visit")
	case slices.Contains(m.Users, ""):
		return refuse(Invalid, "users", "has an empty name; name keys of role visit")
	}
	return nil
}

func validWebHost(host string) bool {
	if host == "*" {
		return true
	}
	return ValidHost(strings.TrimPrefix(host, "*.")) && !strings.HasSuffix(host, ".")
}

// validWebPath reports whether a path is one that requests can begin with, in its one spelling.
func validWebPath(p string) bool {
	return p == "" || strings.HasPrefix(p, "/") && path.Clean(p) == p && !strings.ContainsAny(p, "%\\;?# ") && !strings.ContainsFunc(p, func(r rune) bool { return r < ' ' || r > '~' })
}
