package report

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/onsi/ginkgo/v2/reporters"

	"github.com/adit-tunnel/adit/conformance/cases"
	"github.com/adit-tunnel/adit/conformance/engine"
)

var update = flag.Bool("update", false, "write the golden files")

// oneOfEach is a run with one result of each verdict.
func oneOfEach() *Run {
	at := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	r := &Run{About: About{
		Suite: "test", Spec: "1.0-draft", Requirements: "1.0", Subject: "some \x1b[31mtunnel & co", Command: "adit-conform run --seed 7",
		Started: at, TookMS: 90_000, Seed: 7, Segmentation: "off", Owner: OwnerUnknown, OwnerWhy: "the system does not say", Host: Host{OS: "linux", Arch: "amd64", CPUs: 2, Go: "go1.26"},
	}}
	add := func(id, level string, role engine.Role, v engine.Verdict, change func(*engine.Result)) {
		res := engine.Result{
			Case: engine.Case{
				ID: id, Role: role, Title: "title of " + id,
				Req: engine.Requirement{ID: id, Level: level, Role: engine.Both, Profile: "core", Text: "The clause <of> " + id + "."},
			},
			Verdict: v, Attempts: 1, Started: at, Took: 250 * time.Millisecond,
		}
		if change != nil {
			change(&res)
		}
		r.Add(res)
	}
	broken := func(res *engine.Result) {
		res.Findings = []engine.Finding{
			{Req: res.Case.ID, Level: res.Case.Req.Level, Aspect: engine.Message, Sentence: "Close is answered", Expected: "Close for ID 7", Got: "nothing within 5s", At: 5 * time.Second},
			{Req: "CLOSE-001", Level: "MUST", Aspect: engine.Message, Sentence: "a connection gets exactly one Close", Got: "Close id=7 on tunnel 1", Oracle: true},
		}
		res.Ports = []string{"127.0.0.1:40000"}
		res.Closed = "reset"
		res.Notes = []string{"a remark"}
		res.Late = 12 * time.Millisecond
		res.Log = []string{"panic: \x1b[2J forged"}
		res.Trace = []engine.Event{
			{At: time.Millisecond, Who: "tunnel 1", Kind: engine.Sent, Tunnel: 1, Frame: engine.Close(7), Size: 4},
			{At: 2 * time.Millisecond, Who: "tunnel 1", Kind: engine.Received, Tunnel: 1, Frame: engine.Raw(engine.TypeClose, 1, 2), Size: 2, Bad: errors.New("Close payload is 2 octets, must be 4")},
			{At: 3 * time.Millisecond, Who: "tunnel 1", Kind: engine.Reset, Tunnel: 1},
		}
	}
	because := func(reason string) func(*engine.Result) {
		return func(res *engine.Result) { res.Reason = reason }
	}
	add("FRAME-003", "MUST", engine.Server, engine.Pass, nil)
	add("CLOSE-010", "SHOULD", engine.Server, engine.PassNonstrict, func(res *engine.Result) {
		res.Findings = []engine.Finding{{Req: "CLOSE-010", Level: "SHOULD", Aspect: engine.Ending, Sentence: "Close comes at once", Got: "Close after 2s"}}
	})
	add("CLOSE-004", "MUST", engine.Server, engine.Fail, broken)
	add("OPEN-003", "MUST", engine.Client, engine.NotTestable, because("the service is missing"))
	add("OPEN-012", "SHOULD", engine.Client, engine.Inconclusive, because("timers came up to 2s late"))
	add("OPEN-013", "MUST", engine.Client, engine.SuiteError, because("boom\ngoroutine 1 [running]"))
	add("API-001", "MUST", engine.API, engine.NotApplicable, because("no --api"))
	add("ALIVE-006", "MUST", engine.Server, engine.NotRun, because("waits 5m0s for a timer; run with --slow"))
	add("FRAME-007", "MUST", engine.Server, engine.Fail, func(res *engine.Result) {
		broken(res)
		res.Case.Variant, res.Case.Unscored = "later", "not in set 1.0"
	})
	r.Untested = []Untested{{ID: "SEC-005", How: cases.Excepted, Reason: "logs are not visible on the wire"}}
	return r
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs (run with -update after checking)\ngot:\n%s", path, got)
	}
}

func TestCertificateGolden(t *testing.T) {
	var b bytes.Buffer
	oneOfEach().File().WriteCertificate(&b, false)
	golden(t, "certificate.txt", b.Bytes())
	if bytes.ContainsRune(b.Bytes()[bytes.Index(b.Bytes(), []byte("last lines")):][:80], 0x1b) {
		t.Error("an escape of the subject's log reaches the terminal")
	}
}

func TestJSONGoldenAndBack(t *testing.T) {
	var b bytes.Buffer
	r := oneOfEach()
	if err := r.File().WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	golden(t, "report.json", b.Bytes())
	f, err := ReadJSON(&b)
	if err != nil {
		t.Fatal(err)
	}
	if want := r.File(); !reflect.DeepEqual(f, want) {
		t.Errorf("ReadJSON = %+v; want %+v", f, want)
	}
	if !f.Results[2].Charged("CLOSE-001") || f.Results[0].Charged("CLOSE-001") {
		t.Error("Charged does not say what is charged")
	}
	if _, err := ReadJSON(strings.NewReader(`{"schema": 99}`)); err == nil {
		t.Error("a file of another schema is read")
	}
}

func TestJUnitGolden(t *testing.T) {
	var b bytes.Buffer
	if err := oneOfEach().File().WriteJUnit(&b); err != nil {
		t.Fatal(err)
	}
	golden(t, "junit.xml", b.Bytes())
	var doc reporters.JUnitTestSuites
	if err := xml.Unmarshal(b.Bytes(), &doc); err != nil {
		t.Fatalf("the file is not XML: %v", err)
	}
	var tests, failures, errs, skipped int
	for _, s := range doc.TestSuites {
		tests, failures, errs, skipped = tests+s.Tests, failures+s.Failures, errs+s.Errors, skipped+s.Skipped
		for _, c := range s.TestCases {
			if c.Name == "" || c.Classname == "" || c.Status == "" {
				t.Errorf("a test case without name, class or status: %+v", c)
			}
		}
	}
	if got, want := [4]int{tests, failures, errs, skipped}, [4]int{9, 2, 2, 3}; got != want {
		t.Errorf("tests, failures, errors, skipped = %v; want %v", got, want)
	}
	if got, want := [4]int{doc.Tests, doc.Failures, doc.Errors, doc.Disabled}, [4]int{9, 2, 2, 3}; got != want {
		t.Errorf("the same of the whole file = %v; want %v", got, want)
	}
}

// What is not in the set is shown, and changes neither the verdict nor the counts.
func TestUnscored(t *testing.T) {
	r := &Run{About: About{Requirements: "1.0"}}
	r.Add(engine.Result{Case: engine.Case{ID: "FRAME-003", Role: engine.Server, Req: engine.Requirement{Level: "MUST"}}, Verdict: engine.Pass})
	want := r.File()
	later := engine.Case{ID: "FRAME-004", Role: engine.Server, Variant: "later", Req: engine.Requirement{Level: "MUST"}, Unscored: "not in set 1.0"}
	for _, v := range []engine.Verdict{engine.Fail, engine.NotTestable, engine.Inconclusive, engine.SuiteError, engine.NotRun, engine.PassNonstrict} {
		again := &Run{About: About{Requirements: "1.0"}, Results: append(r.Results[:1:1], engine.Result{Case: later, Verdict: v})}
		f := again.File()
		if f.ExitCode != want.ExitCode || f.Conclusion != want.Conclusion || !reflect.DeepEqual(f.Classes, want.Classes) || !reflect.DeepEqual(f.Counts, want.Counts) || !reflect.DeepEqual(f.Coverage, want.Coverage) {
			t.Errorf("a later case that ends with %s changes the verdict: %d %s %+v", v, f.ExitCode, f.Conclusion, f.Coverage)
		}
		var b bytes.Buffer
		f.WriteCertificate(&b, false)
		if !strings.Contains(b.String(), "not in set 1.0, unscored, "+string(v)) {
			t.Errorf("%s of a later case is not shown", v)
		}
	}
}

// A run in which nothing but later cases could be run says so.
func TestNothingScored(t *testing.T) {
	of := func(v engine.Verdict) string {
		r := &Run{About: About{Selection: []string{"AUTH-001"}}}
		r.Add(engine.Result{Case: engine.Case{ID: "AUTH-001", Role: engine.Server, Unscored: "not in set 1.2 (--set 1.3 scores it)"}, Verdict: v})
		return r.File().Conclusion
	}
	if got, want := of(engine.Pass), "NOTHING SCORED: what was run is not in set 1.2 (--set 1.3 scores it)"; got != want {
		t.Errorf("of a later case that passed: %q; want %q", got, want)
	}
	if got, want := of(engine.NotRun), "NOTHING SCORED: no case that was selected could be run; adit-conform list ID says"; !strings.HasPrefix(got, want) {
		t.Errorf("of a later case that was not run: %q; want %q", got, want)
	}
}

func TestExitCode(t *testing.T) {
	of := func(vs ...engine.Verdict) *Run {
		r := &Run{}
		for _, v := range vs {
			r.Add(engine.Result{Verdict: v, Case: engine.Case{Role: engine.Server}})
		}
		return r
	}
	unreachable := of(engine.NotRun)
	unreachable.Missed(&engine.UnreachableError{Reason: errors.New("refused")}, "")
	failedToo := of(engine.Fail)
	failedToo.Missed(&engine.UnreachableError{Reason: errors.New("refused")}, "")
	broken := of(engine.NotRun)
	broken.Missed(errors.New("no port"), "")
	stopped := of(engine.Pass, engine.NotRun)
	stopped.Stopped = true
	tests := []struct {
		name string
		run  *Run
		want int
	}{
		{"all pass", of(engine.Pass, engine.PassNonstrict, engine.NotApplicable, engine.NotRun), ExitCertified},
		{"one failed", of(engine.Pass, engine.Fail), ExitFailed},
		{"missing counts as failed", of(engine.Pass, engine.NotTestable), ExitFailed},
		{"a failure outweighs everything", of(engine.Fail, engine.SuiteError, engine.Inconclusive), ExitFailed},
		{"a failure outweighs unreachable", failedToo, ExitFailed},
		{"suite error before inconclusive", of(engine.SuiteError, engine.Inconclusive, engine.Pass), ExitSuiteError},
		{"the suite could not run", broken, ExitSuiteError},
		{"nobody there", unreachable, ExitUnreachable},
		{"inconclusive", of(engine.Pass, engine.Inconclusive), ExitInconclusive},
		{"interrupted", stopped, ExitInconclusive},
		{"nothing selected", of(), ExitNothing},
		{"nothing that could run", of(engine.NotRun, engine.NotApplicable), ExitNothing},
	}
	for _, tt := range tests {
		if got := tt.run.File().ExitCode; got != tt.want {
			t.Errorf("%s: exit code %d; want %d", tt.name, got, tt.want)
		}
	}
}

// A SHOULD that was missed in the case of a MUST leaves the MUST kept.
func TestWhatWasKept(t *testing.T) {
	r := &Run{}
	for level, verdicts := range map[string][]engine.Verdict{
		"MUST":   {engine.Pass, engine.PassNonstrict, engine.Fail, engine.NotRun},
		"SHOULD": {engine.Pass, engine.PassNonstrict, engine.PassNonstrict},
	} {
		for _, v := range verdicts {
			r.Add(engine.Result{Verdict: v, Case: engine.Case{Role: engine.Server, Req: engine.Requirement{Level: level}}})
		}
	}
	if c := r.File().Classes[0]; c.Must != [2]int{2, 3} || c.Should != [2]int{1, 3} {
		t.Errorf("kept are %v of the MUSTs, %v of the SHOULDs; want 2 of 3, and 1 of 3", c.Must, c.Should)
	}
}

func TestStanding(t *testing.T) {
	r := oneOfEach()
	got := map[string]string{}
	for _, c := range r.File().Classes {
		got[c.Name] = c.Standing
	}
	want := map[string]string{"api": Undecided, "core-client": NotCertified, "core-server": NotCertified}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("standings = %v; want %v", got, want)
	}
	sel := &Run{About: About{Selection: []string{"FRAME-001"}}}
	sel.Add(engine.Result{Verdict: engine.Pass, Case: engine.Case{Role: engine.Server}})
	if s := sel.File().Classes[0].Standing; s != Partial {
		t.Errorf("standing of a selection = %s; want partial", s)
	}
}

func TestProgressNamesWhatDidNotPass(t *testing.T) {
	var b bytes.Buffer
	p := NewProgress(&b, 3, false)
	for _, res := range oneOfEach().Results {
		p.Begin(res.Case)
		p.End(res)
	}
	p.Done()
	for _, want := range []string{"CLOSE-004/server", "OPEN-003/client", "OPEN-012/client"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("progress does not name %s:\n%s", want, b.String())
		}
	}
	if strings.Contains(b.String(), "FRAME-003") {
		t.Errorf("progress names a pass:\n%s", b.String())
	}
}

// A run says how long the rest will take: at once when something failed, else after a minute.
func TestProgressSaysHowLong(t *testing.T) {
	results := oneOfEach().Results
	pass, fail := results[0], results[2]
	for name, tt := range map[string]struct {
		first, second engine.Result
		ago           time.Duration
		want          string
	}{
		"nothing failed, yet":      {pass, pass, time.Minute / 2, ""},
		"nothing failed, a minute": {pass, pass, time.Minute, "1 of 10 cases, 0 failed; about 9 minutes to go"},
		"one failed":               {pass, fail, time.Minute / 2, "2 of 10 cases, 1 failed; about 2 minutes to go"},
		"quickly":                  {fail, pass, time.Second, "1 of 10 cases, 1 failed; less than a minute to go"},
	} {
		var b bytes.Buffer
		p := NewProgress(&b, 10, false)
		p.begun = time.Now().Add(-tt.ago)
		p.End(tt.first)
		p.End(tt.second)
		if got := b.String(); tt.want == "" && got != "" || !strings.Contains(got, tt.want) || strings.Count(got, "to go") > 1 {
			t.Errorf("%s: %q; want %q", name, got, tt.want)
		}
	}
}

// What was found out about another program is taken back, in its role alone.
func TestDisown(t *testing.T) {
	r := oneOfEach()
	r.Disown(engine.Server, errors.New("another program"))
	r.Missed(&engine.UnreachableError{Subject: "it", Reason: errors.New("another program")}, "")
	f := r.File()
	for _, e := range f.Results {
		if gone := e.Verdict == engine.NotRun && e.Reason == "another program" && len(e.Findings)+len(e.Trace) == 0; gone != (e.Role == engine.Server) {
			t.Errorf("%s of a %s is %s (%s), %d findings", e.Case, e.Role, e.Verdict, e.Reason, len(e.Findings))
		}
	}
	if n := f.Counts[engine.Fail]; n != 0 {
		t.Errorf("%d failures left", n)
	}
}
