package api_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/adit-tunnel/adit/reference/access"
	"github.com/adit-tunnel/adit/reference/api"
)

// timed is a client of a stream that notes when it was written what, and until when it could be.
type timed struct {
	header http.Header
	begun  time.Time
	wrote  []string
	before time.Time
}

func (w *timed) Header() http.Header { return w.header }

func (w *timed) WriteHeader(int) {}

func (w *timed) Write(p []byte) (int, error) {
	what, _, _ := strings.Cut(strings.TrimSpace(string(p)), "\n")
	w.wrote = append(w.wrote, fmt.Sprintf("%v %s, %v to write it", time.Since(w.begun), what, time.Until(w.before)))
	return len(p), nil
}

func (w *timed) SetWriteDeadline(t time.Time) error { w.before = t; return nil }

func (w *timed) Flush() {}

// streamed opens a stream within a bubble. Ended is closed at its end, with time.
func streamed(cfg api.Config, key string) (w *timed, leave context.CancelFunc, ended chan time.Duration) {
	cfg.Mappings = &fake{}
	ctx, leave := context.WithCancel(context.Background())
	r := httptest.NewRequestWithContext(ctx, "GET", "http://127.0.0.1/api/v1/events", nil)
	r.RemoteAddr = "127.0.0.1:1"
	if key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	w, ended = &timed{header: http.Header{}, begun: time.Now()}, make(chan time.Duration, 1)
	handler := api.New(cfg).Handler
	go func() { handler.ServeHTTP(w, r); ended <- time.Since(w.begun) }()
	synctest.Wait()
	return w, leave, ended
}

// A stream says that it is there when it has said nothing for 15 s, and gives each word 15 s; an event counts as one.
func TestAStreamThatIsSilentSaysThatItIsThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		events := api.NewEvents()
		w, leave, ended := streamed(api.Config{Events: events}, "")
		time.Sleep(20*time.Second + time.Millisecond)
		events.Send("key.added", func() any { return 0 })
		time.Sleep(31 * time.Second)
		leave()
		<-ended
		want := []string{
			"0s : what happens from now on, 15s to write it",
			"15s : still here, 15s to write it",
			"20.001s id: 1, 15s to write it",
			"36s : still here, 15s to write it", // looked at each second
			"51s : still here, 15s to write it",
		}
		if !slices.Equal(w.wrote, want) {
			t.Errorf("the stream has\n%s\nwant\n%s", strings.Join(w.wrote, "\n"), strings.Join(want, "\n"))
		}
		if w.header.Get("X-Accel-Buffering") != "no" || w.header.Get("Cache-Control") != "no-store" {
			t.Errorf("headers %v; want none that keeps events back", w.header)
		}
	})
}

// A key that was taken away ends its stream within a second.
func TestAStreamLooksAtItsKeyEachSecond(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	key, err := access.AddKey(path, "k", access.Read)
	if err != nil {
		t.Fatal(err)
	}
	guard, err := access.Open(path, "")
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		_, leave, ended := streamed(api.Config{Events: api.NewEvents(), Access: guard}, key)
		defer leave()
		time.Sleep(2500 * time.Millisecond)
		if err := os.WriteFile(path, []byte("# none\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if at := <-ended; at != 3*time.Second {
			t.Errorf("it ended after %v; want 3s", at)
		}
	})
}
