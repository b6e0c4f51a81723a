package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/adit-tunnel/adit/conformance/engine"
	"github.com/adit-tunnel/adit/conformance/replay"
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
		{"ERR-002", "ERR-002/server", engine.Server, "what the case saw by itself"},
	}
	for i, tt := range tests {
		t.Run(tt.mutant+" "+string(tt.role), func(t *testing.T) {
			if testing.Short() && i >= 4 {
				t.Skip("not run: each takes seconds; go test without -short runs all")
			}
			t.Parallel()
			bad, good, dir := peerFile(t, tt.role, tt.mutant), peerFile(t, tt.role, ""), t.TempDir()
			out, errs, code := conform(t, "run", "--subject", bad, "--id", tt.id, "--segmentation=off", "--replay", dir, "--shrink-for", "4s")
			if code != 1 {
				t.Fatalf("exit code %d of the run; want 1\n%s%s", code, out, errs)
			}
			name := filepath.Join(dir, replay.FileName(tt.id))
			if _, err := replay.Read(name); err != nil {
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

// padded is a failure of FRAME-008's mutant with much beside it.
func padded(t *testing.T) string {
	t.Helper()
	f := &replay.File{
		Replay: 1, Role: engine.Server, Requirement: replay.Requirement{ID: "FRAME-008", Level: "MUST"}, Case: "FRAME-008/server/padded",
		Steps:   []engine.Step{{Do: "tunnel", On: "tunnel 1"}, {Do: "barrier", On: "tunnel 1"}},
		Symptom: &engine.Symptom{Step: &engine.Step{Do: "closed", On: "tunnel 1", Within: engine.Duration(time.Second), Says: "the tunnel is closed"}},
	}
	for i := range 6 {
		f.Steps = append(f.Steps, engine.Step{Do: "send", On: "tunnel 1", Octets: engine.Notation(fmt.Sprintf("010500000000 0180%08x 00*%d 010300000009 e00000%02x 68656c6c6f", 1000+i, 1000+i, i))})
		if i == 3 {
			f.Steps = append(f.Steps, engine.Step{Do: "send", On: "tunnel 1", Octets: "010500000000 010400000003 000000 010500000000"})
		}
	}
	name := filepath.Join(t.TempDir(), "padded.json")
	if err := f.Write(name); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestShrink(t *testing.T) {
	t.Parallel()
	name, bad := padded(t), peerFile(t, engine.Server, "FRAME-008")
	small := filepath.Join(t.TempDir(), "small.json")
	out, _, code := conform(t, "replay", name, "--subject", bad, "--shrink", "-o", small)
	if code != 1 {
		t.Fatalf("exit code %d; want 1\n%s", code, out)
	}
	f, err := replay.Read(small)
	if err != nil {
		t.Fatal(err)
	}
	if len(f.Steps) > 3 || !strings.Contains(string(f.Steps[len(f.Steps)-1].Octets), "010400000003 000000") {
		t.Errorf("%s: %d steps are left; want the tunnel and the frame\n%+v", out, len(f.Steps), f.Steps)
	}
	if _, _, code := conform(t, "replay", small, "--subject", bad); code != 1 {
		t.Errorf("exit code %d of the small file; want 1", code)
	}
	if out, _, code := conform(t, "replay", small, "--subject", peerFile(t, engine.Server, "")); code != 0 {
		t.Errorf("exit code %d of the small file against the peer; want 0\n%s", code, out)
	}
	if out, _, code := conform(t, "replay", name, "--subject", peerFile(t, engine.Server, ""), "--shrink", "-o", small); code != 6 || !strings.Contains(out, "did not come again") {
		t.Errorf("exit code %d when there is nothing to shrink; want 6\n%s", code, out)
	}
}

func TestReplayUsage(t *testing.T) {
	t.Parallel()
	name := padded(t)
	wrong := filepath.Join(t.TempDir(), "wrong.json")
	if err := os.WriteFile(wrong, []byte(`{"replay": 1, "rol": "server"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"replay", name}, 2, "--server"},
		{[]string{"replay", wrong, "--server", "127.0.0.1:1"}, 2, "rol"},
		{[]string{"replay", name, "--client-cmd", "true {addr}"}, 2, "server"},
		{[]string{"replay", name, "--server", refusing(t)}, 3, "unreachable"},
		{[]string{"replay", name, "--server", "x"}, 2, "--server"},
		{[]string{"replay", name, "--server", "127.0.0.1:1", "--shrink"}, 2, "output"},
		{[]string{"replay", name, "--server", "127.0.0.1:1", "--times", "0"}, 2, "--times"},
	} {
		if _, errs, code := conform(t, tt.args...); code != tt.code || !strings.Contains(errs, tt.want) {
			t.Errorf("%q: exit code %d, %q; want %d and %q", tt.args, code, errs, tt.code, tt.want)
		}
	}
}

// The script for nc sends what the file says, to a server that only listens.
func TestNC(t *testing.T) {
	t.Parallel()
	if out, err := exec.Command("sh", "-c", "nc -h 2>&1").CombinedOutput(); !strings.Contains(string(out), "OpenBSD") {
		t.Skipf("not run: needs nc (Debian package netcat-openbsd): %v", err)
	}
	name := padded(t)
	script, errs, code := conform(t, "replay", name, "--nc")
	if code != 0 {
		t.Fatalf("exit code %d\n%s", code, errs)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	got := make(chan []byte, 1)
	go func() { // ends when the script's nc has its answer, or the test does
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
		var all []byte
		for buf := make([]byte, 4096); !strings.Contains(string(all), "\x01\x04\x00\x00\x00\x03"); {
			n, err := conn.Read(buf)
			if all = append(all, buf[:n]...); err != nil {
				break
			}
		}
		_, _ = conn.Write(engine.KeepAlive().Bytes())
		_ = conn.(*net.TCPConn).CloseWrite()
		rest, _ := io.ReadAll(conn) // closing before nc's last octets came would reset what it has not read
		got <- append(all, rest...)
	}()
	host, port, _ := net.SplitHostPort(l.Addr().String())
	cmd := exec.CommandContext(t.Context(), "bash", "-c", script, "sh", host, port)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), " 01 05 00 00 00 00") || !strings.Contains(string(out), "has ended") {
		t.Errorf("%v; the script printed\n%s\nwant the KeepAlive and the end", err, out)
	}
	f, err := replay.Read(name)
	if err != nil {
		t.Fatal(err)
	}
	want := engine.KeepAlive().Bytes() // of the barrier
	for _, s := range f.Steps {
		b, err := s.Octets.Bytes(nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, b...)
	}
	if all := <-got; len(all) < 1000 || !strings.HasPrefix(string(want), string(all)) {
		t.Errorf("%d octets came, and they differ from those of the file", len(all))
	}
}
