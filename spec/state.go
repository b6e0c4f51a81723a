package spec

import (
	"strings"
	"sync"
)

// A StateTable is every event in every state: of a connection, of a half of one, or of the handshake.
type StateTable struct {
	Profile string     `json:"profile"` // core, ext or auth
	Role    string     `json:"role"`    // server, client, or both for the halves
	States  []string   `json:"states"`  // the first is where it begins
	Events  []StateRow `json:"events"`
}

// A StateRow is what an event does in each state.
type StateRow struct {
	Event string `json:"event"`
	Cells []Cell `json:"cells"` // one for each of StateTable.States
}

// A Cell is what a side does, and the state it goes to.
type Cell struct {
	State string   `json:"state"`
	Do    []string `json:"do,omitempty"` // names of actions, in their order; none: nothing but the change of state
	To    string   `json:"to,omitempty"` // empty: cannot occur
}

// Does is what the cell says, without the change of state.
func (c Cell) Does() string {
	if c.To == "" {
		return "cannot occur"
	}
	return strings.Join(c.Do, ", ")
}

// Actions are those of the cell, as they are done in its state.
func (c Cell) Actions() []Action {
	all := make([]Action, len(c.Do))
	for i, name := range c.Do {
		a, ok := ActionOf(name, c.State)
		if !ok {
			panic("spec: internal error: no action is named " + name)
		}
		all[i] = a
	}
	return all
}

var states = sync.OnceValue(func() map[string]StateTable { return load[map[string]StateTable]("states.json") })

// States returns a table by its name: server and client are those of a Core connection (section 7), ext-server and
// ext-client of an extended one, ext-out and ext-in of its halves (section 26), handshake-server and handshake-client
// of the tunnel (section 23), auth-server and auth-client of one on which a side asks for auth (section 30).
func States(name string) StateTable {
	t, ok := states()[name]
	if !ok {
		panic("spec: internal error: no state table is named " + name)
	}
	return t
}

// Cell finds one cell; ok is false when the table has no such event or state.
func (t StateTable) Cell(event, state string) (c Cell, ok bool) {
	for _, row := range t.Events {
		if row.Event != event {
			continue
		}
		for _, c := range row.Cells {
			if c.State == state {
				return c, true
			}
		}
	}
	return Cell{}, false
}
