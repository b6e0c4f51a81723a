package config

import (
	"flag"
	"fmt"
	"io"
	"reflect"
	"strings"
)

const serverUsage = `adit-server accepts tunnels from clients behind NAT, and visitors on mapped ports.

  adit-server keygen NAME                  makes a key for a client, and prints how to start that client
  adit-server --map 10022=127.0.0.1:22     clients with a key on :9000, visitors of port 10022 reach the client's port 22
  adit-server --config config.yaml         everything from a file; flags win over it
  adit-server apikey NAME --role operate   makes a key for the HTTP API, and prints it
  adit-server ctl --help                   asks a server that runs, and changes its mappings and keys
  adit-server token NAME --role read       makes a token for the HTTP API, which expires, and prints it
  adit-server doctor                       looks for what keeps this server from serving; flags are the server's
  adit-server schema                       prints the JSON Schema of config.yaml, for editors

Without keys clients of this machine alone are taken, unless --open takes all of them.

Flags take two dashes or one. Every key of config.yaml is a flag of the same name, and a variable of the environment:
ADIT_ and the key in capitals, with _ for each dot (ADIT_TUNNEL_LISTEN_PORT=9001; ADIT_CONFIG names the file). Flags win over
the environment, that over the file. Lists are separated by commas, or the flag is repeated.

  --config FILE         YAML or JSON file with the keys below
  --check               look at flags, environment and file, print ok or what is wrong, and end
  --map PORT[=[HOST:]PORT]  or HOST[/PATH]=[HOST:]PORT: make a mapping that lives as long as the process; it need not be in port_range, and
                        without a HOST it leads to the client's own machine
  --debug               log.level debug
  --completion SHELL    print what makes bash, zsh or fish complete flags
  --version             print the version
  --help                this text

Keys and their defaults:
`

const keygenUsage = `adit-server keygen NAME makes a key, adds it to the server's file of keys, and prints how its client is started.

  adit-server keygen laptop                          into ./data/keys
  adit-server keygen laptop --config config.yaml     into the file that keys names there
  adit-server keygen laptop --ports 10000-10010      its clients may ask for these public ports alone

What a client may have stands behind its key: ports=10000-10010 services=ssh connections=100 tunnels=2 addresses=10.0.0.0/8,
as the flags of those names write it. A server that has the file takes a new key at once, and ends the tunnels of one whose
line was removed. One that was started without it has to be started again.
Flags are those of the server, of which it reads where the keys are and the tunnel port is.

  --config FILE         YAML or JSON file with the keys below
  --check               look at flags, environment and file, print ok or what is wrong, and end
  --debug               no effect
  --completion SHELL    print what makes bash, zsh or fish complete flags
  --version             print the version
  --help                this text

Keys and their defaults:
`

const apikeyUsage = `adit-server apikey NAME makes a key for the HTTP API, adds its digest to the server's file, and prints it once.

  adit-server apikey monitoring                      may read: lists, statistics, metrics
  adit-server apikey laptop --role operate           may change things too

A server that was started with --security.api.enable_auth takes a new key at once, and no more one whose line was removed.
Flags are those of the server, of which it reads where the file is: --security.api.keys_file.

  --role ROLE           read (the default), operate, or visit: for visitors of the web alone
  --config FILE         YAML or JSON file with the keys below
  --check               look at flags, environment and file, print ok or what is wrong, and end
  --debug               no effect
  --completion SHELL    print what makes bash, zsh or fish complete flags
  --version             print the version
  --help                this text

Keys and their defaults:
`

const tokenUsage = `adit-server token NAME makes a JSON Web Token for the HTTP API, and prints it.

  adit-server token laptop --role operate --lifetime 8h --security.api.jwt_key_file ./data/jwt-secret

It is made with the secret of that file, which is made if there is none; a server that was started with the same file takes it
until it expires. To end all tokens at once change the secret. Tokens of others (HS256 with that secret, or the algorithm of
the public key that the file has) need aud "adit", exp, sub, and role "read" or "operate".

  --role ROLE           read (the default), operate, or visit: for visitors of the web alone
  --lifetime DURATION   how long the token is good: 1h
  --config FILE         YAML or JSON file with the keys below
  --check               look at flags, environment and file, print ok or what is wrong, and end
  --debug               no effect
  --completion SHELL    print what makes bash, zsh or fish complete flags
  --version             print the version
  --help                this text

Keys and their defaults:
`

const clientUsage = `adit-client keeps a tunnel to a server, and connects its visitors to services here.

  ADIT_KEY='adit1:…' adit-client --server example.org:9000        as adit-server keygen NAME prints it: services on this machine's loopback
  … adit-client --server example.org:9000 --allow 192.168.1.0/24:22   and this as well
  … adit-client --server example.org:9000 --publish 8080 --publish 10022=22 --publish 0=web.lan:80   public ports of the
                                                                   server that lead to these services
  adit-client --server example.org:9000                           without a key, to a server that was started with --open
  adit-client --server example.org:9000 --tls --ca server.crt     the same encrypted, to a server with that certificate
  adit-client status --status_socket PATH                         asks a client that runs here with that path; --json first for scripts
  adit-client doctor --server example.org:9000                    looks for what keeps this client from its server
  adit-client schema                                              prints the JSON Schema of the config file, for editors

Flags take two dashes or one. Every key of the config file is a flag of the same name, and a variable of the environment:
ADIT_ and the key in capitals, with _ for each dot (ADIT_LOG_LEVEL=debug; ADIT_CONFIG names the file). Flags win over the
environment, that over the file. Lists are separated by commas, or the flag is repeated.

  --config FILE         YAML or JSON file with the keys below
  --check               look at flags, environment and file, print ok or what is wrong, and end
  --debug               log.level debug
  --completion SHELL    print what makes bash, zsh or fish complete flags
  --version             print the version
  --help                this text

Keys and their defaults:
`

// completion is what makes a shell complete the flags of a program; an error names the shells that there are.
func completion(shell, program string, flags *flag.FlagSet) (string, error) {
	names := []string{"help"} // which Parse knows without being told
	flags.VisitAll(func(f *flag.Flag) { names = append(names, f.Name) })
	bash := fmt.Sprintf("complete -o default -W '--%s' %s\n", strings.Join(names, " --"), program)
	switch shell {
	case "bash":
		return bash, nil
	case "zsh":
		return "autoload -U +X bashcompinit && bashcompinit\n" + bash, nil
	case "fish":
		return fmt.Sprintf("complete -c %s -l %s\n", program, strings.Join(names, "\ncomplete -c "+program+" -l ")), nil
	}
	return "", fmt.Errorf("flag --completion: %q is not a shell that it knows; write bash, zsh or fish", shell)
}

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
		if f.value.Kind() == reflect.Bool {
			sep = "=" // "-x false" would be -x and a stray word
		}
		_, _ = fmt.Fprintf(out, "  --%s%s%s%s  %s\n", f.key, sep, f.text(), strings.Repeat(" ", width-len(f.key)-len(f.text())), f.tag.Get("help"))
	}
}
