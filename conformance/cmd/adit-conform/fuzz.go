package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/adit-tunnel/adit/conformance/cases"
	"github.com/adit-tunnel/adit/conformance/certify"
	"github.com/adit-tunnel/adit/conformance/engine"
	"github.com/adit-tunnel/adit/conformance/fuzz"
	"github.com/adit-tunnel/adit/conformance/report"
)

// fuzzFlags are the flags of adit-conform fuzz.
type fuzzFlags struct {
	subject certify.SubjectFlags
	span    time.Duration
	seed    uint64
	jobs    int
	one     bool
	dir     string
	rss     string
}

func fuzzCommand() *cobra.Command {
	var f fuzzFlags
	c := &cobra.Command{
		Use:   "fuzz --server HOST:PORT --visitor HOST:PORT | --client-cmd 'PROG …' | --subject FILE",
		Short: "look for what kills, hangs or bloats a subject",
		Long: `fuzz tries sequences of visits, frames and ends, right and wrong, and looks after each whether the subject goes on:
it runs, a fresh tunnel answers, and so does the tunnel beside. What it finds is written as a file for replay.
A subject that the suite starts is started again, and its memory is watched.

Exit codes: 0 nothing found; 1 found; 2 wrong usage; 3 unreachable; 6 interrupted before anything could be said.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return f.run(c.Context(), c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	subjectFlags(c, &f.subject)
	c.MarkFlagsMutuallyExclusive("server", "client-cmd", "subject")
	c.MarkFlagsOneRequired("server", "client-cmd", "subject")
	c.MarkFlagsRequiredTogether("server", "visitor")
	s := c.Flags()
	s.DurationVar(&f.span, "for", 10*time.Minute, "how long; a subject file with both roles has half of it for each")
	s.BoolVar(&f.one, "fail-fast", false, "end at the first finding")
	seedFlag(s, &f.seed, "repeat the sequences of a campaign (default: a new one, shown at the end)")
	s.StringVarP(&f.dir, "out", "o", "fuzz-findings", "folder for replay files; made when there is something to write")
	s.IntVar(&f.jobs, "jobs", 2, "instances at a time of a subject that the suite starts")
	s.StringVar(&f.rss, "rss-limit", "1GiB", "resident memory of a subject that the suite starts, like 512MiB; more is a finding")
	return c
}

// size reads a number of octets, like 512MiB.
func size(text string) (int64, error) {
	for unit, shift := range map[string]int{"KiB": 10, "MiB": 20, "GiB": 30} {
		if digits, ok := strings.CutSuffix(text, unit); ok {
			if n, err := strconv.ParseInt(digits, 10, 32); err == nil && n > 0 {
				return n << shift, nil
			}
		}
	}
	return 0, errors.New("must be a number and KiB, MiB or GiB, like 512MiB")
}

func (f *fuzzFlags) run(ctx context.Context, stdout, stderr io.Writer) error {
	limit, err := size(f.rss)
	switch {
	case err != nil:
		return fmt.Errorf("--rss-limit %q: %w", f.rss, err)
	case f.span <= 0:
		return fmt.Errorf("--for %s: must be more than 0", f.span)
	case f.jobs < 1:
		return fmt.Errorf("--jobs %d: must be 1 or more", f.jobs)
	}
	var campaigns []*fuzz.Campaign
	for _, role := range []engine.Role{engine.Server, engine.Client} {
		s, err := f.subject.OfRole(ctx, role)
		if err != nil {
			return err
		}
		if s != nil {
			campaigns = append(campaigns, &fuzz.Campaign{
				Subject: s, Role: role, Seed: f.seed, Jobs: f.jobs, First: f.one, RSS: limit, Dir: f.dir,
				Suite: version, Set: cases.DefaultSet, Log: stderr, Tick: ticker(stderr),
			})
		}
	}
	judged, found := 0, false
	for _, c := range campaigns {
		if f.one && found {
			break
		}
		c.For = f.span / time.Duration(len(campaigns))
		sum, err := c.Run(ctx)
		if ue, ok := errors.AsType[*engine.UnreachableError](err); ok && sum.Sequences == 0 {
			fmt.Fprintf(stderr, "adit-conform: %v\n", ue)
			for _, line := range ue.Log {
				fmt.Fprintf(stderr, "    %s\n", line)
			}
			return exitError(report.ExitUnreachable)
		}
		sum.Write(stdout)
		judged += sum.Sequences
		found = found || len(sum.Findings) > 0
	}
	fmt.Fprintf(stdout, "seed %d\n", f.seed)
	switch {
	case found:
		return exitError(report.ExitFailed)
	case judged == 0:
		return exitError(report.ExitInconclusive)
	}
	return nil
}

// ticker shows on a terminal, once a second, how far the campaign is; nil for anything else.
func ticker(w io.Writer) func(fuzz.Summary) {
	if !isTerminal(w) {
		return nil
	}
	var last time.Time
	return func(s fuzz.Summary) {
		if time.Since(last) < time.Second {
			return
		}
		last = time.Now()
		n := 0
		for _, k := range s.Findings {
			n += k
		}
		fmt.Fprintf(w, "\r\x1b[K%s  %s  %d sequences, %d findings", s.Role, s.Took.Round(time.Second), s.Sequences, n)
	}
}
