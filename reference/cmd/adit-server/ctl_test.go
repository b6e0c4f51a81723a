package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/adit-tunnel/adit/reference/access"
	"github.com/adit-tunnel/adit/reference/api"
	"github.com/adit-tunnel/adit/reference/mapping"
)

// shown is a server's mappings and keys, which remember what they were asked.
type shown struct{ asked []string }

func (s *shown) Create(_ context.Context, q mapping.Request) (mapping.Mapping, error) {
	text, _ := json.Marshal(q)
	s.asked = append(s.asked, "create "+string(text))
	if q.Port == 1 {
		return mapping.Mapping{}, mapping.Exists("1")
	}
	return mapping.Mapping{ID: 1, Port: q.Port, Options: q.Options}, nil
}

func (s *shown) Remove(_ context.Context, place string) error {
	s.asked = append(s.asked, "remove "+place)
	return nil
}

func (s *shown) List() []mapping.Status {
	return []mapping.Status{{Mapping: mapping.Mapping{ID: 1, Port: 10022, TargetPort: 22, UseTunnel: true}, Traffic: mapping.Traffic{Total: 7, In: 12345678901}}}
}

// keyed is the keys of shown.
type keyed struct{ s *shown }

func (k keyed) IDs() []string { return []string{"home"} }

func (k keyed) Add(id string) (string, error) {
	k.s.asked = append(k.s.asked, "add "+id)
	return "adit1:" + id + ":secret", nil
}

func (k keyed) Remove(id string) error { k.s.asked = append(k.s.asked, "take "+id); return nil }

func TestCtl(t *testing.T) {
	keyFile := filepath.Join(t.TempDir(), "api-keys")
	key, err := access.AddKey(keyFile, "k", access.Operate)
	if err != nil {
		t.Fatal(err)
	}
	guard, err := access.Open(keyFile, "")
	if err != nil {
		t.Fatal(err)
	}
	since := time.Date(2024, 1, 1, 12, 0, 0, 5, time.Local)
	s, events := &shown{}, api.NewEvents()
	server := httptest.NewUnstartedServer(nil)
	server.Config = api.New(api.Config{
		Mappings: s, Keys: keyed{s}, Events: events, Access: guard, Bindings: func() []api.Binding { return nil },
		Tunnels: func() []api.Tunnel {
			return []api.Tunnel{{ID: "t1", Key: "home", Name: "a\x1b[2Jb", Remote: "r:1", Since: since, Profile: "core"}}
		},
		Visits: func() []api.Visit {
			return append(make([]api.Visit, 1000), api.Visit{ID: "ff", Port: 10022, Target: "h:22", Visitor: "v:1", Since: since})
		},
	})
	server.Start()
	defer server.Close()
	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	ownKey, open := filepath.Join(t.TempDir(), "key"), filepath.Join(t.TempDir(), "open")
	for path, mode := range map[string]os.FileMode{ownKey: 0o600, open: 0o644} {
		if err := os.WriteFile(path, []byte(key+"\n"), mode); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		args  string
		key   string
		code  int
		out   string // what is printed; with ... at its end it begins so
		notes string // a part of it
		asked string
	}{
		{"mappings", key, 0, "PORT   HOST  PATH  TARGET_HOST  TARGET_PORT  USE_TUNNEL  CLIENT  STORED  ACTIVE  TOTAL  FAILED  OCTETS_IN    OCTETS_OUT  ERROR\n10022  -     -     -            22           true        -       true    0       7      0       12345678901  0           -\n", "", ""},
		{"mappings --json", key, 0, `{"mappings":[{"port":10022,...`, "", ""},
		{"monitor", key, 0, "GOROUTINES  CPU_SECONDS...", "", ""},
		{"monitor --json", key, 0, `{"since":"...`, "", ""},
		{"map 10022", key, 0, "port 10022 is mapped\n", "", `create {"port":10022}`},
		{"map 10022=h:22 --client 10.0.0.0/8", key, 0, "port 10022 is mapped\n", "", `create {"port":10022,"target_host":"h","target_port":22,"client":"10.0.0.0/8"}`},
		{"map 10022=h:22 --direct", key, 0, "port 10022 is mapped\n", "", `create {"port":10022,"target_host":"h","target_port":22,"use_tunnel":false}`},
		{"map 1", key, 1, "", "port 1 has a mapping", `create {"port":1}`},
		{"map ssh", key, 2, "", "give PORT or PORT=PORT", ""},
		{"map", key, 2, "", "accepts 1 arg(s), received 0; --help lists", ""},
		{"unmap 10022", key, 0, "the mapping of port 10022 is removed\n", "", "remove 10022"},
		{"map App.example.org/api=3000", key, 0, "App.example.org/api is mapped\n", "", `create {"target_port":3000,"host":"App.example.org","path":"/api"}`},
		{"unmap app.example.org/api", key, 0, "the mapping of app.example.org/api is removed\n", "", "remove app.example.org/api"},
		{"unmap 1/2", key, 1, "", `not "1/2"`, ""},
		{"clients", key, 0, "ID  KEY   NAME    REMOTE  SINCE                PROFILE  TLS    RTT_MS  ACTIVE  TOTAL  FAILED  OCTETS_IN  OCTETS_OUT\nt1  home  a?[2Jb  r:1     2024-01-01 12:00:00  core     false  -       0       0      0       0          0\n", "", ""},
		{"connections", key, 0, "ID  PORT  HOST  TARGET  VISITOR  CLIENT  SINCE                OCTETS_IN  OCTETS_OUT\n...", "1 more are not shown", ""},
		{"keys", key, 0, "NAME  CLIENTS\nhome  1\n", "", ""},
		{"keys add new", key, 0, "adit1:new:secret\n", "not shown again", "add new"},
		{"keys remove home", key, 0, "the key of home is removed, and its tunnels are ended\n", "", "take home"},
		{"keys --key-file " + ownKey, "", 0, "NAME  CLIENTS\nhome  1\n", "", ""},
		{"keys --key-file " + open, "", 2, "", "chmod 600 " + open, ""},
		{"keys", "", 1, "", "this needs an API key", ""},
		{"keys", "aditapi_x", 1, "", "here by ADIT_API_KEY or --key-file", ""},
		{"events --kinds all", key, 1, "", "there are client, mapping, visitor and key", ""},
		{"keys --api " + other.URL, key, 1, "", "look whether --api is right", ""},
		{"keys --api http://127.0.0.1:1", key, 1, "", "the API does not answer", ""},
		{"keys --api localhost:8080", key, 2, "", "write it like http://127.0.0.1:8080", ""},
		{"frobnicate", key, 2, "", "unknown command", ""},
		{"--help", "", 0, "adit-server ctl asks the API...", "", ""},
	} {
		t.Setenv("ADIT_API_KEY", c.key)
		s.asked = nil
		var out, notes bytes.Buffer
		code := ctl(append([]string{"--api", server.URL}, strings.Fields(c.args)...), &out, &notes)
		want, begins := strings.CutSuffix(c.out, "...")
		if code != c.code || begins && !strings.HasPrefix(out.String(), want) || !begins && out.String() != want || !strings.Contains(notes.String(), c.notes) || strings.Join(s.asked, ", ") != c.asked {
			t.Errorf("ctl %s = %d\n%s%s%q\nwant %d\n%s%s\n%q", c.args, code, &out, &notes, s.asked, c.code, c.out, c.notes, c.asked)
		}
		if strings.Contains(out.String()+notes.String(), key[20:]) {
			t.Errorf("ctl %s prints the key", c.args)
		}
	}
}

// A key that would go to another machine in the clear is said to; one over TLS, or on this machine, is not.
func TestCtlWarnsOfKeysInTheClear(t *testing.T) {
	for api, want := range map[string]bool{"http://192.0.2.1": true, "http://example.org:8080": true, "https://example.org": false, "http://localhost:1": false, "http://127.0.0.1:1": false, "http://[::1]:1": false} {
		for _, key := range []string{"k", ""} {
			t.Setenv("ADIT_API_KEY", key)
			var notes bytes.Buffer
			c := &control{notes: &notes, api: api}
			if _, err := c.request(t.Context(), "GET", "/", nil); err != nil {
				t.Fatal(err)
			}
			if got := strings.Contains(notes.String(), "is not encrypted"); got != (want && key != "") {
				t.Errorf("%s with the key %q: warned %v; want %v", api, key, got, want)
			}
		}
	}
}

// Events are printed as they come, and the end of the stream is said.
func TestCtlEvents(t *testing.T) {
	events := api.NewEvents()
	s := &shown{}
	server := httptest.NewUnstartedServer(nil)
	server.Config = api.New(api.Config{Mappings: s, Events: events})
	server.Start()
	defer server.Close()
	out := &lines{more: make(chan string, 100)}
	var notes bytes.Buffer
	done := make(chan int, 1)
	go func() { done <- ctl([]string{"--api", server.URL, "events", "--kinds", "key,client"}, out, &notes) }()
	heard := make(chan bool)
	for waiting := true; waiting; { // until it listens
		events.Send("key.added", func() any { close(heard); return map[string]string{"name": "n"} })
		select {
		case <-heard:
			waiting = false
		case <-time.After(time.Millisecond):
		}
	}
	select {
	case got := <-out.more:
		if !strings.HasPrefix(got, `{"event":"key.added","time":"20`) || !strings.HasSuffix(got, `"data":{"name":"n"}}`+"\n") || !json.Valid([]byte(got)) {
			t.Errorf("events prints %q", got)
		}
	case <-time.After(soon):
		t.Fatal("events prints nothing")
	}
	server.CloseClientConnections()
	select {
	case code := <-done:
		if code != 1 || !strings.Contains(notes.String(), "adit-server ctl: ") {
			t.Errorf("at the end of the stream: %d, %s; want 1", code, &notes)
		}
	case <-time.After(soon):
		t.Error("events goes on behind the end of the stream")
	}
}

// lines is a writer that hands on what it is given.
type lines struct{ more chan string }

func (l *lines) Write(p []byte) (int, error) { l.more <- string(p); return len(p), nil }
