package engine

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// A Reply is what the control API answered.
type Reply struct {
	Status int
	Raw    []byte
	Body   map[string]any // the JSON object; nil when it is none
}

// Data is the field of the answer's data with that name; nil when there is none.
func (a Reply) Data(name string) any {
	data, _ := a.Body["data"].(map[string]any)
	return data[name]
}

// Success is the envelope's success; ok is false when it is no boolean.
func (a Reply) Success() (success, ok bool) {
	success, ok = a.Body["success"].(bool)
	return success, ok
}

// Call makes one HTTP request to the control API and records both ways. A
// body that is no string is sent as JSON. No answer at all ends the case.
func (t *T) Call(method, path string, body any) Reply {
	var octets []byte
	switch b := body.(type) {
	case nil:
	case string:
		octets = []byte(b)
	default:
		octets, _ = json.Marshal(b)
	}
	t.rec.note("api", "%s %s %s", method, path, octets)
	fail := func(err error) {
		t.setup++
		t.failed(t.expect("the control API answers "+method+" "+path, Message, 0, nil), "an HTTP answer", err.Error())
	}
	req, err := http.NewRequestWithContext(t.ctx, method, strings.TrimSuffix(t.At.API, "/")+path, bytes.NewReader(octets))
	if err != nil {
		fail(err)
	}
	req.Header.Set("Content-Type", "application/json")
	client := http.Client{Timeout: 2*Answer + t.slack, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		fail(err)
	}
	defer resp.Body.Close()
	a := Reply{Status: resp.StatusCode}
	if a.Raw, err = io.ReadAll(io.LimitReader(resp.Body, MaxPayload)); err != nil {
		fail(err)
	}
	_ = json.Unmarshal(a.Raw, &a.Body)
	t.rec.note("api", "%d %s", a.Status, bytes.TrimSpace(a.Raw))
	return a
}

// ephemeral is the first port that systems give to outgoing connections: from
// there on a port that is free now may be taken a moment later.
const ephemeral = 32768

// APIRange is the first and the last port that the API may map.
func (t *T) APIRange() (first, last int) {
	if t.At.APIPorts[0] == 0 {
		return 10000, 10100 // the documented port_range
	}
	return t.At.APIPorts[0], t.At.APIPorts[1]
}

// APIPort is a port that the API may map, with no mapping and no listener on
// it. Every call gives another one.
func (t *T) APIPort() int {
	defer t.inSetup()()
	lo, hi := t.APIRange()
	if lo < ephemeral {
		hi = min(hi, ephemeral-1)
	}
	mapped := map[int]bool{}
	rows, _ := t.Call(http.MethodGet, "/api/mapping/list", nil).Data("mappings").([]any)
	for _, row := range rows {
		if m, ok := row.(map[string]any); ok {
			if p, ok := m["source_port"].(float64); ok {
				mapped[int(p)] = true
			}
		}
	}
	for _, k := range t.rng.Perm(hi - lo + 1) {
		p := lo + k
		if mapped[p] || t.apiUsed[p] {
			continue
		}
		if conn, err := t.connect(t.MappedAddr(p)); err == nil { // somebody else listens
			_ = conn.Close()
			continue
		}
		t.apiUsed[p] = true
		return p
	}
	panic(caseOver{NotTestable, fmt.Sprintf("no free port to map in %d to %d (--api-ports FIRST-LAST says which the server may map)", lo, hi)})
}

// MappedAddr is where visitors of a port that the API mapped connect.
func (t *T) MappedAddr(port int) string { return net.JoinHostPort(t.APIHost(), strconv.Itoa(port)) }

// APIHost is the host of the server's mapped ports.
func (t *T) APIHost() string {
	if host, _, err := net.SplitHostPort(t.At.Visitor); err == nil {
		return host
	}
	u, err := url.Parse(t.At.API)
	if err != nil {
		panic(caseOver{NotTestable, "--api is no URL: " + err.Error()})
	}
	return u.Hostname()
}

// Stop ends the subject in order; its data stays. Start starts it again.
func (t *T) Stop() { t.end(false) }

// Restart ends the subject suddenly, as kill -9 does, and starts it again with its data.
func (t *T) Restart() {
	t.end(true)
	t.Start()
}

func (t *T) end(suddenly bool) {
	t.rec.note("suite", "the subject is ended%s", map[bool]string{true: " suddenly", false: ""}[suddenly])
	t.running.End(suddenly)
}

// Start starts the subject again with its data, after Stop.
func (t *T) Start() {
	defer t.inSetup()()
	if err := t.running.Again(t.ctx); late(err) && t.run.mon.busy(t.begun) {
		t.Inconclusive("%v%s", err, tooBusy)
	} else if err != nil {
		t.failed(t.expect("the subject starts again with its data", Ending, 0, nil), "a subject that is ready", err.Error())
	}
	t.At = t.running.Endpoints()
	t.rec.note("suite", "the subject is back")
}
