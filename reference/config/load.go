package config

import (
	"errors"
	"flag"
	"fmt"
	"io"
)

// ErrHelp is returned when -help was asked for; the usage has been printed.
var ErrHelp = flag.ErrHelp

// ErrVersion is returned when -version was asked for.
var ErrVersion = errors.New("version asked for")

// LoadServer reads the arguments of adit-server. Usage goes to out.
func LoadServer(args []string, out io.Writer) (Server, error) {
	c := DefaultServer()
	maps := &mapFlag{maps: &c.Maps}
	err := load(&c, "adit-server", serverUsage, args, out, func(fs *flag.FlagSet) { fs.Var(maps, "map", "") })
	return c, err
}

// LoadClient reads the arguments of adit-client. Usage goes to out. Allowed says whether the rules of allow
// are what the client's policy can read.
func LoadClient(args []string, out io.Writer, allowed func(rules []string) error) (Client, error) {
	c := DefaultClient()
	c.allowed = allowed
	err := load(&c, "adit-client", clientUsage, args, out, func(*flag.FlagSet) {})
	return c, err
}

// load applies flags over file over defaults to cfg and checks the result.
func load(cfg interface{ check(*checker) }, program, usage string, args []string, out io.Writer, more func(*flag.FlagSet)) error {
	fields := fieldsOf(cfg)
	given := &flags{text: map[string]string{}}
	fs := flag.NewFlagSet(program, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	file := fs.String("config", "", "")
	debug := fs.Bool("debug", false, "")
	version := fs.Bool("version", false, "")
	for _, f := range fields {
		fs.Var(flagOf{f, given}, f.key, "")
	}
	more(fs)
	switch err := fs.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		printUsage(out, usage, fields)
		return ErrHelp
	case err != nil:
		return fmt.Errorf("%w; -help lists the flags", err)
	case fs.NArg() > 0:
		return fmt.Errorf("%q is no flag; flags begin with -, and -help lists them", fs.Arg(0))
	case *version:
		return ErrVersion
	}

	k := &checker{flags: given.text, lines: map[string]int{}}
	if *file != "" {
		if err := k.read(*file, fields); err != nil {
			return err
		}
	}
	for _, f := range fields { // flags win over the file
		if text, ok := given.text[f.key]; ok {
			if err := f.set(text); err != nil {
				return fmt.Errorf("flag -%s: %w", f.key, err)
			}
		}
	}
	if *debug {
		for _, f := range fields {
			if f.key == "log.level" {
				_ = f.set("debug")
			}
		}
	}
	cfg.check(k)
	return errors.Join(k.errs...)
}

// flags holds what the command line said, by key, until the file was read.
type flags struct{ text map[string]string }

// flagOf is a key as a flag. A list may be given many times.
type flagOf struct {
	field
	given *flags
}

func (f flagOf) String() string { return "" }

func (f flagOf) IsBoolFlag() bool {
	_, ok := f.value.Interface().(bool)
	return ok
}

func (f flagOf) Set(text string) error {
	probe := field{f.key, f.help, f.zero()}
	if err := probe.set(text); err != nil {
		return err
	}
	if before, again := f.given.text[f.key]; again && f.isList() {
		text = before + "," + text
	}
	f.given.text[f.key] = text
	return nil
}

// mapFlag collects -map.
type mapFlag struct{ maps *[]Map }

func (f *mapFlag) String() string { return "" }

func (f *mapFlag) Set(text string) error {
	m, err := ParseMap(text)
	if err == nil {
		*f.maps = append(*f.maps, m)
	}
	return err
}
