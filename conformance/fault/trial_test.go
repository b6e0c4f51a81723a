package fault

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/adit-tunnel/adit/conformance/cases"
	"github.com/adit-tunnel/adit/conformance/engine"
	"github.com/adit-tunnel/adit/conformance/report"
)

// entryOf is a case's result that charges the requirements.
func entryOf(id string, v engine.Verdict, charged ...string) report.Entry {
	e := report.Entry{Case: id + "/server", ID: id, Role: Server, Level: "MUST", Verdict: v}
	for _, req := range charged {
		e.Findings = append(e.Findings, engine.Finding{Req: req, Level: "MUST"})
	}
	return e
}

func TestOutcomes(t *testing.T) {
	m := Mutant{Name: "FRAME-002", Req: "FRAME-002", Role: Server}
	for name, c := range map[string]struct {
		level   string
		results []report.Entry
		want    Outcome
	}{
		"its case charges it": {"MUST", []report.Entry{entryOf("FRAME-002", engine.Fail, "FRAME-002")}, Killed},
		"another case fails":  {"MUST", []report.Entry{entryOf("FRAME-002", engine.Pass), entryOf("TUN-002", engine.Fail, "FRAME-002")}, Survived},
		"its case charges something else": {
			"MUST", []report.Entry{entryOf("FRAME-002", engine.Fail, "TUN-002")}, Survived,
		},
		"killed, and another case fails as well": {
			"MUST", []report.Entry{entryOf("FRAME-002", engine.Fail, "FRAME-002", "ALIVE-002"), entryOf("TUN-002", engine.Fail, "TUN-002")}, Killed,
		},
		"nothing fails":          {"MUST", []report.Entry{entryOf("FRAME-002", engine.Pass)}, Survived},
		"a SHOULD":               {"SHOULD", []report.Entry{entryOf("FRAME-002", engine.Pass)}, Spared},
		"a SHOULD, missed":       {"SHOULD", []report.Entry{entryOf("FRAME-002", engine.PassNonstrict, "FRAME-002")}, Killed},
		"its cases were not run": {"MUST", []report.Entry{entryOf("FRAME-002", engine.NotRun)}, NotRun},
		"no case":                {"MUST", nil, Survived},
		"too busy to tell":       {"MUST", []report.Entry{entryOf("FRAME-002", engine.Inconclusive)}, Inconclusive},
	} {
		trial := Trial{Level: c.level}
		if trial.judge(m, report.File{Results: c.results}); trial.Outcome != c.want {
			t.Errorf("%s: %s, want %s", name, trial.Outcome, c.want)
		}
	}
}

// What the suite kills of the SHOULDs it goes on killing.
func TestKillsOfSHOULDsAreFrozen(t *testing.T) {
	for _, c := range []struct {
		req       string
		was, want Outcome
	}{
		{"CLOSE-010", Spared, Survived},
		{"CLOSE-010", Killed, Killed},
		{"CLOSE-010", NotRun, NotRun},
		{"FRAME-010", Spared, Spared},
	} {
		trial := Trial{Req: c.req, Level: "SHOULD", Outcome: c.was}
		if trial.frozen(); trial.Outcome != c.want {
			t.Errorf("%s, %s: %s; want %s", c.req, c.was, trial.Outcome, c.want)
		}
	}
}

func TestACaseThatKillsNothingIsNamed(t *testing.T) {
	twin := report.File{}
	for _, id := range []string{"FRAME-001", "FRAME-002", "FRAME-003", "FRAME-004"} {
		twin.Results = append(twin.Results, entryOf(id, engine.Pass))
	}
	twin.Results = append(twin.Results, entryOf("ALIVE-006", engine.NotRun))
	m := Matrix{
		Trials: []Trial{{By: []string{"FRAME-001/server"}, Also: []string{"FRAME-002/server"}}},
		Liars:  []Lie{{Cases: []string{"FRAME-003/server"}, failed: []string{"FRAME-004/server"}}},
	}
	if got := m.idle(twin); !slices.Equal(got, []string{"FRAME-003/server"}) {
		t.Errorf("idle = %v; want the case that a liar passed and no mutant failed", got)
	}
}

// What did not pass beside all the others is run once more, it alone, and the report says that it was.
func TestWhatDidNotPassIsRunOnceMore(t *testing.T) {
	dir := t.TempDir()
	again := report.File{Schema: report.Schema, Results: []report.Entry{entryOf("FRAME-002", engine.Pass), entryOf("FRAME-003", engine.Inconclusive), entryOf("FRAME-005", engine.Fail)}}
	again.ExitCode = report.ExitFailed
	text, err := json.Marshal(again)
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "adit-conform") // stands for the program: notes its arguments, and reports
	script := fmt.Sprintf("#!/bin/sh\necho \"$@\" >%[1]s/args\ncat >\"$5\" <<'END'\n%[2]s\nEND\nexit %[3]d\n", dir, text, again.ExitCode)
	if err := os.WriteFile(program, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	first := report.File{ExitCode: report.ExitInconclusive, Results: []report.Entry{
		entryOf("FRAME-001", engine.Pass), entryOf("FRAME-002", engine.Inconclusive), entryOf("FRAME-003", engine.SuiteError), entryOf("FRAME-004", engine.NotRun),
		entryOf("FRAME-005", engine.Fail),
	}}
	f, err := Options{Conform: program}.again(t.Context(), run{}, first)
	if err != nil {
		t.Fatal(err)
	}
	args, err := os.ReadFile(filepath.Join(dir, "args"))
	if err != nil || !strings.Contains(string(args), "--id FRAME-002/server,FRAME-003/server,FRAME-005/server\n") {
		t.Errorf("%s %v; want --id with what did not pass", args, err)
	}
	var m Matrix
	m.baseline(f, first)
	if b := m.Baseline; b.ExitCode != report.ExitFailed || !slices.Equal(b.Alone, []string{"FRAME-002/server"}) || len(b.Failed) != 2 || b.Counts[engine.Pass] != 2 {
		t.Errorf("%+v; want failed, two passed, one of them alone, one unclear, one failed", b)
	}
	var b bytes.Buffer
	if m.Write(&b); !strings.Contains(b.String(), "only when it ran once more, alone: FRAME-002/server\n") {
		t.Errorf("the report does not say what ran alone:\n%s", b.String())
	}
}

// Each requirement that has a case is met by two liars of its role, and by every one with Full.
func TestLiarsMeetTheWholeSuite(t *testing.T) {
	met, want := map[string]int{}, map[string]int{}
	for i, l := range Liars() {
		for _, id := range (Options{}).part(l.Role, i) {
			met[id]++
		}
		if all := (Options{Full: true}).part(l.Role, i); all != nil {
			t.Errorf("with Full %s meets %d requirements; want all", l.Name, len(all))
		}
	}
	for _, c := range cases.All(cases.Lookup) {
		if c.Role != API {
			want[c.ID+"/"+string(c.Role)] = 2
		}
	}
	if !maps.Equal(met, want) || len(want) < 200 {
		t.Errorf("%d requirements are met by liars; want %d, by two each", len(met), len(want))
	}
}

func TestRequirementsOfCases(t *testing.T) {
	got := requirementsOf([]string{"FRAME-002/server", "FRAME-002/client/two", "FRAME-002/server/two", "FRAME-001/server/one"}, Server)
	if want := []string{"FRAME-002/server", "FRAME-001/server"}; !slices.Equal(got, want) {
		t.Errorf("%v; want %v", got, want)
	}
}

func TestALiarThatWasNotMetSaysWhy(t *testing.T) {
	unmet := Lie{Liar: "liar-echo", Role: Server, Detail: "nobody answers"}
	if got := unmet.fault(); unmet.OK() || !strings.Contains(got, "could not be judged") || !strings.Contains(got, "nobody answers") {
		t.Errorf("%v, %q; want no verdict, and its reason", unmet.OK(), got)
	}
	rich := Lie{Liar: "liar-echo", Role: Server, Passed: 10, Scored: 100, Cases: []string{"FRAME-002/server"}}
	if got := rich.fault(); rich.OK() || !strings.Contains(got, "passes 10 of 100: FRAME-002/server") {
		t.Errorf("%v, %q; want what it earns", rich.OK(), got)
	}
}

func TestMatrixVerdict(t *testing.T) {
	good := Matrix{Trials: []Trial{{Req: "FRAME-002", Role: Server, Outcome: Killed, By: []string{"FRAME-002/server"}}}, Liars: []Lie{{Passed: 9, Scored: 100}}}
	for name, c := range map[string]struct {
		spoil func(*Matrix)
		want  bool
	}{
		"all killed":                  {func(*Matrix) {}, true},
		"a survivor":                  {func(m *Matrix) { m.Trials[0].Outcome = Survived }, false},
		"a liar earns 10 %":           {func(m *Matrix) { m.Liars[0].Passed = 10 }, false},
		"a liar was not scored":       {func(m *Matrix) { m.Liars[0].Scored = 0 }, false},
		"nothing was tried":           {func(m *Matrix) { m.Trials = nil }, false},
		"a case that kills nothing":   {func(m *Matrix) { m.Idle = []string{"FRAME-002/server/two"} }, false},
		"a MUST without mutant":       {func(m *Matrix) { m.Missing = []string{"TUN-001/server"} }, false},
		"the conforming peer fails":   {func(m *Matrix) { m.Baseline.ExitCode = report.ExitFailed }, false},
		"the run itself did not work": {func(m *Matrix) { m.Trials[0].Outcome = Broken }, false},
	} {
		m := good
		m.Trials, m.Liars = append([]Trial(nil), good.Trials...), append([]Lie(nil), good.Liars...)
		c.spoil(&m)
		var b bytes.Buffer
		m.Write(&b)
		if m.OK() != c.want || strings.Contains(b.String(), "THE SUITE CAN FAIL") != c.want {
			t.Errorf("%s: proven %v, want %v\n%s", name, m.OK(), c.want, b.String())
		}
	}
}

// The mutants that keep their trial waiting come first, the others in the order of the tables.
func TestLongTrialsComeFirst(t *testing.T) {
	got := longestFirst([]Mutant{
		{Name: "a", Req: "FRAME-002", Role: Server},
		{Name: "b", Req: "ALIVE-004", Role: Client},
		{Name: "c", Req: "FRAME-001", Role: Server},
		{Name: "d", Req: "CLOSE-004", Role: Server},
	})
	var names string
	for _, m := range got {
		names += m.Name
	}
	if names != "bdac" {
		t.Errorf("the order is %s; want bdac", names)
	}
}
