package server

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/adit-tunnel/adit/reference/api"
	"github.com/adit-tunnel/adit/reference/keys"
	"github.com/adit-tunnel/adit/reference/mapping"
	"github.com/adit-tunnel/adit/reference/session"
)

// api asks the API, and reads the data of its answer into v.
func (r *running) api(t *testing.T, method, path, body string, v any) {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), method, "http://"+r.APIAddr().String()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	w, err := http.DefaultClient.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Body.Close()
	text, _ := io.ReadAll(w.Body)
	answer := struct{ Data any }{v}
	if err := json.Unmarshal(text, &answer); err != nil || w.StatusCode/100 != 2 {
		t.Fatalf("%s %s = %s %s, %v", method, path, w.Status, text, err)
	}
}

// heard opens the stream of events, and returns the next event of a kind.
func (r *running) heard(t *testing.T) func(kind string, v any) {
	t.Helper()
	w, err := http.Get("http://" + r.APIAddr().String() + "/api/v1/events")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Body.Close() })
	late := time.AfterFunc(soon, func() { w.Body.Close() })
	t.Cleanup(func() { late.Stop() })
	scan := bufio.NewScanner(w.Body)
	scan.Scan() // it listens
	return func(kind string, v any) {
		t.Helper()
		for found := false; scan.Scan(); {
			if name, ok := strings.CutPrefix(scan.Text(), "event: "); ok {
				found = name == kind
			} else if text, ok := strings.CutPrefix(scan.Text(), "data: "); ok && found {
				event := struct {
					Time time.Time
					Data any
				}{Data: v}
				if err := json.Unmarshal([]byte(text), &event); err != nil || time.Since(event.Time) > soon {
					t.Errorf("event %s: %s, %v", kind, text, err)
				}
				return
			}
		}
		t.Fatalf("no event %s comes: %v", kind, scan.Err())
	}
}

// Visitors are shown as long as they are there, also when their mapping is not.
func TestTheAPIShowsVisitors(t *testing.T) {
	k := runKeyed(t)
	next := k.heard(t)
	log, _ := k.client(t, &k.home, session.Auto)
	log.wait(t, "msg=connected")
	var who api.Client
	if next("client.connected", &who); who.Key != "home" || who.ID != "t1" || !strings.HasPrefix(who.Remote, "127.0.0.1:") {
		t.Errorf("client.connected has %+v; want t1 with the key home", who)
	}
	target := service(t, echo)
	direct := k.mapped(t, target, func(q *mapping.Request) { q.UseTunnel = new(false) })
	through := k.mapped(t, target, nil)
	host, err := url.Parse("http://" + direct)
	if err != nil {
		t.Fatal(err)
	}
	first, second := dial(t, direct), dial(t, through)
	wantEchoOn(t, "directly", first)
	wantEchoOn(t, "through the tunnel", second)
	n := int64(len("does it come back?"))
	var shown struct {
		Count       int
		Connections []api.Visit
	}
	eventually(t, "both visitors", func() bool {
		k.api(t, "GET", "/api/v1/connections", "", &shown)
		return shown.Count == 2 && shown.Connections[1].Out == n && shown.Connections[0].Out == n
	})
	for i, v := range []string{first.LocalAddr().String(), second.LocalAddr().String()} {
		got := shown.Connections[i]
		if got.Visitor != v || got.Target != target || got.In != n || got.Client != []string{"", "t1"}[i] || got.Port != []int{portOf(t, direct), portOf(t, through)}[i] || time.Since(got.Since) > soon || len(got.ID) != 16 {
			t.Errorf("visitor %d is shown as %+v", i, got)
		}
	}
	k.api(t, "DELETE", "/api/v1/mappings/"+host.Port(), "", nil)
	if k.api(t, "GET", "/api/v1/connections", "", &shown); shown.Count != 2 {
		t.Errorf("a visitor whose mapping was removed is not shown: %+v", shown)
	}
	id := shown.Connections[0].ID
	first.Close()
	var gone api.Gone
	if next("visitor.gone", &gone); gone.ID != id || gone.Failure != "" || gone.In != n {
		t.Errorf("visitor.gone has %+v; want %s", gone, id)
	}
	ports := 0
	for range k.Server.ports.Range {
		ports++
	}
	if ports != 2 { // that of runKeyed, and through
		t.Errorf("the server keeps %d ports; want 2", ports)
	}
	second.Close()
	eventually(t, "nobody", func() bool {
		k.api(t, "GET", "/api/v1/connections", "", &shown)
		return shown.Count == 0
	})
	third := dial(t, through)
	wantEchoOn(t, "on a port that all had left", third)
	if k.api(t, "GET", "/api/v1/connections", "", &shown); shown.Count != 1 {
		t.Errorf("a visitor of a port that was without is not shown: %+v", shown)
	}
	third.Close()
	eventually(t, "nobody again", func() bool {
		k.api(t, "GET", "/api/v1/connections", "", &shown)
		return shown.Count == 0
	})
	k.api(t, "DELETE", "/api/v1/mappings/"+strings.TrimPrefix(through, "127.0.0.1:"), "", nil)
	ports = 0
	for range k.Server.ports.Range {
		ports++
	}
	if ports != 1 {
		t.Errorf("the server keeps %d ports; want 1", ports)
	}
}

// A key that the API makes is good at once, and one that it takes away ends its tunnels.
func TestTheAPIChangesKeys(t *testing.T) {
	k := runKeyed(t, func(c *Config) { c.Version = "1.2.3" })
	next := k.heard(t)
	var made struct{ Name, Key string }
	k.api(t, "POST", "/api/v1/keys", `{"name":"new"}`, &made)
	next("key.added", &made)
	key, err := keys.Parse(made.Key)
	if err != nil || key.ID != "new" {
		t.Fatalf("the API makes %+v, %v", made, err)
	}
	if _, ok := k.cfg.Keys.Find("new"); !ok {
		t.Error("a new key is not good when the answer comes")
	}
	log, _ := k.client(t, &key, session.Auto)
	log.wait(t, "msg=connected", "key=new")
	var shown struct {
		Keys []struct {
			Name    string
			Clients int
		}
	}
	k.api(t, "GET", "/api/v1/keys", "", &shown)
	if len(shown.Keys) != 3 || shown.Keys[0].Name != "home" || shown.Keys[1].Clients != 1 || shown.Keys[1].Name != "new" {
		t.Errorf("keys = %+v; want home, new with a client, work", shown)
	}
	k.api(t, "DELETE", "/api/v1/keys/new", "", nil)
	if _, ok := k.cfg.Keys.Find("new"); ok {
		t.Error("a key that was taken away is still good when the answer comes")
	}
	var gone api.ClientGone
	if next("client.gone", &gone); gone.Key != "new" || !strings.Contains(gone.Error, "key was taken away") {
		t.Errorf("client.gone has %+v; want the key new, and why", gone)
	}
	log.wait(t, "the server denies the key new")
	if _, ok := k.cfg.Keys.Find("home"); !ok {
		t.Error("the other keys are gone, too")
	}
	w, err := http.Get("http://" + k.APIAddr().String() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer w.Body.Close()
	if text, _ := io.ReadAll(w.Body); !strings.Contains(string(text), `adit_build_info{version="1.2.3"} 1`) {
		t.Errorf("/metrics does not have the version: %.300s", text)
	}
}

// A server that asks for no keys has none to show.
func TestTheAPIOfAServerWithoutKeys(t *testing.T) {
	s := run(t, config(t))
	w, err := http.Get("http://" + s.APIAddr().String() + "/api/v1/keys")
	if err != nil {
		t.Fatal(err)
	}
	defer w.Body.Close()
	if w.StatusCode != http.StatusConflict {
		t.Errorf("keys of a server without: %s; want 409", w.Status)
	}
}
