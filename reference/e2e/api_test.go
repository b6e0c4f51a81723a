package e2e

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// TestBadRequests sends requests that have to be refused: each names the field, and leaves no listener and
// no row behind, also after a restart.
func TestBadRequests(t *testing.T) {
	tun := openServer(t, nil)
	tun.startClient(t)
	mapped, free, taken := freePort(t), freePort(t), freePort(t)
	tun.create(t, fmt.Sprintf(`{"port": %d, "target_port": %d}`, mapped, portOf(t, service(t, echo))))
	other, err := net.Listen("tcp", loopback(taken))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	before := tun.list(t)

	const create, remove = "/api/mapping/create", "/api/mapping/remove"
	for _, c := range []struct {
		name, method, path, body string
		status                   int    // 400 stands for any 4xx
		field                    string // in data.field; "" where no single field is at fault
		remedy                   string // in the message
	}{
		{"half a JSON object", "POST", create, `{"port": `, 400, "", "send one JSON object"},
		{"two JSON objects", "POST", create, `{"port": $free} {"port": $free}`, 400, "", "send one JSON object"},
		{"a JSON array", "POST", create, `[{"port": $free}]`, 400, "", "send one JSON object"},
		{"no body", "POST", create, ``, 400, "", "send one JSON object"},
		{"a body of 10 MB", "POST", create, `{"target_host": "` + strings.Repeat("x", 10_000_000) + `", "port": $free}`, 400, "", "send one JSON object"},
		{"an unknown field", "POST", create, `{"port": $free, "prot": 1}`, 400, "prot", "there are port, target_host"},
		{"a port that is text", "POST", create, `{"port": "$free"}`, 400, "port", "must be a whole number"},
		{"a port with a fraction", "POST", create, `{"port": $free.5}`, 400, "port", "must be a whole number"},
		{"no port", "POST", create, `{"target_port": 22}`, 400, "port", "must be 1 to 65535"},
		{"port 0", "POST", create, `{"port": 0}`, 400, "port", "must be 1 to 65535"},
		{"port -1", "POST", create, `{"port": -1}`, 400, "port", "must be 1 to 65535"},
		{"port 70000", "POST", create, `{"port": 70000}`, 400, "port", "must be 1 to 65535"},
		{"a port outside of port_range", "POST", create, `{"port": 9, "target_port": 22}`, 400, "port", "use a port in it, or widen port_range"},
		{"a port that another program has", "POST", create, `{"port": $taken, "target_port": 22}`, 400, "port", "stop that"},
		{"a port that has a mapping", "POST", create, `{"port": $mapped, "target_port": 22}`, 400, "port", "remove that first"},
		{"target port 0", "POST", create, `{"port": $free, "target_port": 0}`, 400, "target_port", "must be 1 to 65535"},
		{"target port 65536", "POST", create, `{"port": $free, "target_port": 65536}`, 400, "target_port", "must be 1 to 65535"},
		{"a target host that is no name", "POST", create, `{"port": $free, "target_port": 22, "target_host": "no name!"}`, 400, "target_host", "address nor a DNS name"},
		{"use_tunnel that is text", "POST", create, `{"port": $free, "target_port": 22, "use_tunnel": "yes"}`, 400, "use_tunnel", "must be true or false"},
		{"a client that is no address", "POST", create, `{"port": $free, "target_port": 22, "client": "300.1.2.3/99"}`, 400, "client", "address nor a CIDR"},
		{"direct without a target", "POST", create, `{"port": $free, "use_tunnel": false}`, 400, "target_host", "target_host is required"},
		{"remove a mapping that is not there", "POST", remove, `{"port": $free}`, 400, "port", "the list of mappings shows"},
		{"remove without a port", "POST", remove, `{}`, 400, "port", "must be 1 to 65535"},
		{"remove with an unknown field", "POST", remove, `{"port": $mapped, "force": true}`, 400, "force", "there are port"},
		{"remove by half a JSON object", "POST", remove, `{"port": `, 400, "", "send one JSON object"},
		{"create by GET", "GET", create, ``, 405, "", "use POST"},
		{"remove by GET", "GET", remove, ``, 405, "", "use POST"},
		{"list by POST", "POST", "/api/mapping/list", `{}`, 405, "", "use GET"},
		{"health by DELETE", "DELETE", "/health", ``, 405, "", "use GET"},
	} {
		t.Run(c.name, func(t *testing.T) {
			body := strings.NewReplacer("$free", fmt.Sprint(free), "$taken", fmt.Sprint(taken), "$mapped", fmt.Sprint(mapped)).Replace(c.body)
			status, answer, err := tun.call(c.method, c.path, body)
			if err != nil {
				t.Fatal(err)
			}
			if status != c.status && (c.status != 400 || status/100 != 4) {
				t.Errorf("status %d, not %d; answer %s", status, c.status, answer)
			}
			var refusal struct {
				Success *bool  `json:"success"`
				Message string `json:"message"`
				Data    struct {
					Field string `json:"field"`
				} `json:"data"`
			}
			if err := json.Unmarshal(answer, &refusal); err != nil {
				t.Fatalf("answer %s: %v", answer, err)
			}
			if refusal.Success == nil || *refusal.Success || !strings.Contains(refusal.Message, c.remedy) || refusal.Data.Field != c.field {
				t.Errorf("answer %s, wanted success false, a message with %q, and field %q", answer, c.remedy, c.field)
			}
			if err := answers(loopback(free)); err == nil {
				t.Errorf("port %d has a listener now", free)
			}
			if after := tun.list(t); !slices.Equal(before, after) {
				t.Errorf("mappings before: %v, after: %v", before, after)
			}
		})
	}
	tun.server.kill(t)
	tun.startServer(t)
	if after := tun.list(t); !slices.Equal(before, after) {
		t.Errorf("mappings before: %v, after a restart: %v", before, after)
	}
	tun.connected(t)
	if err := echoed(loopback(mapped), 51, 1000); err != nil {
		t.Errorf("the mapping that was there before: %v", err)
	}
}

// TestPortTakenAtRestart takes the port of a stored mapping while the server is down: the server starts all
// the same, keeps the mapping, lists it with its error, and serves it once the port is free.
func TestPortTakenAtRestart(t *testing.T) {
	tun := openServer(t, nil)
	tun.startClient(t)
	port := freePort(t)
	tun.create(t, fmt.Sprintf(`{"port": %d, "target_port": %d}`, port, portOf(t, service(t, echo))))
	tun.server.kill(t)
	other, err := net.Listen("tcp", loopback(port))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	tun.startServer(t)
	if rows := tun.list(t); len(rows) != 1 || rows[0].SourcePort != port || rows[0].Error == "" {
		t.Errorf("mappings: %v, wanted port %d with an error", rows, port)
	}
	other.Close()
	eventually(t, "the mapping is served again", 2*goOn, func() error { return echoed(loopback(port), 52, 1000) })
	if rows := tun.list(t); len(rows) != 1 || rows[0].Error != "" {
		t.Errorf("mappings: %v, wanted one without error", rows)
	}
}

// TestRemove closes the port of a removed mapping and forgets it.
func TestRemove(t *testing.T) {
	tun := openServer(t, nil)
	port := freePort(t)
	tun.create(t, fmt.Sprintf(`{"port": %d, "target_port": 22}`, port))
	status, answer, err := tun.call(http.MethodPost, "/api/mapping/remove", fmt.Sprintf(`{"port": %d}`, port))
	if status != http.StatusOK || err != nil {
		t.Fatalf("remove: %d %s %v", status, answer, err)
	}
	tun.server.kill(t)
	tun.startServer(t)
	if rows := tun.list(t); len(rows) != 0 || answers(loopback(port)) == nil {
		t.Errorf("mappings after remove and restart: %v, port open: %v", rows, answers(loopback(port)) == nil)
	}
}
