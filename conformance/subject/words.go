package subject

import (
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strings"
)

// split cuts a command line into words as a shell does, without expanding anything.
func split(line string) ([]string, error) {
	var words []string
	var word strings.Builder
	inWord := false
	for i := 0; i < len(line); i++ {
		switch c := line[i]; c {
		case ' ', '\t', '\n':
			if inWord {
				words, inWord = append(words, word.String()), false
				word.Reset()
			}
			continue
		case '\\':
			if i++; i == len(line) {
				return nil, errors.New(`ends in \; write \\ for the character itself`)
			}
			word.WriteByte(line[i])
		case '\'':
			end := strings.IndexByte(line[i+1:], '\'')
			if end < 0 {
				return nil, errors.New("a ' is not closed")
			}
			word.WriteString(line[i+1 : i+1+end])
			i += end + 1
		case '"':
			for i++; i < len(line) && line[i] != '"'; i++ {
				if line[i] == '\\' && i+1 < len(line) && (line[i+1] == '"' || line[i+1] == '\\') {
					i++
				}
				word.WriteByte(line[i])
			}
			if i == len(line) {
				return nil, errors.New(`a " is not closed`)
			}
		default:
			word.WriteByte(c)
		}
		inWord = true
	}
	if inWord {
		words = append(words, word.String())
	}
	if len(words) == 0 {
		return nil, errors.New("is empty")
	}
	return words, nil
}

// placeholder matches {name} and {name.part}. Other braces, as in JSON, are text.
var placeholder = regexp.MustCompile(`\{[a-z]+(\.[a-z]+)?\}`)

const placeholders = "{tunnel} or {addr}, {visitor}, {target}, {api}, each with .host or .port, {dir} and {here}"

// values is what placeholders stand for.
type values struct {
	at        Addrs
	dir, here string
	option    map[string]string // placeholders that an option has besides
	bind      [2]int            // ports that clients may ask for; zero: none
}

// value is what stands for one placeholder.
func (v values) value(p string) (string, error) {
	if val, ok := v.option[p]; ok {
		return val, nil
	}
	name, part, _ := strings.Cut(p[1:len(p)-1], ".")
	var addr string
	switch name {
	case "keys", "key":
		return "", fmt.Errorf("placeholder %s: the options key, tls_key and publish alone have it: write it there", p)
	case "bind":
		return "", fmt.Errorf("placeholder %s: the option publish alone has it, as {bind.first} and {bind.last}: write it there", p)
	case "cert", "client", "ca", "pin":
		if slices.Contains(ofTLS, p) {
			return "", fmt.Errorf("placeholder %s: the options that begin with tls alone have it: write it there", p)
		}
		return "", fmt.Errorf("unknown placeholder %s; the options that begin with tls have %s", p, strings.Join(ofTLS, ", "))
	case "dir", "here":
		if part != "" {
			return "", fmt.Errorf("placeholder %s: {%s} has no parts", p, name)
		}
		if name == "dir" {
			return v.dir, nil
		}
		if v.here == "" {
			return "", fmt.Errorf("placeholder %s: a container does not see that folder; copy what it needs into the image", p)
		}
		return v.here, nil
	case "tunnel", "addr":
		addr = v.at.Tunnel
	case "visitor":
		addr = v.at.Visitor
	case "target":
		addr = v.at.Target
	case "api":
		addr = v.at.API
	default:
		return "", fmt.Errorf("unknown placeholder %s; there are %s (put a space inside braces that are meant as text)", p, placeholders)
	}
	if addr == "" {
		return "", fmt.Errorf("placeholder %s: the subject has no such address; add the key %s", p, name)
	}
	host, port, err := net.SplitHostPort(addr)
	switch {
	case part == "":
		return addr, nil
	case err != nil:
		return "", fmt.Errorf("placeholder %s: address %q: must be host:port", p, addr)
	case part == "host":
		return host, nil
	case part == "port":
		return port, nil
	}
	return "", fmt.Errorf("unknown placeholder %s; there are %s", p, placeholders)
}

// fill replaces the placeholders in s.
func (v values) fill(s string) (string, error) {
	var errs []error
	out := placeholder.ReplaceAllStringFunc(s, func(p string) string {
		val, err := v.value(p)
		errs = append(errs, err)
		return val
	})
	return out, errors.Join(errs...)
}

// command splits a command line and fills in its words.
func (v values) command(line string) ([]string, error) {
	words, err := split(line)
	if err != nil {
		return nil, err
	}
	for i, w := range words {
		if words[i], err = v.fill(w); err != nil {
			return nil, err
		}
	}
	return words, nil
}

// onlyHere refuses other placeholders than {here} in what is used without an instance.
func onlyHere(who string, texts ...string) error {
	for _, p := range placeholder.FindAllString(strings.Join(texts, " "), -1) {
		if p != "{here}" {
			return fmt.Errorf("placeholder %s: %s can use {here} alone", p, who)
		}
	}
	return nil
}

// args is command for a line that may be empty.
func (v values) args(line string) ([]string, error) {
	if strings.TrimSpace(line) == "" {
		return nil, nil
	}
	return v.command(line)
}
