package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestDoctor(t *testing.T) {
	bin, dir := programs(t), t.TempDir()
	free := []string{"--tunnel.listen_port", "0", "--api.listen_port", "0", "--visitors.listen_host", "127.0.0.1", "--database.path", filepath.Join(dir, "m.db")}
	ask := func(args ...string) (int, string) {
		var out bytes.Buffer
		code := doctor(append(append([]string{}, free...), args...), &out, &out)
		return code, out.String()
	}
	want := func(what string, code int, words []string, args ...string) {
		t.Helper()
		got, text := ask(args...)
		for _, w := range words {
			if got != code || !strings.Contains(text, w) {
				t.Errorf("%s: %d\n%s\nwant %d and %q", what, got, text, code, w)
			}
		}
	}
	public := freePort(t)
	mapped := fmt.Sprintf("%d=22", public)
	want("nothing is wrong", 0, []string{"ok     clock", "ok     descriptors", "ok     tunnel.listen_port 0: free", fmt.Sprintf("ok     map %d: free", public), "ok     database.path"}, "--map", mapped)
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("it leaves %v, %v", left, err)
	}
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", public))
	if err != nil {
		t.Fatal(err)
	}
	want("this test has the port", 1, []string{fmt.Sprintf("FAULT  map %d: ", public), fmt.Sprintf("has it (process %d); stop that", os.Getpid()), "1 faults"}, "--map", mapped)
	l.Close()
	want("a folder that cannot be", 1, []string{"FAULT  database.path: ", "set another database.path"}, "--database.path", "/proc/no/m.db")
	want("an address of another machine", 1, []string{"FAULT  tunnel.listen_port 0: ", "correct listen_host"}, "--tunnel.listen_host", "192.0.2.1", "--open")
	want("a wrong configuration", 2, []string{"adit-server doctor: flag --map: "}, "--map", "x")

	server := start(t, filepath.Join(bin, "adit-server"), append(append([]string{}, free...), "--map", mapped)...)
	tunnel := regexp.MustCompile(`tunnel=(\S+)`).FindStringSubmatch(server.line(t, "msg=ready"))[1]
	want("a server that runs", 0, []string{fmt.Sprintf("ok     map %d: adit-server has it, which runs already (process %d)", public, server.cmd.Process.Pid)}, "--map", mapped)
	out, err := exec.Command(filepath.Join(bin, "adit-client"), "doctor", "--server", tunnel).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "ok     tunnel: the server "+tunnel+" takes this client") {
		t.Errorf("adit-client doctor beside a server that runs: %v\n%s", err, out)
	}
	server.stop(t)
}
