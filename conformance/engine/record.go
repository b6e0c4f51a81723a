package engine

import (
	"bytes"
	"fmt"
	"sync"
	"time"
)

// Kind says what an Event tells.
type Kind int

// Kinds of events. "Sent" is from the suite to the subject.
const (
	Sent      Kind = iota // a frame left the suite
	SentRaw               // octets that are no whole frame left the suite
	Received              // a frame came from the subject
	Broken                // octets came that are no frame
	Connected             // a socket was connected or accepted
	Wrote                 // the suite wrote octets to a local socket
	Octets                // octets came out of a local socket
	EOF                   // the subject ended a stream in order (FIN)
	Reset                 // the subject reset a socket (RST)
	Finished              // the suite shut down or closed a socket
	Aborted               // the suite reset a socket
	Note                  // a remark of the suite
)

// An Event is one thing that happened in a case.
type Event struct {
	At     time.Duration // since the case began, by the monotonic clock
	Who    string        // "tunnel 1", "visitor 2", "service 1", "subject", "suite"
	Kind   Kind
	Tunnel int    // number of the tunnel; 0 for everything else
	Frame  Frame  // of Sent and Received; a long payload is cut
	Size   int    // whole payload of a frame, or number of octets
	Bad    error  // of Received and Broken: what is wrong with it
	Text   string // remark, address or clipped octets
}

// A Recorder keeps everything that happened in one attempt at a case. Its
// lock also guards the state of every tunnel and socket of the attempt, so
// that a case waits for any change in one place.
type Recorder struct {
	live func(Event) // called under mu for each event; nil unless -v

	mu      sync.Mutex // guards the following, and all link state
	start   time.Time
	events  []Event
	changed chan struct{} // closed and replaced at every change
	outline *outline      // of what the subject sent
}

func newRecorder(live func(Event)) *Recorder {
	return &Recorder{live: live, start: time.Now(), changed: make(chan struct{}), outline: newOutline()}
}

// note adds a remark of the suite.
func (r *Recorder) note(who, format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.add(Event{Who: who, Kind: Note, Text: fmt.Sprintf(format, args...)})
}

// add stamps and appends one event and wakes whoever waits. The caller holds mu.
func (r *Recorder) add(e Event) {
	e.At = time.Since(r.start)
	r.outline.event(e)
	if e.Kind == Sent || e.Kind == Received {
		e.Size = len(e.Frame.Payload)
		if keep := 4 + clipLen + 1; e.Size > keep && (e.Frame.Type == TypeData || !e.Frame.Type.known()) {
			e.Frame.Payload = bytes.Clone(e.Frame.Payload[:keep])
		}
	}
	r.events = append(r.events, e)
	if r.live != nil {
		r.live(e)
	}
	r.wake()
}

// wake tells whoever waits that something changed. The caller holds mu.
func (r *Recorder) wake() {
	close(r.changed)
	r.changed = make(chan struct{})
}

// Events is the record so far; what happens later is not in it.
func (r *Recorder) Events() []Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.events[:len(r.events):len(r.events)]
}

// snapshot is the outline of the record so far.
func (r *Recorder) snapshot() *outline {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.outline.clone()
}
