package main

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/adit-tunnel/adit/conformance/engine"
	"github.com/adit-tunnel/adit/conformance/report"
	"github.com/adit-tunnel/adit/conformance/subject"
)

// The subject file in the help is one, and README shows the same.
func TestTheSubjectFileOfTheHelp(t *testing.T) {
	t.Parallel()
	_, rest, _ := strings.Cut(runCommand().Long, "\n\n  name: ")
	example, _, _ := strings.Cut("  name: "+rest, "\n\n")
	f, err := subject.Parse("help", []byte(example))
	if err != nil {
		t.Fatalf("%v in\n%s", err, example)
	}
	if f.Server == nil || f.Client == nil || !slices.Contains(f.Capabilities, "ext") {
		t.Errorf("the example is %+v; want both roles and ext", f)
	}
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(example) {
		if !strings.Contains(string(readme), "      "+strings.TrimRight(line, "\n")+"\n") {
			t.Errorf("README does not have the line %q", line)
		}
	}
}

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

// A Close as late as CLOSE-004 allows passes every case that waits for it, and a failure as late as OPEN-012 asks for.
func TestWhatTheTextAllowsPasses(t *testing.T) {
	t.Parallel()
	for _, odd := range []string{"late", "later"} { // 20 s and 28 s
		t.Run(odd, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			file, j := filepath.Join(dir, "subject.yaml"), filepath.Join(dir, "r.json")
			text := fmt.Sprintf("name: %s\nserver:\n  command: \"'%s' fault server --odd %[1]s --tunnel {tunnel} --visitor {visitor} --target {target}\"\n  ready: {tcp: \"{tunnel}\"}\n"+
				"client:\n  command: \"'%[2]s' fault client --odd %[1]s --server {tunnel}\"\n", odd, binary)
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			stdout, stderr, code := conform(t, "run", "--subject", file, "--id", "CLOSE-001,CLOSE-003,CLOSE-004,CLOSE-005,CLOSE-007,DATA-004,OPEN-006,OPEN-008", "--segmentation=off", "--jobs", "16", "--json", j)
			slow := 0
			for _, e := range results(t, j) {
				if e.Verdict == engine.Pass && e.TookMS > engine.Answer.Milliseconds() {
					slow++
				}
			}
			if code != report.ExitCertified || slow < 10 {
				t.Errorf("exit code %d, %d cases waited; want 0 and 10 or more\n%s%s", code, slow, stdout, stderr)
			}
		})
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
		{[]string{"--client-cmd", "sleep 600"}, "no client connected to 127.0.0.1"},
		{[]string{"--client-cmd", "sleep 600"}, "the command of --client-cmd has no {addr}"},
		{[]string{"--client-cmd", "sh -c 'echo begins\nexit 3 # {addr}'"}, "exit status 3"},
	} {
		t.Run(tt.says, func(t *testing.T) {
			t.Parallel()
			stdout, _, code := conform(t, append([]string{"run"}, tt.args...)...)
			lines := strings.Split(strings.TrimSpace(stdout), "\n")
			if last := lines[len(lines)-1]; code != report.ExitUnreachable || !strings.HasPrefix(last, "UNREACHABLE: ") || !strings.Contains(last, tt.says) {
				t.Errorf("exit code %d, last line %q; want %d and %q", code, last, report.ExitUnreachable, tt.says)
			}
			if len(lines) > 20 {
				t.Errorf("%d lines for nobody:\n%s", len(lines), stdout)
			}
		})
	}
}

// A server at given addresses is certified, one instance at a time; what another program answers is nobody's merit.
func TestWhoAnswersIsTheSubject(t *testing.T) {
	t.Parallel()
	at := free(t, 3)
	dir := t.TempDir()
	write := func(name, command string) string {
		name = filepath.Join(dir, name)
		text := fmt.Sprintf("{name: it, tunnel: '%s', visitor: '%s', target: '%s', server: {command: \"%s\", ready: {tcp: '{tunnel}', within: 1m}}}", at[0], at[1], at[2], command)
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	server := "'" + binary + "' fault server --tunnel {tunnel} --visitor {visitor} --target {target}"
	itself, sleep := write("itself.yaml", server), write("sleep.yaml", "sleep 600")
	run := func(file string) (report.File, string, int) {
		j := filepath.Join(dir, "r.json")
		stdout, stderr, code := conform(t, "run", "--subject", file, "--id", "FRAME-002,CLOSE-005", "--segmentation=off", "--bundle", j)
		text, err := os.Open(j)
		if err != nil {
			t.Fatal(err)
		}
		defer text.Close()
		f, err := report.ReadJSON(text)
		if err != nil {
			t.Fatal(err)
		}
		return f, stdout + stderr, code
	}
	owner := report.OwnerChecked
	if runtime.GOOS != "linux" {
		owner = report.OwnerUnknown
	}
	f, out, code := run(itself)
	if code != report.ExitCertified || f.Owner != owner || !strings.Contains(out, "one instance runs at a time") {
		t.Errorf("the subject itself: exit code %d, owner %q; want 0 and %q\n%s", code, f.Owner, owner, out)
	}
	leftOver := exec.Command(binary, "fault", "server", "--tunnel", at[0], "--visitor", at[1], "--target", at[2])
	if err := leftOver.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = leftOver.Process.Kill(); _ = leftOver.Wait() }()
	for { // until it listens
		if c, err := net.Dial("tcp", at[0]); err == nil {
			_ = c.Close()
			break
		}
	}
	for _, file := range []string{sleep, itself} {
		f, out, code := run(file)
		if code != report.ExitUnreachable || f.Owner != report.OwnerStranger || !strings.Contains(f.OwnerWhy, "tunnel "+at[0]+": accepts connections before the subject is started") {
			t.Errorf("%s: exit code %d, owner %q, %s; want 3 and the other program\n%s", file, code, f.Owner, f.OwnerWhy, out)
		}
		for _, e := range f.Results {
			if e.Verdict != engine.NotRun {
				t.Errorf("%s: %s is %s", file, e.Case, e.Verdict)
			}
		}
	}
}

// Who certifies a server by address vouches for it himself.
func TestAServerByAddressIsNotStartedByUs(t *testing.T) {
	t.Parallel()
	j := filepath.Join(t.TempDir(), "r.json")
	stdout, _, code := conform(t, "run", "--server", server(t, false), "--visitor", server(t, true), "--id", "FRAME-002/server/two", "--json", j)
	text, err := os.ReadFile(j)
	if code != report.ExitCertified || !strings.Contains(string(text), `"owner": "not started by us"`) || !strings.Contains(stdout, "owner         not started by us\n") {
		t.Errorf("exit code %d, %v\n%s", code, err, stdout)
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
