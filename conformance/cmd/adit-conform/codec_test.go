package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/adit-tunnel/adit/conformance/codec"
	"github.com/adit-tunnel/adit/conformance/report"
)

func TestCodecExitCodes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		args []string
		want int
		says string
	}{
		{"a program that answers nonsense", []string{"--exec", "cat"}, report.ExitFailed, "remedy"},
		{"a program that ends", []string{"--exec", "true"}, report.ExitUnreachable, "before its first answer"},
		{"a program that is not there", []string{"--exec", "./no-such-codec"}, report.ExitUnreachable, "127"},
		{"no program", nil, report.ExitUsage, "--exec is missing"},
		{"an empty program", []string{"--exec", " "}, report.ExitUsage, "--exec is missing"},
		{"no time", []string{"--exec", "cat", "--timeout", "0s"}, report.ExitUsage, "--timeout"},
		{"a vector that does not exist", []string{"--exec", "cat", "--vector", "frame_nothing"}, report.ExitUsage, "--vector"},
		{"a report into no folder", []string{"--exec", "cat", "--json", "/nonexistent/x.json"}, report.ExitUsage, "--json"},
		{"a stray argument", []string{"--exec", "cat", "please"}, report.ExitUsage, "please"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			stdout, stderr, code := conform(t, append([]string{"codec"}, tt.args...)...)
			if code != tt.want || !strings.Contains(stdout+stderr, tt.says) {
				t.Errorf("codec %q exits %d; want %d, and %q said\n%s%s", tt.args, code, tt.want, tt.says, stdout, stderr)
			}
			if code == report.ExitUsage && (stdout != "" || !strings.HasPrefix(stderr, "adit-conform: ")) {
				t.Errorf("wrong usage is not explained on standard error alone:\n%s%s", stdout, stderr)
			}
		})
	}
}

func TestCodecOfTheExample(t *testing.T) {
	t.Parallel()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("not run: python3 is not installed")
	}
	file := filepath.Join(t.TempDir(), "codec.json")
	stdout, stderr, code := conform(t, "codec", "--exec", "'"+python+"' ../../examples/python/codec.py", "--vector", "frame_size_*,stream_*", "--json", file)
	if code != report.ExitCertified || !strings.Contains(stdout, "every vector passed") {
		t.Errorf("exit code %d; want 0\n%s%s", code, stdout, stderr)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var r codec.Report
	if err := json.Unmarshal(b, &r); err != nil || r.Counts["frame"][codec.Pass] == 0 || r.Counts["dialogue"][codec.Pass] != 0 {
		t.Errorf("report: %v, counts %v; want frames and streams, no dialogue", err, r.Counts)
	}
}
