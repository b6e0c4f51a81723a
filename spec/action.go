package spec

import (
	"iter"
	"slices"
	"sync"
)

// An Event is a row of the state tables: what happens to a connection.
type Event struct {
	Name    string `json:"name"`
	Role    string `json:"role"`             // whose table has it: server, client or both
	Cause   string `json:"cause"`            // frame, local socket, timer, tunnel or connection
	Frame   string `json:"frame,omitempty"`  // of a frame: its name
	Any     string `json:"any,omitempty"`    // of one of several frames: core, or extended (and all that nobody knows)
	Status  string `json:"status,omitempty"` // of a frame with one: success or failure; empty: any
	Local   string `json:"local,omitempty"`  // of a local socket: what it does, like "ends its stream"
	Timer   string `json:"timer,omitempty"`  // of a timer: its limit
	Meaning string `json:"meaning"`
}

// An Action is a part of a cell of the state tables: what a side does. Empty effects are none.
type Action struct {
	Name    string `json:"name"`
	State   string `json:"state,omitempty"` // the row for this state alone; empty: for all that have none of their own
	Sends   []Sent `json:"sends,omitempty"` // on the tunnel; any one of them
	Local   string `json:"local,omitempty"` // to or for the local socket: dial, cancel, deliver, hold, discard, shut down, reset, close or end
	Queue   string `json:"queue,omitempty"` // of octets for the local socket: add or drop
	Scope   string `json:"scope,omitempty"` // of an error: its scope (section 15)
	Meaning string `json:"meaning"`
}

// Sent is a frame that an action sends.
type Sent struct {
	Frame  string `json:"frame"`
	Status string `json:"status,omitempty"` // success or failure
	Code   string `json:"code,omitempty"`   // the name of a code
}

var (
	events  = sync.OnceValue(func() []Event { return load[[]Event]("events.json") })
	actions = sync.OnceValue(func() []Action { return load[[]Action]("actions.json") })
)

// Events walks the events of sections 7.3, 26 and 30.3.
func Events() iter.Seq[Event] { return slices.Values(events()) }

// EventOf returns the event of a name.
func EventOf(name string) (Event, bool) {
	i := slices.IndexFunc(events(), func(e Event) bool { return e.Name == name })
	if i < 0 {
		return Event{}, false
	}
	return events()[i], true
}

// Actions walks the actions of sections 7.4, 26 and 30.3.
func Actions() iter.Seq[Action] { return slices.Values(actions()) }

// ActionOf returns the action of a name as it is done in a state.
func ActionOf(name, state string) (a Action, ok bool) {
	for a := range Actions() {
		if a.Name == name && a.State == state {
			return a, true
		}
	}
	if state == "" {
		return a, false
	}
	return ActionOf(name, "")
}
