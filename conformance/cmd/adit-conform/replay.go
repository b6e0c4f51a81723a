package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/adit-tunnel/adit/conformance/certify"
	"github.com/adit-tunnel/adit/conformance/dialogue"
	"github.com/adit-tunnel/adit/conformance/engine"
	"github.com/adit-tunnel/adit/conformance/report"
	"github.com/adit-tunnel/adit/spec"
)

// replayFlags are the flags of adit-conform replay.
type replayFlags struct {
	subject certify.SubjectFlags
	times   int
}

func replayCommand() *cobra.Command {
	var f replayFlags
	c := &cobra.Command{
		Use:   "replay FILE --server HOST:PORT [--visitor HOST:PORT] | --client-cmd 'PROG …' | --subject FILE",
		Short: "repeat a failure that run --replay or fuzz has written, or play a golden dialogue",
		Long: `replay does what the dialogue in the file says, shows what was sent and what came, and says whether the failure
came again. It knows nothing but the file. A golden vector of kind dialogue is played likewise.

Exit codes: 0 not reproduced: the subject does right; 1 reproduced; 2 wrong usage, or a wrong file;
3 unreachable; 6 it could not be told.`,
		Example: `  adit-conform replay FILE --server 127.0.0.1:9000 --visitor 127.0.0.1:10022
  adit-conform replay FILE --subject my-tunnel.yaml --times 10`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return f.run(c.Context(), args[0], c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	subjectFlags(c, &f.subject)
	c.MarkFlagsMutuallyExclusive("server", "client-cmd", "subject")
	c.MarkFlagsOneRequired("server", "client-cmd", "subject")
	c.Flags().IntVar(&f.times, "times", 1, "how often; reproduced once is reproduced")
	return c
}

// isReport reports whether a file is the JSON report of a run.
func isReport(name string) bool {
	_, err := readReports([]string{name})
	return err == nil
}

func (f *replayFlags) run(ctx context.Context, name string, stdout, stderr io.Writer) error {
	v, err := dialogue.Read(name)
	switch {
	case err != nil && isReport(name):
		return fmt.Errorf("%s is a run's report; replay takes a file that run --replay FOLDER has written", name)
	case err != nil:
		return err
	case f.times < 1:
		return fmt.Errorf("--times %d: must be 1 or more", f.times)
	case f.subject.Server != "" && f.subject.Visitor == "" && dialogue.NeedsVisitors(v):
		return errors.New("--visitor: missing; the dialogue has visitors")
	}
	for _, role := range []engine.Role{engine.Server, engine.Client} {
		if v.Role != "both" && v.Role != string(role) {
			continue
		}
		s, err := f.subject.OfRole(ctx, role)
		if err != nil {
			return err
		}
		if s == nil {
			continue
		}
		if err := dialogue.Starts(v, role); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		err = f.play(ctx, v, s, role, stdout)
		if ue, ok := errors.AsType[*engine.UnreachableError](err); ok {
			fmt.Fprintf(stderr, "adit-conform: %v\n", ue)
			for _, line := range ue.Log {
				fmt.Fprintf(stderr, "    %s\n", line)
			}
			return exitError(report.ExitUnreachable)
		}
		return err
	}
	return fmt.Errorf("%s is about a %s, and the subject is none", name, v.Role)
}

// play plays the dialogue, shows the last play and sums up.
func (f *replayFlags) play(ctx context.Context, v spec.Vector, s engine.Subject, role engine.Role, w io.Writer) error {
	var last dialogue.Outcome
	count := map[dialogue.Answer]int{}
	for n := range f.times {
		o, err := dialogue.Replay(ctx, v, s, role)
		if err != nil {
			return err
		}
		count[o.Answer]++
		if n == 0 || o.Answer == dialogue.Reproduced || last.Answer != dialogue.Reproduced {
			last = o
		}
		if f.times > 1 {
			fmt.Fprintf(w, "%d: %s: %s\n", n+1, o.Answer, o.Why)
		}
	}
	dialogue.Tell(w, v, s.Describe(), last)
	if f.times > 1 {
		fmt.Fprintf(w, "%d times: %d reproduced, %d not, %d could not be told\n", f.times, count[dialogue.Reproduced], count[dialogue.Gone], count[dialogue.Unsure])
	}
	switch {
	case count[dialogue.Reproduced] > 0:
		return exitError(report.ExitFailed)
	case count[dialogue.Gone] > 0:
		return nil
	}
	return exitError(report.ExitInconclusive)
}

// A replayFolder is where run writes replay files.
type replayFolder struct {
	folder string // empty: none are written
}

func (r *replayFolder) flags(s *pflag.FlagSet) {
	s.StringVar(&r.folder, "replay", "", "write a file for adit-conform replay for each failed case to this folder")
}

// write writes a dialogue for each failed case.
func (r replayFolder) write(of certify.SubjectFlags, run *report.Run, stderr io.Writer) {
	if r.folder == "" {
		return
	}
	written := 0
	for _, res := range run.Results {
		if !res.Verdict.Failed() && res.Verdict != report.Known || res.Case.Role == engine.API {
			continue
		}
		v, err := dialogue.Record(res)
		if err == nil {
			v.Found.Suite, v.Found.Set, v.Found.Seed = run.Suite, run.Requirements, run.Seed
			err = dialogue.Write(v, filepath.Join(r.folder, dialogue.FileName(res.Case.Name())))
		}
		if err != nil {
			fmt.Fprintf(stderr, "adit-conform: no replay file for %s: %v\n", res.Case.Name(), err)
			continue
		}
		written++
	}
	if written > 0 {
		fmt.Fprintf(stderr, "%s in %s; adit-conform replay FILE %s repeats one\n", report.Count(written, "replay file"), r.folder, again(of))
	}
}

// again is how replay is told of the subject of the run.
func again(s certify.SubjectFlags) string {
	switch {
	case s.File != "":
		return "--subject " + s.File
	case s.Server != "":
		return "--server " + s.Server + " --visitor " + s.Visitor
	}
	return "--client-cmd 'PROG …'"
}
