package judge

import "github.com/adit-tunnel/adit/conformance/wire"

// maxBinds bounds the bind IDs of a tunnel whose history is kept.
const maxBinds = 1 << 10

// bindings are what the wire has shown of section 32.
type bindings struct {
	offers [2]bool // the side's HELLO has the tag bind
	used   int64   // the highest bind ID that the client has used
	any    bool    // it has used one
	asked  map[uint32]*asking
	deaf   bool // so many bind IDs are in use that their history is not kept any more
}

// An asking is a BIND that has passed.
type asking struct {
	port     int // that it asked for; -1: none
	answered bool
}

// agreed reports whether both sides have the option.
func (b *bindings) agreed() bool { return b.offers[Server] && b.offers[Client] }

// note enters a sound frame.
func (b *bindings) note(v *view) {
	switch {
	case v.Type == wire.TypeHello:
		_, b.offers[v.side] = v.Tag(wire.TagBind)
	case !v.Type.Binds():
	case v.side == Server:
		if a := b.asked[v.BindID()]; v.Type == wire.TypeBound && a != nil {
			a.answered = true
		}
	case v.Type == wire.TypeBind || v.Type == wire.TypeUnbind:
		b.used, b.any = max(b.used, int64(v.BindID())), true
		if v.Type == wire.TypeUnbind || b.deaf {
			return
		}
		if len(b.asked) >= maxBinds {
			b.asked, b.deaf = nil, true
			return
		}
		if b.asked == nil {
			b.asked = map[uint32]*asking{}
		}
		a := &asking{port: -1}
		if _, ok := v.Tag(wire.TagPort); ok {
			a.port = int(v.TagNumber(wire.TagPort, 0))
		}
		b.asked[v.BindID()] = a
	}
}

var (
	binding   = only(wire.TypeBind)
	bound     = only(wire.TypeBound)
	unbinding = only(wire.TypeUnbind)
)

// bindForm are the rules about the frames of the option, where it was agreed.
var bindForm = []rule{
	{"BIND-018", aServer, binding, always, "BIND-018", "a server sends no BIND"},
	{"BIND-018", aClient, bound, always, "BIND-018", "a client sends no BOUND"},
}

// bindState are the rules about the bind ID of a sound frame.
var bindState = []rule{
	{"BIND-001", aClient, binding, usedBefore, "BIND-001", "the bind ID of a BIND is above all that were used before"},
	{"BIND-002", aServer, bound, answersNoBind, "BIND-011", "each BIND gets one BOUND, and nothing else does"},
	{"BIND-013", aServer, bound, givesNoPort, "", "a BOUND ok has the port that was given where BIND had one"},
	{"BIND-006", aServer, unbinding, endsNothing, "BIND-011", "an UNBIND names a bind ID that was used, and no BIND without BOUND"},
}

func usedBefore(v *view) bool { return v.t.binds.any && int64(v.BindID()) <= v.t.binds.used }

func answersNoBind(v *view) bool {
	b := &v.t.binds
	a := b.asked[v.BindID()]
	return !b.deaf && (a == nil || a.answered)
}

func givesNoPort(v *view) bool {
	a := v.t.binds.asked[v.BindID()]
	if a == nil || v.Code() != wire.CodeOK || a.port < 0 {
		return false
	}
	given := int(v.TagNumber(wire.TagPort, 0))
	return given == 0 || a.port > 0 && given != a.port
}

func endsNothing(v *view) bool {
	b := &v.t.binds
	a := b.asked[v.BindID()]
	return !b.deaf && (!b.any || int64(v.BindID()) > b.used || a != nil && !a.answered)
}

// onBinding judges a sound frame of the option by its bind ID.
func (t *Tunnel) onBinding(v *view, rules []*rule) {
	if t.judge(v, rules) {
		return
	}
	t.binds.note(v)
}
