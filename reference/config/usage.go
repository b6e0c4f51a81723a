package config

import (
	"fmt"
	"io"
	"strings"
)

const serverUsage = `adit-server accepts tunnels from clients behind NAT, and visitors on mapped ports.

  adit-server -map 10022=127.0.0.1:22      clients on :9000, visitors of port 10022 reach the client's port 22
  adit-server -config config.yaml          everything from a file; flags win over it

Flags take one dash or two. Every key of config.yaml is a flag of the same name. Lists are separated by commas, or
the flag is repeated.

  -config FILE          YAML file with the keys below
  -map PORT[=HOST:PORT] make a mapping that lives as long as the process; may be repeated
  -debug                log.level debug
  -version              print the version
  -help                 this text

Keys and their defaults:
`

const clientUsage = `adit-client keeps a tunnel to a server, and connects its visitors to services here.

  adit-client -server example.org:9000                        services on this machine's loopback
  adit-client -server example.org:9000 -allow 192.168.1.0/24:22   and this as well

Flags take one dash or two. Every key of the config file is a flag of the same name. Lists are separated by commas,
or the flag is repeated.

  -config FILE          YAML file with the keys below
  -debug                log.level debug
  -version              print the version
  -help                 this text

Keys and their defaults:
`

// printUsage prints the usage and one line for each key: flag, default, meaning.
func printUsage(out io.Writer, usage string, fields []field) {
	_, _ = io.WriteString(out, usage)
	width := 0
	for _, f := range fields {
		width = max(width, len(f.key)+len(f.text()))
	}
	group := ""
	for _, f := range fields {
		top, _, nested := strings.Cut(f.key, ".")
		if nested && top != group {
			_, _ = fmt.Fprintln(out)
		}
		group = top
		sep := " "
		if _, ok := f.value.Interface().(bool); ok {
			sep = "=" // "-x false" would be -x and a stray word
		}
		_, _ = fmt.Fprintf(out, "  -%s%s%s%s  %s\n", f.key, sep, f.text(), strings.Repeat(" ", width-len(f.key)-len(f.text())), f.help)
	}
}
