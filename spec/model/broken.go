package model

import (
	"cmp"
	"errors"
	"slices"
	"strings"
)

// Refute explores the model that a changed cell belongs to, until a run refutes it. It is nil where none does.
func Refute(c Change) (*Refutation, error) {
	t, err := Changed(c)
	if err != nil {
		return nil, err
	}
	window := 0
	switch {
	case strings.HasPrefix(c.Table, "ext-"):
		for _, window = range []int{3, 2, 0} {
			if _, err = explore(extended{t, uint8(window)}); err != nil {
				break
			}
		}
	case strings.HasPrefix(c.Table, "handshake-"):
		if _, err = explore(handshake{t, false}); err == nil {
			_, err = explore(handshake{t, true})
		}
	default:
		_, err = explore(core{t})
	}
	r, ok := errors.AsType[*Refutation](err)
	if !ok {
		return nil, err
	}
	r.Window = window
	return r, nil
}

// Broken are all the tables with one cell changed for which the models can find a run: of those that a run comes to, each that changes
// the state leaves it as it was, and each that sends something last does not.
func Broken() ([]Change, error) {
	printed := Printed()
	for _, window := range []uint8{0, 3} {
		if _, err := explore(extended{printed, window}); err != nil {
			return nil, err
		}
	}
	if _, err := explore(handshake{printed, false}); err != nil {
		return nil, err
	}
	if _, err := explore(core{printed}); err != nil {
		return nil, err
	}
	var all []Change
	for at := range printed.used {
		was := printed.cells[at]
		var do []string
		for _, a := range was.do {
			do = append(do, a.Name)
		}
		if was.to != at.state {
			all = append(all, Change{at.table, at.event, at.state, do, at.state})
		}
		if n := len(do); n > 0 && len(was.do[n-1].Sends) > 0 {
			all = append(all, Change{at.table, at.event, at.state, do[:n-1], was.to})
		}
	}
	slices.SortFunc(all, func(a, b Change) int { return cmp.Compare(a.String(), b.String()) })
	return all, nil
}
