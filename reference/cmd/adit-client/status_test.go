package main

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/adit-tunnel/adit/reference/client"
)

func TestStatus(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "s")
	want := client.Status{
		Server: "h:9000", State: "connected", Since: time.Date(2024, 1, 1, 12, 0, 0, 0, time.Local), Error: "lost", Profile: "extended", TLS: true, Key: "home", RTT: 1.25,
		Connections: 1, Opened: 2, Failed: 3, In: 4, Out: 5, Published: []string{"h:8080 leads to 127.0.0.1:8080", "h:22 leads to 127.0.0.1:22"},
	}
	l, err := listenStatus(path)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		serveStatus(l, func() client.Status { return want }, slog.New(slog.DiscardHandler))
	}()
	if info, err := os.Stat(path); err != nil || info.Mode() != os.ModeSocket|0o600 {
		t.Errorf("the socket is %v, %v; want one for its owner alone", info.Mode(), err)
	}
	ask := func(args ...string) (int, string, string) {
		var out, notes bytes.Buffer
		code := showStatus(args, &out, &notes)
		return code, out.String(), notes.String()
	}
	code, out, notes := ask("--status_socket", path)
	const text = `server       h:9000
state        connected since 2024-01-01 12:00:00
last error   lost
profile      extended, TLS true
key          home
round trip   1.2 ms
connections  1 now, 2 so far, 3 failed
bytes        4 to services, 5 from them
published    h:8080 leads to 127.0.0.1:8080
             h:22 leads to 127.0.0.1:22
`
	if code != 0 || out != text || notes != "" {
		t.Errorf("status = %d\n%s%s\nwant\n%s", code, out, notes, text)
	}
	t.Setenv("ADIT_STATUS_SOCKET", path)
	var got client.Status
	if code, out, _ := ask("--json"); code != 0 || json.Unmarshal([]byte(out), &got) != nil || got.RTT != 1.25 || len(got.Published) != 2 || strings.Count(out, "\n") != 1 {
		t.Errorf("status --json = %d %s", code, out)
	}
	if _, err := listenStatus(path); err == nil || !strings.Contains(err.Error(), "another client answers") {
		t.Errorf("a second client at the same path: %v; want it refused", err)
	}
	l.Close()
	<-done
	if code, _, notes := ask(); code != 1 || !strings.Contains(notes, "no client answers at "+path) {
		t.Errorf("status without a client = %d %s", code, notes)
	}
	if l, err := listenStatus(path); err != nil {
		t.Errorf("a socket that was left behind: %v", err)
	} else {
		l.Close()
	}
	os.Unsetenv("ADIT_STATUS_SOCKET")
	if code, _, notes := ask(); code != 2 || !strings.Contains(notes, "status_socket is empty") {
		t.Errorf("status without a path = %d %s", code, notes)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := listenStatus(file); err == nil || !strings.Contains(err.Error(), "not a socket") {
		t.Errorf("a file at the path: %v; want it refused, and kept", err)
	}
	if _, err := listenStatus(filepath.Join(dir, "no", "s")); err == nil || !strings.Contains(err.Error(), "status_socket") {
		t.Errorf("a folder that is not there: %v", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 2 {
		t.Errorf("%v are left, %v; want the socket and the file", left, err)
	}
	other, err := net.Listen("unix", filepath.Join(dir, "t"))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	go func() {
		if c, err := other.Accept(); err == nil {
			c.Close()
		}
	}()
	if code, _, notes := ask("--status_socket", filepath.Join(dir, "t")); code != 1 || !strings.Contains(notes, "did not arrive whole") {
		t.Errorf("status of who says nothing = %d %s", code, notes)
	}
}
