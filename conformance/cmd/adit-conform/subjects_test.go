package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/adit-tunnel/adit/conformance/engine"
	"github.com/adit-tunnel/adit/conformance/report"
	"github.com/adit-tunnel/adit/conformance/subject"
)

// Exit status 127 excuses what is optional, and nothing else.
func TestASubjectDeclinesScenarios(t *testing.T) {
	t.Parallel()
	const (
		optional = "SEC-002/client" // a SHOULD
		must     = "FRAME-002/client/two"
		other    = "LOSS-002/client" // a SHOULD
		known    = `case $ADIT_SCENARIO in ''|*/*) ;; *) exit 127;; esac; `
	)
	tests := []struct {
		name, rule string // a rule is what the client does before it is one
		want       int
		verdicts   map[string]engine.Verdict
	}{
		{
			"one that is optional", known + `[ "$ADIT_SCENARIO" != ` + optional + ` ] || exit 127`, report.ExitCertified,
			map[string]engine.Verdict{optional: engine.NotApplicable, must: engine.Pass, other: engine.Pass},
		},
		{
			"a MUST", known + `[ "$ADIT_SCENARIO" != ` + must + ` ] || exit 127`, report.ExitFailed,
			map[string]engine.Verdict{optional: engine.Pass, must: engine.NotTestable, other: engine.Pass},
		},
		{
			"one that is optional, and takes unknown ones", `[ "$ADIT_SCENARIO" != ` + optional + ` ] || exit 127`, report.ExitFailed,
			map[string]engine.Verdict{optional: engine.NotTestable, must: engine.Pass, other: engine.Pass},
		},
		{
			"every one", `[ -z "$ADIT_SCENARIO" ] || exit 127`, report.ExitFailed,
			map[string]engine.Verdict{optional: engine.NotApplicable, must: engine.NotTestable, other: engine.NotApplicable},
		},
		{
			"its role", `exit 127`, report.ExitUnreachable,
			map[string]engine.Verdict{optional: engine.NotRun, must: engine.NotRun, other: engine.NotRun},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			script, file, j := filepath.Join(dir, "client.sh"), filepath.Join(dir, "subject.yaml"), filepath.Join(dir, "r.json")
			for name, text := range map[string]string{
				script: tt.rule + "\necho ready\nexec '" + binary + "' fault client --server $ADIT_SERVER\n",
				file:   `{name: picky, client: {command: "sh {here}/client.sh", ready: {log: ready}}}`,
			} {
				if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			stdout, stderr, code := conform(t, "run", "--subject", file, "--id", strings.Join([]string{optional, must, other}, ","), "--segmentation=off", "--json", j)
			if code != tt.want {
				t.Errorf("exit code %d; want %d\n%s%s", code, tt.want, stdout, stderr)
			}
			for _, e := range results(t, j) {
				if e.Verdict != tt.verdicts[e.Case] {
					t.Errorf("%s is %s (%s); want %s", e.Case, e.Verdict, e.Reason, tt.verdicts[e.Case])
				}
				if says := fmt.Sprintf("%s, %s:\n    ", e.Verdict, engine.ErrDeclined); e.Verdict == engine.NotApplicable && !strings.Contains(stdout, says) {
					t.Errorf("the certificate does not say %q of %s:\n%s", says, e.Case, stdout)
				}
			}
		})
	}
}

func TestTheSubjectFilesOfTheRepositoryAreSound(t *testing.T) {
	t.Parallel()
	sound := map[string]func(name string) error{
		"*.yaml":           func(name string) error { _, err := subject.Load(name); return err },
		"baselines/*.yaml": func(name string) error { f := runFlags{baseline: name}; return f.loadBaseline() },
	}
	for pattern, load := range sound {
		files, err := filepath.Glob("../../../scenarios/subjects/" + pattern)
		if err != nil || len(files) == 0 {
			t.Errorf("%s: %q, %v; want files", pattern, files, err)
		}
		for _, name := range files {
			if err := load(name); err != nil {
				t.Error(err)
			}
		}
	}
}

// The last line says who was not there, without the names of all cases before it.
func TestUnreachableSubjectsAreNamed(t *testing.T) {
	t.Parallel()
	good, nobody := server(t, false), refusing(t)
	for _, tt := range []struct {
		args []string
		says string
	}{
		{[]string{"--server", nobody, "--visitor", good}, "no tunnel is accepted at " + nobody},
		{[]string{"--server", good, "--visitor", nobody}, "UNREACHABLE: visitor port " + nobody + " of server " + good + " is unreachable: it must be a mapped port"},
		{[]string{"--client-cmd", "no-such-program {addr}"}, "executable file not found"},
	} {
		t.Run(tt.says, func(t *testing.T) {
			t.Parallel()
			stdout, _, code := conform(t, append([]string{"run"}, tt.args...)...)
			lines := strings.Split(strings.TrimSpace(stdout), "\n")
			if last := lines[len(lines)-1]; code != report.ExitUnreachable || !strings.HasPrefix(last, "UNREACHABLE: ") || !strings.Contains(last, tt.says) {
				t.Errorf("exit code %d, last line %q; want %d and %q", code, last, report.ExitUnreachable, tt.says)
			}
			if len(lines) > 60 || !strings.Contains(stdout, "the subject is unreachable: ") {
				t.Errorf("%d lines for nobody:\n%s", len(lines), stdout)
			}
		})
	}
}

// results are those of a JSON report.
func results(t *testing.T, name string) []report.Entry {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var f report.File
	if err := json.Unmarshal(b, &f); err != nil {
		t.Fatal(err)
	}
	if len(f.Results) == 0 {
		t.Fatalf("%s has no results", name)
	}
	return f.Results
}
