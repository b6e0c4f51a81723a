package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/adit-tunnel/adit/conformance/report"
	"github.com/adit-tunnel/adit/conformance/schematest"
)

// failing is the JSON report of a run that fails, with whatever args ask for beside it.
func failing(t *testing.T, args ...string) (file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "report.json")
	addr := server(t, true)
	args = append([]string{"run", "--server", addr, "--visitor", addr, "--id", "FRAME-002,FRAME-007", "--json", file}, args...)
	if stdout, stderr, code := conform(t, args...); code != report.ExitFailed {
		t.Fatalf("%q exits %d; want %d\n%s%s", args, code, report.ExitFailed, stdout, stderr)
	}
	return file
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestReportFollowsThePublishedSchema(t *testing.T) {
	t.Parallel()
	stdout, _, code := conform(t, "schema", "report")
	if code != 0 {
		t.Fatalf("schema report exits %d", code)
	}
	if err := schematest.Compile(t, []byte(stdout)).JSON(t, read(t, failing(t))); err != nil {
		t.Errorf("the report of a run does not follow the schema: %v", err)
	}
	if _, stderr, code := conform(t, "schema", "nonsense"); code != report.ExitUsage || stderr == "" {
		t.Errorf("a schema that does not exist: exit code %d, standard error %q; want 2 and an explanation", code, stderr)
	}
}

// A report that is made again from the JSON file is the one that the run wrote.
func TestReportsAreMadeAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	flags := []string{"--junit", "--html", "--markdown", "--badge"}
	to := func(from string) (args []string) {
		for _, f := range flags {
			args = append(args, f, filepath.Join(dir, from+f))
		}
		return args
	}
	file := failing(t, to("run")...)
	if _, stderr, code := conform(t, append([]string{"report", file}, to("again")...)...); code != 0 {
		t.Fatalf("report exits %d\n%s", code, stderr)
	}
	for _, f := range flags {
		if !bytes.Equal(read(t, filepath.Join(dir, "run"+f)), read(t, filepath.Join(dir, "again"+f))) {
			t.Errorf("%s is not the same again", f)
		}
	}
	stdout, _, code := conform(t, "report", file)
	if code != 0 || !bytes.Contains([]byte(stdout), []byte("NOT CERTIFIED")) {
		t.Errorf("report without flags exits %d and prints no certificate:\n%s", code, stdout)
	}
	if _, stderr, code := conform(t, "report", filepath.Join(dir, "run--html")); code != report.ExitUsage || stderr == "" {
		t.Errorf("a file that is no report: exit code %d, standard error %q; want 2 and an explanation", code, stderr)
	}
}

func TestDiffAndMatrix(t *testing.T) {
	t.Parallel()
	bad, good := failing(t), filepath.Join(t.TempDir(), "good.json")
	addr := server(t, false)
	if stdout, _, code := conform(t, "run", "--server", addr, "--visitor", server(t, true), "--id", "FRAME-002/server/two", "--json", good); code != 0 {
		t.Fatalf("run exits %d\n%s", code, stdout)
	}
	for _, tt := range []struct {
		args []string
		want int
		says string
	}{
		{[]string{"diff", bad, good}, report.ExitCertified, "fixed (1)"},
		{[]string{"diff", good, bad}, report.ExitFailed, "broken (1)"},
		{[]string{"diff", good, good}, report.ExitCertified, "nothing changed"},
		{[]string{"diff", good}, report.ExitUsage, ""},
		{[]string{"matrix", good, bad}, report.ExitCertified, "FRAME-007 server"},
		{[]string{"matrix", good, bad, "--markdown"}, report.ExitCertified, "| --- |"},
		{[]string{"matrix"}, report.ExitUsage, ""},
		{[]string{"matrix", filepath.Join(t.TempDir(), "none.json")}, report.ExitUsage, ""},
	} {
		stdout, stderr, code := conform(t, tt.args...)
		if code != tt.want || !bytes.Contains([]byte(stdout), []byte(tt.says)) {
			t.Errorf("%q exits %d; want %d, and %q\n%s%s", tt.args, code, tt.want, tt.says, stdout, stderr)
		}
	}
}

func TestBaseline(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	bad, good := server(t, true), server(t, false)
	of := func(addr, id string) []string {
		return []string{"run", "--server", addr, "--visitor", server(t, true), "--id", id, "--baseline"}
	}
	line := write("line.yaml", "known:\n- id: FRAME-007/server\n  reason: unknown types end the tunnel\n")
	passes := write("passes.yaml", "known:\n- id: FRAME-002/server/two\n  reason: was so once\n")
	mistaken := write("mistaken.yaml", "known:\n- id: FRAME-077\n  reason: a\n")
	for _, tt := range []struct {
		args []string
		want int
		says string
	}{
		{append(of(bad, "FRAME-007"), line), report.ExitCertified, "PASSED BUT FOR"},
		{append(of(bad, "FRAME-007,FRAME-004"), line), report.ExitFailed, "NOT CERTIFIED"},
		{append(of(good, "FRAME-002/server/two"), passes), report.ExitFailed, "passes; remove the line"},
		{append(of(good, "FRAME-002/server/two"), mistaken), report.ExitUsage, "mistaken.yaml:2: known[0].id"},
		{append(of(good, "FRAME-002/server/two"), line, "--fail-fast"), report.ExitUsage, "fail-fast"},
	} {
		stdout, stderr, code := conform(t, tt.args...)
		if code != tt.want || !bytes.Contains([]byte(stdout+stderr), []byte(tt.says)) {
			t.Errorf("%q exits %d; want %d, and %q\n%s%s", tt.args, code, tt.want, tt.says, stdout, stderr)
		}
	}
}

func TestBundle(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	bundle, subject := filepath.Join(dir, "bundle.json"), filepath.Join(dir, "subject.yaml")
	text := fmt.Sprintf("name: peer\nclient:\n  command: '\"%s\" fault client --server {tunnel}'\n", binary)
	if err := os.WriteFile(subject, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if stdout, stderr, code := conform(t, "run", "--subject", subject, "--id", "FRAME-002/client/two", "--bundle", bundle); code != 0 {
		t.Fatalf("run exits %d\n%s%s", code, stdout, stderr)
	}
	stdout, stderr, code := conform(t, "verify", bundle)
	if code != 0 || strings.Count(stdout, "ok  ") != 7 || !strings.Contains(stdout, "subject "+binary) {
		t.Errorf("verify exits %d; want 0 and seven checks\n%s%s", code, stdout, stderr)
	}
	if err := os.WriteFile(subject, []byte("name: other\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if stdout, _, code := conform(t, "verify", bundle); code != report.ExitFailed || !strings.Contains(stdout, "differs   subject "+subject) {
		t.Errorf("with another subject file verify exits %d; want 1\n%s", code, stdout)
	}
	if _, stderr, code := conform(t, "verify", failing(t)); code != report.ExitUsage || !strings.Contains(stderr, "--bundle") {
		t.Errorf("without digests verify exits %d; want 2 and the remedy\n%s", code, stderr)
	}
}
