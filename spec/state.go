package spec

import "sync"

// A StateTable is section 7 for one role: every event in every state.
type StateTable struct {
	States []string   `json:"states"` // idle first
	Events []StateRow `json:"events"`
}

// A StateRow is what an event does in each state.
type StateRow struct {
	Event string `json:"event"`
	Cells []Cell `json:"cells"` // one for each of StateTable.States
}

// A Cell is what a side does, and the state it goes to.
type Cell struct {
	State string `json:"state"`
	Does  string `json:"does,omitempty"` // empty: nothing but the change of state
	To    string `json:"to,omitempty"`   // empty: cannot occur
}

var states = sync.OnceValue(func() map[string]StateTable { return load[map[string]StateTable]("states.json") })

// States returns the table of a role, server or client.
func States(role string) StateTable {
	t, ok := states()[role]
	if !ok {
		panic("spec: internal error: no state table for role " + role)
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
