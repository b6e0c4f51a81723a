package judge

import (
	"sync"

	"github.com/adit-tunnel/adit/conformance/wire"
)

// A rule is broken by the sender of a frame at the moment that the frame passes.
type rule struct {
	req    string               // binds who is charged
	who    who                  // is charged
	on     func(wire.Type) bool // types of frames
	broken func(v *view) bool
	ends   string // the requirement by which the receiver makes it a tunnel error; empty: it does not
	says   string
}

// who is whose frames a rule is about.
type who string

const (
	aServer who = "server"
	aClient who = "client"
	either  who = "either"
)

func (w who) is(side Side) bool { return w == either || string(w) == side.String() }

func anyType(wire.Type) bool { return true }

func only(t wire.Type) func(wire.Type) bool {
	return func(other wire.Type) bool { return t == other }
}

// A profile is the rules by which a tunnel is judged.
type profile struct {
	form   []rule    // about a frame by itself; the first that is broken decides, as in section 15
	state  []rule    // about the ID of a sound frame; the first that is broken decides
	clocks []overdue // about a tunnel as a whole
	waits  []wait    // about an ID for which somebody still owes something

	at [2][256]struct{ form, state []*rule } // the rules above by sender and type
}

// core is the Core profile.
var core = sync.OnceValue(func() *profile {
	return newProfile(coreForm, coreState, coreClocks, coreWaits)
})

func newProfile(form, state []rule, clocks []overdue, waits []wait) *profile {
	p := &profile{form: form, state: state, clocks: clocks, waits: waits}
	for _, side := range []Side{Server, Client} {
		for t := range p.at[side] {
			p.at[side][t].form = applying(form, side, wire.Type(t))
			p.at[side][t].state = applying(state, side, wire.Type(t))
		}
	}
	return p
}

// applying are the rules about frames of a type that a side sends.
func applying(rules []rule, side Side, t wire.Type) (some []*rule) {
	for i := range rules {
		if r := &rules[i]; r.who.is(side) && r.on(t) {
			some = append(some, r)
		}
	}
	return some
}
