package api_test

import (
	"bufio"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/adit-tunnel/adit/reference/access"
	"github.com/adit-tunnel/adit/reference/api"
)

// soon is the deadline of what happens at once on an idle machine.
const soon = 15 * time.Second

// running is an API that listens.
func running(t *testing.T, cfg api.Config) string { return runningFor(t, cfg, 0) }

// runningFor is one whose times for a request and an answer are others.
func runningFor(t *testing.T, cfg api.Config, times time.Duration) string {
	t.Helper()
	cfg.Mappings, cfg.Tunnels, cfg.Visits = &fake{}, func() []api.Tunnel { return nil }, func() []api.Visit { return nil }
	s := httptest.NewUnstartedServer(nil)
	s.Config = api.New(cfg)
	if times > 0 {
		s.Config.ReadTimeout, s.Config.WriteTimeout = times, times
	}
	s.Start()
	t.Cleanup(s.Close)
	return s.URL
}

// listen opens a stream, whose lines it returns. The channel is closed at its end.
func listen(t *testing.T, url, key string) <-chan string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+key)
	w, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if w.StatusCode != 200 || w.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("GET %s = %s, %s", url, w.Status, w.Header.Get("Content-Type"))
	}
	lines := make(chan string, 10_000)
	go func() { // which ends with the stream, and that with the test
		defer close(lines)
		defer w.Body.Close()
		for scan := bufio.NewScanner(w.Body); scan.Scan(); {
			lines <- scan.Text()
		}
	}()
	if got := next(t, lines); got != ": what happens from now on" {
		t.Fatalf("a stream begins with %q", got)
	}
	return lines
}

// next is the next line that is not empty; "" at the end.
func next(t *testing.T, lines <-chan string) string {
	t.Helper()
	for {
		select {
		case line, ok := <-lines:
			if line != "" || !ok {
				return line
			}
		case <-time.After(soon):
			t.Fatal("the stream says nothing")
		}
	}
}

func TestEvents(t *testing.T) {
	events := api.NewEvents()
	url := running(t, api.Config{Events: events, Keys: &ring{}})
	all, some := listen(t, url+"/api/v1/events", ""), listen(t, url+"/api/v1/events?kinds=mapping,key", "")
	post := func(path, body string) {
		w, err := http.Post(url+path, "application/json", strings.NewReader(body))
		if err != nil || w.StatusCode/100 != 2 {
			t.Fatalf("POST %s = %v, %v", path, w, err)
		}
		w.Body.Close()
	}
	events.Send("client.connected", func() any { return api.Client{ID: "t1", Remote: "r", Key: "k", Name: "n"} })
	post("/api/mapping/create", `{"port":10001,"target_host":"h"}`)
	post("/api/mapping/remove", `{"port":10001}`)
	post("/api/v1/keys", `{"name":"laptop"}`)
	r, err := http.NewRequestWithContext(t.Context(), "DELETE", url+"/api/v1/keys/laptop", nil)
	if err != nil {
		t.Fatal(err)
	}
	w, err := http.DefaultClient.Do(r)
	if err != nil || w.StatusCode != 200 {
		t.Fatalf("DELETE of a key = %v, %v", w, err)
	}
	w.Body.Close()
	for _, want := range []string{
		"id: 1", "event: client.connected", `"data":{"id":"t1","remote":"r","key":"k","name":"n"}}`,
		"id: 2", "event: mapping.created", `"data":{"port":10001,"target":"h:10001","use_tunnel":false}}`,
		"id: 3", "event: mapping.removed", `"data":{"port":10001}}`,
		"id: 4", "event: key.added", `"data":{"name":"laptop"}}`,
		"id: 5", "event: key.removed", `"data":{"name":"laptop"}}`,
	} {
		if got := next(t, all); !strings.HasSuffix(got, want) || strings.HasPrefix(want, `"`) && !strings.HasPrefix(got, `data: {"time":"20`) {
			t.Errorf("the stream has %q; want %q", got, want)
		}
	}
	for _, want := range []string{"id: 2", "event: mapping.created"} {
		if got := next(t, some); got != want {
			t.Errorf("a stream of mappings has %q; want %q", got, want)
		}
	}
}

// The times of a request and of an answer are not those of a stream.
func TestAStreamHasNoEnd(t *testing.T) {
	const times = 100 * time.Millisecond
	events := api.NewEvents()
	lines := listen(t, runningFor(t, api.Config{Events: events}, times)+"/api/v1/events", "")
	for begun := time.Now(); time.Since(begun) < 5*times; {
		events.Send("key.added", func() any { return 0 })
		if got := next(t, lines); !strings.HasPrefix(got, "id: ") || next(t, lines) != "event: key.added" || next(t, lines) == "" {
			t.Fatalf("after %v the stream has %q", time.Since(begun), got)
		}
	}
}

// Nothing is made for nobody, and who does not keep up is told how much is lost.
func TestEventsThatNobodyReads(t *testing.T) {
	events := api.NewEvents()
	events.Send("client.connected", func() any { t.Error("data is made where nobody listens"); return nil })
	(*api.Events)(nil).Send("client.connected", func() any { t.Error("data is made for no events"); return nil })
	w := &slow{ResponseRecorder: httptest.NewRecorder(), wrote: make(chan string), more: make(chan bool)}
	r := httptest.NewRequest("GET", "http://127.0.0.1/api/v1/events", nil)
	r.RemoteAddr = "127.0.0.1:1"
	done := make(chan bool)
	go func() {
		defer close(done)
		api.New(api.Config{Events: events, Mappings: &fake{}}).Handler.ServeHTTP(w, r)
	}()
	w.wants(t, ": what", true)
	events.Send("key.added", func() any { return 0 })
	w.wait(t, "id: 1\n") // the one that is being written; no other is taken meanwhile
	for range 300 {
		events.Send("key.added", func() any { return 0 })
	}
	w.more <- true
	w.wants(t, "event: lost\ndata: {\"events\":44}\n", true)
	w.wants(t, "id: 2\n", true)
	w.wants(t, "id: 3\n", false) // is told of it once; and its client goes
	select {
	case <-done:
	case <-time.After(soon):
		t.Error("a stream whose client has gone goes on")
	}
	events.Send("key.added", func() any { t.Error("data is made for a listener that has gone"); return nil })
}

// slow is a client that takes what it is written when it is told to.
type slow struct {
	*httptest.ResponseRecorder
	wrote chan string
	more  chan bool
}

func (s *slow) Write(p []byte) (int, error) {
	s.wrote <- string(p)
	if !<-s.more {
		return 0, os.ErrDeadlineExceeded
	}
	return len(p), nil
}

func (s *slow) wait(t *testing.T, want string) {
	t.Helper()
	select {
	case got := <-s.wrote:
		if !strings.HasPrefix(got, want) {
			t.Errorf("the stream has %q; want %q", got, want)
		}
	case <-time.After(soon):
		t.Fatalf("the stream says nothing; want %q", want)
	}
}

func (s *slow) wants(t *testing.T, want string, more bool) {
	t.Helper()
	s.wait(t, want)
	s.more <- more
}

func TestMostStreams(t *testing.T) {
	url := running(t, api.Config{Events: api.NewEvents()}) + "/api/v1/events"
	for range 64 {
		listen(t, url, "")
	}
	w, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Body.Close()
	if w.StatusCode != 503 {
		t.Errorf("the 65th stream: %s; want 503", w.Status)
	}
}

// A stream ends when its key is taken away.
func TestAStreamEndsWithItsKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	key, err := access.AddKey(path, "k", access.Read)
	if err != nil {
		t.Fatal(err)
	}
	guard, err := access.Open(path, "")
	if err != nil {
		t.Fatal(err)
	}
	events := api.NewEvents()
	lines := listen(t, running(t, api.Config{Events: events, Access: guard})+"/api/v1/events", key)
	if err := os.WriteFile(path, []byte("# none\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := next(t, lines); got != "" {
		t.Errorf("the stream has %q; want its end", got)
	}
}
