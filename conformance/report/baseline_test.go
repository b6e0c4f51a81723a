package report

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/adit-tunnel/adit/conformance/engine"
	"github.com/adit-tunnel/adit/conformance/schematest"
)

func anything(string) bool { return true }

// written is a baseline file with the given text.
func written(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "baseline.yaml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestBaselineRefusesMistakes(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"known:\n- id: CLOSE-003\n", ":2: known[0].reason: is missing; say why"},
		{"known:\n- id: CLOSE-003\n  reason: a\n- reason: b\n", ":4: known[1].id: is missing"},
		{"known:\n- id: NOPE-001\n  reason: a\n", `:2: known[0].id: "NOPE-001": no such requirement or case`},
		{"known:\n- id: CLOSE-003\n  reason: a\n- id: CLOSE-003\n  reason: b\n", `:4: known[1].id: "CLOSE-003" stands here twice`},
		{"known:\n- id: CLOSE-003\n  because: a\n", `:3: known[0]: unknown key "because"`},
		{"known: []\n", ":1: known: lists nothing"},
		{"", "must hold exactly one YAML document"},
	} {
		name := written(t, tt.text)
		_, err := LoadBaseline(name, func(id string) bool { return id != "NOPE-001" })
		if err == nil || !strings.HasPrefix(err.Error(), name) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("baseline %q: %v; want %s", tt.text, err, tt.want)
		}
	}
}

// expected is a run of the given results, judged by a baseline.
func expected(t *testing.T, baseline string, results ...engine.Result) *Run {
	t.Helper()
	b, err := LoadBaseline(written(t, baseline), anything)
	if err != nil {
		t.Fatal(err)
	}
	r := &Run{About: About{Requirements: "1.0"}}
	for _, res := range results {
		r.Add(b.Mark(res))
	}
	b.Finish(r.Results)
	return r
}

// result is one of a server's case; broken are the requirements that it charges.
func result(id, variant string, v engine.Verdict, broken ...string) engine.Result {
	res := engine.Result{Verdict: v, Case: engine.Case{ID: id, Variant: variant, Role: engine.Server, Req: engine.Requirement{ID: id, Level: "MUST"}}}
	for _, b := range broken {
		res.Findings = append(res.Findings, engine.Finding{Req: b, Level: "MUST", Aspect: engine.Message, Sentence: "it is kept"})
	}
	return res
}

func TestBaseline(t *testing.T) {
	const one, two = "known:\n- id: CLOSE-003\n  reason: a\n", "known:\n- id: CLOSE-003\n  reason: a\n- id: CLOSE-001\n  reason: b\n"
	tests := []struct {
		name, baseline string
		results        []engine.Result
		want           []engine.Verdict
		exit           int
	}{
		{
			"a failure that is listed", one,
			[]engine.Result{result("CLOSE-003", "", engine.Fail, "CLOSE-003"), result("CLOSE-003", "late", engine.Pass)},
			[]engine.Verdict{Known, engine.Pass},
			ExitCertified,
		},
		{
			"a case that is missing counts as its requirement", one,
			[]engine.Result{result("CLOSE-003", "", engine.NotTestable)},
			[]engine.Verdict{Known},
			ExitCertified,
		},
		{
			"another MUST is broken, too", one,
			[]engine.Result{result("CLOSE-003", "", engine.Fail, "CLOSE-003", "CLOSE-001")},
			[]engine.Verdict{engine.Fail},
			ExitFailed,
		},
		{
			"every MUST that is broken is listed", two,
			[]engine.Result{result("DATA-001", "", engine.Fail, "CLOSE-003", "CLOSE-001")},
			[]engine.Verdict{Known},
			ExitCertified,
		},
		{
			"a line for one case does not excuse the next", "known:\n- id: CLOSE-003/server/late\n  reason: a\n",
			[]engine.Result{result("CLOSE-003", "late", engine.Fail, "CLOSE-001"), result("CLOSE-003", "", engine.Fail, "CLOSE-003")},
			[]engine.Verdict{Known, engine.Fail},
			ExitFailed,
		},
		{
			"a line that no longer fails", one,
			[]engine.Result{result("CLOSE-003", "", engine.Pass), result("CLOSE-001", "", engine.Pass)},
			[]engine.Verdict{Stale, engine.Pass},
			ExitFailed,
		},
		{
			"a line that fails sometimes", "known:\n- {id: CLOSE-003, reason: a, sometimes: true}\n- {id: CLOSE-001, reason: b, sometimes: true}\n",
			[]engine.Result{result("CLOSE-003", "", engine.Pass), result("CLOSE-001", "", engine.Fail, "CLOSE-001")},
			[]engine.Verdict{engine.Pass, Known},
			ExitCertified,
		},
		{
			"a part of it was not run", one,
			[]engine.Result{result("CLOSE-003", "", engine.Pass), result("CLOSE-003", "slow", engine.NotRun)},
			[]engine.Verdict{engine.Pass, engine.NotRun},
			ExitCertified,
		},
		{
			"its cases are not in this run", one,
			[]engine.Result{result("CLOSE-001", "", engine.Pass)},
			[]engine.Verdict{engine.Pass},
			ExitCertified,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := expected(t, tt.baseline, tt.results...).File()
			var got []engine.Verdict
			for _, e := range f.Results {
				got = append(got, e.Verdict)
			}
			if !slices.Equal(got, tt.want) || f.ExitCode != tt.exit {
				t.Errorf("verdicts %v, exit code %d; want %v, %d", got, f.ExitCode, tt.want, tt.exit)
			}
			if known := slices.Contains(got, Known); known && strings.Contains(strings.ToLower(f.Conclusion), "certified core") {
				t.Errorf("with a known deviation the conclusion is %q", f.Conclusion)
			}
		})
	}
}

func TestKnownDeviationsInReports(t *testing.T) {
	const two = "known:\n- id: CLOSE-003\n  reason: the kernel does it, see the manual\n- id: CLOSE-001\n  reason: later\n"
	known := expected(t, two, result("CLOSE-003", "", engine.Fail, "CLOSE-003"), result("CLOSE-001", "", engine.Fail, "CLOSE-001"), result("FRAME-001", "", engine.Pass)).File()
	if got, want := known.Conclusion, "CERTIFIED BUT FOR 2 KNOWN DEVIATIONS core-server"; got != want {
		t.Errorf("conclusion = %q; want %q", got, want)
	}
	if _, _, got := known.badge(); got != "core-server certified but for 2 known deviations" {
		t.Errorf("the badge says %q", got)
	}
	var b bytes.Buffer
	known.WriteCertificate(&b, false)
	golden(t, "known.txt", b.Bytes())
	stale := expected(t, two, result("CLOSE-003", "", engine.Pass), result("CLOSE-001", "", engine.Fail, "CLOSE-001")).File()
	if e := stale.Results[0]; !strings.HasSuffix(e.Reason, "baseline.yaml:2: known[0].id: CLOSE-003 passes; remove the line") {
		t.Errorf("a stale line is explained by %q", e.Reason)
	}
	if got, want := stale.Conclusion, "NOT CERTIFIED: 0 cases failed, 1 passed against the baseline"; got != want {
		t.Errorf("conclusion = %q; want %q", got, want)
	}
	s := schematest.Compile(t, JSONSchema)
	for _, f := range []File{known, stale} {
		b.Reset()
		if err := f.WriteJSON(&b); err != nil {
			t.Fatal(err)
		}
		if err := s.JSON(t, bytes.ReplaceAll(b.Bytes(), []byte(`"profile": ""`), []byte(`"profile": "core"`))); err != nil {
			t.Error(err)
		}
	}
}
