package main

import (
	"os"
	"strings"
	"testing"

	"github.com/adit-tunnel/adit/conformance/cases"
	"github.com/adit-tunnel/adit/conformance/report"
)

func TestExplain(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		args string
		want []string
		not  string
	}{
		{
			"OPEN-015",
			[]string{
				"OPEN-015  MUST, server, core, section 8.3 The response\n", "in place of a response as a failure response", "Why: deployed clients can lose a response",
				"  OPEN-015/server/cell-requested-close        in state requested, Close", "requested  state of a connection: ConnectRequest sent, no response yet (server)",
			},
			"OPEN-014",
		},
		{"OPEN-015/server/cell-requested-close", []string{"in place of a response", "cell-requested-close"}, "OPEN-015/server  "},
		{"open-02?", []string{"OPEN-020  ", "OPEN-026  ", "connect-timeout  10 s, 5 s to 30 s"}, "OPEN-019  "},
		{"XOPEN-011", []string{"max-connections  any 16384 connections, "}, "MiB"},
		{"AUTH-016", []string{"seats          at most 256 tunnels, ", "seats-address  at most 32 tunnels, "}, "KiB"},
		{"ALIVE-007", []string{"server and client: excepted: whether a side itself read"}, "tested by"},
		{"draining Pass-Nonstrict", []string{"draining  state of a connection", "a SHOULD was missed"}, "retired"},
		{"terms", []string{"reset ", "barrier ", "standing ", "abandoned ", "tunnel error "}, "FRAME-001"},
		{"--section 10", []string{"## 10 Closing", "CLOSE-010"}, "## 11"},
		{"--section 8", []string{"## 8 Opening", "### 8.4 Giving up"}, "## 9"},
		{"--section B", []string{"## Appendix B"}, "## 1 "},
	} {
		stdout, stderr, code := conform(t, append([]string{"explain"}, strings.Fields(tt.args)...)...)
		if code != 0 || stderr != "" {
			t.Errorf("explain %s exits %d: %s", tt.args, code, stderr)
		}
		for _, want := range tt.want {
			if !strings.Contains(stdout, want) {
				t.Errorf("explain %s does not say %q:\n%s", tt.args, want, stdout)
			}
		}
		if strings.Contains(stdout, tt.not) {
			t.Errorf("explain %s says %q:\n%s", tt.args, tt.not, stdout)
		}
	}
	protocol, err := os.ReadFile("../../../PROTOCOL.md")
	if err != nil {
		t.Fatal(err)
	}
	if stdout, _, code := conform(t, "explain", "--text"); code != 0 || stdout != string(protocol) {
		t.Errorf("explain --text exits %d and prints %d bytes; want PROTOCOL.md, %d bytes", code, len(stdout), len(protocol))
	}
}

func TestExplainRefuses(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"":                  "what is to be explained?",
		"OPEN-15":           "the nearest: OPEN-015",
		"OPEN-015 drainig":  "adit-conform explain terms the words",
		"--section 42":      `"42": no such section; there are 1 Conventions`,
		"--text --section=": "none of the others can be",
	} {
		stdout, stderr, code := conform(t, append([]string{"explain"}, strings.Fields(args)...)...)
		if code != report.ExitUsage || stdout != "" || !strings.Contains(stderr, want) {
			t.Errorf("explain %s exits %d: %s%s; want 2 and %q", args, code, stdout, stderr, want)
		}
	}
}

// Nothing that is printed for a pipe is wider than a page, and no line ends in padding.
func TestPagesAreNarrow(t *testing.T) {
	t.Parallel()
	for _, command := range []string{"list", "explain *"} {
		stdout, stderr, code := conform(t, strings.Fields(command)...)
		if code != 0 || stdout == "" {
			t.Fatalf("%s exits %d: %s", command, code, stderr)
		}
		for _, id := range cases.IDs() {
			if !strings.Contains(stdout, id+"  ") {
				t.Errorf("%s does not show %s", command, id)
			}
		}
		for l := range strings.Lines(stdout) {
			if l = strings.TrimSuffix(l, "\n"); strings.HasSuffix(l, " ") || len([]rune(l)) > pageWidth {
				t.Errorf("%s prints a line of %d columns: %q", command, len([]rune(l)), l)
			}
		}
	}
}
