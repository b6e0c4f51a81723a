package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"

	"github.com/adit-tunnel/adit/conformance/subject"
	"github.com/adit-tunnel/adit/loadgen"
)

// runFlags are the flags of adit-load run.
type runFlags struct {
	subject, out, profile, command string
}

func runCommand(args []string) *cobra.Command {
	f := runFlags{command: quote(append([]string{"adit-load"}, args[1:]...))}
	c := &cobra.Command{
		Use:   "run FILE…",
		Short: "measure scenarios and write record.json and report.md for each",
		Long: `run measures scenarios, one after the other.

Exit codes: 0 all packets ok, 1 adit-load itself failed, 2 wrong usage or file, 4 the subject did not start or ended,
5 wrong octets were received, 6 packets were not ok, 130 interrupted (what was complete is written).`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, files []string) error {
			return f.run(c.Context(), files, c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	c.Flags().StringVar(&f.subject, "subject", "scenarios/subjects/reference.yaml", "YAML file that describes what is measured")
	c.Flags().StringVar(&f.out, "out", "", "folder for the results, one folder in it for each scenario (default: none are written)")
	c.Flags().StringVar(&f.profile, "profile", "full", "times: "+strings.Join(loadgen.Profiles, ", ")+" (full: as in the file)")
	return c
}

func (f *runFlags) run(ctx context.Context, files []string, stdout, stderr io.Writer) error {
	scenarios, err := load(files)
	if err != nil {
		return err
	}
	for _, s := range scenarios {
		if err := s.Apply(f.profile); err != nil {
			return &exitError{exitUsage, err}
		}
	}
	sub, err := subject.Load(f.subject)
	if err != nil {
		return &exitError{exitUsage, err}
	}
	self, err := os.Executable()
	if err != nil {
		return &exitError{exitInternal, err}
	}
	bar := newProgress(stderr)
	r := &loadgen.Runner{
		Subject: sub, Self: quote([]string{self}), Command: f.command, Profile: f.profile,
		Tool: "adit-load " + version, Begin: bar.begin,
	}
	code := exitOK
	for _, s := range scenarios {
		rec, err := r.Run(ctx, s)
		bar.end()
		if rec != nil && len(rec.Blocks) > 0 {
			fmt.Fprintln(stdout, rec.Console())
			if f.out != "" {
				dir, err := rec.Save(f.out)
				if err != nil {
					return &exitError{exitInternal, err}
				}
				fmt.Fprintf(stderr, "written: %s\n", dir)
			}
		}
		_, start := errors.AsType[*loadgen.StartError](err)
		switch {
		case ctx.Err() != nil:
			return &exitError{exitInterrupted, errors.New("interrupted")}
		case start:
			return &exitError{exitStart, err}
		case err != nil:
			return &exitError{exitInternal, err}
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

// A progress is a bar on a terminal, and nothing in a pipe.
type progress struct {
	w    io.Writer
	pool *mpb.Progress
	bar  *mpb.Bar
	what string
}

func newProgress(w io.Writer) *progress {
	if file, ok := w.(*os.File); !ok || !term.IsTerminal(int(file.Fd())) {
		return &progress{}
	}
	return &progress{w: w}
}

// begin shows the block that begins.
func (p *progress) begin(step, of int, what string) {
	if p.w == nil {
		return
	}
	if p.pool == nil {
		p.pool = mpb.New(mpb.WithOutput(p.w), mpb.WithWidth(40))
		p.bar = p.pool.AddBar(int64(of), mpb.BarRemoveOnComplete(),
			mpb.AppendDecorators(decor.CountersNoUnit("%d/%d "), decor.Any(func(decor.Statistics) string { return p.what })))
	}
	p.what = what
	p.bar.SetCurrent(int64(step))
}

// end takes the bar away.
func (p *progress) end() {
	if p.pool == nil {
		return
	}
	p.bar.Abort(true)
	p.pool.Wait()
	p.pool, p.bar = nil, nil
}
