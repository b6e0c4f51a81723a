package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/adit-tunnel/adit/conformance/dialogue"
	"github.com/adit-tunnel/adit/conformance/engine"
)

// peerFile is a subject file of the suite's own peer in one role; mutant "" conforms.
func peerFile(t *testing.T, role engine.Role, mutant string) string {
	t.Helper()
	if mutant != "" {
		mutant = " --mutant " + mutant
	}
	text := fmt.Sprintf("name: peer\nclient: {command: \"%s fault client --server {tunnel}%s\"}\n", binary, mutant)
	if role == engine.Server {
		text = fmt.Sprintf("name: peer\nserver: {command: \"%s fault server --tunnel {tunnel} --visitor {visitor} --target {target}%s\", ready: {tcp: \"{tunnel}\"}}\n", binary, mutant)
	}
	name := filepath.Join(t.TempDir(), "subject.yaml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// What run --replay writes fails against the mutant that it was written for
// and passes against the peer without it.
func TestReplay(t *testing.T) {
	t.Parallel()
	tests := []struct {
		mutant, id string
		role       engine.Role
		kind       string
	}{
		{"FRAME-002", "FRAME-002/server/zero", engine.Server, "the tunnel must be closed"},
		{"OPEN-008", "OPEN-008/client", engine.Client, "the tunnel must stay open"},
		{"OPEN-014", "OPEN-014/server", engine.Server, "a frame comes that must not"},
		{"CLOSE-001", "CLOSE-001/client/local-first", engine.Client, "a frame comes that must not"},
		{"DATA-004", "DATA-004/server/closed-for-good", engine.Server, "a frame does not come"},
		{"DATA-003", "DATA-003/client", engine.Client, "octets at the service"},
		{"FRAME-009", "FRAME-009/server", engine.Server, "a rule of every case"},
	}
	for i, tt := range tests {
		t.Run(tt.mutant+" "+string(tt.role), func(t *testing.T) {
			if testing.Short() && i >= 4 {
				t.Skip("not run: each takes seconds; go test without -short runs all")
			}
			t.Parallel()
			bad, good, dir := peerFile(t, tt.role, tt.mutant), peerFile(t, tt.role, ""), t.TempDir()
			out, errs, code := conform(t, "run", "--subject", bad, "--id", tt.id, "--segmentation=off", "--replay", dir)
			if code != 1 {
				t.Fatalf("exit code %d of the run; want 1\n%s%s", code, out, errs)
			}
			name := filepath.Join(dir, dialogue.FileName(tt.id))
			if _, err := dialogue.Read(name); err != nil {
				t.Fatal(err, errs)
			}
			out, _, code = conform(t, "replay", name, "--subject", bad)
			if code != 1 || !strings.Contains(out, "REPRODUCED") || !strings.Contains(out, "clause    "+tt.mutant) {
				t.Errorf("%s: exit code %d against the mutant; want 1\n%s", tt.kind, code, out)
			}
			if out, _, code = conform(t, "replay", name, "--subject", good, "--times", "2"); code != 0 || !strings.Contains(out, "NOT REPRODUCED") {
				t.Errorf("%s: exit code %d against the peer; want 0\n%s", tt.kind, code, out)
			}
		})
	}
}

// A case that judges by more than what it waited for has no dialogue, and the run says so.
func TestNoReplay(t *testing.T) {
	t.Parallel()
	_, errs, _ := conform(t, "run", "--subject", peerFile(t, engine.Server, "ERR-002"), "--id", "ERR-002/server", "--segmentation=off", "--replay", t.TempDir())
	if !strings.Contains(errs, "no replay file for ERR-002/server: the case judged it by rules of its own") {
		t.Errorf("the run says %q", errs)
	}
}

// A golden dialogue is replayed as it is.
func TestReplayGolden(t *testing.T) {
	t.Parallel()
	good, bad := peerFile(t, engine.Client, ""), peerFile(t, engine.Client, "OPEN-008")
	const file = "../../../spec/vectors/dialogue_client_port_zero.json"
	if out, _, code := conform(t, "replay", file, "--subject", good); code != 0 || !strings.Contains(out, "NOT REPRODUCED") {
		t.Errorf("exit code %d against the peer; want 0\n%s", code, out)
	}
	if out, _, code := conform(t, "replay", file, "--subject", bad); code != 1 || !strings.Contains(out, "clause    OPEN-008") {
		t.Errorf("exit code %d against the mutant; want 1\n%s", code, out)
	}
}

func TestReplayUsage(t *testing.T) {
	t.Parallel()
	name, bind := "../../../spec/vectors/dialogue_server_echo.json", "../../../spec/vectors/dialogue_bind_"
	wrong := filepath.Join(t.TempDir(), "wrong.json")
	if err := os.WriteFile(wrong, []byte(`{"id": "dialogue_x", "rol": "server"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"replay", name}, 2, "client-cmd"},
		{[]string{"replay", bind + "server_any.json", "--server", "127.0.0.1:1", "--visitor", "127.0.0.1:1"}, 2, "dialogue_bind_server_any.json: the server says HELLO with tag 0x0012: replay starts no subject with that option; run BIND-004,"},
		{[]string{"replay", bind + "client_bind.json", "--client-cmd", "true {addr}"}, 2, "the client says HELLO with tag 0x0012"},
		{[]string{"replay", bind + "server_not_agreed.json", "--server", refusing(t), "--visitor", refusing(t)}, 3, "unreachable"},
		{[]string{"replay", wrong, "--server", "127.0.0.1:1"}, 2, "rol"},
		{[]string{"replay", name, "--client-cmd", "true {addr}"}, 2, "server"},
		{[]string{"replay", name, "--server", refusing(t), "--visitor", refusing(t)}, 3, "unreachable"},
		{[]string{"replay", name, "--server", "x", "--visitor", "127.0.0.1:1"}, 2, "--server"},
		{[]string{"replay", name, "--server", "127.0.0.1:1"}, 2, "--visitor"},
		{[]string{"replay", name, "--server", "127.0.0.1:1", "--visitor", "127.0.0.1:1", "--times", "0"}, 2, "--times"},
	} {
		if _, errs, code := conform(t, tt.args...); code != tt.code || !strings.Contains(errs, tt.want) {
			t.Errorf("%q: exit code %d, %q; want %d and %q", tt.args, code, errs, tt.code, tt.want)
		}
	}
}
