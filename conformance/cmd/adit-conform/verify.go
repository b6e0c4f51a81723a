package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/adit-tunnel/adit/conformance/report"
	"github.com/adit-tunnel/adit/conformance/subject"
)

func verifyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "verify FILE.json",
		Short: "check the digests of a report that run --bundle wrote; exit code 1 if something does not match",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			text, err := os.ReadFile(args[0])
			if err != nil {
				return err
			}
			self, err := os.Executable()
			if err != nil {
				return err
			}
			checks, err := report.Verify(text, self)
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			return say(c.OutOrStdout(), checks)
		},
	}
}

// say prints the checks; its error is the exit code.
func say(w io.Writer, checks []report.Check) error {
	var code error
	for _, k := range checks {
		switch {
		case k.Absent:
			fmt.Fprintf(w, "not here  %s: %s\n", k.What, k.Problem)
		case k.Problem != "":
			fmt.Fprintf(w, "differs   %s: %s\n", k.What, k.Problem)
			code = exitError(report.ExitFailed)
		default:
			fmt.Fprintf(w, "ok        %s\n", k.What)
		}
	}
	return code
}

// writeBundle writes the report with the digests of all that made it.
func (f *runFlags) writeBundle(file report.File, w io.Writer) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	parts, err := f.subjectFiles()
	if err != nil {
		return err
	}
	if file.Bundle, err = report.NewBundle(self, parts); err != nil {
		return err
	}
	return file.WriteBundle(w)
}

// subjectFiles are the subject file and the programs that the suite started.
func (f *runFlags) subjectFiles() ([]string, error) {
	var files, commands []string
	switch {
	case f.clientCmd != "":
		commands = []string{f.clientCmd}
	case f.subject != "":
		file, err := subject.Load(f.subject)
		if err != nil {
			return nil, err
		}
		files = []string{f.subject}
		for _, r := range []*subject.Role{file.Server, file.Client} {
			if r != nil && r.Command != "" {
				commands = append(commands, strings.ReplaceAll(r.Command, "{here}", filepath.Dir(f.subject)))
			}
		}
	}
	for _, command := range commands {
		name, err := exec.LookPath(program(command))
		if err != nil {
			return nil, err
		}
		if name = filepath.Clean(name); !slices.Contains(files, name) {
			files = append(files, name)
		}
	}
	return files, nil
}

// program is the first word of a command line.
func program(command string) string {
	command = strings.TrimSpace(command)
	if command != "" && strings.ContainsRune(`'"`, rune(command[0])) {
		word, _, _ := strings.Cut(command[1:], command[:1])
		return word
	}
	word, _, _ := strings.Cut(command, " ")
	return word
}
