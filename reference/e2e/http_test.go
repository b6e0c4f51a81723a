package e2e

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// startNginx serves the folder files, takes uploads into it, and refuses those to /small above 1 MB.
func startNginx(t *testing.T) (addr, files string) {
	t.Helper()
	program := need(t, "nginx", "nginx-light")
	dir, port := t.TempDir(), freePort(t)
	files = filepath.Join(dir, "files")
	if err := os.Mkdir(files, 0o755); err != nil {
		t.Fatal(err)
	}
	// One process, that of start: a worker would outlive a master that is killed with the test.
	config := writeFile(t, filepath.Join(dir, "nginx.conf"), `
daemon off; master_process off; pid %s/pid; error_log stderr;
events {}
http {
  access_log off; keepalive_requests 1000;
  client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/1; fastcgi_temp_path %[1]s/2; uwsgi_temp_path %[1]s/3; scgi_temp_path %[1]s/4;
  server {
    listen 127.0.0.1:%[2]d; root %[3]s;
    client_max_body_size 1g; dav_methods PUT;
    location = /small { client_max_body_size 1m; }
  }
}
`, dir, port, files)
	server := start(t, "nginx", syscall.SIGTERM, exec.Command(program, "-e", "stderr", "-p", dir, "-c", config))
	eventually(t, "nginx listens", soon, func() error {
		server.alive(t)
		return answers(loopback(port))
	})
	return loopback(port), files
}

// TestHTTP asks nginx by curl: keep-alive, large bodies down and up, an upload refused before its end.
func TestHTTP(t *testing.T) {
	binaries(t)
	curl := need(t, "curl", "curl")
	addr, files := startNginx(t)
	tun := open(t, addr)
	url := "http://" + tun.public[0]

	t.Run("keep-alive", func(t *testing.T) {
		writeFile(t, filepath.Join(files, "page"), "a page\n")
		pages := strings.Fields(strings.Repeat(url+"/page ", 20))
		out, code := run(t, nil, curl, append([]string{"-sS", "--fail", "-w", "%{num_connects} "}, pages...)...)
		// Each page is followed by the number of connections that curl opened for it: one, then none.
		want := "a page\n1 " + strings.Repeat("a page\n0 ", 19)
		if string(out) != want || code != 0 {
			t.Errorf("20 requests on one connection: exit code %d, output %q, not %q", code, out, want)
		}
	})
	t.Run("download", func(t *testing.T) {
		want := patternFile(t, filepath.Join(files, "big"), 3, 100_000_000)
		out, code := run(t, nil, curl, "-sS", "--fail", url+"/big")
		if got := sha256.Sum256(out); got != want || code != 0 {
			t.Errorf("exit code %d, %d bytes with checksum %x, not %x", code, len(out), got, want)
		}
	})
	t.Run("upload", func(t *testing.T) {
		local := filepath.Join(t.TempDir(), "upload")
		want := patternFile(t, local, 4, 100_000_000)
		out, code := run(t, nil, curl, "-sS", "--fail", "-w", "%{response_code}", "-T", local, url+"/uploaded")
		if string(out) != "201" || code != 0 {
			t.Fatalf("exit code %d, status %s", code, out)
		}
		if got := fileSum(t, filepath.Join(files, "uploaded")); got != want {
			t.Errorf("checksum of what arrived: %x, not %x", got, want)
		}
	})
	t.Run("upload refused early", func(t *testing.T) {
		local := filepath.Join(t.TempDir(), "upload")
		patternFile(t, local, 5, 100_000_000)
		out, _ := run(t, nil, curl, "-sS", "-H", "Expect:", "-o", os.DevNull, "-w", "%{response_code}", "-T", local, url+"/small")
		if string(out) != "413" {
			t.Errorf("status %s, not 413", out)
		}
	})
}

// TestEarlyAnswer has a service answer in full while the upload goes on, and then end its stream: the
// visitor reads the whole answer.
func TestEarlyAnswer(t *testing.T) {
	const upload, answer = 200_000_000, 5_000_000
	addr := service(t, func(c *net.TCPConn) {
		request, err := http.ReadRequest(bufio.NewReader(c))
		if err != nil {
			return
		}
		io.CopyN(io.Discard, request.Body, 1_000_000)
		fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n", answer)
		io.Copy(c, &source{seed: 6, left: answer})
		// As HTTP servers do: a close with unread bytes would destroy the answer.
		c.CloseWrite()
		io.Copy(io.Discard, c)
	})
	tun := open(t, addr)
	for range 5 {
		c := dial(t, tun.public[0])
		c.SetDeadline(time.Now().Add(soon))
		var sending sync.WaitGroup
		sending.Go(func() {
			fmt.Fprintf(c, "PUT /early HTTP/1.1\r\nHost: e2e\r\nContent-Length: %d\r\n\r\n", upload)
			io.Copy(c, &source{seed: 7, left: upload}) // fails when the tunnel has closed the connection
		})
		response, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatalf("no answer: %v", err)
		}
		if n, err := io.Copy(&checker{seed: 6}, response.Body); err != nil || n != answer {
			t.Fatalf("answer: %d of %d bytes: %v", n, answer, err)
		}
		c.Close()
		sending.Wait()
	}
}
