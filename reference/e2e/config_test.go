package e2e

import (
	"database/sql"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	_ "modernc.org/sqlite" // to hold a lock on the server's database
)

// TestBadServerStart starts the server with what it has to refuse: it ends with an error that names the
// field and the remedy, before it listens or stores anything.
func TestBadServerStart(t *testing.T) {
	bin := needBinaries(t)
	taken, err := net.Listen("tcp", loopback(freePort(t)))
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	takenPort := fmt.Sprint(portOf(t, taken.Addr().String()))

	for _, c := range []struct {
		name   string
		config string // content of config.yaml; "" for none
		args   []string
		code   int
		words  []string // in the last lines that it wrote: the field and the remedy
	}{
		{"unknown section", "tunel:\n  enabled: true\n", nil, 2, []string{"config.yaml", "1", "tunel", "there are map, port_range"}},
		{"unknown field", "api:\n  listen_prot: 1\n", nil, 2, []string{"config.yaml", "2", "listen_prot", "there are"}},
		{"text for a port", "api:\n  listen_port: many\n", nil, 2, []string{"config.yaml", "2", "listen_port", "write decimal digits"}},
		{"port above 65535", "tunnel:\n  listen_port: 70000\n", nil, 2, []string{"tunnel.listen_port", "70000", "must be 0 to 65535"}},
		{"negative port", "tunnel:\n  listen_port: -1\n", nil, 2, []string{"tunnel.listen_port", "must be 0 to 65535"}},
		{"range upside down", "port_range:\n  from: 2000\n  end: 1000\n", nil, 2, []string{"port_range", "make the range"}},
		{"no known form", "tunnel:\n  connect_request: long\n", nil, 2, []string{"tunnel.connect_request", "long", "must be addressed or short"}},
		{"TLS without certificate", "security:\n  tunnel:\n    enable_tls: true\n", nil, 2, []string{"config.yaml", "3", "security.tunnel.enable_tls", "security.tunnel.cert_file", "name the PEM files"}},
		{"a certificate without TLS", "security:\n  tunnel:\n    cert_file: server.crt\n", nil, 2, []string{"config.yaml", "3", "security.tunnel.cert_file", "without security.tunnel.enable_tls or keys"}},
		{
			"a certificate that is none", "",
			[]string{"-security.tunnel.enable_tls", "-security.tunnel.cert_file", "garbage", "-security.tunnel.key_file", "garbage"},
			2,
			[]string{"security.tunnel.cert_file", "garbage", "BEGIN CERTIFICATE"},
		},
		{"every address, and no keys", "tunnel:\n  listen_host: 0.0.0.0\n", nil, 2, []string{"config.yaml", "2", "tunnel.listen_host", "make a key (adit-server keygen NAME)", "--open"}},
		{"a file of keys that others may read", "", []string{"-keys", "/etc/passwd"}, 2, []string{"keys", "/etc/passwd", "chmod 600"}},
		{"API keys that are not there", "security:\n  api:\n    enable_auth: true\n", nil, 2, []string{"config.yaml", "3", "security.api.enable_auth", "make it with: adit-server apikey NAME"}},
		{"API for everyone", "", []string{"-api.listen_host", "0.0.0.0", "-security.api.allowed_ips", "127.0.0.1"}, 2, []string{"api.listen_host", "set security.api.enable_auth", "or listen on 127.0.0.1"}},
		{"timer above its bound", "", []string{"-tunnel.timers.stall_limit", "1m"}, 2, []string{"tunnel.timers.stall_limit", "1m", "must be 5s to 10s"}},
		{"broken YAML", "tunnel: [\n", nil, 2, []string{"config.yaml"}},
		{"key given twice", "api:\n  listen_port: 1\napi:\n  listen_port: 2\n", nil, 2, []string{"config.yaml", "api", "remove one"}},
		{"no such file", "", []string{"-config", "/nowhere/config.yaml"}, 2, []string{"/nowhere/config.yaml", "name a YAML or JSON file"}},
		{"unknown flag", "", []string{"-nonsense"}, 2, []string{"nonsense", "-help lists"}},
		{"flag without its value", "", []string{"-api.listen_port"}, 2, []string{"api.listen_port", "-help lists"}},
		{"flag with a wrong value", "", []string{"-api.listen_port", "x"}, 2, []string{"api.listen_port", "-help lists"}},
		{"stray word", "", []string{"start"}, 2, []string{"start", "-help lists"}},
		{"map: no port", "", []string{"-map", "ssh"}, 2, []string{"map", "ssh", "give PORT or"}},
		{"map: port 0", "", []string{"-map", "0=127.0.0.1:22"}, 2, []string{"map", "give PORT or"}},
		{"map: port 70000", "", []string{"-map", "70000=127.0.0.1:22"}, 2, []string{"map", "70000", "give PORT or"}},
		{"map: no target port", "", []string{"-map", "20000=127.0.0.1"}, 2, []string{"map", "20000=127.0.0.1", "give PORT or"}},
		{"map: the same port twice", "", []string{"-map", "20000=127.0.0.1:1", "-map", "20000=127.0.0.1:2"}, 2, []string{"map", "20000", "give each port one target"}},
		{"tunnel port taken", "", []string{"-tunnel.listen_port", takenPort}, 1, []string{"tunnel.listen_port", takenPort, "stop that"}},
		{"API port taken", "", []string{"-api.listen_port", takenPort}, 1, []string{"api.listen_port", takenPort, "stop that"}},
		{"mapped port taken", "", []string{"-map", takenPort + "=127.0.0.1:22"}, 1, []string{"map", takenPort, "stop that"}},
		{"database is a folder", "", []string{"-database.path", "."}, 1, []string{"database.path", "change its permissions"}},
		{"database is something else", "", []string{"-database.path", "garbage"}, 1, []string{"database.path", "garbage", "move it away"}},
		{"database below a file", "", []string{"-database.path", "garbage/mappings.db"}, 1, []string{"database.path", "set another database.path"}},
		{"database in a file system without files", "", []string{"-database.path", "/proc/mappings.db"}, 1, []string{"database.path", "change its permissions"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			tun := &tunnel{bin: bin, dir: t.TempDir(), tunnelPort: freePort(t), apiPort: freePort(t)}
			writeFile(t, filepath.Join(tun.dir, "garbage"), "%s", strings.Repeat("this is no database\n", 500))
			cmd := tun.serverCommand(c.args...)
			if c.config != "" {
				// Flags win over the file, so only those that keep the server off the default ports stay away.
				config := writeFile(t, filepath.Join(tun.dir, "config.yaml"), "%s", c.config)
				cmd = exec.Command(cmd.Path, "-config", config, "-database.path", filepath.Join(tun.dir, "mappings.db"))
				cmd.Dir = tun.dir
			}
			wantRefusal(t, "adit-server", cmd, c.code, c.words)
			tun.wantNoListener(t)
			if c.code == 2 {
				if _, err := os.Stat(filepath.Join(tun.dir, "mappings.db")); err == nil {
					t.Error("it made a database")
				}
			}
		})
	}
}

// wantRefusal runs a command that has to end by itself with that exit code and all words in what it wrote.
func wantRefusal(t *testing.T, name string, cmd *exec.Cmd, code int, words []string) {
	t.Helper()
	p := start(t, name, syscall.SIGTERM, cmd)
	got := p.exit(t, soon)
	if wrote := p.log.text(); got != code || !containsAll(wrote, words) || strings.Contains(wrote, "panic") {
		t.Errorf("exit code %d, wanted %d with the words %q; it wrote:\n%s", got, code, words, wrote)
	}
}

// TestUnreadable starts the server with files that it may not read: an error, and nothing listens.
func TestUnreadable(t *testing.T) {
	bin := needBinaries(t)
	if os.Geteuid() == 0 {
		t.Skip("not run: root may read every file")
	}
	for _, c := range []struct {
		name, flag string
		code       int
		words      []string
	}{
		{"config", "-config", 2, []string{"-config", "unreadable", "name a YAML or JSON file"}},
		{"database", "-database.path", 1, []string{"database.path", "unreadable", "change its permissions"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			tun := &tunnel{bin: bin, dir: t.TempDir(), tunnelPort: freePort(t), apiPort: freePort(t)}
			file := writeFile(t, filepath.Join(tun.dir, "unreadable"), "")
			if err := os.Chmod(file, 0); err != nil {
				t.Fatal(err)
			}
			wantRefusal(t, "adit-server", tun.serverCommand(c.flag, file), c.code, c.words)
			tun.wantNoListener(t)
		})
	}
}

// wantNoListener fails the test if a server that was refused listens all the same.
func (tun *tunnel) wantNoListener(t *testing.T) {
	t.Helper()
	for _, port := range []int{tun.tunnelPort, tun.apiPort} {
		if answers(loopback(port)) == nil {
			t.Errorf("port %d has a listener", port)
		}
	}
}

// TestDatabaseLocked starts the server while somebody else holds its database: an error, and the database
// is as it was.
func TestDatabaseLocked(t *testing.T) {
	tun := openServer(t, nil)
	port := freePort(t)
	tun.create(t, fmt.Sprintf(`{"port": %d, "target_port": 22}`, port))
	before := tun.list(t)
	tun.server.kill(t)

	db, err := sql.Open("sqlite", filepath.Join(tun.dir, "mappings.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	if _, err := db.Exec("BEGIN EXCLUSIVE"); err != nil {
		t.Fatal(err)
	}
	wantRefusal(t, "adit-server", tun.serverCommand(), 1, []string{"database.path", "mappings.db", "another process holds"})
	if _, err := db.Exec("ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	db.Close()
	tun.startServer(t)
	if after := tun.list(t); len(after) != 1 || after[0] != before[0] {
		t.Errorf("mappings before: %v, after: %v", before, after)
	}
}

// TestSecondServer starts a second server on the database of the first one: it is refused, and the first one
// goes on.
func TestSecondServer(t *testing.T) {
	tun := openServer(t, nil)
	second := &tunnel{bin: tun.bin, dir: tun.dir, tunnelPort: freePort(t), apiPort: freePort(t)}
	wantRefusal(t, "second adit-server", second.serverCommand(), 1, []string{"database.path", "mappings.db", "another process holds"})
	tun.create(t, fmt.Sprintf(`{"port": %d, "target_port": 22}`, freePort(t)))
}

// TestBadClientStart starts the client with what it has to refuse.
func TestBadClientStart(t *testing.T) {
	bin := needBinaries(t)
	for _, c := range []struct {
		name  string
		args  []string
		words []string
	}{
		{"server without a port", []string{"-server", "localhost"}, []string{"server", "localhost", "give the server's tunnel port"}},
		{"server with port 99999", []string{"-server", "localhost:99999"}, []string{"server", "99999", "give the server's tunnel port"}},
		{"no server", []string{"-server", ""}, []string{"server", "give the server's tunnel port"}},
		{"allow: no host", []string{"-allow", "no host!"}, []string{"allow", "no host!", "want HOST"}},
		{"allow: wrong prefix", []string{"-allow", "10.0.0.0/99"}, []string{"allow", "10.0.0.0/99", "want HOST"}},
		{"allow: wrong port", []string{"-allow", "127.0.0.1:99999"}, []string{"allow", "99999", "want 1 to 65535"}},
		{"unknown flag", []string{"-nonsense"}, []string{"nonsense", "-help lists"}},
		{"stray word", []string{"localhost:9000"}, []string{"localhost:9000", "-help lists"}},
		{"a pin without TLS", []string{"-pin", "00"}, []string{"pin", "without tls or a key"}},
		{"a pin that is none", []string{"-tls", "-pin", "00"}, []string{"pin", "64 hexadecimal digits"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			wantRefusal(t, "adit-client", exec.Command(filepath.Join(bin, "adit-client"), c.args...), 2, c.words)
		})
	}
}

// TestUnreachableServer starts the client before its server: it says so, keeps trying, and connects.
func TestUnreachableServer(t *testing.T) {
	tun := &tunnel{bin: needBinaries(t), dir: t.TempDir(), tunnelPort: freePort(t), apiPort: freePort(t)}
	tun.client = start(t, "adit-client", syscall.SIGTERM, tun.clientCommand())
	tun.client.log.wait(t, 0, loopback(tun.tunnelPort), "refused")
	tun.startServer(t)
	tun.connected(t)
}

// TestHelp prints every flag and succeeds.
func TestHelp(t *testing.T) {
	bin := needBinaries(t)
	for program, flags := range map[string][]string{
		"adit-server": {"-config", "-map", "-tunnel.listen_port", "-api.listen_port", "-database.path"},
		"adit-client": {"-server", "-allow", "-debug"},
	} {
		p := start(t, program, syscall.SIGTERM, exec.Command(filepath.Join(bin, program), "-help"))
		if code := p.exit(t, soon); code != 0 || !containsAll(p.log.text(), flags) {
			t.Errorf("%s -help: exit code %d, wanted the flags %q; it wrote:\n%s", program, code, flags, p.log.text())
		}
	}
}
