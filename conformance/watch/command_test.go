package watch

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/adit-tunnel/adit/conformance/judge"
	"github.com/adit-tunnel/adit/conformance/wire"
)

// conform runs adit-conform watch to its end.
func conform(t *testing.T, dir string, args ...string) (out string, code int) {
	t.Helper()
	b, err := exec.CommandContext(t.Context(), filepath.Join(dir, "adit-conform"), append([]string{"watch"}, args...)...).CombinedOutput()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return string(b), exit.ExitCode()
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(b), 0
}

func TestCommand(t *testing.T) {
	dir := built(t)
	p := newTape(t)
	p.begin()
	p.sends(judge.Client, wire.Request(1, 22).Bytes())
	capture, report := filepath.Join(t.TempDir(), "a.pcap"), filepath.Join(t.TempDir(), "a.json")
	if err := os.WriteFile(capture, p.file.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	taken := listen(t)
	defer taken.Close()
	for _, c := range []struct {
		name  string
		args  []string
		code  int
		words string
	}{
		{"a capture with a violation", []string{"--pcap", capture, "--json", report}, 1, "FRAME-001"},
		{"the same, another port", []string{"--pcap", capture, "--port", "9001"}, 0, "no violations"},
		{"no capture", []string{"--pcap", filepath.Join(dir, "adit-server")}, 2, "--pcap"},
		{"no file", []string{"--pcap", filepath.Join(dir, "none")}, 2, "--pcap"},
		{"nothing to watch", nil, 2, "give --listen and --to, or --pcap"},
		{"half of it", []string{"--listen", "127.0.0.1:0"}, 2, "give both"},
		{"a server without a port", []string{"--listen", "127.0.0.1:0", "--to", "here"}, 2, "--to"},
		{"a port that is taken", []string{"--listen", taken.Addr().String(), "--to", "127.0.0.1:1"}, 3, "--listen"},
	} {
		out, code := conform(t, dir, c.args...)
		if code != c.code || !strings.Contains(out, c.words) {
			t.Errorf("%s: exit code %d; want %d, and %q in\n%s", c.name, code, c.code, c.words, out)
		}
	}
	b, err := os.ReadFile(report)
	var rep Report
	if err == nil {
		err = json.Unmarshal(b, &rep)
	}
	if err != nil || rep.Schema != 1 || len(rep.Violations) != 1 || rep.Violations[0].Side != "client" || rep.Violations[0].Level != "MUST" {
		t.Errorf("the JSON report says %+v, %v; want one violation by the client", rep, err)
	}
}

func TestInterrupt(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), filepath.Join(built(t), "adit-conform"), "watch", "--listen", free(t), "--to", free(t))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	b := make([]byte, 1<<10)
	for sent := false; ; {
		n, err := out.Read(b)
		text.Write(b[:n])
		if !sent && strings.Contains(text.String(), "watching") {
			sent = true
			if err := cmd.Process.Signal(os.Interrupt); err != nil {
				t.Fatal(err)
			}
		}
		if err != nil {
			break
		}
	}
	if err := cmd.Wait(); err != nil || !strings.Contains(text.String(), "0 tunnels, 0 connections, 0 frames\nno violations") {
		t.Errorf("after SIGINT: %v; want the summary and exit code 0, got\n%s", err, text.String())
	}
}
