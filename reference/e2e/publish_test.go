package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// publishing is a server with a file of keys.
type publishing struct {
	*tunnel
	file string
}

// openPublishing starts a server whose file has the keys that keygen makes with these options, by their names.
func openPublishing(t *testing.T, keys map[string][]string, args ...string) (*publishing, map[string]string) {
	t.Helper()
	p := &publishing{tunnel: &tunnel{bin: needBinaries(t), dir: t.TempDir(), tunnelPort: freePort(t), apiPort: freePort(t)}}
	p.file = filepath.Join(p.dir, "keys")
	lines := map[string]string{}
	for name, options := range keys {
		out, code := run(t, nil, filepath.Join(p.bin, "adit-server"), append([]string{"keygen", name, "-keys", p.file}, options...)...)
		key, _, ok := strings.Cut(strings.TrimPrefix(string(out), "ADIT_KEY='"), "'")
		if code != 0 || !ok {
			t.Fatalf("keygen = %d, %s", code, out)
		}
		lines[name] = key
	}
	p.startServer(t, append([]string{"-keys", p.file}, args...)...)
	return p, lines
}

// publish starts a client that publishes.
func (p *publishing) publish(t *testing.T, key string, args ...string) *process {
	t.Helper()
	cmd := p.clientCommand(args...)
	cmd.Env = append(os.Environ(), "ADIT_KEY="+key)
	return start(t, "adit-client", syscall.SIGTERM, cmd)
}

// state is that of a port that a client has asked for; "": it has none.
func (p *publishing) state(t *testing.T, port int) string {
	t.Helper()
	_, body, err := p.call("GET", "/api/stats", "")
	var answer struct {
		Data struct {
			Bindings []struct {
				Port       int
				State, Key string
			}
		}
	}
	if err == nil {
		err = json.Unmarshal(body, &answer)
	}
	if err != nil {
		t.Fatalf("stats: %v in %s", err, body)
	}
	for _, b := range answer.Data.Bindings {
		if b.Port == port {
			return b.State + " by " + b.Key
		}
	}
	return ""
}

func (p *publishing) wantState(t *testing.T, port int, want string) {
	t.Helper()
	eventually(t, fmt.Sprintf("port %d is %q", port, want), soon, func() error {
		if got := p.state(t, port); got != want {
			return fmt.Errorf("it is %q", got)
		}
		return nil
	})
}

// TestPublish asks for a number, for any port and for a name, and for what others have.
func TestPublish(t *testing.T) {
	t.Parallel()
	port, any := freePort(t), freePort(t)
	p, keys := openPublishing(t, map[string][]string{"home": {"-ports", fmt.Sprintf("%d,%d", port, any)}, "other": nil, "work": {"-ports", "1"}})
	target := service(t, echo)
	c := p.publish(t, keys["home"], "-publish", fmt.Sprintf("%d=%s,0=%s", port, target, target), "-publish", "db="+target)
	c.log.wait(t, 0, loopback(port)+" leads to "+target) // on standard output
	c.log.wait(t, 0, "name db", "leads to "+target)
	if err := echoed(loopback(port), 301, 1<<20); err != nil {
		t.Error(err)
	}
	p.wantState(t, port, "served by home")
	c.log.wait(t, 0, loopback(any)+" leads to "+target) // the only one that is left
	if err := echoed(loopback(any), 302, 1<<20); err != nil {
		t.Errorf("any port: %v", err)
	}
	mapped := freePort(t)
	p.create(t, fmt.Sprintf(`{"port": %d, "service": "db", "key": "home"}`, mapped))
	if err := echoed(loopback(mapped), 303, 1<<20); err != nil {
		t.Errorf("a mapping of a name: %v", err)
	}
	// Another program's port, and one outside of rights.
	taken := freePort(t)
	l, err := net.Listen("tcp", loopback(taken))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	p.publish(t, keys["other"], "-publish", fmt.Sprintf("%d=%s", taken, target)).log.wait(t, 0, "not published: another client or mapping has it", "another program", "again=")
	p.publish(t, keys["work"], "-publish", fmt.Sprintf("%d=%s", freePort(t), target)).log.wait(t, 0, "not published: the server does not allow it", "(ports)", "key work")
	// A second client with the key gets nothing while the first lives.
	p.publish(t, keys["home"], "-publish", fmt.Sprintf("%d=%s", port, target)).log.wait(t, 0, "not published: another client", "lives")
	if err := echoed(loopback(port), 304, 1<<20); err != nil {
		t.Error(err)
	}
}

// TestPublishIsTakenOver restarts a client while a transfer runs, kills one, and freezes one.
func TestPublishIsTakenOver(t *testing.T) {
	t.Parallel()
	p, keys := openPublishing(t, map[string][]string{"home": nil}, "-tunnel.timers.bind_hold", "3s")
	target := service(t, echo)
	port := freePort(t)
	begin := func() *process {
		c := p.publish(t, keys["home"], "-publish", fmt.Sprintf("%d=%s", port, target))
		c.log.wait(t, 0, loopback(port)+" leads to "+target)
		return c
	}
	old := begin()
	transfer, err := net.Dial("tcp", loopback(port))
	if err != nil {
		t.Fatal(err)
	}
	defer transfer.Close()
	if err := echoedOn(transfer, 311, 1<<20, soon); err != nil {
		t.Fatal(err)
	}
	old.signal(t, syscall.SIGTERM)
	p.wantState(t, port, "draining by home")
	next := begin()
	p.wantState(t, port, "served by home")
	if err := echoed(loopback(port), 312, 1<<20); err != nil {
		t.Errorf("through the next client: %v", err)
	}
	if err := echoedOn(transfer, 313, 4<<20, soon); err != nil {
		t.Errorf("the transfer through the old client: %v", err)
	}
	transfer.Close()
	if code := old.exit(t, soon); code != 0 {
		t.Errorf("the old client exits with %d", code)
	}

	// Killed: the port is kept, visitors are ended, and the next client has it at once.
	next.kill(t)
	p.wantState(t, port, "held by home")
	c, err := net.Dial("tcp", loopback(port))
	if err == nil {
		c.SetReadDeadline(time.Now().Add(soon))
		_, err = c.Read(make([]byte, 1))
		c.Close()
	}
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("a visitor of a port that is held: %v; want a reset", err)
	}
	third := begin()
	if err := echoed(loopback(port), 314, 1<<20); err != nil {
		t.Errorf("through the third client: %v", err)
	}

	// Frozen: the fourth waits for the probe.
	third.signal(t, syscall.SIGSTOP)
	defer third.signal(t, syscall.SIGCONT)
	start := time.Now()
	fourth := begin()
	if took := time.Since(start); took < 5*time.Second {
		t.Errorf("a frozen client lost its port after %v; want 5 s", took)
	}
	if err := echoed(loopback(port), 315, 1<<20); err != nil {
		t.Errorf("through the fourth client: %v", err)
	}

	// And when its time is over nothing is left.
	fourth.kill(t)
	p.wantState(t, port, "held by home")
	p.wantState(t, port, "")
	if _, err := net.Dial("tcp", loopback(port)); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a visitor later: %v; want it refused", err)
	}
}

// TestPublishWithinRights changes what a key may have, and takes it away.
func TestPublishWithinRights(t *testing.T) {
	t.Parallel()
	port, other := freePort(t), freePort(t)
	p, keys := openPublishing(t, map[string][]string{"home": {"-ports", fmt.Sprintf("%d,%d", port, other)}})
	target := service(t, echo)
	c := p.publish(t, keys["home"], "-publish", fmt.Sprintf("%d=%s,%d=%s", port, target, other, target))
	c.log.wait(t, 0, loopback(port)+" leads to ")
	c.log.wait(t, 0, loopback(other)+" leads to ")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(p.file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(fmt.Sprintf("%s ports=%d nonsense=1\n", keys["home"], other))
	p.server.log.wait(t, 0, "cannot be used", p.file+":1: option nonsense")
	if err := echoed(loopback(port), 321, 1<<10); err != nil {
		t.Errorf("a file with a mistake changes something: %v", err)
	}
	write(fmt.Sprintf("%s ports=%d\n", keys["home"], other))
	c.log.wait(t, 0, "no longer published: the server does not allow it any more", fmt.Sprintf("port %d", port))
	p.wantState(t, port, "")
	if err := echoed(loopback(other), 322, 1<<20); err != nil {
		t.Error(err)
	}
	write("# nobody\n")
	c.log.wait(t, 0, "denied")
	p.wantState(t, other, "")
	if _, err := net.Dial("tcp", loopback(other)); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a port of a key that is gone: %v; want it refused", err)
	}
}

// TestPublishWithoutKeys: nameless clients ask where the operator allows it.
func TestPublishWithoutKeys(t *testing.T) {
	t.Parallel()
	target := service(t, echo)
	for allowed, words := range map[bool][]string{false: {"not published", "tunnel.allow_bind"}, true: {" leads to " + target}} {
		tun := openServer(t, nil, fmt.Sprintf("-tunnel.allow_bind=%v", allowed))
		port := freePort(t)
		c := start(t, "adit-client", syscall.SIGTERM, tun.clientCommand("-publish", fmt.Sprintf("%d=%s", port, target)))
		c.log.wait(t, 0, words...)
		if err := echoed(loopback(port), 331, 1<<20); (err == nil) != allowed {
			t.Errorf("allowed %v: %v", allowed, err)
		}
	}
	// A server that speaks Core takes no requests.
	tun := openServer(t, nil, "-protocol", "core")
	c := start(t, "adit-client", syscall.SIGTERM, tun.clientCommand("-publish", "8080="+target))
	c.log.wait(t, 0, "Core profile only")
}
