package main

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/adit-tunnel/adit/conformance/report"
)

func diffCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "diff OLD.json NEW.json",
		Short: "say what a run broke, fixed, tests newly or tests no longer; exit code 1 if it broke something",
		Args:  cobra.ExactArgs(2),
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
		Use:   "matrix FILE.json…",
		Short: "put the reports of several subjects beside each other, each under the name of its file",
		Args:  cobra.MinimumNArgs(1),
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

func readReports(names []string) ([]report.File, error) {
	var files []report.File
	for _, name := range names {
		f, err := readReport(name)
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	return files, nil
}
