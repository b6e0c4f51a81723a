package config

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/adit-tunnel/adit/reference/access"
	"github.com/adit-tunnel/adit/reference/mapping"
	"github.com/adit-tunnel/adit/reference/trust"
)

// Web is how visitors of the web come to mappings that have a host.
type Web struct {
	Listen    string `yaml:"listen" help:"HOST:PORT where visitors of the web come without TLS, like :80, to mappings that have a host; empty: nowhere"`
	ListenTLS string `yaml:"listen_tls" help:"HOST:PORT where they come with TLS (HTTPS), like :443; empty: nowhere"`
	CertFile  string `yaml:"cert_file" help:"PEM file of the certificate for web.listen_tls, and of those that lead to its authority; read again when it changes, like its key"`
	KeyFile   string `yaml:"key_file" help:"PEM file of its private key"`
	ACME      struct {
		Enabled   bool   `yaml:"enabled" help:"in the place of cert_file: certificates from an authority, for each host that has a mapping, at its first visitor; accepts the authority's terms"`
		Email     string `yaml:"email" help:"where the authority writes to"`
		Directory string `yaml:"directory" default:"https://acme-v02.api.letsencrypt.org/directory" help:"address of the authority"`
		CA        string `yaml:"ca" help:"PEM file of what the authority's own certificate is known by; empty: the system's authorities"`
		Cache     string `yaml:"cache" default:"./data/acme" help:"folder that keeps the certificates and their keys"`
	} `yaml:"acme"`
	Redirect        bool          `yaml:"redirect" default:"true" help:"with both listeners: visitors without TLS are sent to come with it"`
	TrustedProxies  []string      `yaml:"trusted_proxies" help:"addresses or CIDRs of balancers whose X-Forwarded headers say who visits; empty: none"`
	MaxConnections  int           `yaml:"max_connections" default:"4096" range:"1 1048576" help:"connections of visitors of the web at a time"`
	MaxPerAddress   int           `yaml:"max_per_address" default:"256" range:"0 1048576" help:"the same of one address, which of IPv6 is its first 64 bits; 0: no bound"`
	ResponseTimeout time.Duration `yaml:"response_timeout" default:"1m" range:"0s 24h" help:"until a service begins to answer; 0s: no bound"`
}

// parseWebMap reads an element of map that has a host.
func parseWebMap(place, target string) ([]mapping.Request, error) {
	host, port, err := mapping.ParseTarget(target)
	if err != nil {
		return nil, fmt.Errorf("%q: %w; give HOST=PORT or HOST/PATH=HOST:PORT, like app.example.org/api=127.0.0.1:3000", place+"="+target, err)
	}
	q := mapping.Request{TargetHost: host, TargetPort: &port}
	var path string
	if q.Host, path, _ = strings.Cut(place, "/"); path != "" {
		q.Path = "/" + path
	}
	return []mapping.Request{q}, nil
}

// asksVisitors reports whether visitors may be asked for keys.
func (c *Server) asksVisitors() bool { return c.Web.Listen != "" || c.Web.ListenTLS != "" }

// checkWeb reads the files of web, and the keys of visitors.
func (c *Server) checkWeb(k *checker) {
	w := &c.Web
	k.address("web.listen", w.Listen)
	k.address("web.listen_tls", w.ListenTLS)
	k.prefixes("web.trusted_proxies", w.TrustedProxies)
	c.openVisitors(k)
	switch {
	case w.ListenTLS == "":
		k.unused("has no effect without web.listen_tls; set that, or remove this", setting{"web.cert_file", w.CertFile}, setting{"web.key_file", w.KeyFile}, setting{"web.acme.enabled", ifSet(w.ACME.Enabled)})
	case w.ACME.Enabled && w.CertFile != "":
		k.fail("web.acme.enabled", "takes the place of web.cert_file; remove one of the two")
	case w.ACME.Enabled:
		c.checkACME(k)
	case w.CertFile == "" || w.KeyFile == "":
		k.fail("web.listen_tls", "needs web.cert_file and web.key_file, the PEM files of a certificate for the hosts and of its private key, or web.acme.enabled")
	default:
		var err error
		c.WebPair, err = trust.WatchPair(w.CertFile, w.KeyFile)
		k.files("web.", err)
	}
	if !w.ACME.Enabled {
		k.unused("has no effect without web.acme.enabled; set that, or remove this", setting{"web.acme.email", w.ACME.Email}, setting{"web.acme.ca", w.ACME.CA})
	}
}

func (c *Server) checkACME(k *checker) {
	a := &c.Web.ACME
	if !strings.HasPrefix(a.Directory, "https://") {
		k.fail("web.acme.directory", "%q is not the address of an authority, which begins with https://", a.Directory)
	}
	if a.Cache == "" {
		k.fail("web.acme.cache", "is empty; name a folder: authorities give few certificates a week")
	}
	if a.CA != "" {
		var err error
		c.WebAuthorities, err = trust.ReadPool(a.CA)
		k.files("web.acme.", err)
	}
}

// openVisitors reads the keys of visitors: those of the API's file. It need not be there, unless it is named.
func (c *Server) openVisitors(k *checker) {
	const key = "security.api.keys_file"
	if c.Access != nil || !c.asksVisitors() {
		c.VisitorKeys = c.Access
		return
	}
	guard, err := access.Open(c.Security.API.KeysFile, "")
	switch {
	case err == nil:
		c.VisitorKeys = guard
	case !k.given(key) && errors.Is(err, fs.ErrNotExist):
	default:
		k.fail(key, "%v", errors.Unwrap(err))
	}
}

// address refuses what cannot be listened at.
func (k *checker) address(key, text string) {
	if text == "" {
		return
	}
	host, port, err := net.SplitHostPort(text)
	n, nerr := strconv.Atoi(port)
	if err != nil || nerr != nil || n < 0 || n > 65535 {
		k.fail(key, "%q is not HOST:PORT; write it like :443, or 192.0.2.1:443", text)
		return
	}
	k.host(key, host)
}
