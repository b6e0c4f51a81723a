package client

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/adit-tunnel/adit/reference/mapping"
)

// Services say how a client reaches services that want more than a TCP connection. The zero value knows none.
type Services struct{ unix, headers []special }

// special is what a rule's services want: the path of a Unix socket, or the version of the PROXY header.
type special struct {
	rule
	want string
}

// ParseUnix adds elements of the form RULE=PATH: a request that the rule, of a policy's form, names leads to the Unix socket
// at PATH. To name it is to allow it.
func (s *Services) ParseUnix(texts []string) error {
	return parseSpecial(&s.unix, texts, "like 127.0.0.1:2375=/run/docker.sock", func(path string) error {
		if !strings.HasPrefix(path, "/") && !strings.HasPrefix(path, "@") {
			return fmt.Errorf("%q is not the path of a Unix socket, which begins with / (or with @ on Linux)", path)
		}
		return nil
	})
}

// ParseProxyProtocol adds elements of the form RULE=v1 or RULE=v2: services that the rule names are told of the visitor.
func (s *Services) ParseProxyProtocol(texts []string) error {
	return parseSpecial(&s.headers, texts, "like 127.0.0.1:80=v2", func(version string) error {
		if version != "v1" && version != "v2" {
			return fmt.Errorf("%q must be v1 or v2", version)
		}
		return nil
	})
}

func parseSpecial(to *[]special, texts []string, example string, check func(want string) error) error {
	for _, text := range texts {
		which, want, ok := strings.Cut(text, "=")
		if !ok {
			return fmt.Errorf("%q has no =; give a rule and what its services want, %s", text, example)
		}
		r, err := parseRule(which)
		if err == nil {
			err = check(want)
		}
		if err != nil {
			return fmt.Errorf("%q: %w", text, err)
		}
		*to = append(*to, special{r, want})
	}
	return nil
}

// find is what the first rule that names a service wants for it; "": none does. The service is named as it was asked for, or
// by the address that was dialled, where that is valid.
func find(all []special, host string, addr netip.Addr, port uint16) string {
	asked, _ := netip.ParseAddr(host)
	for _, s := range all {
		named := s.any || s.name != "" && s.name == canonicalName(host) ||
			s.prefix.Contains(mapping.Plain(asked)) || s.prefix.Contains(mapping.Plain(addr))
		if named && s.from <= port && port <= s.to {
			return s.want
		}
	}
	return ""
}
