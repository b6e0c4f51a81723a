package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/adit-tunnel/adit/conformance/subject"
	"github.com/adit-tunnel/adit/loadgen/compare"
	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/report"
	"github.com/adit-tunnel/adit/loadgen/run"
	"github.com/adit-tunnel/adit/loadgen/scenario"
	"github.com/adit-tunnel/adit/loadgen/topology"
)

// runFlags are the flags of adit-load run.
type runFlags struct {
	subjects              []string
	out, profile, command string
	place                 placement
	events                string // file, or -
}

func runCommand(args []string) *cobra.Command {
	f := runFlags{command: quote(append([]string{"adit-load"}, args[1:]...))}
	c := &cobra.Command{
		Use:   "run FILE…",
		Short: "measure scenarios and write a record, its tables, plots and page for each",
		Long: `run measures scenarios, one after the other. On a terminal it shows what runs; in a pipe it is silent until a scenario
is complete. --events writes a JSON line for each plan, phase (connect, warmup, measure, drain), interval (half a second: rates, and
percentiles of the block so far), fault, cell and verdict.

Exit codes: 0 all packets ok, 1 adit-load itself failed, 2 wrong usage or file, 3 a limit of the machine is too low,
4 a subject did not start or ended, 5 wrong octets were received, 6 packets were not ok, or a threshold was not met, 7 of several
subjects one is significantly worse in something than the first, 8 a threshold could not be judged, 130 interrupted (what was
complete is written). Of several 5, or else the lowest that is not 0: after 3 and 4 the next scenario is measured, after 4 first the
subjects that are left. A noisy or invalid row without a threshold on it is marked, and the code is 0; so is it with subjects of which
nothing can be said: no threshold asked. A subject whose programs are not installed is not run, which is no failure as long as
another one is.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, files []string) error {
			return f.run(c.Context(), files, c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	c.Flags().StringArrayVar(&f.subjects, "subject", nil, "YAML file that describes what is measured; several to compare them (default: the reference of this repository)")
	f.place.flags(c)
	c.Flags().StringVar(&f.out, "out", "", "folder for the results, one folder in it for each scenario (default: none are written)")
	c.Flags().StringVar(&f.profile, "profile", "full", "times: "+strings.Join(scenario.Profiles, ", ")+" (full: as in the file)")
	c.Flags().StringVar(&f.events, "events", "", "file for what happens, as JSON Lines while it happens (adit-load schema event); - is stdout, and the tables go to stderr")
	return c
}

// prepare reads and checks everything that the user gave, before anything is started.
func (f *runFlags) prepare(files []string) ([]*scenario.Scenario, *run.Runner, error) {
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
	if err := f.place.apply(scenarios); err != nil {
		return nil, nil, err
	}
	r := &run.Runner{Command: f.command, Profile: f.profile, Tool: "adit-load " + version}
	names = map[string]string{}
	for _, name := range f.place.subjects(f.subjects, scenarios) {
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
	if r.Executable, err = os.Executable(); err != nil {
		return nil, nil, &exitError{exitInternal, err}
	}
	r.Self = quote([]string{r.Executable})
	if r.Bundles, err = f.place.certificates(r.Subjects); err != nil {
		return nil, nil, err
	}
	if r.Elsewhere, err = f.place.elsewhere(scenarios, r.Subjects); err != nil {
		return nil, nil, err
	}
	return scenarios, r, nil
}

func (f *runFlags) run(ctx context.Context, files []string, stdout, stderr io.Writer) (err error) {
	scenarios, r, err := f.prepare(files)
	if err != nil {
		return err
	}
	told, err := openEvents(f.events, stdout)
	if err != nil {
		return err
	}
	defer func() {
		if problem := told.close(); problem != nil && err == nil {
			err = &exitError{exitInternal, fmt.Errorf("--events: %w", problem)}
		}
	}()
	if f.events == "-" {
		stdout = stderr
	}
	bar := newProgress(stderr)
	if bar.w != nil || f.events != "" { // else the generators are not even asked
		r.Tell = func(n run.Notice) {
			told.write(n)
			bar.show(n)
		}
	}
	code := exitOK
	for _, s := range scenarios {
		rec, err := r.Run(ctx, s)
		bar.end()
		if err != nil {
			err = verdict(ctx, err)
		}
		rec.Exit = new(codeOf(rec, err))
		if len(rec.Blocks) > 0 {
			if err := f.show(rec, stdout, stderr); err != nil {
				return &exitError{exitInternal, err}
			}
		}
		if e, ok := errors.AsType[*exitError](err); ok {
			if e.code != exitLimits && e.code != exitStart {
				return e
			}
			fmt.Fprintf(stderr, "adit-load: %v\n", e) // the next scenario may do
		}
		code = worse(code, *rec.Exit)
	}
	if code != exitOK {
		return &exitError{code: code}
	}
	return nil
}

// outcome is the exit code of a record that is complete.
func outcome(rec *record.Record) int {
	switch {
	case rec.Faulty():
		return exitIntegrity
	case rec.Failed() > 0, rec.Gates() == record.Fail:
		return exitFailures
	case slices.ContainsFunc(rec.Comparison, func(c record.Comparison) bool { return c.Verdict == record.Worse }):
		return exitRegression
	case rec.Gates() == record.Inconclusive && rec.Profile != scenario.Smoke:
		return exitInconclusive
	}
	return exitOK
}

// codeOf is the exit code of a scenario that ended with err, or without.
func codeOf(rec *record.Record, err error) int {
	e, ok := errors.AsType[*exitError](err)
	switch {
	case !ok:
		return outcome(rec)
	case e.code == exitStart: // several subjects: the others have their outcome
		return worse(e.code, outcome(rec))
	}
	return e.code
}

// worse is the graver of two outcomes: integrity, limits, start, failures, regression, inconclusive, in this order.
func worse(a, b int) int {
	switch {
	case a == exitOK || b == exitOK:
		return max(a, b)
	case a == exitIntegrity || b == exitIntegrity:
		return exitIntegrity
	}
	return min(a, b)
}

// show prints a record and saves it where the user wants it.
func (f *runFlags) show(rec *record.Record, stdout, stderr io.Writer) error {
	fmt.Fprintln(stdout, report.Console(rec, terminal(stdout)))
	if len(rec.Comparison) > 0 {
		fmt.Fprintf(stdout, "%s: comparison with %s\n%s\n", rec.Scenario.Name, rec.Subjects[0].Name, compare.Text(rec.Comparison))
	}
	if f.out == "" {
		return nil
	}
	dir, err := rec.Save(f.out)
	if err == nil {
		_, err = report.Save(rec, dir)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(stderr, "written: %s\n", dir)
	all, _, err := record.Load(f.out) // those of earlier runs, too
	if err != nil {
		fmt.Fprintf(stderr, "index.html leads to none of them: %v\n", err)
		return nil
	}
	_, err = report.SaveIndex(all, f.out)
	return err
}

// verdict gives an error of a run its exit code.
func verdict(ctx context.Context, err error) *exitError {
	if ctx.Err() != nil {
		return &exitError{exitInterrupted, errors.New("interrupted")}
	}
	if _, ok := errors.AsType[*run.LimitError](err); ok {
		return &exitError{exitLimits, err}
	}
	if e, ok := errors.AsType[*subject.NoEngineError](err); ok {
		return &exitError{exitLimits, fmt.Errorf("not run: %w", e)}
	}
	if _, ok := errors.AsType[*topology.StartError](err); ok {
		return &exitError{exitStart, err}
	}
	return &exitError{exitInternal, err}
}

// load reads all files before anything is started.
func load(files []string) ([]*scenario.Scenario, error) {
	var out []*scenario.Scenario
	var errs []error
	for _, name := range files {
		s, err := scenario.Load(name)
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
