package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/adit-tunnel/adit/conformance/cases"
	"github.com/adit-tunnel/adit/conformance/certify"
	"github.com/adit-tunnel/adit/conformance/report"
)

// runFlags are the flags of adit-conform run.
type runFlags struct {
	certify.Options
	outputs certify.Outputs
	replays replayFolder
}

func runCommand() *cobra.Command {
	var f runFlags
	c := &cobra.Command{
		Use:   "run --server HOST:PORT --visitor HOST:PORT | --client-cmd 'PROG …' | --listen ADDR | --subject FILE",
		Short: "certify a subject",
		Long: `run certifies a tunnel server, a tunnel client, or both.

A server that runs already is given by address: the suite dials --server as a client and --visitor, a mapped port
of it, as a visitor. It dials no service: nothing has to listen at --visitor-target.

A subject file says what the suite starts; adit-conform schema subject prints what else it may say:

  name: my-tunnel
  capabilities: [ext]   # it claims the Extended profile; without this line: Core alone
  server:
    command: my-server --tunnel {tunnel} --visitor {visitor} --target {target}
    ready: {tcp: "{tunnel}"}
  client:
    command: my-client --server {tunnel}

A role that the suite starts takes two to three minutes, one to two with --segmentation=off. By address it takes
longer, two minutes with --segmentation=off: the cases that wait for timers then wait one after the other. With
--segmentation=off each case runs once instead of four times, and a fault that shows only when frames come in
pieces stays unseen. A subject that fails takes longer, minutes more: each of its cases waits as long as the text allows,
up to 35 s; the run says how far it is.

The file of --json feeds adit-conform report, diff and matrix. A file of --replay repeats one failure:
adit-conform replay FILE --server HOST:PORT --visitor HOST:PORT. adit-conform explain ID prints what a requirement says.

Exit codes:
  0  certified: every scored case passed, or fails as the baseline says
  1  a scored case failed, whatever else happened
  2  wrong usage, or a wrong subject file
  3  unreachable, or another program is where the subject should be
  4  the suite itself broke
  5  nothing was selected, or nothing selected could be scored
  6  inconclusive: nothing failed, but not everything could be told`,
		Example: `  adit-conform run --server 127.0.0.1:9000 --visitor 127.0.0.1:10022 --visitor-target 127.0.0.1:22
  adit-conform run --client-cmd 'my-client --server {addr}'
  adit-conform run --subject my-tunnel.yaml --json new.json --replay failures
  adit-conform run --subject my-tunnel.yaml --id 'OPEN-015,FRAME-*' --segmentation=off -v`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			f.Command = commandLine(c)
			return f.run(c.Context(), c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	subjectFlags(c, &f.Subject)
	s := c.Flags()
	s.StringVar(&f.Subject.VisitorTarget, "visitor-target", "", "HOST:PORT that the mapping leads to, where nobody has to listen; without it the requested host and port are not judged")
	s.StringVar(&f.Subject.API, "api", "", "URL of that server's control API")
	s.StringVar(&f.Subject.APIPorts, "api-ports", "", "FIRST-LAST: the whole range of ports that the control API may map (default 10000-10100)")
	s.StringVar(&f.Subject.Listen, "listen", "", "ADDR to wait at for a client that someone else starts")
	s.StringVar(&f.Subject.Target, "target", "", "ADDR of the suite's service, with --listen")
	s.BoolVar(&f.Subject.Extended, "ext", false, "the subject claims the Extended profile; a subject file says so by capabilities: [ext]")
	s.StringVar(&f.Set, "set", cases.DefaultSet, "frozen requirement set that scores; later requirements and cases are run and shown, unscored")
	s.StringSliceVar(&f.IDs, "id", nil, "run only these requirements or cases, comma separated; * and ? stand for other characters but /")
	s.StringVar(&f.Labels, "label-filter", "", "run only cases whose labels id, level, role, profile match, like 'level: isSubsetOf MUST'")
	s.StringVar(&f.Baseline, "baseline", "", "YAML file of known deviations, which do not fail the run")
	s.BoolVar(&f.FailFast, "fail-fast", false, "leave the rest out after the first failure")
	s.BoolVar(&f.Slow, "slow", false, "run cases that wait for timers over 60 s, too")
	s.DurationVar(&f.Timeout, "timeout", 0, "longest time of one case; cases that wait longer by design are not run (0: none)")
	seedFlag(s, &f.Seed, "repeat a run's random choices (default: a new one, shown on the certificate)")
	s.StringVar(&f.Segmentation, "segmentation", "on", "on: every case four times, its bytes also cut in other ways; off: once, as written")
	s.IntVar(&f.Jobs, "jobs", 4, "instances at a time of a subject that the suite starts; one where the subject file gives addresses")
	s.BoolVar(&f.Alone, "alone", false, "no other client is attached: a visitor that the server serves, or holds, without a tunnel is its own fault")
	s.BoolVarP(&f.Verbose, "verbose", "v", false, "show frames live")
	s.StringVar(&f.outputs.JSON, "json", "", "write a JSON report, for diff, matrix and report, to this file")
	s.StringVar(&f.outputs.Bundle, "bundle", "", "write the JSON report with digests of suite, text, vectors and subject to this file")
	outputFlags(s, &f.outputs)
	f.replays.flags(s)

	complete(c, "id", cases.IDs())
	complete(c, "set", cases.SetNames())
	complete(c, "segmentation", []string{"on", "off"})
	c.MarkFlagsOneRequired("server", "client-cmd", "listen", "subject")
	c.MarkFlagsMutuallyExclusive("server", "client-cmd", "listen", "subject")
	c.MarkFlagsRequiredTogether("server", "visitor")
	c.MarkFlagsMutuallyExclusive("subject", "ext")
	c.MarkFlagsMutuallyExclusive("baseline", "fail-fast") // a run that ends early cannot tell which deviations are gone
	for flag, without := range map[string]string{
		"visitor-target": "client-cmd listen subject",
		"api":            "client-cmd listen subject",
		"api-ports":      "client-cmd listen",
		"target":         "server client-cmd subject",
		"jobs":           "server listen", // a subject that runs already is one instance
		"alone":          "client-cmd listen",
	} {
		for _, other := range strings.Fields(without) {
			c.MarkFlagsMutuallyExclusive(flag, other)
		}
	}
	return c
}

// run certifies, then writes the replay files, the certificate and the reports.
func (f *runFlags) run(ctx context.Context, stdout, stderr io.Writer) error {
	if err := f.outputs.Check(); err != nil {
		return err
	}
	f.Suite, f.outputs.Subject = version, f.Subject
	f.Progress, f.Terminal = stderr, isTerminal(stderr)
	f.Keep = f.replays.folder != ""
	run, err := certify.Run(ctx, f.Options)
	if err != nil {
		return err
	}
	f.replays.write(f.Subject, run, stderr)
	file := run.File()
	file.WriteCertificate(stdout, isTerminal(stdout))
	if err := f.outputs.Write(file); err != nil {
		fmt.Fprintf(stderr, "adit-conform: %v\n", err)
		run.Broken = err.Error()
	}
	return exit(run.File().ExitCode)
}

// exit is the error that ends the program with a code; nil for 0.
func exit(code int) error {
	if code == report.ExitCertified {
		return nil
	}
	return exitError(code)
}

// changesNothing are the flags that do not affect what a run finds.
const changesNothing = " verbose json bundle junit html markdown badge replay jobs timeout fail-fast "

// commandLine is the command line that repeats the run.
func commandLine(c *cobra.Command) string {
	line := c.CommandPath()
	c.Flags().VisitAll(func(f *pflag.Flag) {
		value := f.Value.String()
		if list, ok := f.Value.(pflag.SliceValue); ok {
			value = strings.Join(list.GetSlice(), ",")
		}
		switch {
		case strings.Contains(changesNothing, " "+f.Name+" "), f.Name != "set" && !f.Changed && value == f.DefValue, value == "":
		case f.Value.Type() == "bool":
			line += " --" + f.Name
		default:
			line += fmt.Sprintf(" --%s '%s'", f.Name, strings.ReplaceAll(value, "'", `'\''`))
		}
	})
	return line
}

// subjectFlags name a subject: a server by address, a client by its command, or a file.
func subjectFlags(c *cobra.Command, s *certify.SubjectFlags) {
	f := c.Flags()
	f.StringVar(&s.Server, "server", "", "HOST:PORT of a running server; no other client may be attached")
	f.StringVar(&s.Visitor, "visitor", "", "HOST:PORT of a mapped port of that server")
	f.StringVar(&s.Client, "client-cmd", "", "command line of a client, started anew each time; {addr} is the suite, {target} its service")
	f.StringVar(&s.File, "subject", "", "YAML file that describes a subject; adit-conform schema subject says how")
}

// complete gives a shell the values of a flag.
func complete(c *cobra.Command, flag string, values []string) {
	if err := c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic("adit-conform: internal error: " + err.Error())
	}
}

// seedFlag is a seed, a new one unless it is given.
func seedFlag(s *pflag.FlagSet, seed *uint64, what string) {
	s.Uint64Var(seed, "seed", uint64(rand.Uint32()), what)
	s.Lookup("seed").DefValue = "0" // help shows none
}

// outputFlags are the reports that are made from the JSON report.
func outputFlags(s *pflag.FlagSet, o *certify.Outputs) {
	s.StringVar(&o.JUnit, "junit", "", "write a JUnit report to this file")
	s.StringVar(&o.HTML, "html", "", "write a page for people to this file")
	s.StringVar(&o.Markdown, "markdown", "", "write the verdict and the failures in Markdown to this file")
	s.StringVar(&o.Badge, "badge", "", "write the verdict as a badge to this file: SVG, or for a name that ends in .json what shields.io's endpoint badge reads")
}
