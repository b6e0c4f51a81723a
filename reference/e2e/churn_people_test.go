package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// home is a client that stays, and whose line is cut again and again.
type home struct {
	port   int
	client *process
	line   *line
}

// reside starts a client that stays, with a public port of its own.
func (c *churn) reside(t *testing.T, i int) *home {
	t.Helper()
	h := &home{port: freePort(t), line: newLine(t, loopback(c.tunnelPort))}
	h.client = c.publish(t, c.keys["home"], "-server", h.line.addr, "-name", fmt.Sprintf("home-%d", i), "-log.level", "error",
		"-publish", fmt.Sprintf("%d=%s", h.port, c.target), "-redial_delay", "20ms", "-redial_most", "200ms")
	h.client.log.wait(t, 0, loopback(h.port)+" leads to ")
	return h
}

// goroutines ends the client with a stack dump, and counts.
func (h *home) goroutines(t *testing.T) int {
	t.Helper()
	h.client.signal(t, syscall.SIGQUIT)
	h.client.exit(t, soon)
	n := goroutinesIn(h.client.log.text())
	if n < 5 {
		t.Errorf("a client's dump shows %d goroutines", n)
	}
	return n
}

// cut cuts a client's line, and waits until visitors are served again.
func (c *churn) cut(h *home, dice *rand.Rand) {
	how := reset
	switch n := dice.IntN(10); {
	case n == 0:
		how = vanish
	case n < 5:
		how = finish
	}
	h.line.cut(how)
	c.cuts.Add(1)
	var err error
	for begun := time.Now(); time.Since(begun) < soon; {
		if err = echoed(loopback(h.port), 5, 100); err == nil {
			return
		}
	}
	c.problem("port %d is not served again %v after a cut: %v", h.port, soon, err)
}

// guest is a place that one client has after another.
type guest struct {
	name  string // of the key and the client
	port  int    // that each of them publishes
	keyed int    // that those publish who come with a key of their own
	count int
}

// host has a client come, serve visitors, and go: because it is told to, killed, or by the loss of its key.
func (c *churn) host(g *guest, dice *rand.Rand) {
	g.count++
	who := fmt.Sprintf("number %d of %s", g.count, g.name)
	how := dice.IntN(10)
	key, own, ports := c.keys[g.name], "", []int{g.port, 0}
	if how == 0 {
		own, ports = fmt.Sprintf("%s-%d", g.name, g.count), []int{g.keyed}
		var answer struct{ Data struct{ Key string } }
		c.ask(http.MethodPost, "/api/v1/keys", fmt.Sprintf(`{"name": %q}`, own), &answer)
		key = answer.Data.Key
		c.fresh.Add(1)
	}
	cmd := c.clientCommand("-name", g.name)
	for _, port := range ports {
		cmd.Args = append(cmd.Args, "-publish", fmt.Sprintf("%d=%s", port, c.target))
	}
	cmd.Env = append(os.Environ(), "ADIT_KEY="+key)
	client, err := launch(who, cmd)
	if err != nil {
		c.problem("%s: %v", who, err)
		return
	}
	end := func(sig os.Signal) {
		client.cmd.Process.Signal(sig)
		select {
		case <-client.done:
		case <-time.After(soon):
			c.problem("%s did not end within %v of %v", who, soon, sig)
		}
	}
	defer end(syscall.SIGKILL)
	given := published(client.log, len(ports))
	if len(given) < len(ports) {
		c.problem("%s got %v:\n%s", who, given, client.log.text())
	}
	c.bindings.Add(int64(len(given)))
	for _, addr := range given {
		if err := echoed(addr, dice.Int64N(1000), 1+dice.Int64N(64<<10)); err != nil {
			c.problem("a visitor of %s: %v", who, err)
		}
	}
	hold := time.Duration(0)
	switch {
	case own != "":
		c.revoked.Add(1)
		c.ask(http.MethodDelete, "/api/v1/keys/"+own, "", nil)
	case how <= 3:
		c.killed.Add(1)
		end(syscall.SIGKILL)
		if how == 3 {
			return // the next one finds the port held for it
		}
		hold = churnHold
	default:
		c.ended.Add(1)
		end(syscall.SIGTERM)
	}
	begun := time.Now()
	for c.has(g.name, given) {
		if time.Since(begun) > hold+soon/3 {
			c.problem("%v of %s are not free after %v; want %v", given, who, time.Since(begun), hold)
			return
		}
		<-time.After(50 * time.Millisecond)
	}
}

// published waits until a client has said of most addresses that they lead to it, and returns them.
func published(log *logTail, most int) (addrs []string) {
	deadline := time.After(soon)
	for {
		lines, changed := log.since(0)
		addrs = addrs[:0]
		for _, line := range lines {
			if addr, _, ok := strings.Cut(line, " leads to "); ok {
				addrs = append(addrs, addr)
			}
		}
		if len(addrs) == most {
			return addrs
		}
		select {
		case <-changed:
		case <-deadline:
			return addrs
		}
	}
}

// ask sends a request to the API, which has to succeed.
func (c *churn) ask(method, path, body string, answer any) {
	status, text, err := c.call(method, path, body)
	if err == nil && status/100 != 2 {
		err = fmt.Errorf("%d %s", status, text)
	}
	if err == nil && answer != nil {
		err = json.Unmarshal(text, answer)
	}
	if err != nil {
		c.problem("%s %s: %v", method, path, err)
	}
}

// bound is what clients have, or had and is held for them: addresses by the names of clients.
func (c *churn) bound() map[string][]string {
	var answer struct {
		Data struct {
			Bindings []struct {
				Port int
				Name string
			}
		}
	}
	c.ask(http.MethodGet, "/api/stats", "", &answer)
	all := map[string][]string{}
	for _, b := range answer.Data.Bindings {
		all[b.Name] = append(all[b.Name], loopback(b.Port))
	}
	return all
}

// has reports whether a client of that name has one of the addresses.
func (c *churn) has(name string, addrs []string) bool {
	return slices.ContainsFunc(c.bound()[name], func(a string) bool { return slices.Contains(addrs, a) })
}

// visit is a visitor of a client that stays, whose line may be cut. It gets its own bytes, or an end; and not a hang.
func (c *churn) visit(port int, dice *rand.Rand) {
	err := echoed(loopback(port), dice.Int64N(1000), 1+dice.Int64N(8<<10))
	switch {
	case err == nil:
		c.served.Add(1)
	case cutShort(err):
		c.unserved.Add(1)
	default:
		c.problem("a visitor of port %d: %v", port, err)
	}
}

// cutShort reports whether a visit ended as one does that a tunnel's loss ends.
func cutShort(err error) bool {
	for _, e := range []error{syscall.ECONNRESET, syscall.ECONNREFUSED, syscall.EPIPE, io.EOF} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
