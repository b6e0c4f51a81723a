package engine

import (
	"bytes"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/adit-tunnel/adit/conformance/wire"
	"github.com/adit-tunnel/adit/spec"
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
	Held                  // the suite stops reading a socket
	Released              // the suite reads it again
	Note                  // a remark of the suite
	Awaited               // what the case waited for came, or did not: not shown
	Repeated              // more of what the events before and after it say
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

	// Of Repeated: how many events they were, and when the last of them came. Size is all their octets.
	Count int
	Until time.Duration

	// For who writes a record down as a dialogue, if the runner keeps it.
	Step    *spec.Step // what a dialogue says of it, where Kind does not
	Payload []byte     // of Sent, SentRaw and Wrote: all of it
	Joined  bool       // of Sent and SentRaw: in one write with the event before
}

// A Recorder keeps what happened in one attempt at a case, and has the judge look at all of it. Its
// lock also guards the state of every tunnel and socket of the attempt, so
// that a case waits for any change in one place.
type Recorder struct {
	live func(Event) // called under mu for each event; nil unless -v
	keep bool        // payloads too

	mu      sync.Mutex // guards the following, and all link state
	start   time.Time
	events  []Event
	row     int           // how many events the row is long that the last of them ends; 0: the next begins one
	bench   *bench        // the judge
	changed chan struct{} // closed and replaced at every change
	outline *outline      // of what the subject sent
}

func newRecorder(c Case, live func(Event), keep bool) *Recorder {
	return &Recorder{live: live, keep: keep, start: time.Now(), changed: make(chan struct{}), outline: newOutline(), bench: newBench(c.Role, c.With)}
}

// note adds a remark of the suite.
func (r *Recorder) note(who, format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.add(Event{Who: who, Kind: Note, Text: fmt.Sprintf(format, args...)})
}

// did adds a remark about what the suite does to something, and what a dialogue calls that.
func (r *Recorder) did(who string, tunnel int, event, format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.add(Event{Who: who, Kind: Note, Tunnel: tunnel, Text: fmt.Sprintf(format, args...), Step: &spec.Step{Event: event}})
}

// add stamps one event, has it judged, enters it and wakes whoever waits. It returns when that was. The caller holds mu.
func (r *Recorder) add(e Event) time.Duration {
	e.At = time.Since(r.start)
	r.outline.event(e)
	if !r.keep {
		e.Payload = nil
	} else if e.Kind == Sent {
		e.Payload = e.Frame.Payload
	}
	if e.Kind == Sent || e.Kind == Received {
		e.Size = int(e.Frame.Size)
		if keep := 4 + wire.Shown + 1; e.Size > keep && (e.Frame.Type == TypeData || !e.Frame.Type.Known()) {
			e.Frame.Payload = bytes.Clone(e.Frame.Payload[:keep])
		}
	}
	r.enter(e)
	if r.live != nil && e.Kind != Awaited {
		r.live(e)
	}
	r.wake()
	return e.At
}

// rowShown is how many events of a row that says the same again and again stay
// at either end of it.
const rowShown = 4

// enter appends an event. Of a row the first and the last events stay, and a count of those between them: a subject
// may send frames of seven octets for minutes, and a run keeps the records of all its cases. What the judge charges ends its row, so that it stays.
func (r *Recorder) enter(e Event) {
	n := len(r.events)
	if r.row > 0 && r.events[n-1].goesOn(e) {
		r.row++
	} else {
		r.row = 1
	}
	if r.row <= 2*rowShown+1 {
		r.events = append(r.events, e)
	} else {
		left := r.events[n-rowShown-1:]
		left[0] = left[0].repeated(left[1])
		copy(left[1:], left[2:])
		r.events[n-1] = e
	}
	if r.bench.take(e) {
		r.row = 0
	}
}

// charged notes a finding, and returns how many events there were before: the last of them stays as it is.
func (r *Recorder) charged(format string, args ...any) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := len(r.events)
	r.add(Event{Who: "suite", Kind: Note, Text: fmt.Sprintf(format, args...)})
	return n
}

// wake tells whoever waits that something changed. The caller holds mu.
func (r *Recorder) wake() {
	close(r.changed)
	r.changed = make(chan struct{})
}

// Events is the record so far, and what the judge charged; what happens later is not in it.
func (r *Recorder) Events() ([]Event, []violation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.events), slices.Clone(r.bench.found)
}

// snapshot is the outline of the record so far.
func (r *Recorder) snapshot() *outline {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.outline.clone()
}
