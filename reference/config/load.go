package config

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"
	"time"

	"github.com/adit-tunnel/adit/reference/access"
	"github.com/adit-tunnel/adit/reference/keys"
)

// ErrHelp is returned when --help, --check or --completion was asked for; what they print has been printed.
var ErrHelp = flag.ErrHelp

// ErrVersion is returned when --version was asked for.
var ErrVersion = errors.New("version asked for")

// LoadServer reads the arguments of adit-server. Usage goes to out.
func LoadServer(args []string, out io.Writer) (Server, error) {
	var c Server
	fs := flag.NewFlagSet("adit-server", flag.ContinueOnError)
	file, err := load(&c, fs, serverUsage, args, out, c.check)
	c.File = file
	return c, err
}

// Keygen is the configuration of adit-server keygen: what the clients of the new key may have, and where the server's keys are.
type Keygen struct {
	Ports       string `yaml:"ports" help:"public ports that its clients may ask for, like 10000-10010,10022; empty: any in port_range"`
	Services    string `yaml:"services" help:"names that they may ask for, for mappings of the server; empty: any"`
	Networks    string `yaml:"networks" help:"tcp, udp; empty: any"`
	Connections string `yaml:"connections" help:"visitors of its clients at a time; empty: no bound"`
	Tunnels     string `yaml:"tunnels" help:"tunnels of its clients at a time; empty: no bound"`
	Addresses   string `yaml:"addresses" help:"addresses or CIDRs that its clients come from; empty: any"`
	Server      `yaml:",inline"`

	// Rights are the first six, parsed.
	Rights keys.Rights `yaml:"-"`
}

func (c *Keygen) check(k *checker) {
	var options []string
	for _, s := range []setting{
		{"ports", c.Ports}, {"services", c.Services}, {"networks", c.Networks}, {"connections", c.Connections}, {"tunnels", c.Tunnels}, {"addresses", c.Addresses},
	} {
		option := s.key + "=" + s.text
		if s.text == "" {
			continue
		}
		options = append(options, option)
		if _, err := keys.ParseRights([]string{option}); err != nil {
			k.fail(s.key, "%v", err)
		}
	}
	c.Rights, _ = keys.ParseRights(options)
}

// LoadKeygen reads the arguments of adit-server keygen: a name, what its clients may have, and flags of the server. What these
// name is not looked at.
func LoadKeygen(args []string, out io.Writer) (name string, c Keygen, err error) {
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		name, args = args[0], args[1:]
	}
	fs := flag.NewFlagSet("adit-server keygen", flag.ContinueOnError)
	_, err = load(&c, fs, keygenUsage, args, out, c.check)
	if err == nil && name == "" {
		err = errors.New("keygen: for whom is the key? Give it a name, as in: adit-server keygen laptop")
	}
	if err == nil && c.Keys == "" {
		err = errors.New("keygen: keys is empty; name the file for the key, or leave that out")
	}
	return name, c, err
}

// Credential is what adit-server apikey and adit-server token are asked for.
type Credential struct {
	Name     string
	Role     access.Role
	Lifetime time.Duration // of a token
}

// LoadCredential reads the arguments of adit-server apikey or token: a name, a role, and flags of the server, of which the
// files of security.api count. What these name is not looked at.
func LoadCredential(command string, args []string, out io.Writer) (Credential, Server, error) {
	var c Server
	q := Credential{Role: access.Read}
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		q.Name, args = args[0], args[1:]
	}
	fs := flag.NewFlagSet("adit-server "+command, flag.ContinueOnError)
	fs.Func("role", "", func(text string) (err error) { q.Role, err = access.ParseRole(text); return err })
	usage := apikeyUsage
	if command == "token" {
		usage = tokenUsage
		fs.DurationVar(&q.Lifetime, "lifetime", time.Hour, "")
	}
	_, err := load(&c, fs, usage, args, out, func(*checker) {})
	switch {
	case err != nil:
	case q.Name == "":
		err = fmt.Errorf("%s: for whom is it? Give it a name, as in: adit-server %[1]s laptop", command)
	case command == "token" && c.Security.API.JWTKeyFile == "":
		err = errors.New("token: security.api.jwt_key_file names the file of the secret that tokens are made with; give it as for the server")
	}
	return q, c, err
}

// LoadClient reads the arguments of adit-client. Usage goes to out. CheckRules says whether what a key holds, allow, publish, unix,
// proxy_protocol or proxy (with the server behind it), is what the client can read.
func LoadClient(args []string, out io.Writer, checkRules func(key string, rules []string) error) (Client, error) {
	var c Client
	fs := flag.NewFlagSet("adit-client", flag.ContinueOnError)
	file, err := load(&c, fs, clientUsage, args, out, func(k *checker) {
		c.check(k)
		check := func(key string, rules []string) {
			if err := checkRules(key, rules); err != nil {
				k.fail(key, "%v", err)
			}
		}
		check("allow", c.Allow)
		check("publish", c.Publish)
		check("unix", c.Unix)
		check("proxy_protocol", c.ProxyProtocol)
		check("proxy", []string{c.Proxy, c.Server})
	})
	c.File = file
	return c, err
}

// load applies flags over environment over file over defaults to the struct that cfg points to, and checks the result. It
// returns the name of the file.
func load(cfg any, fs *flag.FlagSet, usage string, args []string, out io.Writer, check func(*checker)) (string, error) {
	fields := fieldsOf(cfg)
	given := map[string]string{} // what the command line says, by key, until the file was read
	fs.SetOutput(io.Discard)
	file := fs.String("config", os.Getenv(fileVariable), "")
	checkOnly := fs.Bool("check", false, "")
	debug := fs.Bool("debug", false, "")
	version := fs.Bool("version", false, "")
	shell := fs.String("completion", "", "")
	for _, f := range fields {
		f.setDefault()
		fs.Var(flagOf{f, given}, f.key, "")
	}
	switch err := fs.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		printUsage(out, usage, fields)
		return "", ErrHelp
	case err != nil:
		return "", fmt.Errorf("%w; --help lists the flags", err)
	case fs.NArg() > 0:
		return "", fmt.Errorf("%q is not a flag; flags begin with --, and --help lists them", fs.Arg(0))
	case *version:
		return "", ErrVersion
	case *shell != "":
		script, err := completion(*shell, fs.Name(), fs)
		if err != nil {
			return "", err
		}
		_, _ = io.WriteString(out, script)
		return "", ErrHelp
	}

	k := &checker{flags: given, variables: map[string]string{}, lines: map[string]int{}}
	if *file != "" {
		if err := k.read(*file, fields); err != nil {
			return "", err
		}
	}
	if *debug {
		given["log.level"] = "debug"
	}
	k.misspelled(fields)
	for _, f := range fields {
		text, ok := given[f.key]
		if v := f.variable(); !ok && v != "" {
			if text, ok = os.LookupEnv(v); ok {
				k.variables[f.key] = v
			}
		}
		if ok {
			if err := f.setOutside(text); err != nil {
				k.fail(f.key, "%v", err)
				continue
			}
		}
		k.field(f)
	}
	check(k)
	if len(k.errs) == 0 && *checkOnly {
		_, _ = fmt.Fprintln(out, "ok")
		return "", ErrHelp
	}
	return *file, errors.Join(k.errs...)
}

// flagOf is a key as a flag. A list may be given many times.
type flagOf struct {
	field
	given map[string]string
}

func (f flagOf) String() string { return "" }

func (f flagOf) IsBoolFlag() bool { return f.value.Kind() == reflect.Bool }

func (f flagOf) Set(text string) error {
	probe := field{key: f.key, tag: f.tag, value: reflect.New(f.value.Type()).Elem()}
	if err := probe.setOutside(text); err != nil {
		return err
	}
	if before, again := f.given[f.key]; again && f.isList() {
		text = before + "," + text
	}
	f.given[f.key] = text
	return nil
}
