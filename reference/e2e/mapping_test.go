package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// TestConnectRequestForms reaches the host that the mapping names with the addressed form, and the client's
// own with the short one.
func TestConnectRequestForms(t *testing.T) {
	needBinaries(t)
	here := service(t, func(c *net.TCPConn) { io.WriteString(c, "127.0.0.1") })
	there, err := net.Listen("tcp", fmt.Sprintf("127.0.0.2:%d", portOf(t, here)))
	if err != nil {
		t.Skipf("not run: this system has no second loopback address: %v", err)
	}
	serve(t, there, func(c *net.TCPConn) { io.WriteString(c, "127.0.0.2") })
	for _, form := range []struct{ name, host string }{{"short", "127.0.0.1"}, {"addressed", "127.0.0.2"}} {
		t.Run(form.name, func(t *testing.T) {
			tun := openServer(t, []string{net.JoinHostPort(form.host, fmt.Sprint(portOf(t, here)))}, "-tunnel.connect_request", form.name)
			tun.startClient(t)
			visitor := dial(t, tun.public[0])
			visitor.SetDeadline(time.Now().Add(soon))
			if got, err := io.ReadAll(visitor); string(got) != form.host || err != nil {
				t.Errorf("the visitor reached %q, %v", got, err)
			}
		})
	}
}

// TestNotReached has visitors whose service refuses, or is forbidden by the client's policy: they are ended
// with no byte, and both logs say why.
func TestNotReached(t *testing.T) {
	needBinaries(t)
	tun := openServer(t, []string{loopback(freePort(t)), "192.0.2.1:22", service(t, echo)})
	tun.startClient(t)
	for i, c := range []struct{ name, status, host string }{
		{"no listener", "refused", "127.0.0.1"},
		{"forbidden", "denied", "192.0.2.1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			mark := tun.client.log.mark()
			if err := notServed(tun.public[i]); err != nil {
				t.Error(err)
			}
			tun.client.log.wait(t, mark, c.host, c.status)
			tun.server.log.wait(t, 0, c.status)
		})
	}
	if err := echoed(tun.public[2], 54, 1000); err != nil {
		t.Errorf("another mapping: %v", err)
	}
}

// TestDirect forwards without a tunnel, half-close included: a mapping as in the source document, to the
// same port of another address.
func TestDirect(t *testing.T) {
	needBinaries(t)
	port := freePort(t)
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.2:%d", port))
	if err != nil {
		t.Skipf("not run: this system has no second loopback address: %v", err)
	}
	serve(t, l, func(c *net.TCPConn) {
		end := check(c, 55)
		fmt.Fprintf(c, "%d %v", end.right, end.err)
	})
	tun := openServer(t, nil, "-tunnel.enabled=false", "-visitors.listen_host", "127.0.0.1")
	tun.create(t, fmt.Sprintf(`{"port": %d, "target_ip": "127.0.0.2"}`, port))
	visitor := dial(t, loopback(port))
	visitor.SetDeadline(time.Now().Add(soon))
	if _, err := io.Copy(visitor, &source{seed: 55, left: 10_000_000}); err != nil {
		t.Fatal(err)
	}
	visitor.CloseWrite()
	if got, err := io.ReadAll(visitor); string(got) != "10000000 <nil>" || err != nil {
		t.Errorf("the service says %q, %v", got, err)
	}
}

// create makes a mapping by the API.
func (tun *tunnel) create(t *testing.T, body string) {
	t.Helper()
	status, answer, err := tun.call(http.MethodPost, "/api/mapping/create", body)
	if status != http.StatusOK || err != nil {
		t.Fatalf("create %s: %d %s %v", body, status, answer, err)
	}
}

// row is what a list says of a mapping.
type row struct {
	ID         int64  `json:"id"`
	SourcePort int    `json:"source_port"`
	TargetIP   string `json:"target_ip"`
	TargetPort int    `json:"target_port"`
	CreatedAt  string `json:"created_at"`
	Error      string `json:"error"`
}

func (tun *tunnel) list(t *testing.T) []row {
	t.Helper()
	status, answer, err := tun.call(http.MethodGet, "/api/mapping/list", "")
	var list struct {
		Data struct {
			Mappings []row `json:"mappings"`
			Count    int   `json:"count"`
		} `json:"data"`
	}
	if err == nil {
		err = json.Unmarshal(answer, &list)
	}
	if status != http.StatusOK || err != nil || list.Data.Count != len(list.Data.Mappings) {
		t.Fatalf("list: %d %s %v", status, answer, err)
	}
	return list.Data.Mappings
}
