package fault

import (
	"bytes"
	"slices"
	"strings"
	"testing"

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
