package main

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/report"
	"github.com/adit-tunnel/adit/loadgen/run"
	"github.com/adit-tunnel/adit/loadgen/scenario"
)

func lintCommand() *cobra.Command {
	return &cobra.Command{
		Use: "lint FILE…", Short: "check scenario files", Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, files []string) error {
			_, err := load(files)
			return err
		},
	}
}

func reportCommand() *cobra.Command {
	return &cobra.Command{
		Use: "report DIR", Short: "make tables, plots and pages again from the records in a folder", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			records, names, err := record.Load(args[0])
			if err != nil {
				return &exitError{exitUsage, err}
			}
			changed, err := save(records, names, args[0])
			for _, name := range changed {
				fmt.Fprintf(c.OutOrStdout(), "written: %s\n", name)
			}
			if err != nil {
				return &exitError{exitInternal, err}
			}
			fmt.Fprintf(c.OutOrStdout(), "%d records; all other files are as they were\n", len(records))
			return nil
		},
	}
}

// save makes everything that is made of records, and the page that leads to them when dir holds their folders.
func save(records []*record.Record, names []string, dir string) (changed []string, err error) {
	for i, r := range records {
		more, one := report.Save(r, filepath.Dir(names[i]))
		changed, err = append(changed, more...), errors.Join(err, one)
	}
	if filepath.Dir(names[0]) != filepath.Clean(dir) {
		more, one := report.SaveIndex(records, dir)
		changed, err = append(changed, more...), errors.Join(err, one)
	}
	return changed, err
}

func schemaCommand() *cobra.Command {
	schemas := map[string][]byte{"scenario": scenario.Schema, "record": record.Schema, "event": run.NoticeSchema}
	return &cobra.Command{
		Use: "schema [scenario|record|event]", Short: "print the JSON Schema of scenario files, records, or lines of --events", Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			schema, ok := schemas[cmp.Or(strings.Join(args, ""), "scenario")]
			if !ok {
				return &exitError{exitUsage, fmt.Errorf("schema %q: must be scenario, record or event", args[0])}
			}
			_, err := c.OutOrStdout().Write(schema)
			return err
		},
	}
}
