package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/adit-tunnel/adit/conformance/engine"
	"github.com/adit-tunnel/adit/conformance/replay"
	"github.com/adit-tunnel/adit/conformance/report"
	"github.com/adit-tunnel/adit/conformance/subject"
)

// subjectFlags name a subject as run does, without its control API.
func (f *runFlags) subjectFlags(c *cobra.Command) {
	s := c.Flags()
	s.StringVar(&f.server, "server", "", "HOST:PORT of a running server; no other client may be attached")
	s.StringVar(&f.visitor, "visitor", "", "HOST:PORT of a mapped port of that server")
	s.StringVar(&f.clientCmd, "client-cmd", "", "command line of a client, started anew each time; {addr} is the suite, {target} its service")
	s.StringVar(&f.subject, "subject", "", "YAML file that describes a subject")
	c.MarkFlagsMutuallyExclusive("server", "client-cmd", "subject")
}

// ofRole is the subject that the flags name, in a role; nil when it has not that role.
func (f *runFlags) ofRole(ctx context.Context, role engine.Role) (engine.Subject, error) {
	for flag, addr := range map[string]string{"--server": f.server, "--visitor": f.visitor} {
		if err := checkAddr(addr); err != nil {
			return nil, fmt.Errorf("%s %q: %w", flag, addr, err)
		}
	}
	all, _, err := f.subjects(ctx)
	if err != nil {
		return nil, err
	}
	for _, s := range all {
		if s.role == role {
			return s.subject, nil
		}
	}
	return nil, nil
}

// rightPeer is the suite's own peer, which conforms, in a role.
func rightPeer(role engine.Role) (engine.Subject, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	self = "'" + self + "'"
	if role == engine.Client {
		file, err := subject.Command(self + " fault client --server {addr}")
		return owned{file: file, part: subject.ClientOnly}, err
	}
	text := fmt.Sprintf("name: peer\nserver: {command: %q, ready: {tcp: %q}}\n", self+" fault server --tunnel {tunnel} --visitor {visitor} --target {target}", "{tunnel}")
	file, err := subject.Parse("peer.yaml", []byte(text))
	return owned{file: file, part: subject.ServerOnly}, err
}

// replayFlags are the flags of adit-conform replay.
type replayFlags struct {
	runFlags
	times  int
	shrink bool
	output string
	nc     bool
}

// shrinkFlag says how long a failure may be made smaller.
func (f *runFlags) shrinkFlag(s *pflag.FlagSet) {
	s.DurationVar(&f.shrinkFor, "shrink-for", 30*time.Second, "longest time of making one replay file smaller")
}

func replayCommand() *cobra.Command {
	var f replayFlags
	c := &cobra.Command{
		Use:   "replay FILE --server HOST:PORT [--visitor HOST:PORT] | --client-cmd 'PROG …' | --subject FILE",
		Short: "repeat a failure that run --replay or fuzz has written",
		Long: `replay does what the file says, shows what was sent and what came, and says whether the failure came again.
It knows nothing but the file.

Exit codes: 0 not reproduced: the subject does right; 1 reproduced; 2 wrong usage, or a wrong file;
3 unreachable; 6 it could not be told.`,
		Example: `  adit-conform replay FILE --server 127.0.0.1:9000 --visitor 127.0.0.1:10022
  adit-conform replay FILE --subject my-tunnel.yaml --times 10
  adit-conform replay FILE --client-cmd 'my-client --server {addr}' --shrink --output SMALLER
  adit-conform replay FILE --nc >try.sh && sh try.sh 127.0.0.1 9000`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return f.run(c.Context(), args[0], c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	f.subjectFlags(c)
	s := c.Flags()
	s.IntVar(&f.times, "times", 1, "how often; reproduced once is reproduced")
	s.BoolVar(&f.shrink, "shrink", false, "look for less that fails as well, and write it to --output")
	s.StringVarP(&f.output, "output", "o", "", "file that --shrink writes")
	f.shrinkFlag(s)
	s.BoolVar(&f.nc, "nc", false, "print a shell script for sh, called with HOST PORT of a server, that sends the same octets with nc; only for failures that one tunnel shows, without visitors")
	c.MarkFlagsMutuallyExclusive("nc", "shrink")
	c.MarkFlagsRequiredTogether("shrink", "output")
	return c
}

func (f *replayFlags) run(ctx context.Context, name string, stdout, stderr io.Writer) error {
	file, err := replay.Read(name)
	switch {
	case err != nil:
		return err
	case f.nc:
		return file.WriteNC(stdout)
	case f.server == "" && f.clientCmd == "" && f.subject == "":
		return errors.New("nobody to replay it against: give --server, --client-cmd or --subject")
	case f.times < 1:
		return fmt.Errorf("--times %d: must be 1 or more", f.times)
	case f.server != "" && f.visitor == "" && file.NeedsVisitors():
		return errors.New("--visitor: missing; the failure needs visitors")
	}
	s, err := f.ofRole(ctx, file.Role)
	if err == nil && s == nil {
		err = fmt.Errorf("%s is about a %s, and the subject is none", name, file.Role)
	}
	if err != nil {
		return err
	}
	if f.shrink {
		err = f.shrinkTo(ctx, file, s, stdout)
	} else {
		err = f.play(ctx, file, s, stdout)
	}
	if ue, ok := errors.AsType[*engine.UnreachableError](err); ok {
		fmt.Fprintf(stderr, "adit-conform: %v\n", ue)
		for _, line := range ue.Log {
			fmt.Fprintf(stderr, "    %s\n", line)
		}
		return exitError(report.ExitUnreachable)
	}
	return err
}

// play plays the file, shows the last play and sums up.
func (f *replayFlags) play(ctx context.Context, file *replay.File, s engine.Subject, w io.Writer) error {
	var last replay.Outcome
	count := map[replay.Answer]int{}
	for n := range f.times {
		o, err := replay.Play(ctx, file, s, replay.Lag{})
		if err != nil {
			return err
		}
		count[o.Answer]++
		if n == 0 || o.Answer == replay.Reproduced || last.Answer != replay.Reproduced {
			last = o
		}
		if f.times > 1 {
			fmt.Fprintf(w, "%d: %s: %s\n", n+1, o.Answer, o.Why)
		}
	}
	file.Tell(w, s.Describe(), last)
	if f.times > 1 {
		fmt.Fprintf(w, "%d times: %d reproduced, %d not, %d could not be told\n", f.times, count[replay.Reproduced], count[replay.Gone], count[replay.Unsure])
	}
	switch {
	case count[replay.Reproduced] > 0:
		return exitError(report.ExitFailed)
	case count[replay.Gone] > 0:
		return nil
	}
	return exitError(report.ExitInconclusive)
}

func (f *replayFlags) shrinkTo(ctx context.Context, file *replay.File, s engine.Subject, w io.Writer) error {
	right, err := rightPeer(file.Role)
	if err != nil {
		return err
	}
	sh := replay.Shrinker{Subject: s, Right: right, Limits: replay.Limits{For: f.shrinkFor}}
	small, what, err := sh.Shrink(ctx, file)
	if err != nil {
		if _, ok := errors.AsType[*engine.UnreachableError](err); ok {
			return err
		}
		fmt.Fprintln(w, err)
		return exitError(report.ExitInconclusive)
	}
	fmt.Fprintln(w, what)
	if err := small.Write(f.output); err != nil {
		return err
	}
	return exitError(report.ExitFailed) // it is reproduced
}

// shrunk is how many failures of a run are shrunk.
const shrunk = 5

// writeReplays writes a replay file for each failed case, the first few
// shrunk when the suite starts the subject.
func (f *runFlags) writeReplays(ctx context.Context, parts []part, run *report.Run, stderr io.Writer) {
	if f.replay == "" {
		return
	}
	written := 0
	for _, res := range run.Results {
		if !res.Verdict.Failed() && res.Verdict != report.Known || res.Case.Role == engine.API {
			continue
		}
		file, err := replay.New(res)
		if err == nil {
			file.Suite, file.Requirements, file.Seed = version, f.set.Name, f.seed
			if written++; written <= shrunk {
				file = f.shrink(ctx, file, parts)
			}
			err = file.Write(filepath.Join(f.replay, replay.FileName(res.Case.Name())))
		}
		if err != nil {
			fmt.Fprintf(stderr, "adit-conform: no replay file for %s: %v\n", res.Case.Name(), err)
		}
	}
	if written > 0 {
		fmt.Fprintf(stderr, "%s in %s; adit-conform replay FILE %s repeats one\n", report.Count(written, "replay file"), f.replay, f.again())
	}
}

// again is how replay is told of the subject of the run.
func (f *runFlags) again() string {
	switch {
	case f.subject != "":
		return "--subject " + f.subject
	case f.server != "":
		return "--server " + f.server + " --visitor " + f.visitor
	}
	return "--client-cmd 'PROG …'"
}

// shrink is the smallest file that fails as file does, with a note about it.
func (f *runFlags) shrink(ctx context.Context, file *replay.File, parts []part) *replay.File {
	i := slices.IndexFunc(parts, func(p part) bool { return p.runner.Role == file.Role && p.runner.Subject.Owned() })
	right, err := rightPeer(file.Role)
	if i < 0 || err != nil {
		return file
	}
	sh := replay.Shrinker{Subject: parts[i].runner.Subject, Right: right, Limits: replay.Limits{For: f.shrinkFor}}
	small, what, err := sh.Shrink(ctx, file)
	if err != nil {
		what, small = strings.TrimSpace("not shrunk: "+err.Error()), file
	}
	small.Notes = append(slices.Clone(file.Notes), what)
	return small
}
