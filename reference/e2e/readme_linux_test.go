package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A newcomer has so long from README to a tunnel. Here nobody reads, so a small part of it has to do.
const newcomer = 5 * time.Minute / 10

// quickstart is what README says under "A tunnel in two commands": its commands, and what a visitor does.
type quickstart struct {
	keygen, server, client string // command lines
	visitor                string
}

func readQuickstart(t *testing.T) quickstart {
	t.Helper()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ = bytes.Cut(text, []byte("\n## A tunnel in two commands\n"))
	text, _, _ = bytes.Cut(text, []byte("\n### "))
	var lines []string
	for line := range strings.Lines(string(text)) {
		if command, ok := strings.CutPrefix(line, "    "); ok {
			lines = append(lines, strings.TrimSpace(command))
		}
	}
	visitor := regexp.MustCompile("`(ssh [^`]+)`").FindSubmatch(text)
	if len(lines) < 3 || visitor == nil {
		t.Fatalf("README has the commands %q, and the visitor %q; want keygen, server, client, and ssh", lines, visitor)
	}
	return quickstart{lines[0], lines[1], lines[2], string(visitor[1])}
}

// network is a server's network namespace with a public address, one behind NAT, and the router between them, where
// strangers are.
type network struct {
	world, home, router string
	address             string // of the server
}

func newNetwork(t *testing.T) network {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("not run: network namespaces need root")
	}
	need(t, "ip", "iproute2")
	nft := need(t, "nft", "nftables")
	id := fmt.Sprintf("adit%d", os.Getpid())
	n := network{id + "-world", id + "-home", id + "-router", "203.0.113.1"}
	ip := func(args ...string) {
		t.Helper()
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v %s", strings.Join(args, " "), err, out)
		}
	}
	for _, space := range []string{n.world, n.home, n.router} {
		if out, err := exec.Command("ip", "netns", "add", space).CombinedOutput(); err != nil {
			t.Skipf("not run: the system gives no network namespaces: %v %s", err, out)
		}
		t.Cleanup(func() { exec.Command("ip", "netns", "del", space).Run() })
		ip("-n", space, "link", "set", "lo", "up")
	}
	for _, line := range []struct{ space, address, routers string }{{n.world, n.address, "203.0.113.2"}, {n.home, "192.168.77.2", "192.168.77.1"}} {
		there := "to" + line.space[len(id):]
		ip("-n", line.space, "link", "add", "out", "type", "veth", "peer", "name", there, "netns", n.router)
		for _, end := range []struct{ space, name, address string }{{line.space, "out", line.address}, {n.router, there, line.routers}} {
			ip("-n", end.space, "address", "add", end.address+"/24", "dev", end.name)
			ip("-n", end.space, "link", "set", end.name, "up")
		}
	}
	ip("-n", n.home, "route", "add", "default", "via", "192.168.77.1") // the world has no way back but NAT
	rules := n.command(n.router, nft+" -f - && echo 1 >/proc/sys/net/ipv4/ip_forward")
	rules.Stdin = strings.NewReader("table ip nat {\n chain out {\n type nat hook postrouting priority 100;\n oifname to-world masquerade\n }\n}\n")
	if out, err := rules.CombinedOutput(); err != nil {
		t.Skipf("not run: the system has no NAT: %v %s", err, out)
	}
	return n
}

// command is a line of shell in a namespace.
func (n network) command(space, line string) *exec.Cmd {
	return exec.Command("ip", "netns", "exec", space, "sh", "-c", line)
}

// TestTheCommandsOfREADME does what README says first, as a newcomer who copies it: SSH through NAT, with authentication and
// encryption. Strangers do what they can think of, and get nothing.
func TestTheCommandsOfREADME(t *testing.T) {
	bin, said := needBinaries(t), readQuickstart(t)
	n := newNetwork(t)
	login := startSSHDIn(t, n.home, 22)
	dir := t.TempDir()
	if err := os.Symlink(bin, filepath.Join(dir, "bin")); err != nil {
		t.Fatal(err)
	}
	here := func(space, line string) *exec.Cmd {
		cmd := n.command(space, line)
		cmd.Dir = dir
		return cmd
	}

	began := time.Now()
	keygen := here(n.world, said.keygen)
	printed, err := keygen.Output()
	if err != nil {
		t.Fatalf("%s: %v", said.keygen, err)
	}
	server := start(t, "adit-server", syscall.SIGTERM, here(n.world, "exec "+said.server))
	server.log.wait(t, 0, "msg=ready", "auth=required", "keys=./data/keys", "tls=true")
	// README's line is the one that was printed, but for the key and where the server is.
	form := regexp.QuoteMeta(said.client)
	form = strings.Replace(strings.Replace(form, "…", "([A-Za-z0-9_-]{43})", 1), "SERVER", `(\S+)`, 1)
	words := regexp.MustCompile("^" + form + "\n$").FindSubmatch(printed)
	if words == nil {
		t.Fatalf("keygen prints %q; README says %q", printed, said.client)
	}
	line := strings.Replace(said.client, "SERVER", n.address, 1)
	client := start(t, "adit-client", syscall.SIGTERM, here(n.home, "exec env "+strings.Replace(line, "…", string(words[1]), 1)))
	client.log.wait(t, 0, "msg=connected", "tls=true", "key=laptop")
	server.log.wait(t, 0, "tunnel connected", "tls=true", "key=laptop", "remote=203.0.113.2:")

	visitor := strings.Fields(strings.Replace(said.visitor, "you@SERVER", currentUser(t)+"@"+n.address, 1))
	ssh := func(command ...string) ([]byte, int) {
		args := append([]string{"netns", "exec", n.world, visitor[0]}, login.options...)
		return run(t, nil, "ip", append(append(append(args, "-o", "ConnectTimeout=5"), visitor[1:]...), command...)...)
	}
	if out, code := ssh("echo", "through NAT"); code != 0 || string(out) != "through NAT\n" {
		t.Fatalf("%s: %q, exit code %d", said.visitor, out, code)
	}
	if took := time.Since(began); took > newcomer {
		t.Errorf("from the first command to SSH it takes %v; want at most %v", took, newcomer)
	} else {
		t.Logf("from the first command to SSH: %v", took)
	}

	// The third command is a stranger's.
	bare := strings.TrimSpace(line[strings.Index(line, "' ")+1:]) // the client without a key
	wrong := strings.Replace(line, "…", strings.Repeat("A", 43), 1)
	for _, c := range []struct{ what, line, says string }{
		{"no key", bare, "the server speaks TLS, and this client does not"},
		{"no key, with TLS", bare + " --tls", "start this client with a key of it"},
		{"a wrong key", wrong, "the server does not have this client's key"},
		{"a wrong key, without TLS", wrong + " --plain", "the server speaks TLS, and this client does not"},
		{"Core", bare + " --protocol core", "the server speaks TLS, and this client does not"},
	} {
		stranger := start(t, c.what, syscall.SIGTERM, here(n.router, "exec env "+c.line))
		stranger.log.wait(t, 0, c.says)
		if strings.Contains(stranger.log.text(), "msg=connected") {
			t.Errorf("a stranger with %s is connected", c.what)
		}
	}
	if connected := strings.Count(server.log.text(), "tunnel connected"); connected != 1 {
		t.Errorf("%d tunnels have connected; want the client's alone", connected)
	}
	if out, code := ssh("echo", "still"); code != 0 || string(out) != "still\n" {
		t.Errorf("beside strangers: %q, exit code %d", out, code)
	}
	client.signal(t, syscall.SIGTERM)
	client.exit(t, soon)
	nothing := here(n.router, "exec 3<>/dev/tcp/"+n.address+"/10022 && timeout 5 head -c 1 <&3")
	nothing.Args[4] = "bash"
	if out, err := nothing.Output(); err == nil && len(out) > 0 {
		t.Errorf("a visitor with nobody but strangers there reads %q", out)
	}
	server.log.wait(t, 0, "visitor gone", "failure=no-tunnel")
}
