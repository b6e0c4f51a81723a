package main

import (
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/adit-tunnel/adit/conformance/report"
	"github.com/adit-tunnel/adit/conformance/subject"
	"github.com/adit-tunnel/adit/spec"
)

// schemas are the JSON Schemas that are published, by the name of what they describe.
var schemas = map[string][]byte{"report": report.JSONSchema, "replay": spec.VectorSchema(), "subject": subject.JSONSchema}

func schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:       "schema report|replay|subject",
		Short:     "print the JSON Schema of the JSON report, of a replay file, which is a golden vector too, or of a subject file, which is YAML",
		Args:      cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
		ValidArgs: slices.Sorted(maps.Keys(schemas)),
		RunE: func(c *cobra.Command, args []string) error {
			_, err := c.OutOrStdout().Write(schemas[args[0]])
			return err
		},
	}
}
