package model

import (
	"fmt"
	"slices"

	"github.com/adit-tunnel/adit/spec"
)

// The two sides, as indices.
const (
	server = 0
	client = 1
)

var sides = [2]string{"server", "client"}

// A place is one cell of one table.
type place struct{ table, event, state string }

// A cell is what is done there and what follows. A place without one cannot occur.
type cell struct {
	do []spec.Action
	to string
}

// Tables are state tables as they are interpreted, and which of their cells were.
type Tables struct {
	cells map[place]cell
	used  map[place]bool
}

// names are the state tables of PROTOCOL.md.
var names = []string{"server", "client", "handshake-server", "handshake-client", "ext-server", "ext-client", "ext-out", "ext-in"}

// Printed are the tables that PROTOCOL.md prints.
func Printed() Tables {
	t := Tables{map[place]cell{}, map[place]bool{}}
	for _, name := range names {
		for _, row := range spec.States(name).Events {
			for _, c := range row.Cells {
				if c.To != "" {
					t.cells[place{name, row.Event, c.State}] = cell{c.Actions(), c.To}
				}
			}
		}
	}
	return t
}

// A Change is one cell that a table has otherwise than PROTOCOL.md.
type Change struct {
	Table, Event, State string
	Do                  []string
	To                  string
}

func (c Change) String() string {
	return fmt.Sprintf("%s: %q in %s: %q → %s", c.Table, c.Event, c.State, c.Do, c.To)
}

// Changed are the printed tables with one cell changed.
func Changed(c Change) (Tables, error) {
	t := Printed()
	at := place{c.Table, c.Event, c.State}
	was, ok := t.cells[at]
	if !ok {
		return t, fmt.Errorf("%v: there is no such cell", c)
	}
	now := cell{to: c.To}
	for _, name := range c.Do {
		a, ok := spec.ActionOf(name, c.State)
		if !ok {
			return t, fmt.Errorf("%v: no action is named %q", c, name)
		}
		now.do = append(now.do, a)
	}
	same := func(a, b spec.Action) bool { return a.Name == b.Name }
	if was.to == now.to && slices.EqualFunc(was.do, now.do, same) {
		return t, fmt.Errorf("%v: that is what PROTOCOL.md says", c)
	}
	t.cells[at] = now
	return t, nil
}

// at is the cell of a place; one that cannot occur refutes the tables.
func (t Tables) at(table, event, state string) (cell, error) {
	p := place{table, event, state}
	c, ok := t.cells[p]
	t.used[p] = true
	if !ok {
		return c, fmt.Errorf("the table %s says that %q cannot occur in %s, and it did", table, event, state)
	}
	return c, nil
}

// may reports whether an event can occur.
func (t Tables) may(table, event, state string) bool {
	_, ok := t.cells[place{table, event, state}]
	return ok
}
