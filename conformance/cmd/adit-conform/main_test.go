package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/adit-tunnel/adit/conformance/cases"
	"github.com/adit-tunnel/adit/conformance/engine"
	"github.com/adit-tunnel/adit/conformance/report"
)

// binary is adit-conform, built once: Ginkgo runs one suite in a process.
var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "adit-conform")
	if err == nil {
		binary = filepath.Join(dir, "adit-conform")
		var out []byte
		if out, err = exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
			err = fmt.Errorf("%w\n%s", err, out)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// conform runs adit-conform and returns what it wrote and its exit code.
func conform(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return out.String(), errs.String(), exit.ExitCode()
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.String(), errs.String(), 0
}

// server is a subject that knows KeepAlive and FRAME-002, or closes whatever connects.
func server(t *testing.T, closes bool) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go accept(l, closes)
	return l.Addr().String()
}

// accept serves tunnels until l is closed; server starts it.
func accept(l net.Listener, closes bool) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		if closes {
			_ = c.Close()
			continue
		}
		go answer(c)
	}
}

// answer answers KeepAlives until anything else comes; accept starts it.
func answer(c net.Conn) {
	defer c.Close()
	keepAlive := engine.KeepAlive().Bytes()
	for b := make([]byte, len(keepAlive)); ; {
		if _, err := io.ReadFull(c, b); err != nil || !bytes.Equal(b, keepAlive) {
			return
		}
		if _, err := c.Write(b); err != nil {
			return
		}
	}
}

// refusing is an address that nobody listens on.
func refusing(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestASelectionThatTestsNothingSaysWhy(t *testing.T) {
	t.Parallel()
	addr := server(t, false)
	_, reason, ok := cases.Excuse("ALIVE-007", engine.Server)
	if !ok {
		t.Fatal("a server is tested for ALIVE-007; choose another ID")
	}
	for id, want := range map[string]string{
		"ALIVE-007": reason,
		"OPEN-006":  "adit-conform list ID says",
	} {
		stdout, stderr, code := conform(t, "run", "--server", addr, "--visitor", addr, "--id", id)
		if code != report.ExitNothing || !strings.Contains(stdout, want) {
			t.Errorf("run --id %s exits %d; want %d, and %q\n%s%s", id, code, report.ExitNothing, want, stdout, stderr)
		}
	}
}

func TestExitCodes(t *testing.T) {
	t.Parallel()
	good, bad, nobody := server(t, false), server(t, true), refusing(t)
	invalid := filepath.Join(t.TempDir(), "invalid.yaml")
	if err := os.WriteFile(invalid, []byte("nonsense: true\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		args []string
		want int
	}{
		{"a sound server", []string{"--server", good, "--visitor", bad, "--id", "FRAME-002/server/two"}, report.ExitCertified},
		{"a server that closes everything", []string{"--server", bad, "--visitor", bad, "--id", "FRAME-002,FRAME-007"}, report.ExitFailed},
		{"nobody listens", []string{"--server", nobody, "--visitor", nobody}, report.ExitUnreachable},
		{"a client that ends at once", []string{"--client-cmd", "false {addr}", "--id", "FRAME-002"}, report.ExitUnreachable},
		{"an ID that does not exist", []string{"--server", good, "--visitor", bad, "--id", "NOPE-001"}, report.ExitUsage},
		{"a pattern that names nothing", []string{"--server", good, "--visitor", bad, "--id", "NOPE-*"}, report.ExitUsage},
		{"an ID of the other role", []string{"--server", good, "--visitor", bad, "--id", "OPEN-006"}, report.ExitNothing},
		{"a slow case without --slow", []string{"--server", good, "--visitor", bad, "--id", "ALIVE-006"}, report.ExitNothing},
		{"one ID that exists and one that does not", []string{"--server", good, "--visitor", bad, "--id", "FRAME-002,NOPE-001"}, report.ExitUsage},
		{"no subject", nil, report.ExitUsage},
		{"two subjects", []string{"--server", good, "--visitor", bad, "--listen", good}, report.ExitUsage},
		{"a server without a visitor address", []string{"--server", good}, report.ExitUsage},
		{"a visitor address alone", []string{"--visitor", good, "--listen", nobody}, report.ExitUsage},
		{"no address", []string{"--server", "here", "--visitor", good}, report.ExitUsage},
		{"port 0", []string{"--server", "127.0.0.1:0", "--visitor", good}, report.ExitUsage},
		{"an unknown flag", []string{"--sever", good}, report.ExitUsage},
		{"a stray argument", []string{"--server", good, "--visitor", bad, "please"}, report.ExitUsage},
		{"a subject file that is not there", []string{"--subject", filepath.Join(t.TempDir(), "none.yaml")}, report.ExitUsage},
		{"a subject file with an unknown key", []string{"--subject", invalid}, report.ExitUsage},
		{"a report into no folder", []string{"--server", good, "--visitor", bad, "--json", "/nonexistent/x.json"}, report.ExitUsage},
		{"a segmentation that is none", []string{"--server", good, "--visitor", bad, "--segmentation", "some"}, report.ExitUsage},
		{"a negative timeout", []string{"--server", good, "--visitor", bad, "--timeout", "-1s"}, report.ExitUsage},
		{"a label filter that is none", []string{"--server", good, "--visitor", bad, "--label-filter", "&&"}, report.ExitUsage},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			stdout, stderr, code := conform(t, append([]string{"run"}, tt.args...)...)
			if code != tt.want {
				t.Errorf("run %q exits %d; want %d\n%s%s", tt.args, code, tt.want, stdout, stderr)
			}
			if code == report.ExitUsage && (stdout != "" || !strings.HasPrefix(stderr, "adit-conform: ")) {
				t.Errorf("wrong usage is not explained on standard error alone:\n%s%s", stdout, stderr)
			}
			if strings.Contains(stdout+stderr, "Ginkgo") || strings.Contains(stdout+stderr, "Ran ") {
				t.Errorf("Ginkgo speaks:\n%s%s", stdout, stderr)
			}
		})
	}
}

func TestReports(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j, x := filepath.Join(dir, "r.json"), filepath.Join(dir, "r.xml")
	addr := server(t, true)
	stdout, _, code := conform(t, "run", "--server", addr, "--visitor", addr, "--id", "FRAME-007", "--json", j, "--junit", x, "--seed", "7")
	if code != report.ExitFailed {
		t.Fatalf("exit code %d; want %d\n%s", code, report.ExitFailed, stdout)
	}
	file, err := os.Open(j)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	f, err := report.ReadJSON(file)
	if err != nil {
		t.Fatal(err)
	}
	if f.ExitCode != report.ExitFailed || f.Seed != 7 || len(f.Results) == 0 {
		t.Errorf("report: exit code %d, seed %d, %d results; want 1, 7, some", f.ExitCode, f.Seed, len(f.Results))
	}
	for _, e := range f.Results {
		if e.Verdict != engine.Fail || !e.Charged("OPEN-001") /* no tunnel lives until a visitor comes */ || len(e.Trace) == 0 || e.Clause == "" {
			t.Errorf("%s: verdict %s, findings %+v, %d lines of trace, clause %q", e.Case, e.Verdict, e.Findings, len(e.Trace), e.Clause)
		}
	}
	b, err := os.ReadFile(x)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(b, []byte("<failure ")) {
		t.Errorf("the JUnit file has no failure:\n%s", b)
	}
	for _, want := range []string{"clause", "got", "trace", "suite at", "NOT CERTIFIED"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("the certificate does not show %q:\n%s", want, stdout)
		}
	}
}

func TestVerboseShowsFrames(t *testing.T) {
	t.Parallel()
	addr := server(t, false)
	_, stderr, _ := conform(t, "run", "--server", addr, "--visitor", server(t, true), "--id", "FRAME-002/server/two", "-v")
	if !strings.Contains(stderr, "KeepAlive") {
		t.Errorf("-v shows no frames:\n%s", stderr)
	}
}

func TestFailFast(t *testing.T) {
	t.Parallel()
	addr := server(t, true)
	stdout, _, code := conform(t, "run", "--server", addr, "--visitor", addr, "--fail-fast", "--label-filter", "id: containsAny {FRAME-002,FRAME-004,FRAME-008}")
	if code != report.ExitFailed || !strings.Contains(stdout, "1 case failed") {
		t.Errorf("exit code %d; want 1 after one failure\n%s", code, stdout)
	}
}

func TestSelfCheckUsage(t *testing.T) {
	t.Parallel()
	if _, stderr, code := conform(t, "self-check", "--nonsense"); code != report.ExitUsage || stderr == "" {
		t.Errorf("exit code %d, standard error %q; want 2 and an explanation", code, stderr)
	}
}

// Flags that contradict each other are refused with the remedy.
func TestContradictions(t *testing.T) {
	t.Parallel()
	at := []string{"--server", "127.0.0.1:1", "--visitor", "127.0.0.1:2"}
	for _, tt := range []struct {
		args []string
		want string
	}{
		{nil, "at least one of the flags in the group [server client-cmd listen subject] is required"},
		{append([]string{"--subject", "x.yaml"}, at...), "[server subject] were all set"},
		{[]string{"--visitor", "127.0.0.1:2", "--listen", "127.0.0.1:3"}, "[server visitor]"},
		{append([]string{"--listen", "127.0.0.1:3"}, "--api", "http://x"), "[api listen] were all set"},
		{append([]string{"--target", "127.0.0.1:3"}, at...), "[server target] were all set"},
		{append([]string{"--api-ports", "10000-10100"}, at...), "--api-ports needs --api"},
		{append([]string{"--jobs", "2"}, at...), "[jobs server] were all set"},
		{append([]string{"--baseline", "b.yaml", "--fail-fast"}, at...), "[baseline fail-fast] were all set"},
		{append([]string{"--slow", "--timeout", "30s"}, at...), "raise the timeout"},
		{append([]string{"--json", "out", "--junit", "./out"}, at...), "two reports would be written"},
		{append([]string{"--id", "OPEN-15"}, at...), "--id OPEN-15: no such requirement or case; the nearest: OPEN-015;"},
		{append([]string{"--set", "0.9"}, at...), `--set "0.9": no such requirement set; there is 1.1`},
	} {
		stdout, stderr, code := conform(t, append([]string{"run"}, tt.args...)...)
		if code != report.ExitUsage || stdout != "" || !strings.Contains(stderr, tt.want) {
			t.Errorf("run %q exits %d: %s; want 2 and %q", tt.args, code, stderr, tt.want)
		}
	}
}

// The whole chain: this program certifies its own peer, then a mutant of it.
func TestSelfCheckKills(t *testing.T) {
	t.Parallel()
	stdout, stderr, code := conform(t, "self-check", "--id", "FRAME-007,API-014", "--json")
	if code != 0 {
		t.Fatalf("exit code %d\n%s%s", code, stdout, stderr)
	}
	var m struct {
		OK      bool
		Mutants []struct{ Requirement, Role, Outcome string }
	}
	if err := json.Unmarshal([]byte(stdout), &m); err != nil {
		t.Fatal(err)
	}
	if len(m.Mutants) != 3 || !m.OK {
		t.Errorf("%+v; want a server, a client and an API killed", m)
	}
	for _, x := range m.Mutants {
		if x.Outcome != "killed" {
			t.Errorf("%s/%s: %s", x.Requirement, x.Role, x.Outcome)
		}
	}
}

func TestList(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		args, want []string
		not        string
	}{
		{nil, []string{"FRAME-002", "API-001", "excepted with the reason"}, " cases\n"},
		{[]string{"OPEN-015"}, []string{"OPEN-015  MUST, server, core\n", "1 requirement, 3 cases"}, "OPEN-014"},
		{[]string{"FRAME-002/server/z*"}, []string{"FRAME-002/server/zero", "1 requirement, 1 case\n"}, "/two"},
		{[]string{"FRAME-*", "--role", "client"}, []string{"FRAME-001/client", "FRAME-011/client"}, "/server"},
	} {
		stdout, stderr, code := conform(t, append([]string{"list"}, tt.args...)...)
		if code != 0 {
			t.Errorf("list %q exits %d: %s", tt.args, code, stderr)
		}
		for _, want := range tt.want {
			if !strings.Contains(stdout, want) {
				t.Errorf("list %q does not show %q", tt.args, want)
			}
		}
		if strings.Contains(stdout, tt.not) {
			t.Errorf("list %q shows %q", tt.args, tt.not)
		}
	}
}

// An error says which help to read.
func TestUsageNamesTheHelp(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{
		"adit-conform run --help shows its flags":          {"run", "--nonsense"},
		"adit-conform list --help shows its flags":         {"list", "OPEN-15"},
		"adit-conform fault server --help shows its flags": {"fault", "server"},
		"adit-conform --help shows the commands":           {"lits"},
	} {
		if _, stderr, code := conform(t, args...); code != report.ExitUsage || !strings.Contains(stderr, want) {
			t.Errorf("%q exits %d: %s; want 2 and %q", args, code, stderr, want)
		}
	}
}

func TestShellsCompleteIDs(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{
		"OPEN-015\n": {"explain", "OPEN-01"}, "FRAME-002\n": {"run", "--id", "FRAME"}, "off\n": {"run", "--segmentation", ""}, "subject\n": {"schema", ""},
	} {
		if stdout, stderr, code := conform(t, append([]string{"__complete"}, args...)...); code != 0 || !strings.Contains(stdout, want) {
			t.Errorf("completion of %q exits %d and has no %q:\n%s%s", args, code, want, stdout, stderr)
		}
	}
	if stdout, _, code := conform(t, "completion", "bash"); code != 0 || !strings.Contains(stdout, "bash completion") {
		t.Errorf("completion bash exits %d:\n%s", code, stdout)
	}
}

// All four programs take a flag with one dash or two.
func TestFlagsTakeOneDashOrTwo(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"-version"}, {"--version"}, {"-help"}, {"run", "-help"}, {"list", "-help"}} {
		stdout, stderr, code := conform(t, args...)
		if code != 0 || !strings.Contains(stdout, "adit-conform") {
			t.Errorf("%q: exit code %d\n%s%s", args, code, stdout, stderr)
		}
	}
	if _, stderr, code := conform(t, "run", "-subjct", "x"); code != 2 || !strings.Contains(stderr, "--subject") {
		t.Errorf("exit code %d, %q; want 2 and the flag that may be meant", code, stderr)
	}
}
