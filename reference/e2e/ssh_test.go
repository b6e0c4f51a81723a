package e2e

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"syscall"
	"testing"
)

// sshd is an OpenSSH server for the current user, with keys of its own.
type sshd struct {
	addr    string
	options []string // for ssh and scp, all but the port
	login   string
}

func startSSHD(t *testing.T) sshd { return startSSHDIn(t, "", freePort(t)) }

// startSSHDIn is startSSHD in a network namespace, on a port of its loopback.
func startSSHDIn(t *testing.T, space string, port int) sshd {
	t.Helper()
	program := need(t, "sshd", "openssh-server")
	need(t, "ssh", "openssh-client")
	dir := t.TempDir()
	for _, key := range []string{"host", "user"} {
		run(t, nil, need(t, "ssh-keygen", "openssh-client"), "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(dir, key))
	}
	if os.Geteuid() == 0 {
		// What the package's service unit would do: sshd refuses to start without it.
		if err := os.Mkdir("/run/sshd", 0o755); err != nil && !errors.Is(err, os.ErrExist) {
			t.Fatal(err)
		}
	}
	config := writeFile(t, filepath.Join(dir, "sshd_config"), `
ListenAddress 127.0.0.1:%d
HostKey %s/host
AuthorizedKeysFile %[2]s/user.pub
PidFile none
StrictModes no
UsePAM yes
PermitRootLogin prohibit-password
PasswordAuthentication no
Subsystem sftp internal-sftp
`, port, dir)
	line := []string{program, "-D", "-e", "-f", config}
	if space != "" {
		line = append([]string{"ip", "netns", "exec", space}, line...)
	}
	server := start(t, "sshd", syscall.SIGTERM, exec.Command(line[0], line[1:]...))
	server.log.wait(t, 0, "Server listening on 127.0.0.1")
	return sshd{
		addr:  loopback(port),
		login: currentUser(t) + "@127.0.0.1",
		options: []string{
			"-F", "none", "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-i", filepath.Join(dir, "user"),
			"-o", "UserKnownHostsFile=" + filepath.Join(dir, "known_hosts"), "-o", "StrictHostKeyChecking=accept-new",
		},
	}
}

// TestSSH runs commands in an OpenSSH session: exit codes, standard input, a terminal.
func TestSSH(t *testing.T) {
	binaries(t)
	server := startSSHD(t)
	tun := open(t, server.addr)
	session := func(t *testing.T, addr string, stdin []byte, args ...string) ([]byte, int) {
		args = append([]string{"-p", strconv.Itoa(portOf(t, addr)), server.login}, args...)
		return run(t, stdin, "ssh", slices.Concat(server.options, args)...)
	}
	if out, code := session(t, server.addr, nil, "exit 0"); code != 0 {
		t.Skipf("not run: %s has no session without a tunnel either: %q, exit code %d", server.login, out, code)
	}
	ssh := func(t *testing.T, stdin []byte, args ...string) ([]byte, int) {
		return session(t, tun.public[0], stdin, args...)
	}

	t.Run("command", func(t *testing.T) {
		out, code := ssh(t, nil, "echo from the other side; exit 7")
		if string(out) != "from the other side\n" || code != 7 {
			t.Errorf("output %q, exit code %d", out, code)
		}
	})
	t.Run("input", func(t *testing.T) {
		input, _ := io.ReadAll(&source{seed: 1, left: 3_000_000})
		if out, code := ssh(t, input, "cat"); !bytes.Equal(out, input) || code != 0 {
			t.Errorf("%d bytes, equal %v, exit code %d", len(out), bytes.Equal(out, input), code)
		}
	})
	t.Run("terminal", func(t *testing.T) {
		if os.Geteuid() != 0 {
			t.Skip("not run: sshd gives terminals only when it runs as root")
		}
		out, code := ssh(t, nil, "-tt", "tty; stty rows 33 cols 111; stty size")
		if !regexp.MustCompile(`(?m)^/dev/pts/\d+\r$`).Match(out) || !bytes.Contains(out, []byte("33 111\r\n")) || code != 0 {
			t.Errorf("output %q, exit code %d", out, code)
		}
	})
}

// TestSCP copies 100 MB to the other side and back.
func TestSCP(t *testing.T) {
	binaries(t)
	server := startSSHD(t)
	scp := need(t, "scp", "openssh-client")
	tun := open(t, server.addr)
	dir := t.TempDir()
	here, there, back := filepath.Join(dir, "here"), filepath.Join(dir, "there"), filepath.Join(dir, "back")
	want := patternFile(t, here, 2, 100_000_000)

	for _, step := range []struct{ from, to, file string }{
		{here, server.login + ":" + there, there},
		{server.login + ":" + there, back, back},
	} {
		args := append([]string{"-q", "-P", strconv.Itoa(portOf(t, tun.public[0]))}, server.options...)
		if _, code := run(t, nil, scp, append(args, step.from, step.to)...); code != 0 {
			t.Fatalf("scp to %s: exit code %d", filepath.Base(step.file), code)
		}
		if got := fileSum(t, step.file); got != want {
			t.Errorf("checksum of %s: %x, not %x", filepath.Base(step.file), got, want)
		}
	}
}

// patternFile writes the first size bytes of a seed's pattern to a file and returns their checksum.
func patternFile(t *testing.T, path string, seed, size int64) (sum [sha256.Size]byte) {
	t.Helper()
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	hash := sha256.New()
	if _, err := io.Copy(io.MultiWriter(file, hash), &source{seed: seed, left: size}); err != nil {
		t.Fatal(err)
	}
	return [sha256.Size]byte(hash.Sum(nil))
}

func fileSum(t *testing.T, path string) (sum [sha256.Size]byte) {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, file); err != nil {
		t.Fatal(err)
	}
	return [sha256.Size]byte(hash.Sum(nil))
}
