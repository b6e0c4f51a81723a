package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/adit-tunnel/adit/conformance/codec"
	"github.com/adit-tunnel/adit/conformance/report"
)

func codecCommand(stdout, stderr io.Writer) *cobra.Command {
	var o codec.Options
	var jsonFile string
	c := &cobra.Command{
		Use:   "codec --exec 'PROGRAM ARGUMENTS'",
		Short: "feed the golden vectors to a codec in any language, over standard input and output",
		Long:  "Feeds the golden vectors to a codec in any language, over standard input and output.\n\n" + codec.Lines,
		Example: `  adit-conform codec --exec 'python3 codec.py'
  adit-conform codec --exec ./my-codec --vector 'frame_size_*' --json codec.json`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			switch {
			case strings.TrimSpace(o.Command) == "":
				return errors.New("--exec is missing: name the program, like --exec 'python3 codec.py'")
			case o.Timeout <= 0:
				return fmt.Errorf("--timeout %s: must be above 0", o.Timeout)
			}
			if jsonFile != "" {
				if st, err := os.Stat(filepath.Dir(jsonFile)); err != nil || !st.IsDir() {
					return fmt.Errorf("--json %s: its folder does not exist", jsonFile)
				}
			}
			r, err := codec.Run(c.Context(), o)
			if start, ok := errors.AsType[*codec.StartError](err); !ok && err != nil {
				return fmt.Errorf("--vector %w", err)
			} else if ok {
				fmt.Fprintf(stderr, "adit-conform: %v\n", start)
				return exitError(report.ExitUnreachable)
			}
			if err := errors.Join(r.WriteText(stdout), writeCodecReport(jsonFile, r)); err != nil {
				fmt.Fprintf(stderr, "adit-conform: writing the report: %v\n", err)
				return exitError(report.ExitSuiteError)
			}
			return exit(r.ExitCode)
		},
	}
	c.Flags().StringVar(&o.Command, "exec", "", "the program, run by sh -c")
	c.Flags().BoolVar(&o.Ext, "ext", false, "the frames of the Extended profile, too")
	c.Flags().DurationVar(&o.Timeout, "timeout", codec.DefaultTimeout, "longest time of one answer")
	c.Flags().StringSliceVar(&o.Vectors, "vector", nil, "only these vectors; patterns like 'frame_size_*'")
	c.Flags().StringVar(&jsonFile, "json", "", "write the report to this file")
	return c
}

// writeCodecReport writes the JSON report; an empty name writes none.
func writeCodecReport(name string, r *codec.Report) error {
	if name == "" {
		return nil
	}
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(r.WriteJSON(file), file.Close())
}
