package model

import (
	"fmt"
	"strings"
)

// most is how many states a model may have; more is an error, since nothing was proven then.
const most = 2_000_000

// An Event is one thing that happens in a run.
type Event struct {
	Side  string // to whom it happens, server or client; empty: both, or it is no event of a table
	What  string // an event of the side's table, or what happens in words
	Frame bool   // it is a frame that the side gets
	Limit int    // of a WINDOW
}

func (e Event) String() string {
	switch {
	case e.Frame:
		return "the " + e.Side + " gets " + e.What
	case e.Side != "":
		return e.Side + ": " + e.What
	}
	return e.What
}

// A Refutation is a run that the tables should not allow.
type Refutation struct {
	Why    string
	Run    []Event // what happened, from the beginning; none is shorter
	Window int     // that both HELLOs state, where the model has one
}

func (r *Refutation) Error() string {
	run := make([]string, len(r.Run))
	for i, e := range r.Run {
		run[i] = e.String()
	}
	return fmt.Sprintf("%s, after:\n\t%s", r.Why, strings.Join(run, "\n\t"))
}

// A system is a model: its states, and what can happen in each.
type system[S comparable] interface {
	// begin lists the states that it begins in.
	begin() []S
	// steps calls do with everything that can happen in a state. An orderly step is one that no side does to break off. An error refutes the tables.
	steps(s S, do func(what Event, orderly bool, next S, err error))
	// settled says what is wrong with a state in which nothing is under way; nil for any other.
	settled(s S) error
	// over reports whether everything has ended.
	over(s S) bool
}

// An explorer is what is known of a model so far.
type explorer[S comparable] struct {
	index  map[S]int32
	states []S
	from   []int32 // which state it was reached from first; -1: it is one of the first
	by     []Event // how
	edges  [][2]int32
}

// explore visits every state of a model. It returns their number, and a refutation if there is one.
func explore[S comparable](m system[S]) (int, error) {
	e := &explorer[S]{index: map[S]int32{}}
	for _, s := range m.begin() {
		e.add(s, -1, Event{})
	}
	var broken error
	for i := int32(0); int(i) < len(e.states) && broken == nil; i++ {
		if len(e.states) > most {
			return len(e.states), fmt.Errorf("model: more than %d states", most)
		}
		if err := m.settled(e.states[i]); err != nil {
			return len(e.states), &Refutation{Why: err.Error(), Run: e.run(i)}
		}
		m.steps(e.states[i], func(what Event, orderly bool, next S, err error) {
			switch {
			case broken != nil:
			case err != nil:
				broken = &Refutation{Why: err.Error(), Run: append(e.run(i), what)}
			default:
				if n := e.add(next, i, what); orderly {
					e.edges = append(e.edges, [2]int32{i, n})
				}
			}
		})
	}
	if broken != nil {
		return len(e.states), broken
	}
	return len(e.states), e.stuck(m)
}

// add is the number of a state, a new one if need be.
func (e *explorer[S]) add(s S, from int32, by Event) int32 {
	n, ok := e.index[s]
	if !ok {
		n = int32(len(e.states))
		e.index[s] = n
		e.states, e.from, e.by = append(e.states, s), append(e.from, from), append(e.by, by)
	}
	return n
}

// run is how a state was reached.
func (e *explorer[S]) run(i int32) []Event {
	if e.from[i] < 0 {
		return nil
	}
	return append(e.run(e.from[i]), e.by[i])
}

// stuck refutes tables that lead where nothing orderly leads out of.
func (e *explorer[S]) stuck(m system[S]) error {
	into := make([][]int32, len(e.states))
	for _, edge := range e.edges {
		into[edge[1]] = append(into[edge[1]], edge[0])
	}
	ends := make([]bool, len(e.states))
	var reached []int32
	for i, s := range e.states {
		if m.over(s) {
			ends[i] = true
			reached = append(reached, int32(i))
		}
	}
	for len(reached) > 0 {
		i := reached[len(reached)-1]
		reached = reached[:len(reached)-1]
		for _, before := range into[i] {
			if !ends[before] {
				ends[before] = true
				reached = append(reached, before)
			}
		}
	}
	for i, ok := range ends {
		if !ok {
			return &Refutation{Why: "the connection can no longer end in order", Run: e.run(int32(i))}
		}
	}
	return nil
}
