package fault

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/adit-tunnel/adit/conformance/cases"
	"github.com/adit-tunnel/adit/conformance/engine"
	"github.com/adit-tunnel/adit/conformance/report"
	"github.com/adit-tunnel/adit/spec"
)

// An Outcome is what became of a mutant.
type Outcome string

// Outcomes. All but the first and the last two make the check fail.
const (
	Killed       Outcome = "killed"       // a case of its requirement failed and charged it
	Survived     Outcome = "survived"     // every such case passed, or there is none
	TwinFails    Outcome = "twin-fails"   // the same case fails without the mutant, too
	Inconclusive Outcome = "inconclusive" // the machine was too busy to tell, twice
	Broken       Outcome = "broken"       // the run itself did not work
	Spared       Outcome = "spared"       // it survived, and its requirement is a SHOULD
	NotRun       Outcome = "not-run"      // its case waits too long to run without --slow
)

// A Trial is one mutant, tried.
type Trial struct {
	Mutant  string        `json:"mutant"`
	Req     string        `json:"requirement"`
	Role    engine.Role   `json:"role"`
	Level   string        `json:"level"`
	Does    string        `json:"does"`
	Outcome Outcome       `json:"outcome"`
	By      []string      `json:"killed_by,omitempty"`   // cases of its requirement
	Charged []string      `json:"charged,omitempty"`     // every requirement that a failed case charged
	Also    []string      `json:"also_failed,omitempty"` // other cases
	Detail  string        `json:"detail,omitempty"`
	Took    time.Duration `json:"took_ns"`
}

// OK reports whether the trial went as it should.
func (t Trial) OK() bool { return t.Outcome == Killed || t.Outcome == Spared || t.Outcome == NotRun }

// A run is one call of adit-conform.
type run struct {
	subject string   // text of the subject file
	ids     []string // what is selected; empty: everything
	jobs    int
	cut     bool   // run each case with its octets cut in all ways
	ports   [2]int // that the control API may map; zero: no control API
}

// certify runs adit-conform in a process of its own and reads its report.
func (o Options) certify(ctx context.Context, r run) (report.File, error) {
	dir, err := os.MkdirTemp("", "adit-self-check-")
	if err != nil {
		return report.File{}, err
	}
	defer os.RemoveAll(dir)
	file, out := filepath.Join(dir, "subject.yaml"), filepath.Join(dir, "report.json")
	if err := os.WriteFile(file, []byte(r.subject), 0o600); err != nil {
		return report.File{}, err
	}
	args := []string{"run", "--subject", file, "--json", out, "--seed", strconv.FormatUint(o.Seed, 10), "--segmentation=" + map[bool]string{true: "on", false: "off"}[r.cut || o.AllCuts], "--jobs", strconv.Itoa(max(r.jobs, 1))}
	args = append(args, "--set", slices.Max(cases.SetNames())) // the newest one, a draft as well, has all requirements that there are mutants of
	if len(r.ids) > 0 {
		args = append(args, "--id", strings.Join(r.ids, ","))
	}
	if r.ports != [2]int{} {
		args = append(args, "--api-ports", fmt.Sprintf("%d-%d", r.ports[0], r.ports[1]))
	}
	if o.Slow {
		args = append(args, "--slow")
	}
	cmd := exec.CommandContext(ctx, o.Conform, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	err = cmd.Run()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		return report.File{}, err
	}
	f, openErr := os.Open(out)
	if openErr != nil {
		return report.File{}, fmt.Errorf("adit-conform wrote no report: %w: %s", err, lastLine(stderr.String()))
	}
	defer f.Close()
	res, err := report.ReadJSON(f)
	switch {
	case err != nil:
		return res, err
	case res.ExitCode != cmd.ProcessState.ExitCode():
		return res, fmt.Errorf("adit-conform ended with %d and reports %d", cmd.ProcessState.ExitCode(), res.ExitCode)
	case res.ExitCode == report.ExitSuiteError || res.ExitCode == report.ExitUsage:
		return res, fmt.Errorf("adit-conform ended with %d: %s", res.ExitCode, cmp.Or(suiteErrors(res), lastLine(stderr.String())))
	}
	return res, nil
}

// suiteErrors says which cases the suite could not judge, and why.
func suiteErrors(f report.File) string {
	out := []string{}
	if f.Broken != "" {
		out = append(out, f.Broken)
	}
	for _, e := range f.Results {
		if e.Verdict == engine.SuiteError {
			out = append(out, e.Case+": "+e.Reason)
		}
	}
	return strings.Join(out, "; ")
}

func lastLine(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return lines[len(lines)-1]
}

// try runs the cases of a mutant's requirement, or with Full all of its role,
// against it.
func (o Options) try(ctx context.Context, s source, m Mutant, ports [2]int) (t Trial) {
	req, _ := spec.Lookup(m.Req)
	t = Trial{Mutant: m.Name, Req: m.Req, Role: m.Role, Level: req.Level, Does: m.Does}
	begun := time.Now()
	defer func() { t.Took = time.Since(begun) }()
	r := run{subject: s.file(m.Role, m.Name, ports), ids: []string{m.Req + "/" + string(m.Role)}, jobs: 2, cut: m.Cut}
	if m.Role == API {
		r.ports = ports
	}
	if o.Full {
		r.ids = nil
	}
	res, err := o.certify(ctx, r)
	if err != nil {
		t.Outcome, t.Detail = Broken, err.Error()
		return t
	}
	t.judge(m, res)
	if o.Subject == "" {
		t.frozen()
	}
	return t
}

// frozen makes a survivor of a mutant of a SHOULD that the suite used to kill: the peer's mutants are no better than they were.
func (t *Trial) frozen() {
	if t.Outcome == Spared && races[t.Req] == "" {
		t.Outcome, t.Detail = Survived, "a SHOULD whose mutant was killed before"
	}
}

// judge reads what adit-conform reported about the mutant.
func (t *Trial) judge(m Mutant, res report.File) {
	cases, waiting, unclear := 0, 0, 0
	var said []string
	for _, e := range res.Results {
		mine := of(e, m)
		if mine {
			cases++
			said = append(said, fmt.Sprintf("%s %s %s", e.Case, e.Verdict, e.Reason))
			for _, f := range e.Findings {
				said = append(said, fmt.Sprintf("charging %s: %v", f.Req, f))
			}
		}
		switch {
		case mine && e.Verdict == engine.NotRun:
			waiting++
		case e.Verdict == engine.Inconclusive:
			unclear++
		case mine && e.Charged(m.Req) && (e.Verdict == engine.Fail || t.Level == "SHOULD" && e.Verdict == engine.PassNonstrict):
			t.By = append(t.By, e.Case)
		}
		if !failed(e) {
			continue
		}
		if !slices.Contains(t.By, e.Case) {
			t.Also = append(t.Also, e.Case)
		}
		for _, f := range e.Findings {
			if !slices.Contains(t.Charged, f.Req) {
				t.Charged = append(t.Charged, f.Req)
			}
		}
	}
	switch {
	case len(t.By) > 0:
		t.Outcome = Killed
	case len(res.Unreachable) > 0:
		t.Outcome, t.Detail = Broken, strings.Join(res.Unreachable, "; ")
	case unclear > 0:
		t.Outcome, t.Detail = Inconclusive, "the machine was too busy to tell"
	case cases == 0:
		t.Outcome, t.Detail = Survived, "the requirement has no case for this role"
	case waiting == cases:
		t.Outcome, t.Detail = NotRun, "its cases run with --slow only"
	case t.Level != "MUST":
		t.Outcome = Spared
	default:
		t.Outcome, t.Detail = Survived, strings.Join(said, "; ")
	}
}

// compare takes the report of the same subject without a mutant: a case that
// fails there, too, proves nothing.
func (t *Trial) compare(m Mutant, twin report.File) {
	if slices.ContainsFunc(twin.Results, func(e report.Entry) bool { return of(e, m) && failed(e) }) {
		t.Outcome, t.Detail = TwinFails, "its cases fail on the peer that has no mutant"
	}
}

func of(e report.Entry, m Mutant) bool { return e.ID == m.Req && e.Role == m.Role }

func failed(e report.Entry) bool { return e.Verdict.Failed() }

// unpassed reports whether the entry keeps a subject from being certified.
func unpassed(e report.Entry) bool {
	return failed(e) || e.Verdict == engine.Inconclusive || e.Verdict == engine.SuiteError
}
