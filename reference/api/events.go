package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	mostListeners = 64  // streams at a time
	mostWaiting   = 256 // events that wait for one listener; what is more is lost, and counted
	heartbeat     = 15 * time.Second
	recheck       = time.Second // that a listener's key is still good
)

// Client is what events say of a client.
type Client struct {
	ID     string `json:"id"`
	Remote string `json:"remote"`
	Key    string `json:"key,omitempty"`
	Name   string `json:"name,omitempty"`
}

// ClientGone is a client whose tunnel has ended.
type ClientGone struct {
	Client
	Error string `json:"error,omitempty"`
}

// Gone is a visitor that has ended.
type Gone struct {
	Visit
	Failure string `json:"failure,omitempty"`
}

// Events hands what happens to whoever listens. A nil Events has no listeners. Safe for use from any number of goroutines.
type Events struct {
	last atomic.Uint64
	any  atomic.Bool // there are listeners

	mu        sync.Mutex // guards listeners
	listeners map[*listener]struct{}
}

// event is one thing that has happened, as it is sent.
type event struct {
	id         uint64
	kind, data string
}

type listener struct {
	events chan event
	lost   atomic.Int64
}

// NewEvents returns events without listeners.
func NewEvents() *Events { return &Events{listeners: map[*listener]struct{}{}} }

// Send tells all listeners of an event: its kind is like client.connected. It waits for nobody, and makes no data where nobody
// listens.
func (e *Events) Send(kind string, data func() any) {
	if e == nil || !e.any.Load() {
		return
	}
	text, err := json.Marshal(struct {
		Time time.Time `json:"time"`
		Data any       `json:"data"`
	}{time.Now(), data()})
	if err != nil {
		panic("api: internal error: an event that is no JSON: " + err.Error())
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	next := event{e.last.Add(1), kind, string(text)}
	for l := range e.listeners {
		select {
		case l.events <- next:
		default:
			l.lost.Add(1)
		}
	}
}

// listen adds a listener; nil where there are too many.
func (e *Events) listen() *listener {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.listeners) >= mostListeners {
		return nil
	}
	l := &listener{events: make(chan event, mostWaiting)}
	e.listeners[l] = struct{}{}
	e.any.Store(true)
	return l
}

func (e *Events) forget(l *listener) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.listeners, l)
	e.any.Store(len(e.listeners) > 0)
}

// stream sends events as they happen (server-sent events), until the client goes, the server ends, or the key is taken away.
func (h *handler) stream(w http.ResponseWriter, r *http.Request) error {
	kinds := strings.FieldsFunc(r.URL.Query().Get("kinds"), func(c rune) bool { return c == ',' })
	for _, kind := range kinds {
		if !slices.Contains([]string{"client", "mapping", "visitor", "key"}, kind) {
			return badRequest("kinds", "kinds has %q; there are client, mapping, visitor and key, separated by commas", kind)
		}
	}
	l := h.Events.listen()
	if l == nil {
		return &refusal{status: http.StatusServiceUnavailable, message: fmt.Sprintf("%d streams of events are open, and there may be no more; end one of them", mostListeners)}
	}
	defer h.Events.forget(l)
	c := http.NewResponseController(w)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no") // of nginx, which would keep them back
	send := func(format string, args ...any) bool {
		_ = c.SetWriteDeadline(time.Now().Add(heartbeat))
		_, err := fmt.Fprintf(w, format, args...)
		return err == nil && c.Flush() == nil
	}
	alive := send(": what happens from now on\n\n")
	check := time.NewTicker(recheck)
	defer check.Stop()
	spoke := time.Now()
	for alive {
		select {
		case <-r.Context().Done():
			return nil
		case e := <-l.events:
			if group, _, _ := strings.Cut(e.kind, "."); len(kinds) > 0 && !slices.Contains(kinds, group) {
				continue
			}
			if lost := l.lost.Swap(0); lost > 0 {
				alive = send("event: lost\ndata: {\"events\":%d}\n\n", lost)
			}
			alive = alive && send("id: %d\nevent: %s\ndata: %s\n\n", e.id, e.kind, e.data)
			spoke = time.Now()
		case <-check.C:
			if !h.stillGood(r) {
				return nil
			}
			if time.Since(spoke) >= heartbeat {
				alive = send(": still here\n\n")
				spoke = time.Now()
			}
		}
	}
	return nil
}
