// Command manual makes manual pages and completions from what the built programs say of themselves:
//
//	go run ./reference/deploy/manual BIN OUT
package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// pages are the commands that have one, with what apropos says of them.
var pages = []struct{ command, purpose string }{
	{"adit-server", "server of TCP tunnels through NAT"},
	{"adit-server keygen", "make a key for a client of adit-server"},
	{"adit-server apikey", "make a key for the API of adit-server"},
	{"adit-server token", "make a token for the API of adit-server"},
	{"adit-server ctl", "ask an adit-server that runs, and change its mappings and keys"},
	{"adit-client", "client of TCP tunnels through NAT"},
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "manual: name the folder of the programs, and that of the pages: manual bin build/manual")
		os.Exit(2)
	}
	if err := write(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "manual:", err)
		os.Exit(1)
	}
}

// write makes OUT/man/NAME.1 for each page, and OUT/completion/PROGRAM.SHELL for each program.
func write(bin, out string) error {
	says := func(command string, flags ...string) (string, error) {
		words := append(strings.Fields(command), flags...)
		text, err := exec.Command(filepath.Join(bin, words[0]), words[1:]...).Output()
		if err != nil {
			return "", fmt.Errorf("%s: %w; build the programs first", strings.Join(words, " "), err)
		}
		return string(text), nil
	}
	files := map[string]string{}
	for _, p := range pages {
		program, _, sub := strings.Cut(p.command, " ")
		help, err := says(p.command, "--help")
		if err != nil {
			return err
		}
		version, err := says(program, "--version")
		if err != nil {
			return err
		}
		name := strings.ReplaceAll(p.command, " ", "-")
		files[filepath.Join("man", name+".1")] = page(name, p.purpose, strings.TrimSpace(version), help)
		for _, shell := range []string{"bash", "fish"} {
			if sub {
				continue
			}
			if files[filepath.Join("completion", program+"."+shell)], err = says(program, "--completion", shell); err != nil {
				return err
			}
		}
	}
	for name, text := range files {
		path := filepath.Join(out, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

var (
	twoColumns = regexp.MustCompile(`^ {2,12}(\S.*?) {2,}(\S.*)$`)
	oneColumn  = regexp.MustCompile(`^ {2,12}(\S.*)$`)
	goesOn     = regexp.MustCompile(`^ {13,}(\S.*)$`)
	heading    = regexp.MustCompile(`^(\S.*):$`)
)

// page is a help text as a manual page. A line of two columns is a term and what it means; a text that stands further right
// goes on with the last one.
func page(name, purpose, version, help string) string {
	var b strings.Builder
	fmt.Fprintf(&b, ".TH %s 1 \"\" \"%s\"\n.SH NAME\n%s \\- %s\n.SH DESCRIPTION\n", strings.ToUpper(name), version, name, purpose)
	for line := range strings.Lines(help) {
		line = strings.TrimRight(line, " \n")
		if m := twoColumns.FindStringSubmatch(line); m != nil {
			fmt.Fprintf(&b, ".TP\n%s\n%s\n", bold(m[1]), escape(m[2]))
		} else if m := goesOn.FindStringSubmatch(line); m != nil {
			fmt.Fprintln(&b, escape(m[1]))
		} else if m := oneColumn.FindStringSubmatch(line); m != nil {
			fmt.Fprintf(&b, ".TP\n%s\n", bold(m[1]))
		} else if m := heading.FindStringSubmatch(line); m != nil {
			fmt.Fprintf(&b, ".SH %s\n", strings.ToUpper(escape(m[1])))
		} else if line == "" {
			fmt.Fprintln(&b, ".PP")
		} else {
			fmt.Fprintln(&b, escape(line))
		}
	}
	return b.String()
}

func bold(text string) string { return `\fB` + escape(text) + `\fR` }

// escape is for text that stands by itself: neither its hyphens nor its first character mean anything to roff.
func escape(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(text)
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "'") {
		text = `\&` + text
	}
	return text
}
