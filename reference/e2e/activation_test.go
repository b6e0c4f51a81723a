//go:build unix

package e2e

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

// A server whose sockets somebody else keeps open, as systemd does, is ended and started anew while visitors come, one after the
// other and several at once: nobody is refused, nobody is reset, and every byte comes back.
func TestNobodyIsRefusedWhileTheServerIsStartedAnew(t *testing.T) {
	bin, dir := needBinaries(t), t.TempDir()
	var sockets []*os.File
	var ports []int
	for range 4 { // tunnels, API, a mapping, and a port that the client asks for
		port := freePort(t)
		l, err := net.Listen("tcp", loopback(port))
		if err != nil {
			t.Fatal(err)
		}
		f, err := l.(*net.TCPListener).File()
		l.Close()
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		sockets, ports = append(sockets, f), append(ports, port)
	}
	out, code := run(t, nil, filepath.Join(bin, "adit-server"), "keygen", "laptop", "--keys", filepath.Join(dir, "keys"))
	if code != 0 {
		t.Fatalf("keygen: exit code %d", code)
	}
	key, _, _ := strings.Cut(strings.TrimPrefix(string(out), "ADIT_KEY='"), "'")
	target := service(t, echo)
	tun := &tunnel{bin: bin, dir: dir, tunnelPort: ports[0], apiPort: ports[1]}
	begin := func() *process {
		cmd := tun.serverCommand("-tunnel.listen_host", "127.0.0.1", "-visitors.listen_host", "127.0.0.1", "-map", strconv.Itoa(ports[2])+"="+target, "-keys", filepath.Join(dir, "keys"))
		cmd.Args = append([]string{"sh", "-c", `LISTEN_PID=$$ exec "$0" "$@"`}, cmd.Args...)
		cmd.Path = "/bin/sh"
		cmd.Env, cmd.ExtraFiles = append(os.Environ(), "LISTEN_FDS="+strconv.Itoa(len(sockets))), sockets
		p := start(t, "adit-server", syscall.SIGTERM, cmd)
		p.log.wait(t, 0, "msg=ready")
		return p
	}
	server := begin()
	client := exec.Command(filepath.Join(bin, "adit-client"), "--server", loopback(tun.tunnelPort), "--publish", strconv.Itoa(ports[3])+"="+target)
	client.Env = append(os.Environ(), "ADIT_KEY="+key)
	start(t, "adit-client", syscall.SIGTERM, client).log.wait(t, 0, "leads to")

	stop := make(chan struct{})
	var visitors sync.WaitGroup
	var visits [4]atomic.Int64
	for i := range visits {
		visitors.Go(func() {
			for n := int64(1); ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				if err := echoed(loopback(ports[2+i%2]), n, 1000); err != nil {
					t.Errorf("visitor %d of port %d: %v", n, ports[2+i%2], err)
					return
				}
				visits[i].Add(1)
			}
		})
	}
	for range 3 {
		for i := range visits {
			before := visits[i].Load()
			eventually(t, "every visitor has come again", soon, func() error {
				if now := visits[i].Load(); now < before+2 && !t.Failed() {
					return fmt.Errorf("visitor %d has come %d times", i, now)
				}
				return nil
			})
		}
		server.signal(t, syscall.SIGTERM)
		if code := server.exit(t, 2*soon); code != 0 {
			t.Errorf("the server ended with exit code %d", code)
		}
		server = begin()
	}
	tun.server = server
	tun.connected(t)
	close(stop)
	visitors.Wait()
}
