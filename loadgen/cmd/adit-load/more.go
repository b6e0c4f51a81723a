package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/adit-tunnel/adit/loadgen"
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

func planCommand() *cobra.Command {
	profile := ""
	c := &cobra.Command{
		Use: "plan FILE…", Short: "show cells and running time of scenarios", Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, files []string) error {
			scenarios, err := load(files)
			if err != nil {
				return err
			}
			for _, s := range scenarios {
				if err := s.Apply(profile); err != nil {
					return &exitError{exitUsage, err}
				}
				blocks := len(s.Cells) * len(s.Paths) * int(s.Repeat)
				least := time.Duration(blocks) * time.Duration(s.Warmup+s.Measure)
				fmt.Fprintf(c.OutOrStdout(), "%s: %s\n  %d cells × %d paths × %d repetitions = %d blocks, %v or more\n",
					s.Name, s.Question, len(s.Cells), len(s.Paths), s.Repeat, blocks, least.Round(time.Millisecond))
				for _, cell := range s.Cells {
					fmt.Fprintf(c.OutOrStdout(), "    %v\n", cell)
				}
			}
			return nil
		},
	}
	c.Flags().StringVar(&profile, "profile", "full", "times")
	return c
}

func reportCommand() *cobra.Command {
	return &cobra.Command{
		Use: "report DIR", Short: "make the tables again from the records in a folder", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			records, names, err := loadgen.LoadRecords(args[0])
			if err != nil {
				return &exitError{exitUsage, err}
			}
			for i, r := range records {
				fmt.Fprintln(c.OutOrStdout(), r.Console())
				if err := r.SaveReport(filepath.Dir(names[i])); err != nil {
					return &exitError{exitInternal, err}
				}
			}
			return nil
		},
	}
}

func schemaCommand() *cobra.Command {
	schemas := map[string][]byte{"scenario": loadgen.Schema, "record": loadgen.RecordSchema}
	return &cobra.Command{
		Use: "schema [scenario|record]", Short: "print the JSON Schema of scenario files, or of records", Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			schema, ok := schemas[cmp.Or(strings.Join(args, ""), "scenario")]
			if !ok {
				return &exitError{exitUsage, fmt.Errorf("schema %q: must be scenario or record", args[0])}
			}
			_, err := c.OutOrStdout().Write(schema)
			return err
		},
	}
}

func targetCommand() *cobra.Command {
	var data, control string
	c := &cobra.Command{
		Use: "target", Short: "the service at the far end; run starts it", Args: cobra.NoArgs, Hidden: true,
		RunE: func(c *cobra.Command, _ []string) error {
			d, err := net.Listen("tcp", data)
			if err != nil {
				return &exitError{exitInternal, err}
			}
			k, err := net.Listen("tcp", control)
			if err != nil {
				return &exitError{exitInternal, errors.Join(err, d.Close())}
			}
			t := loadgen.NewTarget(d, k)
			<-c.Context().Done()
			return t.Close()
		},
	}
	c.Flags().StringVar(&data, "listen", "", "address for the payload")
	c.Flags().StringVar(&control, "control", "", "address for the generator's requests")
	return c
}

func relayCommand() *cobra.Command {
	var listen, to string
	c := &cobra.Command{
		Use: "relay", Short: "a plain one-hop TCP copy; run starts it", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", listen)
			if err != nil {
				return &exitError{exitInternal, err}
			}
			return loadgen.RunRelay(c.Context(), l, to)
		},
	}
	c.Flags().StringVar(&listen, "listen", "127.0.0.1:0", "address to listen at")
	c.Flags().StringVar(&to, "to", "", "address to copy to")
	_ = c.MarkFlagRequired("to")
	return c
}
