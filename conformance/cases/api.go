package cases

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"syscall"

	. "github.com/adit-tunnel/adit/conformance/engine"
)

const (
	createPath = "/api/mapping/create"
	removePath = "/api/mapping/remove"
	listPath   = "/api/mapping/list"
	statsPath  = "/api/stats"
	healthPath = "/health"
)

// apiCases proves Appendix B.
var apiCases = []Case{
	{
		ID: "API-001", Role: API, Title: "create answers with the documented shape",
		Run: func(t *T) {
			port := t.APIPort()
			a := t.Call(http.MethodPost, createPath, map[string]any{"port": port, "target_ip": "127.0.0.1", "target_port": 22})
			accepted(t, a)
			t.Check(number(a.Data("port")) == port, "", "data.port is %v, %d was asked for", a.Data("port"), port)
			t.Check(a.Data("target_ip") == "127.0.0.1", "", "data.target_ip is %v, 127.0.0.1 was asked for", a.Data("target_ip"))
			_, isBool := a.Data("use_tunnel").(bool)
			t.Check(isBool, "", "data.use_tunnel is %v, not a boolean", a.Data("use_tunnel"))
			remove(t, port)
		},
	},
	{
		ID: "API-002", Role: API, Title: "a visitor is accepted as soon as create has answered",
		Run: func(t *T) {
			for range 3 {
				port := create(t)
				t.Check(listening(t, port), "", "port %d refuses a visitor after create answered success", port)
				remove(t, port)
			}
		},
	},
	{
		ID: "API-003", Role: API, Title: "an acknowledged mapping survives a sudden end of the process", Needs: NeedRestart,
		Run: func(t *T) {
			kept, gone := create(t), create(t)
			remove(t, gone)
			t.Restart()
			t.Check(rowOf(t, kept) != nil, "", "the mapping of port %d is gone after kill and restart", kept)
			t.Check(rowOf(t, gone) == nil, "API-007", "the removed mapping of port %d is back after kill and restart", gone)
		},
	},
	{
		ID: "API-004", Role: API, Title: "a create that fails leaves nothing behind",
		Run: func(t *T) {
			port := t.APIPort()
			taken, err := net.Listen("tcp", net.JoinHostPort(t.APIHost(), strconv.Itoa(port)))
			if err != nil {
				t.NotApplicable("the suite cannot take a port of the server's machine: %v", err)
			}
			a := t.Call(http.MethodPost, createPath, mapping(port))
			refused(t, a)
			_ = taken.Close()
			t.Check(rowOf(t, port) == nil, "", "port %d could not be bound, and is listed all the same", port)
			t.Check(!listening(t, port), "", "port %d is served though its create failed", port)
			accepted(t, t.Call(http.MethodPost, createPath, mapping(port)))
			remove(t, port)
		},
	},
	{
		ID: "API-005", Role: API, Title: "a second create for the same port is refused",
		Run: func(t *T) {
			port := create(t)
			before := rowOf(t, port)
			a := t.Call(http.MethodPost, createPath, map[string]any{"port": port, "target_ip": "127.0.0.1", "target_port": 80})
			refused(t, a)
			after := rowOf(t, port)
			t.Check(after != nil && fmt.Sprint(after["target_port"]) == fmt.Sprint(before["target_port"]), "", "the first mapping was changed: %v became %v", before, after)
			t.Check(listening(t, port), "", "the first mapping is not served any more")
			remove(t, port)
		},
	},
	{
		ID: "API-006", Role: API, Title: "a port outside of the range is refused",
		Run: func(t *T) {
			lo, hi := t.APIRange()
			for _, port := range []int{lo - 1, hi + 1} {
				if port < 1 || port > 65535 {
					continue
				}
				a := t.Call(http.MethodPost, createPath, mapping(port))
				if success, _ := a.Success(); success {
					t.Note("port %d is beside %d to %d, the range that --api-ports gives; it has to be the server's whole range", port, lo, hi)
					t.Call(http.MethodPost, removePath, map[string]any{"port": port}) // a server that somebody else runs keeps nothing of it
				}
				refused(t, a)
				t.Check(rowOf(t, port) == nil, "API-004", "port %d was refused, and is listed all the same", port)
			}
		},
	},
	{
		ID: "API-007", Role: API, Title: "remove closes the port and deletes the mapping",
		Run: func(t *T) {
			port := create(t)
			a := t.Call(http.MethodPost, removePath, map[string]any{"port": port})
			accepted(t, a)
			t.Check(number(a.Data("port")) == port, "", "data.port is %v, %d was removed", a.Data("port"), port)
			t.Check(!listening(t, port), "", "port %d still accepts visitors", port)
			t.Check(rowOf(t, port) == nil, "", "port %d is still listed", port)
		},
	},
	{
		ID: "API-008", Role: API, Title: "remove for a port without mapping is refused",
		Run: func(t *T) {
			refused(t, t.Call(http.MethodPost, removePath, map[string]any{"port": t.APIPort()}))
			port := create(t)
			remove(t, port)
			refused(t, t.Call(http.MethodPost, removePath, map[string]any{"port": port}))
		},
	},
	{
		ID: "API-009", Role: API, Title: "list has a row for each mapping, and counts them",
		Run: func(t *T) {
			ports := []int{create(t), create(t)}
			a := t.Call(http.MethodGet, listPath, nil)
			accepted(t, a)
			rows, _ := a.Data("mappings").([]any)
			t.Check(number(a.Data("count")) == len(rows), "", "count is %v, there are %d rows", a.Data("count"), len(rows))
			_, isBool := a.Data("use_tunnel").(bool)
			t.Check(isBool, "", "data.use_tunnel is %v, not a boolean", a.Data("use_tunnel"))
			for _, port := range ports {
				row := rowOf(t, port)
				if row == nil {
					t.Fail("", "port %d is not listed", port)
				}
				t.Check(number(row["id"]) > 0, "", "the row's id is %v, not a positive number", row["id"])
				t.Check(row["target_ip"] == "127.0.0.1", "", "the row's target_ip is %v", row["target_ip"])
				t.Check(number(row["target_port"]) == 22, "", "the row's target_port is %v", row["target_port"])
				stamp, _ := row["created_at"].(string)
				t.Check(regexp.MustCompile(`^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$`).MatchString(stamp), "", "created_at is %v, not like 2006-01-02 15:04:05", row["created_at"])
			}
			for _, port := range ports {
				remove(t, port)
			}
			t.Check(rowOf(t, ports[0]) == nil && rowOf(t, ports[1]) == nil, "", "removed mappings are still listed")
		},
	},
	{
		ID: "API-010", Variant: "shape", Role: API, Title: "health answers 200 with status ok and two booleans",
		Run: func(t *T) {
			a := t.Call(http.MethodGet, healthPath, nil)
			t.Check(a.Status == http.StatusOK, "", "health answers 200: %d came", a.Status)
			t.Check(a.Body["status"] == "ok", "", "status is \"ok\": %v came", a.Body["status"])
			for _, field := range []string{"tunnel_enabled", "tunnel_connected"} {
				_, ok := a.Body[field].(bool)
				t.Check(ok, "", "%s is a boolean: %v came", field, a.Body[field])
			}
		},
	},
	{
		ID: "API-010", Variant: "connected", Role: API, Title: "health says whether a client is connected",
		Run: func(t *T) {
			if t.Call(http.MethodGet, healthPath, nil).Body["tunnel_enabled"] != true {
				t.NotApplicable("the server's tunnel is not enabled")
			}
			connected := func(want bool) func() bool {
				return func() bool { return t.Call(http.MethodGet, healthPath, nil).Body["tunnel_connected"] == want }
			}
			t.Until("tunnel_connected is false while no client is connected", connected(false))
			n := t.Dial()
			n.Barrier()
			t.Check(connected(true)(), "", "tunnel_connected is not true though a client is connected")
			n.Finish()
			n.ExpectClosed("the server closes its end", For("TUN-002"))
			t.Until("tunnel_connected is false after the client has gone", connected(false))
		},
	},
	{
		ID: "API-011", Role: API, Title: "refusals come with the envelope",
		Run: func(t *T) {
			for _, a := range []Reply{
				t.Call(http.MethodPost, createPath, map[string]any{"port": 70000}),
				t.Call(http.MethodPost, createPath, "{"),
				t.Call(http.MethodPost, removePath, map[string]any{"port": t.APIPort()}),
				t.Call(http.MethodGet, createPath, nil),
			} {
				refused(t, a)
			}
		},
	},
	{
		ID: "API-012", Role: API, Title: "an error names the field at fault",
		Run: func(t *T) {
			port := t.APIPort()
			for _, bad := range []struct {
				field string
				body  map[string]any
			}{
				{"port", map[string]any{"port": 0, "target_ip": "127.0.0.1"}},
				{"port", map[string]any{"port": 70000, "target_ip": "127.0.0.1"}},
				{"port", map[string]any{"target_ip": "127.0.0.1"}},
				{"target_port", map[string]any{"port": port, "target_ip": "127.0.0.1", "target_port": 70000}},
				{"target_port", map[string]any{"port": port, "target_ip": "127.0.0.1", "target_port": -1}},
				{"client", map[string]any{"port": port, "target_ip": "127.0.0.1", "target_port": 22, "client": "not an address"}},
			} {
				a := t.Call(http.MethodPost, createPath, bad.body)
				refused(t, a)
				t.Check(a.Data("field") == bad.field, "", "data.field is %v for %v, the field at fault is %s", a.Data("field"), bad.body, bad.field)
			}
			a := t.Call(http.MethodPost, removePath, map[string]any{"port": port})
			t.Check(a.Data("field") == "port", "", "data.field is %v for a port without mapping", a.Data("field"))
		},
	},
	{
		ID: "API-013", Role: API, Title: "a body that is not one known JSON object is refused and changes nothing",
		Run: func(t *T) {
			port := t.APIPort()
			for _, body := range []string{
				"", "{", "null", "[]", `"port"`, "port=1",
				fmt.Sprintf(`{"port":"%d","target_ip":"127.0.0.1"}`, port),
				fmt.Sprintf(`{"port":%d,"target_ip":5}`, port),
				fmt.Sprintf(`{"port":%d.5,"target_ip":"127.0.0.1"}`, port),
				fmt.Sprintf(`{"port":%d,"target_ip":"127.0.0.1","target_prot":22}`, port),
				fmt.Sprintf(`{"port":%d,"target_ip":"127.0.0.1"}{"port":%d}`, port, port),
			} {
				a := t.Call(http.MethodPost, createPath, body)
				t.Check(a.Status == http.StatusBadRequest, "", "status %d for the body %q, 400 refuses it", a.Status, body)
				refused(t, a)
			}
			t.Check(rowOf(t, port) == nil, "", "a refused body made a mapping of port %d", port)
			accepted(t, t.Call(http.MethodPost, createPath, mapping(port)))
			remove(t, port)
		},
	},
	{
		ID: "API-014", Role: API, Title: "a method that a path does not have is refused",
		Run: func(t *T) {
			port := create(t)
			for _, c := range []struct{ method, path string }{
				{http.MethodGet, createPath},
				{http.MethodGet, removePath},
				{http.MethodDelete, removePath},
				{http.MethodPost, listPath},
				{http.MethodPost, healthPath},
			} {
				a := t.Call(c.method, c.path, map[string]any{"port": port})
				t.Check(a.Status == http.StatusMethodNotAllowed, "", "%s %s is refused with 405: %d came", c.method, c.path, a.Status)
			}
			t.Check(rowOf(t, port) != nil, "", "a wrong method removed the mapping of port %d", port)
			remove(t, port)
		},
	},
	{
		ID: "API-015", Role: API, Title: "stats answer with the envelope",
		Run: func(t *T) { accepted(t, t.Call(http.MethodGet, statsPath, nil)) },
	},
	{
		ID: "API-016", Role: API, Title: "stored mappings are served again after a restart", Needs: NeedRestart,
		Run: func(t *T) {
			served, blocked := create(t), create(t)
			t.Stop()
			taken, err := net.Listen("tcp", net.JoinHostPort(t.APIHost(), strconv.Itoa(blocked)))
			if err == nil {
				defer func() { _ = taken.Close() }()
			}
			t.Start()
			t.Check(listening(t, served), "", "port %d is not served after the restart", served)
			row := rowOf(t, blocked)
			t.Check(row != nil, "", "the mapping of port %d, which is taken now, is not kept", blocked)
			if err == nil {
				_, isText := row["error"].(string)
				t.Check(isText, "", "the row of port %d, which is taken now, has no error", blocked)
			}
		},
	},
}

// mapping is a create body that any server accepts, tunnel or not.
func mapping(port int) map[string]any {
	return map[string]any{"port": port, "target_ip": "127.0.0.1", "target_port": 22}
}

// create makes a mapping and returns its port.
func create(t *T) int {
	port := t.APIPort()
	accepted(t, t.Call(http.MethodPost, createPath, mapping(port)))
	return port
}

// remove removes the mapping of a port.
func remove(t *T, port int) {
	accepted(t, t.Call(http.MethodPost, removePath, map[string]any{"port": port}))
}

// accepted expects 200 and a successful envelope.
func accepted(t *T, a Reply) {
	success, _ := a.Success()
	_, hasMessage := a.Body["message"].(string)
	if a.Status != http.StatusOK || !success || !hasMessage {
		if first, last := t.APIRange(); a.Data("field") == "port" {
			t.Note("the suite maps ports from %d to %d; --api-ports FIRST-LAST tells it which this server may map", first, last)
		}
		t.Fail("", "status 200 with success true and a message: %d came, %s", a.Status, a.Raw)
	}
}

// refused expects a 4xx status (5xx: the server's own failure) and an envelope that says so.
func refused(t *T, a Reply) {
	t.Check(a.Status >= 400 && a.Status < 600, "", "a refusal has a 4xx or 5xx status: %d came", a.Status)
	success, ok := a.Success()
	message, _ := a.Body["message"].(string)
	t.Check(ok && !success && message != "", "API-011", "a refusal has success false and a message: %s came", a.Raw)
}

// rowOf is the row of a port in the list, nil when there is none.
func rowOf(t *T, port int) map[string]any {
	rows, _ := t.Call(http.MethodGet, listPath, nil).Data("mappings").([]any)
	for _, r := range rows {
		if row, ok := r.(map[string]any); ok && number(row["source_port"]) == port {
			return row
		}
	}
	return nil
}

// listening reports whether a visitor of the port is accepted.
func listening(t *T, port int) bool {
	d := net.Dialer{Timeout: LocalEffect}
	conn, err := d.DialContext(t.Context(), "tcp", net.JoinHostPort(t.APIHost(), strconv.Itoa(port)))
	if err == nil {
		_ = conn.Close()
	}
	// Without a tunnel the server accepts the visitor and resets it (OPEN-026), which a dial can see as its own error.
	return err == nil || errors.Is(err, syscall.ECONNRESET)
}

// number is a JSON number as an int, -1 for anything else.
func number(v any) int {
	if f, ok := v.(float64); ok && f == float64(int(f)) {
		return int(f)
	}
	return -1
}
