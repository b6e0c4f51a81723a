package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// tunnel is a server and a client that are connected, with one mapped port for each service.
type tunnel struct {
	bin            string
	dir            string // the server's folder
	server, client *process
	tunnelPort     int
	apiPort        int
	public         []string // where visitors connect, one for each service
}

// open starts a tunnel to services and waits until it can serve visitors.
func open(t *testing.T, services ...string) *tunnel {
	t.Helper()
	return openAs(t, "auto", services...)
}

// openAs is open with a client that speaks a profile; the server speaks any.
func openAs(t *testing.T, protocol string, services ...string) *tunnel {
	t.Helper()
	if binaries(t) == "" {
		return openRelay(t, services)
	}
	tun := openServer(t, services)
	tun.startClient(t, "-protocol", protocol)
	return tun
}

// openServer starts a server alone, with a mapping for each service.
func openServer(t *testing.T, services []string, args ...string) *tunnel {
	t.Helper()
	tun := &tunnel{bin: needBinaries(t), dir: t.TempDir(), tunnelPort: freePort(t), apiPort: freePort(t)}
	for _, service := range services {
		port := freePort(t)
		tun.public = append(tun.public, loopback(port))
		args = append(args, "-map", fmt.Sprintf("%d=%s", port, service))
	}
	tun.startServer(t, args...)
	return tun
}

// startServer starts the server, again on the same ports and folder when there was one before, and waits
// until it answers.
func (tun *tunnel) startServer(t *testing.T, args ...string) {
	t.Helper()
	tun.server = start(t, "adit-server", syscall.SIGTERM, tun.serverCommand(args...))
	eventually(t, "adit-server answers /health", soon, func() error {
		tun.server.alive(t)
		_, err := tun.health()
		return err
	})
}

func (tun *tunnel) serverCommand(args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(tun.bin, "adit-server"), append([]string{
		"-tunnel.listen_port", strconv.Itoa(tun.tunnelPort),
		"-api.listen_port", strconv.Itoa(tun.apiPort),
		"-database.path", filepath.Join(tun.dir, "mappings.db"),
		"-port_range.from", strconv.Itoa(portsFrom), "-port_range.end", strconv.Itoa(portsTo),
	}, args...)...)
	cmd.Dir = tun.dir
	return cmd
}

// startClient starts the client and waits until the server has its tunnel.
func (tun *tunnel) startClient(t *testing.T, args ...string) {
	t.Helper()
	tun.client = start(t, "adit-client", syscall.SIGTERM, tun.clientCommand(args...))
	tun.connected(t)
}

func (tun *tunnel) clientCommand(args ...string) *exec.Cmd {
	return exec.Command(filepath.Join(tun.bin, "adit-client"), append([]string{"-server", loopback(tun.tunnelPort)}, args...)...)
}

// connected waits until the server says that a client is connected.
func (tun *tunnel) connected(t *testing.T) {
	t.Helper()
	eventually(t, "a client is connected", soon, func() error {
		tun.server.alive(t)
		connected, err := tun.health()
		if err == nil && !connected {
			err = fmt.Errorf("tunnel_connected is false")
		}
		return err
	})
}

func (tun *tunnel) health() (connected bool, err error) {
	status, body, err := tun.call(http.MethodGet, "/health", "")
	if err != nil {
		return false, err
	}
	var health struct {
		Status    string `json:"status"`
		Connected bool   `json:"tunnel_connected"`
	}
	if err := json.Unmarshal(body, &health); err != nil || status != http.StatusOK || health.Status != "ok" {
		return false, fmt.Errorf("GET /health: %d %s", status, body)
	}
	return health.Connected, nil
}

// call sends one request to the server's API.
func (tun *tunnel) call(method, path, body string) (status int, answer []byte, err error) {
	request, err := http.NewRequest(method, "http://"+loopback(tun.apiPort)+path, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	client := http.Client{Timeout: soon, Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	answer, err = io.ReadAll(response.Body)
	return response.StatusCode, answer, err
}

// memoryWatch compares the peak of a child's memory with what it had when idle.
type memoryWatch struct {
	p    *process
	idle int64
}

// watchMemory is called while the tunnel is idle.
func (tun *tunnel) watchMemory(t *testing.T) []memoryWatch {
	t.Helper()
	var watches []memoryWatch
	for _, p := range []*process{tun.server, tun.client} {
		if p != nil {
			now, _ := resident(t, p)
			watches = append(watches, memoryWatch{p, now})
		}
	}
	return watches
}

// boundMemory fails the test when a child's memory ever went beyond its idle memory by more than 16 MiB, a
// read buffer for each tunnel and a queue of 1 MiB for each connection.
func boundMemory(t *testing.T, watches []memoryWatch, connections int) {
	t.Helper()
	const readBuffer, queue = 512 << 10, 1 << 20
	bound := int64(16<<20 + readBuffer + connections*queue)
	for _, w := range watches {
		_, peak := resident(t, w.p)
		t.Logf("%s: %d KiB when idle, %d KiB at its peak, allowed growth %d KiB", w.p.name, w.idle>>10, peak>>10, bound>>10)
		if peak-w.idle > bound {
			t.Errorf("%s grew by %d KiB, above %d KiB", w.p.name, (peak-w.idle)>>10, bound>>10)
		}
	}
}

// openRelay stands in for a tunnel: each public port is copied to its service and back.
func openRelay(t *testing.T, services []string) *tunnel {
	t.Helper()
	tun := &tunnel{}
	for _, target := range services {
		tun.public = append(tun.public, service(t, func(visitor *net.TCPConn) { relay(visitor, target) }))
	}
	return tun
}

func relay(visitor *net.TCPConn, target string) {
	c, err := net.DialTimeout("tcp", target, 8*time.Second)
	if err != nil {
		return
	}
	defer c.Close()
	var back sync.WaitGroup
	back.Go(func() { copyHalf(visitor, c.(*net.TCPConn)) })
	copyHalf(c.(*net.TCPConn), visitor)
	back.Wait()
}

func copyHalf(dst, src *net.TCPConn) {
	io.Copy(dst, src)
	dst.CloseWrite()
}
