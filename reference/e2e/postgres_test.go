package e2e

import (
	"bytes"
	"crypto/sha256"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// startPostgres makes an empty database cluster and serves it, under the user postgres if we are root.
func startPostgres(t *testing.T) (addr string) {
	t.Helper()
	initdb, server := need(t, "initdb", "postgresql"), need(t, "postgres", "postgresql")
	dir, port := filepath.Join(openFolder(t), "data"), freePort(t)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	attr := func() *syscall.SysProcAttr { return &syscall.SysProcAttr{} }
	if os.Geteuid() == 0 {
		uid, gid := userIDs(t, "postgres")
		if err := os.Chown(dir, int(uid), int(gid)); err != nil {
			t.Fatal(err)
		}
		attr = func() *syscall.SysProcAttr {
			a := &syscall.SysProcAttr{}
			asUser(a, uid, gid)
			return a
		}
	}
	command := func(program string, args ...string) *exec.Cmd {
		cmd := exec.Command(program, args...)
		cmd.Dir, cmd.SysProcAttr = dir, attr()
		return cmd
	}
	made := start(t, "initdb", syscall.SIGTERM, command(initdb, "-D", dir, "-U", "adit", "-A", "trust", "--no-locale", "-E", "UTF8", "--no-sync"))
	if code := made.exit(t, 2*time.Minute); code != 0 {
		t.Fatalf("initdb: exit code %d", code)
	}
	// SIGINT is its fast stop.
	db := start(t, "postgres", syscall.SIGINT, command(server, "-D", dir, "-p", strconv.Itoa(port),
		"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off"))
	db.log.wait(t, 0, "ready to accept connections")
	return loopback(port)
}

func userIDs(t *testing.T, name string) (uid, gid uint32) {
	t.Helper()
	u, err := user.Lookup(name)
	if err != nil {
		t.Skipf("not run: PostgreSQL refuses to run as root, and there is no user %s (apt-get install postgresql)", name)
	}
	id := func(s string) uint32 {
		n, err := strconv.ParseUint(s, 10, 32)
		if err != nil {
			t.Fatal(err)
		}
		return uint32(n)
	}
	return id(u.Uid), id(u.Gid)
}

// TestPostgres runs one psql session: a result of more than 10 MB, a load of the same size upward, a failed
// statement and what follows it. The answers through the tunnel are those of a direct connection.
func TestPostgres(t *testing.T) {
	binaries(t)
	psql := need(t, "psql", "postgresql-client")
	addr := startPostgres(t)
	tun := open(t, addr)

	var script strings.Builder
	script.WriteString(`
SELECT i, md5(i::text), repeat(md5((i * 7)::text), 3) FROM generate_series(1, 80000) AS i ORDER BY i;
SELECT 1 / 0;
BEGIN; CREATE TABLE loaded (n int, words text);
COPY loaded FROM STDIN;
`)
	for i := range 80_000 {
		script.WriteString(strconv.Itoa(i) + "\t" + strings.Repeat("load ", 25) + "\n")
	}
	script.WriteString(`\.
SELECT count(*), sum(n), sum(length(words)) FROM loaded; ROLLBACK;
SELECT 'the end';
`)
	session := func(addr string) []byte {
		out, code := run(t, []byte(script.String()), psql, "-X", "-q", "-A", "-t", "-h", "127.0.0.1",
			"-p", strconv.Itoa(portOf(t, addr)), "-U", "adit", "-f", "-", "postgres")
		if code != 0 {
			t.Fatalf("psql: exit code %d", code)
		}
		return out
	}
	direct, through := session(addr), session(tun.public[0])
	if !bytes.HasSuffix(direct, []byte("80000|3199960000|10000000\nthe end\n")) || len(direct) < 10_000_000 {
		t.Fatalf("psql without a tunnel: %d bytes, the last ones %q", len(direct), direct[max(0, len(direct)-60):])
	}
	if !bytes.Equal(direct, through) {
		t.Errorf("through the tunnel %d bytes (%x), directly %d (%x)",
			len(through), sha256.Sum256(through), len(direct), sha256.Sum256(direct))
	}
}
