package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/adit-tunnel/adit/conformance/certify"
	"github.com/adit-tunnel/adit/conformance/report"
)

// reportCommands work on the JSON reports of runs.
func reportCommands() []*cobra.Command {
	return []*cobra.Command{reportCommand(), diffCommand(), matrixCommand(), verifyCommand()}
}

func reportCommand() *cobra.Command {
	var o certify.Outputs
	c := &cobra.Command{
		Use:     "report FILE.json",
		Short:   "make the other reports of a run again from its JSON report; without a flag: the certificate",
		Example: "  adit-conform report r.json --html r.html --badge r.svg",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			files, err := readReports(args)
			if err != nil {
				return err
			}
			if err := o.Check(); err != nil {
				return err
			}
			if o.None() {
				var b bytes.Buffer
				files[0].WriteCertificate(&b, false)
				_, err := io.WriteString(c.OutOrStdout(), report.Clean(b.String()))
				return err
			}
			if err := o.Write(files[0]); err != nil {
				fmt.Fprintf(c.ErrOrStderr(), "adit-conform: %v\n", err)
				return exitError(report.ExitSuiteError)
			}
			return nil
		},
	}
	outputFlags(c.Flags(), &o)
	return c
}

func diffCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "diff OLD.json NEW.json",
		Short:   "say what a run broke, fixed, tests newly or tests no longer; exit code 1 if it broke something",
		Example: "  adit-conform diff before.json after.json",
		Args:    cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			files, err := readReports(args)
			if err != nil {
				return err
			}
			d := report.Compare(files[0], files[1])
			d.Write(c.OutOrStdout(), isTerminal(c.OutOrStdout()))
			if len(d.Broken) > 0 {
				return exitError(report.ExitFailed)
			}
			return nil
		},
	}
}

func matrixCommand() *cobra.Command {
	var m report.Matrix
	var markdown bool
	c := &cobra.Command{
		Use:     "matrix FILE.json…",
		Short:   "put the reports of several subjects beside each other, each under the name of its file",
		Example: "  adit-conform matrix mine.json theirs.json --markdown",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) (err error) {
			if m.Files, err = readReports(args); err != nil {
				return err
			}
			m.Names, m.Width = heads(args), widthOf(c.OutOrStdout())
			m.Write(c.OutOrStdout(), markdown, isTerminal(c.OutOrStdout()))
			return nil
		},
	}
	c.Flags().BoolVar(&markdown, "markdown", false, "as Markdown")
	c.Flags().BoolVar(&m.All, "all", false, "also requirements that every subject meets")
	return c
}

func verifyCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "verify FILE.json",
		Short:   "check the digests of a report that run --bundle wrote; exit code 1 if something does not match",
		Example: "  adit-conform verify bundle.json",
		Args:    cobra.ExactArgs(1),
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
			return printChecks(c.OutOrStdout(), checks)
		},
	}
}

// printChecks prints the checks; its error is the exit code.
func printChecks(w io.Writer, checks []report.Check) error {
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

// heads are the names of the files without what all JSON files share; the whole paths when two are called the same.
func heads(paths []string) []string {
	var short []string
	for _, p := range paths {
		name := strings.TrimSuffix(filepath.Base(p), ".json")
		if slices.Contains(short, name) {
			return paths
		}
		short = append(short, name)
	}
	return short
}

// readReports reads the JSON reports of runs.
func readReports(names []string) ([]report.File, error) {
	var files []report.File
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		f, err := report.ReadJSON(bytes.NewReader(text))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		files = append(files, f)
	}
	return files, nil
}
