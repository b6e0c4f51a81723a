package config

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/adit-tunnel/adit/reference/mapping"
	"github.com/adit-tunnel/adit/reference/trust"
)

// A checker gathers what is wrong with a configuration, and knows where each key was set.
type checker struct {
	flags     map[string]string
	variables map[string]string // of the environment, by the key that each sets
	name      string            // of the file; "" without one
	lines     map[string]int    // where the file sets each key
	errs      []error
}

// fail records that the value of key is wrong, and says where it was set.
func (k *checker) fail(key, format string, args ...any) {
	if _, ok := k.flags[key]; ok {
		k.errs = append(k.errs, fmt.Errorf("flag --%s: %s", key, fmt.Sprintf(format, args...)))
	} else if v, ok := k.variables[key]; ok {
		k.errs = append(k.errs, fmt.Errorf("%s: %s", v, fmt.Sprintf(format, args...)))
	} else if line := k.lines[key]; line > 0 {
		k.failAt(line, key, format, args...)
	} else {
		k.errs = append(k.errs, errors.New(key+": "+fmt.Sprintf(format, args...)))
	}
}

// given reports whether the flags, the environment or the file have a key, whatever its value.
func (k *checker) given(key string) bool {
	_, flag := k.flags[key]
	_, variable := k.variables[key]
	return flag || variable || k.lines[key] > 0
}

// failAt records that what a line of the file says of key is wrong; key may be empty.
func (k *checker) failAt(line int, key, format string, args ...any) {
	if key != "" {
		key += ": "
	}
	k.errs = append(k.errs, fmt.Errorf("%s:%d: %s%s", k.name, line, key, fmt.Sprintf(format, args...)))
}

// field checks what the tags of a field ask for.
func (k *checker) field(f field) {
	least, most := f.bounds()
	for _, n := range f.numbers() {
		if n < least || n > most {
			k.fail(f.key, "%s must be %s to %s", f.show(n), f.show(least), f.show(most))
		}
	}
	if list, ok := f.tag.Lookup("oneof"); ok {
		if allowed := strings.Fields(list); !slices.Contains(allowed, f.text()) {
			k.fail(f.key, "%q must be %s", f.text(), strings.Join(allowed, " or "))
		}
	}
}

// A setting is a key of a configuration and its text.
type setting struct{ key, text string }

// unused records of every key that is set why it must not be.
func (k *checker) unused(why string, settings ...setting) {
	for _, s := range settings {
		if s.text != "" {
			k.fail(s.key, "%s", why)
		}
	}
}

// ifSet is the text of a setting that is true or false, empty if it is false.
func ifSet(set bool) string {
	if set {
		return "true"
	}
	return ""
}

// files records what is wrong with a file that a key of the section names.
func (k *checker) files(section string, err error) {
	if e, ok := errors.AsType[*trust.Error](err); ok {
		k.fail(section+e.Key, "%v", e.Err)
	} else if err != nil {
		panic("config: internal error: an error that names no key: " + err.Error())
	}
}

func (k *checker) within(key string, d, least, most time.Duration) {
	if d < least || d > most {
		k.fail(key, "%s must be %s to %s", d, least, most)
	}
}

func (k *checker) host(key, host string) {
	_, err := netip.ParseAddr(host)
	if err != nil && strings.ContainsAny(host, ": \t/[]") {
		k.fail(key, "%q is not an address or a name without port; ports have keys of their own", host)
	}
}

func (k *checker) prefixes(key string, texts []string) {
	if texts != nil && len(texts) == 0 {
		k.fail(key, "is empty; remove the key, or name addresses")
	}
	for _, text := range texts {
		if _, err := mapping.ParsePrefix(text); err != nil {
			k.fail(key, "%v", err)
		}
	}
}
