package main

import (
	"github.com/spf13/cobra"

	"github.com/adit-tunnel/adit/conformance/report"
)

func schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:       "schema report",
		Short:     "print the JSON Schema of the JSON report",
		Args:      cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
		ValidArgs: []string{"report"},
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := c.OutOrStdout().Write(report.JSONSchema)
			return err
		},
	}
}
