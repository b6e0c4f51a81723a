package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/adit-tunnel/adit/conformance/subject"
	"github.com/adit-tunnel/adit/loadgen"
)

// runFlags are the flags of adit-load run.
type runFlags struct {
	subjects              []string
	out, profile, command string
}

func runCommand(args []string) *cobra.Command {
	f := runFlags{command: quote(append([]string{"adit-load"}, args[1:]...))}
	c := &cobra.Command{
		Use:   "run FILE…",
		Short: "measure scenarios and write record.json and report.md for each",
		Long: `run measures scenarios, one after the other.

Exit codes: 0 all packets ok, 1 adit-load itself failed, 2 wrong usage or file, 3 a limit of the machine is too low,
4 a subject did not start or ended, 5 wrong octets were received, 6 packets were not ok, 130 interrupted (what was
complete is written).`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, files []string) error {
			return f.run(c.Context(), files, c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	c.Flags().StringArrayVar(&f.subjects, "subject", []string{"scenarios/subjects/reference.yaml"}, "YAML file that describes what is measured; several to compare them")
	c.Flags().StringVar(&f.out, "out", "", "folder for the results, one folder in it for each scenario (default: none are written)")
	c.Flags().StringVar(&f.profile, "profile", "full", "times: "+strings.Join(loadgen.Profiles, ", ")+" (full: as in the file)")
	return c
}

// prepare reads and checks everything that the user gave, before anything is started.
func (f *runFlags) prepare(files []string) ([]*loadgen.Scenario, *loadgen.Runner, error) {
	scenarios, err := load(files)
	if err != nil {
		return nil, nil, err
	}
	names := map[string]string{}
	for i, s := range scenarios {
		if err := s.Apply(f.profile); err != nil {
			return nil, nil, &exitError{exitUsage, err}
		}
		if other, twice := names[s.Name]; twice {
			return nil, nil, &exitError{exitUsage, fmt.Errorf("%s: scenario: %s is the name of %s, too; give each another name", files[i], s.Name, other)}
		}
		names[s.Name] = files[i]
	}
	r := &loadgen.Runner{Command: f.command, Profile: f.profile, Tool: "adit-load " + version}
	names = map[string]string{}
	for _, name := range f.subjects {
		s, err := subject.Load(name)
		if err != nil {
			return nil, nil, &exitError{exitUsage, err}
		}
		if other, twice := names[s.Name]; twice {
			return nil, nil, &exitError{exitUsage, fmt.Errorf("--subject %s: name: %s is the name of %s, too; give each another name", name, s.Name, other)}
		}
		names[s.Name] = name
		r.Subjects = append(r.Subjects, s)
	}
	if f.out != "" {
		if err := os.MkdirAll(f.out, 0o755); err != nil {
			return nil, nil, &exitError{exitUsage, fmt.Errorf("--out: %w", err)}
		}
	}
	self, err := os.Executable()
	if err != nil {
		return nil, nil, &exitError{exitInternal, err}
	}
	r.Self = quote([]string{self})
	return scenarios, r, nil
}

func (f *runFlags) run(ctx context.Context, files []string, stdout, stderr io.Writer) error {
	scenarios, r, err := f.prepare(files)
	if err != nil {
		return err
	}
	bar := newProgress(stderr)
	r.Begin = bar.begin
	code := exitOK
	for _, s := range scenarios {
		rec, err := r.Run(ctx, s)
		bar.end()
		if len(rec.Blocks) > 0 {
			if err := f.show(rec, stdout, stderr); err != nil {
				return &exitError{exitInternal, err}
			}
		}
		if err != nil {
			return verdict(ctx, err)
		}
		switch {
		case rec.Faulty():
			code = exitIntegrity
		case rec.Failed() > 0 && code == exitOK:
			code = exitFailures
		}
	}
	if code != exitOK {
		return &exitError{code: code}
	}
	return nil
}

// show prints a record and saves it where the user wants it.
func (f *runFlags) show(rec *loadgen.Record, stdout, stderr io.Writer) error {
	fmt.Fprintln(stdout, rec.Console())
	if f.out == "" {
		return nil
	}
	dir, err := rec.Save(f.out)
	if err == nil {
		fmt.Fprintf(stderr, "written: %s\n", dir)
	}
	return err
}

// verdict gives an error of a run its exit code.
func verdict(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return &exitError{exitInterrupted, errors.New("interrupted")}
	}
	if _, ok := errors.AsType[*loadgen.LimitError](err); ok {
		return &exitError{exitLimits, err}
	}
	if _, ok := errors.AsType[*loadgen.StartError](err); ok {
		return &exitError{exitStart, err}
	}
	return &exitError{exitInternal, err}
}

// load reads all files before anything is started.
func load(files []string) ([]*loadgen.Scenario, error) {
	var out []*loadgen.Scenario
	var errs []error
	for _, name := range files {
		s, err := loadgen.LoadScenario(name)
		out, errs = append(out, s), append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, &exitError{exitUsage, err}
	}
	return out, nil
}

// quote joins words so that a shell reads the same words.
func quote(words []string) string {
	out := make([]string, len(words))
	for i, w := range words {
		if w == "" || strings.ContainsAny(w, " \t\n'\"\\$`&|;<>()*?[]{}~#!") {
			w = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
		out[i] = w
	}
	return strings.Join(out, " ")
}
