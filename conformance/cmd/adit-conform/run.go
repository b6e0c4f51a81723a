package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/onsi/ginkgo/v2/types"
	"github.com/spf13/cobra"

	"github.com/adit-tunnel/adit/conformance/cases"
	"github.com/adit-tunnel/adit/conformance/engine"
	"github.com/adit-tunnel/adit/conformance/report"
)

// runFlags are the flags of adit-conform run.
type runFlags struct {
	server, visitor, visitorTarget, api string
	clientCmd                           string
	listen, target                      string
	subject                             string

	ids            []string
	labels         string
	failFast, slow bool
	timeout        time.Duration
	verbose        bool
	jsonFile       string
	outputs        outputs
	bundle         string
	replay         string
	shrinkFor      time.Duration
	baseline       string
	known          *report.Baseline
	seed           uint64
	jobs           int
	jobsGiven      bool
	segmentation   string
	apiPorts       string
	setName        string
	set            cases.Set
}

func runCommand() *cobra.Command {
	var f runFlags
	c := &cobra.Command{
		Use:   "run --server HOST:PORT --visitor HOST:PORT | --client-cmd 'PROG …' | --listen ADDR | --subject FILE",
		Short: "certify a subject",
		Long: `run certifies a tunnel server, a tunnel client, or both.

A server that runs already is given by address: the suite dials --server as a client and --visitor, a mapped port
of it, as a visitor. It dials no service: nothing has to listen at --visitor-target.

A subject that the suite starts takes about three minutes, one minute with --segmentation=off. By address it takes
longer, two minutes with --segmentation=off: the cases that wait for timers then wait one after the other. With
--segmentation=off each case runs once instead of four times, and a fault that shows only when frames come in
pieces stays unseen.

The file of --json feeds adit-conform report, diff and matrix. A file of --replay repeats one failure:
adit-conform replay FILE --server HOST:PORT --visitor HOST:PORT. adit-conform explain ID prints what a requirement says.

Exit codes:
  0  certified: every scored case passed, or fails as the baseline says
  1  a scored case failed, whatever else happened
  2  wrong usage, or a wrong subject file
  3  unreachable
  4  the suite itself broke
  5  nothing was selected, or nothing selected could be scored
  6  inconclusive: nothing failed, but not everything could be told`,
		Example: `  adit-conform run --server 127.0.0.1:9000 --visitor 127.0.0.1:10022 --visitor-target 127.0.0.1:22
  adit-conform run --client-cmd 'my-client --server {addr}'
  adit-conform run --subject my-tunnel.yaml --json new.json --replay failures
  adit-conform run --subject my-tunnel.yaml --id 'OPEN-015,FRAME-*' --segmentation=off -v`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if !c.Flags().Changed("seed") {
				f.seed = uint64(rand.Uint32())
			}
			f.jobsGiven = c.Flags().Changed("jobs")
			return f.run(c.Context(), c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	s := c.Flags()
	s.StringVar(&f.server, "server", "", "HOST:PORT of a running server; no other client may be attached")
	s.StringVar(&f.visitor, "visitor", "", "HOST:PORT of a mapped port of that server")
	s.StringVar(&f.visitorTarget, "visitor-target", "", "HOST:PORT that the mapping leads to, where nobody has to listen; without it the requested host and port are not judged")
	s.StringVar(&f.api, "api", "", "URL of that server's control API")
	s.StringVar(&f.clientCmd, "client-cmd", "", "command line of a client, started anew for each case; {addr} is the suite, {target} its service")
	s.StringVar(&f.listen, "listen", "", "ADDR to wait at for a client that someone else starts")
	s.StringVar(&f.target, "target", "", "ADDR of the suite's service, with --listen")
	s.StringVar(&f.subject, "subject", "", "YAML file that describes a subject; adit-conform schema subject says how")
	s.StringVar(&f.setName, "set", cases.DefaultSet, "frozen requirement set that scores; later requirements and cases are run and shown, unscored")
	s.StringSliceVar(&f.ids, "id", nil, "run only these requirements or cases, comma separated; * and ? stand for other characters but /")
	s.StringVar(&f.labels, "label-filter", "", "run only cases whose labels id, level, role, profile match, like 'level: isSubsetOf MUST'")
	s.BoolVar(&f.failFast, "fail-fast", false, "leave the rest out after the first failure")
	s.BoolVar(&f.slow, "slow", false, "run cases that wait for timers over 60 s, too")
	s.DurationVar(&f.timeout, "timeout", 0, "longest time of one case; cases that wait longer by design are not run (0: none)")
	s.BoolVarP(&f.verbose, "verbose", "v", false, "show frames live")
	s.StringVar(&f.jsonFile, "json", "", "write a JSON report, for diff, matrix and report, to this file")
	f.outputs.flags(c)
	s.StringVar(&f.bundle, "bundle", "", "write the JSON report with digests of suite, text, vectors and subject to this file")
	s.StringVar(&f.replay, "replay", "", "write a file for adit-conform replay for each failed case to this folder")
	f.shrinkFlag(s)
	s.StringVar(&f.baseline, "baseline", "", "YAML file of known deviations, which do not fail the run")
	s.Uint64Var(&f.seed, "seed", 0, "repeat a run's random choices (default: a new one, shown on the certificate)")
	s.StringVar(&f.segmentation, "segmentation", "on", "on: every case four times, its octets also cut in other ways; off: once, as written")
	s.IntVar(&f.jobs, "jobs", 4, "instances at a time of a subject that the suite starts")
	s.StringVar(&f.apiPorts, "api-ports", "", "FIRST-LAST: the whole range of ports that the control API may map (default 10000-10100)")
	return c
}

// A part is the cases of one role with the runner for them.
type part struct {
	runner *engine.Runner
	cases  []engine.Case
}

func (f *runFlags) run(ctx context.Context, stdout, stderr io.Writer) error {
	if err := f.check(); err != nil {
		return err
	}
	if err := f.loadBaseline(); err != nil {
		return err
	}
	subjects, name, err := f.subjects(ctx)
	if err != nil {
		return err
	}
	parts := f.parts(subjects)
	run := &report.Run{
		Suite: version, Spec: cases.Spec, Requirements: f.set.Name, Untested: f.untested(subjects), Subject: name, Command: f.command(),
		Started: time.Now(), Seed: f.seed, Segmentation: f.segmentation, Selection: f.selection(),
		Host: report.Host{OS: runtime.GOOS, Arch: runtime.GOARCH, CPUs: runtime.NumCPU(), Go: runtime.Version()},
	}
	f.execute(ctx, parts, run, stderr)
	run.Took = time.Since(run.Started)
	run.Stopped = ctx.Err() != nil
	f.known.Finish(run.Results)
	run.Sort(cases.IDs())
	f.writeReplays(ctx, parts, run, stderr)
	file := run.File()
	file.WriteCertificate(stdout, isTerminal(stdout))
	if err := write(f.files(), file); err != nil {
		fmt.Fprintf(stderr, "adit-conform: %v\n", err)
		run.Broken = err.Error()
	}
	if code := run.File().ExitCode; code != report.ExitCertified {
		return exitError(code)
	}
	return nil
}

// execute runs all parts, one role after the other, hosted by Ginkgo.
func (f *runFlags) execute(ctx context.Context, parts []part, run *report.Run, stderr io.Writer) {
	var all []engine.Case
	for _, p := range parts {
		all = append(all, p.cases...)
	}
	if len(all) == 0 {
		return
	}
	progress := report.NewProgress(stderr, len(all), isTerminal(stderr))
	b := newBoard(all)
	var workers sync.WaitGroup
	workers.Go(func() { f.work(ctx, parts, run, progress, b) })
	host(all, b)
	workers.Wait()
	progress.Done()
}

// work runs the parts, together where the suite starts the subjects; execute
// starts it, and it ends when every case has its result.
func (f *runFlags) work(ctx context.Context, parts []part, run *report.Run, progress *report.Progress, b board) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var mu sync.Mutex // guards run
	post := func(res engine.Result) {
		mu.Lock()
		defer mu.Unlock()
		res = f.known.Mark(res)
		if f.failFast && res.Counts() {
			stop(engine.AfterFailure)
		}
		progress.End(res)
		run.Add(res)
		b.post(res)
	}
	one := func(p part) {
		p.runner.Begin = progress.Begin
		if f.verbose {
			p.runner.Live = progress.Live
		}
		if err := p.runner.Run(ctx, p.cases, post); err != nil {
			mu.Lock()
			defer mu.Unlock()
			run.Missed(err)
		}
	}
	var together sync.WaitGroup
	defer together.Wait()
	for _, p := range parts {
		if p.runner.Subject.Owned() {
			together.Go(func() { one(p) })
		} else {
			one(p)
		}
	}
}

// check refuses wrong flags before anything is started.
func (f *runFlags) check() error {
	if err := f.contradictions(); err != nil {
		return err
	}
	for flag, addr := range map[string]string{"--server": f.server, "--visitor": f.visitor, "--visitor-target": f.visitorTarget, "--listen": f.listen, "--target": f.target} {
		if err := checkAddr(addr); err != nil {
			return fmt.Errorf("%s %q: %w", flag, addr, err)
		}
	}
	var err error
	if f.set, err = cases.LoadSet(f.setName); err != nil {
		return fmt.Errorf("--set %w", err)
	}
	if err := cases.CheckPatterns(f.ids); err != nil {
		return fmt.Errorf("--id %w", err)
	}
	if f.timeout < 0 {
		return fmt.Errorf("--timeout %s: must not be negative", f.timeout)
	}
	if f.segmentation != "on" && f.segmentation != "off" {
		return fmt.Errorf("--segmentation %q: must be on or off", f.segmentation)
	}
	if f.jobs < 1 {
		return fmt.Errorf("--jobs %d: must be 1 or more", f.jobs)
	}
	if _, err := types.ParseLabelFilter(f.labels); err != nil {
		return fmt.Errorf("--label-filter %q: not a label filter, like 'level: isSubsetOf MUST && role: containsAny server'", f.labels)
	}
	if _, err := f.portRange(); err != nil {
		return fmt.Errorf("--api-ports %q: must be FIRST-LAST, like 10000-10100", f.apiPorts)
	}
	return check(f.files())
}

// contradictions refuses flags that do not go together.
func (f *runFlags) contradictions() error {
	var ways []string
	for _, way := range []struct{ flag, value string }{
		{"--server", f.server},
		{"--client-cmd", f.clientCmd},
		{"--listen", f.listen},
		{"--subject", f.subject},
	} {
		if way.value != "" {
			ways = append(ways, way.flag)
		}
	}
	if len(ways) == 0 && f.visitor == "" {
		return errors.New("what is to be certified? give one of --server with --visitor, --client-cmd, --listen or --subject")
	}
	if len(ways) > 1 {
		return fmt.Errorf("%s: each names a subject; a run certifies one, so give one of them", strings.Join(ways, " and "))
	}
	if (f.server == "") != (f.visitor == "") {
		return errors.New("--server and --visitor go together: the suite dials the one as a client, the other as a visitor")
	}
	for _, only := range []struct{ flag, value, with, given string }{
		{"--visitor-target", f.visitorTarget, "--server", f.server},
		{"--api", f.api, "--server", f.server},
		{"--target", f.target, "--listen", f.listen},
		{"--api-ports", f.apiPorts, "--api, or a --subject that has one", f.api + f.subject},
	} {
		if only.value != "" && only.given == "" {
			return fmt.Errorf("%s needs %s", only.flag, only.with)
		}
	}
	switch {
	case f.baseline != "" && f.failFast:
		return errors.New("--baseline and --fail-fast: a run that ends early cannot tell which known deviations are gone; leave one of them out")
	case f.jobsGiven && f.clientCmd+f.subject == "":
		return errors.New("--jobs needs --client-cmd or --subject: a subject that runs already is one instance")
	case f.slow && f.timeout > 0 && f.timeout <= engine.SlowWait:
		return fmt.Errorf("--slow and --timeout %s: the cases that --slow adds wait longer than %s; raise the timeout or leave it out", f.timeout, engine.SlowWait)
	}
	seen := map[string]bool{}
	for _, out := range f.files() {
		if out.name != "" && seen[filepath.Clean(out.name)] {
			return fmt.Errorf("%s: two reports would be written to this file; give each its own", out.name)
		}
		seen[filepath.Clean(out.name)] = true
	}
	return nil
}

// files are the reports that the run writes.
func (f *runFlags) files() []output {
	return append(f.outputs.all(), output{f.jsonFile, report.File.WriteJSON}, output{f.bundle, f.writeBundle})
}

func checkAddr(addr string) error {
	if addr == "" {
		return nil
	}
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return errors.New("must be HOST:PORT")
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return errors.New("the port must be 1 to 65535")
	}
	return nil
}

func (f *runFlags) portRange() ([2]int, error) { return parseRange(f.apiPorts) }

// parseRange reads FIRST-LAST; nothing at all is the zero range.
func parseRange(s string) ([2]int, error) {
	if s == "" {
		return [2]int{}, nil
	}
	lo, hi, _ := strings.Cut(s, "-")
	a, err1 := strconv.ParseUint(lo, 10, 16)
	b, err2 := strconv.ParseUint(hi, 10, 16)
	if err := errors.Join(err1, err2); err != nil || a == 0 || b < a {
		return [2]int{}, cmp.Or(err, errors.New("empty range"))
	}
	return [2]int{int(a), int(b)}, nil
}

// parts selects the cases and joins them to the subjects of their roles.
func (f *runFlags) parts(subjects []roleSubject) []part {
	all := cases.All(cases.Lookup)
	var parts []part
	for _, s := range subjects {
		p := part{runner: &engine.Runner{
			Subject: s.subject, Role: s.role, Listen: f.listen, Target: f.target, Lookup: f.set.Lookup,
			Timeout: f.timeout, Slow: f.slow, FailFast: f.failFast, Seed: f.seed, Jobs: f.jobs, Fresh: s.fresh, Segmented: f.segmentation == "on", Record: f.replay != "",
		}}
		for _, c := range all {
			if c.Role == s.role && f.selects(c) {
				c.Unscored = f.set.Unscored(c)
				p.cases = append(p.cases, c)
			}
		}
		if len(p.cases) > 0 {
			parts = append(parts, p)
		}
	}
	return parts
}

// untested is what the set has no case for, in the roles of the run: a part of
// the set claims nothing about what was not asked for.
func (f *runFlags) untested(subjects []roleSubject) []report.Untested {
	if f.labels != "" {
		return nil
	}
	var out []report.Untested
	for _, frozen := range f.set.Requirements {
		if len(f.ids) > 0 && !slices.ContainsFunc(f.ids, func(p string) bool { return cases.MatchesID(p, frozen.ID) }) {
			continue
		}
		r, _ := cases.Lookup(frozen.ID)
		for _, role := range cases.Roles(r) {
			how, reason, excused := cases.Excuse(r.ID, role)
			bound := slices.ContainsFunc(subjects, func(s roleSubject) bool { return s.role == role })
			if u := (report.Untested{ID: r.ID, How: how, Reason: reason}); excused && bound && !slices.Contains(out, u) {
				out = append(out, u)
			}
		}
	}
	return out
}

func (f *runFlags) selects(c engine.Case) bool {
	if f.labels != "" {
		if match, err := types.ParseLabelFilter(f.labels); err != nil || !match(labels(c)) {
			return false // check refuses what cannot be parsed
		}
	}
	return len(f.ids) == 0 || slices.ContainsFunc(f.ids, func(id string) bool { return cases.Matches(id, c) })
}

// selection says in words what was selected.
func (f *runFlags) selection() []string {
	s := slices.Clone(f.ids)
	if f.labels != "" {
		s = append(s, f.labels)
	}
	return s
}

// command is the command line that repeats the run.
func (f *runFlags) command() string {
	var b strings.Builder
	b.WriteString("adit-conform run")
	for _, a := range []struct{ flag, value string }{
		{"server", f.server},
		{"visitor", f.visitor},
		{"visitor-target", f.visitorTarget},
		{"api", f.api},
		{"api-ports", f.apiPorts},
		{"client-cmd", f.clientCmd},
		{"listen", f.listen},
		{"target", f.target},
		{"subject", f.subject},
		{"set", f.setName},
		{"id", strings.Join(f.ids, ",")},
		{"label-filter", f.labels},
		{"baseline", f.baseline},
		{"seed", strconv.FormatUint(f.seed, 10)},
	} {
		if a.value != "" {
			fmt.Fprintf(&b, " --%s '%s'", a.flag, strings.ReplaceAll(a.value, "'", `'\''`))
		}
	}
	if f.slow {
		b.WriteString(" --slow")
	}
	if f.segmentation == "off" {
		b.WriteString(" --segmentation=off")
	}
	return b.String()
}
