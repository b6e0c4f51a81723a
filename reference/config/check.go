package config

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// A checker gathers what is wrong with a configuration, and knows where each key was set.
type checker struct {
	flags map[string]string
	name  string         // of the file; "" without one
	lines map[string]int // where the file sets each key
	errs  []error
}

// fail records that the value of key is wrong, and says where it was set.
func (k *checker) fail(key, format string, args ...any) {
	if _, ok := k.flags[key]; ok || key == "map" {
		k.errs = append(k.errs, fmt.Errorf("flag -%s: %s", key, fmt.Sprintf(format, args...)))
	} else if line := k.lines[key]; line > 0 {
		k.failAt(line, key, format, args...)
	} else {
		k.errs = append(k.errs, errors.New(key+": "+fmt.Sprintf(format, args...)))
	}
}

// failAt records that what a line of the file says of key is wrong; key may be empty.
func (k *checker) failAt(line int, key, format string, args ...any) {
	if key != "" {
		key += ": "
	}
	k.errs = append(k.errs, fmt.Errorf("%s:%d: %s%s", k.name, line, key, fmt.Sprintf(format, args...)))
}

func (k *checker) port(key string, port, least int) {
	if port < least || port > 65535 {
		k.fail(key, "%d must be %d to 65535", port, least)
	}
}

func (k *checker) count(key string, n, least, most int) {
	if n < least || n > most {
		k.fail(key, "%d must be %d to %d", n, least, most)
	}
}

func (k *checker) within(key string, d, least, most time.Duration) {
	if d < least || d > most {
		k.fail(key, "%s must be %s to %s", d, least, most)
	}
}

// exactly is for times that the protocol fixes: not shorter, and longer by its limit "answer" at most.
func (k *checker) exactly(key string, d, fixed time.Duration) {
	k.within(key, d, fixed, fixed+5*time.Second)
}

func (k *checker) oneOf(key, value string, allowed ...string) {
	for _, a := range allowed {
		if value == a {
			return
		}
	}
	k.fail(key, "%q must be %s", value, strings.Join(allowed, " or "))
}

func (k *checker) host(key, host string) {
	_, err := netip.ParseAddr(host)
	if err != nil && strings.ContainsAny(host, ": \t/[]") {
		k.fail(key, "%q is not an address or a name without port; ports have keys of their own", host)
	}
}

func (k *checker) prefixes(key string, texts []string) {
	if texts != nil && len(texts) == 0 {
		k.fail(key, "is empty; remove the key to allow every address, or name those that are allowed")
	}
	for _, text := range texts {
		if _, err := ParsePrefix(text); err != nil {
			k.fail(key, "%v", err)
		}
	}
}

// ParsePrefix reads an address or a CIDR.
func ParsePrefix(text string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(text); err == nil {
		return netip.PrefixFrom(addr.Unmap(), addr.Unmap().BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return p, fmt.Errorf("%q is neither an address nor a CIDR like 192.0.2.0/24", text)
	}
	return p.Masked(), nil
}

// mustPrefixes parses what check has let pass.
func mustPrefixes(texts []string) []netip.Prefix {
	var all []netip.Prefix
	for _, text := range texts {
		p, err := ParsePrefix(text)
		if err != nil {
			panic("config: internal error: unchecked prefix " + text)
		}
		all = append(all, p)
	}
	return all
}
