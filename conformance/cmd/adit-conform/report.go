package main

import (
	"bytes"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/adit-tunnel/adit/conformance/report"
)

// reportCommands work on the JSON reports of runs.
func reportCommands() []*cobra.Command {
	return []*cobra.Command{reportCommand(), diffCommand(), matrixCommand(), verifyCommand()}
}

func reportCommand() *cobra.Command {
	var o outputs
	c := &cobra.Command{
		Use:   "report FILE.json",
		Short: "make the other reports of a run again from its JSON report; without a flag: the certificate",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			f, err := readReport(args[0])
			if err != nil {
				return err
			}
			outs := o.all()
			if err := check(outs); err != nil {
				return err
			}
			if o == (outputs{}) {
				var b bytes.Buffer
				f.WriteCertificate(&b, false)
				_, err := c.OutOrStdout().Write([]byte(report.Clean(b.String())))
				return err
			}
			if err := write(outs, f); err != nil {
				fmt.Fprintf(c.ErrOrStderr(), "adit-conform: %v\n", err)
				return exitError(report.ExitSuiteError)
			}
			return nil
		},
	}
	o.flags(c)
	return c
}

// readReport reads the JSON report of a run.
func readReport(name string) (report.File, error) {
	file, err := os.Open(name)
	if err != nil {
		return report.File{}, err
	}
	defer file.Close()
	f, err := report.ReadJSON(file)
	if err != nil {
		return report.File{}, fmt.Errorf("%s: %w", name, err)
	}
	return f, nil
}
