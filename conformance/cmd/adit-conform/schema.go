package main

import (
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/adit-tunnel/adit/conformance/replay"
	"github.com/adit-tunnel/adit/conformance/report"
)

// schemas are the JSON Schemas that are published, by the name of what they describe.
var schemas = map[string][]byte{"report": report.JSONSchema, "replay": replay.JSONSchema}

func schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:       "schema report|replay",
		Short:     "print the JSON Schema of the JSON report, or of a replay file",
		Args:      cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
		ValidArgs: slices.Sorted(maps.Keys(schemas)),
		RunE: func(c *cobra.Command, args []string) error {
			_, err := c.OutOrStdout().Write(schemas[args[0]])
			return err
		},
	}
}
