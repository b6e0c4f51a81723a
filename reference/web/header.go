package web

import (
	"net/http"
	"net/netip"
	"strings"

	"github.com/adit-tunnel/adit/reference/mapping"
)

// origin is where a request comes from.
type origin struct {
	from    netip.AddrPort // the visitor's address; its port is 0 where a balancer names it
	trusted bool           // a balancer has sent it, whose headers count
	secure  bool           // the visitor's connection is encrypted
}

// originOf finds out where a request comes from. Behind trusted balancers that is the last address in X-Forwarded-For that is
// not one of theirs: whatever stands before it the visitor may have written.
func (s *Server) originOf(r *http.Request) origin {
	from, _ := netip.ParseAddrPort(r.RemoteAddr) // what net/http gives
	o := origin{from: netip.AddrPortFrom(mapping.Plain(from.Addr()), from.Port()), secure: r.TLS != nil}
	o.trusted = len(s.cfg.Trusted) > 0 && mapping.Allows(s.cfg.Trusted, o.from.Addr())
	if !o.trusted {
		return o
	}
	if proto := r.Header.Get("X-Forwarded-Proto"); proto != "" {
		o.secure = proto == "https"
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && mapping.Allows(s.cfg.Trusted, o.from.Addr()); i-- {
		addr, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		o.from = netip.AddrPortFrom(mapping.Plain(addr), 0)
	}
	return o
}

// forwarded are the headers that services believe of the proxy in front of them, spelled as [plainName] has them.
func forwarded(name string) bool {
	return strings.HasPrefix(name, "x-forwarded-") || name == "forwarded" || name == "x-real-ip"
}

// plainName is a header's name as programs that make variables of it read it.
func plainName(name string) string { return strings.ReplaceAll(strings.ToLower(name), "_", "-") }

// introduce replaces what a request says of who sent it. In is as it came, out goes to the service.
func introduce(in *http.Request, out http.Header, o origin, user string) {
	for name := range out {
		if forwarded(plainName(name)) {
			delete(out, name)
		}
	}
	remote, _ := netip.ParseAddrPort(in.RemoteAddr)
	hops, host, proto := mapping.Plain(remote.Addr()).String(), in.Host, "http"
	if o.secure {
		proto = "https"
	}
	if o.trusted {
		if before := strings.Join(in.Header.Values("X-Forwarded-For"), ", "); before != "" {
			hops = before + ", " + hops
		}
		if h := in.Header.Get("X-Forwarded-Host"); h != "" {
			host = h
		}
	}
	out.Set("X-Forwarded-For", hops)
	out.Set("X-Forwarded-Host", host)
	out.Set("X-Forwarded-Proto", proto)
	if user != "" {
		out.Del("Authorization") // the key is nothing for the service
		out.Set("X-Forwarded-User", user)
	}
}
