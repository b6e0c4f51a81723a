package main

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/report"
	"github.com/adit-tunnel/adit/loadgen/run"
	"github.com/adit-tunnel/adit/loadgen/scenario"
)

func lintCommand() *cobra.Command {
	return &cobra.Command{
		Use: "lint SCENARIO…", Short: "check scenario files", Args: someScenarios, ValidArgsFunction: scenarioNames,
		RunE: func(_ *cobra.Command, files []string) error {
			_, err := run.LoadScenarios(files, "full")
			return err
		},
	}
}

func scenariosCommand() *cobra.Command {
	return &cobra.Command{
		Use: "scenarios [NAME]", Short: "list the scenarios that are built in, or print one", Args: cobra.MaximumNArgs(1),
		ValidArgs: scenario.Builtin(),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				text, err := scenario.Read(args[0])
				if err != nil {
					return run.Usage(err)
				}
				_, err = c.OutOrStdout().Write(text)
				return err
			}
			for _, name := range scenario.Builtin() {
				s, err := scenario.Load(name)
				if err != nil {
					return err
				}
				fmt.Fprintf(c.OutOrStdout(), "%-20s%s\n", name, s.Question)
			}
			return nil
		},
	}
}

func reportCommand() *cobra.Command {
	return &cobra.Command{
		Use: "report DIR", Short: "make tables, plots and pages again from the records in a folder", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			changed, n, err := report.Remake(args[0])
			if err != nil && n == 0 {
				return run.Usage(err)
			}
			for _, name := range changed {
				fmt.Fprintf(c.OutOrStdout(), "written: %s\n", name)
			}
			if err != nil {
				return &run.ExitError{Code: run.ExitInternal, Err: err}
			}
			fmt.Fprintf(c.OutOrStdout(), "%d records; all other files are as they were\n", n)
			return nil
		},
	}
}

func schemaCommand() *cobra.Command {
	schemas := map[string][]byte{"scenario": scenario.Schema, "record": record.Schema, "event": run.NoticeSchema}
	return &cobra.Command{
		Use: "schema [scenario|record|event]", Short: "print the JSON Schema of scenario files, records, or lines of --events",
		Args: cobra.MaximumNArgs(1), ValidArgs: []string{"scenario", "record", "event"},
		RunE: func(c *cobra.Command, args []string) error {
			schema, ok := schemas[cmp.Or(strings.Join(args, ""), "scenario")]
			if !ok {
				return run.Usage(fmt.Errorf("schema %q: must be scenario, record or event", args[0]))
			}
			_, err := c.OutOrStdout().Write(schema)
			return err
		},
	}
}
