package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/adit-tunnel/adit/reference/config"
	"github.com/adit-tunnel/adit/reference/keys"
)

func TestKeygenWithRights(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keys")
	var out, notes bytes.Buffer
	args := []string{"home", "--keys", file, "--ports", "10000-10010,10022", "--services", "ssh", "--networks", "tcp", "--connections", "100", "--tunnels", "2", "--addresses", "10.0.0.0/8"}
	if code := keygen(args, &out, &notes); code != 0 {
		t.Fatalf("keygen = %d: %s", code, &notes)
	}
	text, err := os.ReadFile(file)
	if want := " ports=10000-10010,10022 services=ssh networks=tcp connections=100 tunnels=2 addresses=10.0.0.0/8\n"; err != nil || !strings.HasSuffix(string(text), want) {
		t.Errorf("the file has %q, %v; want %q at the end", text, err, want)
	}
	if strings.Contains(out.String(), "ports") {
		t.Errorf("the client's line has its rights: %s", &out)
	}
}

func TestKeygen(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keys")
	var out, notes bytes.Buffer
	if code := keygen([]string{"home", "--keys", file, "--tunnel.listen_host", "192.0.2.1", "--tunnel.listen_port", "9001"}, &out, &notes); code != 0 {
		t.Fatalf("keygen = %d: %s", code, &notes)
	}
	key, err := keys.Read(file)
	if want := "ADIT_KEY='" + key.Line() + "' adit-client --server 192.0.2.1:9001\n"; err != nil || out.String() != want {
		t.Errorf("keygen prints %q, %v; want %q", &out, err, want)
	}
	if strings.Contains(notes.String(), key.Line()[11:]) || !strings.Contains(notes.String(), file) {
		t.Errorf("it notes %q; want where the key is, and not the key", &notes)
	}
	var c config.Server
	c.Tunnel.ListenHost, c.Plain = "tunnel.example.org", true
	if got := commandLine(key, c); !strings.HasSuffix(got, " adit-client --server tunnel.example.org:0 --plain") {
		t.Errorf("without TLS the line is %q; want --plain", got)
	}
	c.Plain, c.Balanced = false, true
	if got := commandLine(key, c); !strings.HasSuffix(got, " adit-client --server tunnel.example.org:0 --tls_ends_before") {
		t.Errorf("behind a balancer the line is %q; want --tls_ends_before", got)
	}
	for server, want := range map[string]string{"adit-server": "adit-client", "bin/adit-server": "bin/adit-client", "./adit-server": "./adit-client", "/opt/bin/adit-server": "adit-client"} {
		if got := client(server); got != want {
			t.Errorf("beside %s the client is called %s; want %s", server, got, want)
		}
	}
	name, _ := os.Hostname()
	for listen, want := range map[string]string{"": name, "0.0.0.0": name, "::": name, "2001:db8::1": "2001:db8::1", "tunnel.example.org": "tunnel.example.org"} {
		if got := hostFor(listen); got != want {
			t.Errorf("a server that listens on %q is reached at %q; want %q", listen, got, want)
		}
	}
	for _, c := range []struct {
		args []string
		code int
		word string
	}{
		{[]string{"home", "--keys", file}, 1, "has a key home already"},
		{[]string{"no name", "--keys", file}, 1, "is no name of a key"},
		{nil, 2, "for whom"},
		{[]string{"x", "--keys"}, 2, "keys"},
		{[]string{"x", "--keys", filepath.Dir(file)}, 1, "is a directory"},
		{[]string{"x", "--keys", file, "--ports", "22-21"}, 2, "flag --ports: option ports: element 1"},
		{[]string{"x", "--keys", file, "--tunnels", "many"}, 2, "flag --tunnels: "},
	} {
		out.Reset()
		notes.Reset()
		if code := keygen(c.args, &out, &notes); code != c.code || out.Len() > 0 || !strings.Contains(notes.String(), c.word) {
			t.Errorf("keygen %q = %d, %q, %q; want %d, %q and nothing printed", c.args, code, &out, &notes, c.code, c.word)
		}
	}
	for _, flag := range []string{"--help", "--version"} {
		out.Reset()
		if code := keygen([]string{flag}, &out, io.Discard); code != 0 || !strings.Contains(out.String(), "adit-server") {
			t.Errorf("keygen %s = %d, %q", flag, code, &out)
		}
	}
}

// TestTheLineOfKeygenStartsItsClient does what keygen prints, and takes the key away again.
func TestTheLineOfKeygenStartsItsClient(t *testing.T) {
	bin := programs(t)
	service, public := echoAll(t), freePort(t)
	file := filepath.Join(t.TempDir(), "keys")
	keygen := func(name string) string {
		out, err := exec.Command(filepath.Join(bin, "adit-server"), "keygen", name, "--keys", file).Output()
		if err != nil || strings.Count(string(out), "\n") != 1 {
			t.Fatalf("keygen prints %q, %v; want one line", out, err)
		}
		return string(out)
	}
	line := keygen("home")
	server := start(t, filepath.Join(bin, "adit-server"), "--keys", file, "-tunnel.listen_host", "127.0.0.1", "-tunnel.listen_port", "0", "-api.listen_port", "0",
		"-visitors.listen_host", "127.0.0.1", "-database.path", filepath.Join(t.TempDir(), "mappings.db"), "-map", fmt.Sprintf("%d=%s", public, service))
	tunnel := regexp.MustCompile(`tunnel=(\S+) `).FindStringSubmatch(server.line(t, "msg=ready"))
	words := regexp.MustCompile(`^ADIT_KEY='(\S+)' adit-client --server \S+\n$`).FindStringSubmatch(line)
	if tunnel == nil || words == nil {
		t.Fatalf("keygen prints %q", line)
	}
	t.Setenv("ADIT_KEY", words[1])
	client := start(t, filepath.Join(bin, "adit-client"), "--server", tunnel[1])
	if line := client.line(t, "msg=connected"); !strings.Contains(line, "tls=true") {
		t.Errorf("the client says %q; want tls=true", line)
	}
	server.line(t, "tunnel connected")

	visitor, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", public))
	if err != nil {
		t.Fatal(err)
	}
	defer visitor.Close()
	visitor.SetDeadline(time.Now().Add(soon))
	io.WriteString(visitor, "hello\n")
	if got, err := bufio.NewReader(visitor).ReadString('\n'); got != "hello\n" {
		t.Errorf("the visitor reads %q, %v; want its own line", got, err)
	}
	if err := os.WriteFile(file, []byte("# none\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	server.line(t, "its key was taken away")
	client.line(t, "the server denies the key home")

	os.Unsetenv("ADIT_KEY")
	shown := start(t, filepath.Join(bin, "adit-client"), "--server", tunnel[1], "--key", regexp.MustCompile(`adit1:[^']+`).FindString(keygen("other")))
	shown.line(t, "shows in the list of processes")
	shown.line(t, "msg=connected")
	shown.stop(t)
	client.stop(t)
	server.stop(t)
}
