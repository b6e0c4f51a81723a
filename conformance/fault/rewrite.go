package fault

import (
	"io"
	"slices"

	"github.com/adit-tunnel/adit/conformance/engine"
	"github.com/adit-tunnel/adit/conformance/wire"
)

// A Rewrite breaks one requirement for a subject that conforms, by changing
// the frames that pass between it and the suite.
type Rewrite struct {
	entry
	in   func(*link, wire.Frame) // a frame of the suite; nil: passed on
	out  func(*link, wire.Frame) // a frame of the subject; nil: passed on
	once bool                    // the first tunnel passes, none after it
	deaf bool                    // the end of the suite's stream is kept from the subject
}

// Rewrites are all rewrites. Their names are those of Mutants, but what only
// the inside of a subject can break, like a local socket, is not among them.
func Rewrites() []Mutant {
	var all []Mutant
	for _, role := range []engine.Role{Server, Client} {
		for _, r := range slices.Concat(rewrites, extRewrites) {
			if r.role == role || r.role == engine.Both {
				all = append(all, r.mutant(role))
			}
		}
	}
	return all
}

// findRewrite is the rewrite of that name for a subject of that role.
func findRewrite(name string, role engine.Role) (Rewrite, bool) {
	for _, r := range slices.Concat(rewrites, extRewrites) {
		if r.name == name && (r.role == role || r.role == engine.Both) {
			return r, true
		}
	}
	return Rewrite{}, false
}

// drop is a change that passes on what does not match.
func drop(to func(*link, wire.Frame), match func(*link, wire.Frame) bool) func(*link, wire.Frame) {
	return func(l *link, f wire.Frame) {
		if !match(l, f) {
			to(l, f)
		}
	}
}

// cutAt is a change that ends the tunnel at what matches.
func cutAt(to func(*link, wire.Frame), match func(*link, wire.Frame) bool) func(*link, wire.Frame) {
	return func(l *link, f wire.Frame) {
		if match(l, f) {
			l.cut()
			return
		}
		to(l, f)
	}
}

// also is a change that passes everything on, and says one thing more to the suite after what matches.
func also(to func(*link, wire.Frame), match func(*link, wire.Frame) bool, say func(f wire.Frame) wire.Frame) func(*link, wire.Frame) {
	return func(l *link, f wire.Frame) {
		hit := match(l, f)
		to(l, f)
		if hit {
			l.out(say(f))
		}
	}
}

func closeFor(f wire.Frame) wire.Frame { return wire.Close(f.ID()) }

// is reports whether f is a sound frame of a type.
func is(f wire.Frame, typ wire.Type) bool { return f.Sound() && f.Type == typ }

func isType(typ wire.Type) func(*link, wire.Frame) bool {
	return func(_ *link, f wire.Frame) bool { return f.Framing() == nil && f.Type == typ }
}

func isCore(typ wire.Type, more func(l *link, f wire.Frame) bool) func(*link, wire.Frame) bool {
	return func(l *link, f wire.Frame) bool { return f.Sound() && f.Type.HasID() && f.Type == typ && more(l, f) }
}

// edit is a change that passes on what becomes of each frame.
func edit(to func(*link, wire.Frame), change func(*link, wire.Frame) wire.Frame) func(*link, wire.Frame) {
	return func(l *link, f wire.Frame) { to(l, change(l, f)) }
}

var rewrites = []Rewrite{
	{entry: entry{name: "TUN-002", role: engine.Both, does: "does not notice the end of the tunnel's stream"}, deaf: true},
	{
		entry: entry{name: "FRAME-001", role: engine.Both, does: "sends a KeepAlive with one octet of payload"},
		in:    also((*link).in, isType(foreign), func(wire.Frame) wire.Frame { return wire.Raw(wire.TypeKeepAlive, 0) }),
	},
	{
		entry: entry{name: "FRAME-002", role: engine.Both, does: "takes any version"},
		in:    edit((*link).in, func(_ *link, f wire.Frame) wire.Frame { f.Version = wire.Version; return f }),
	},
	{
		entry: entry{name: "FRAME-003", role: engine.Both, does: "closes the tunnel at a payload of exactly 1,048,576 octets"},
		in:    cutAt((*link).in, func(_ *link, f wire.Frame) bool { return f.Size == wire.MaxPayload }),
	},
	{
		entry: entry{name: "FRAME-004", role: engine.Both, does: "waits for the payload of an oversize frame"},
		in: func(l *link, f wire.Frame) {
			if f.Framing() == wire.ErrLength {
				_, _ = io.Copy(io.Discard, l.suite)
				return
			}
			l.in(f)
		},
	},
	{
		entry: entry{name: "FRAME-007", role: engine.Both, does: "closes the tunnel at an unknown type"},
		in:    cutAt((*link).in, func(_ *link, f wire.Frame) bool { return f.Framing() == nil && (!f.Type.Known()) }),
	},
	{
		entry: entry{name: "FRAME-008", role: engine.Both, does: "ignores a frame whose payload has a wrong size"},
		in:    drop((*link).in, func(_ *link, f wire.Frame) bool { return f.Framing() == nil && !f.Sized() }),
	},
	{
		entry: entry{name: "FRAME-009", role: engine.Both, does: "sends a frame of the reserved type 0x06"},
		in:    also((*link).in, isType(foreign), func(wire.Frame) wire.Frame { return wire.Raw(reserved) }),
	},
	{
		entry: entry{name: "DATA-001", role: engine.Both, does: "changes the last octet of large Data"},
		in: edit((*link).in, func(_ *link, f wire.Frame) wire.Frame {
			if is(f, wire.TypeData) && len(f.Octets()) > 60_000 {
				f.Payload[len(f.Payload)-1] ^= 0x20
			}
			return f
		}),
	},
	{
		entry: entry{name: "DATA-003", role: engine.Both, does: "ends a connection at Data with no octets"},
		in: edit((*link).in, func(l *link, f wire.Frame) wire.Frame {
			if is(f, wire.TypeData) && len(f.Octets()) == 0 && !l.idle(f.ID()) {
				return closeFor(f)
			}
			return f
		}),
	},
	{
		entry: entry{name: "DATA-004", role: engine.Both, does: "does not answer Data for an ID that was closed for good"},
		in:    drop((*link).in, isCore(wire.TypeData, func(l *link, f wire.Frame) bool { return l.seen(asked, f.ID()) > 0 && l.idle(f.ID()) })),
	},
	{
		entry: entry{name: "DATA-005", role: engine.Both, does: "closes the tunnel at Data after Close"},
		in:    cutAt((*link).in, isCore(wire.TypeData, func(l *link, f wire.Frame) bool { return l.seen(closedIn, f.ID()) > 0 })),
	},
	{
		entry: entry{name: "DATA-006", role: engine.Both, does: "answers Data that crossed its Close with Close"},
		in: also((*link).in, isCore(wire.TypeData, func(l *link, f wire.Frame) bool {
			return l.seen(closedOut, f.ID()) > 0 && l.seen(closedIn, f.ID()) == 0
		}), closeFor),
	},
	{
		entry: entry{name: "DATA-007", role: engine.Both, does: "loses an octet after 4 MiB from the local peer"},
		out: edit((*link).out, func(l *link, f wire.Frame) wire.Frame {
			if before := l.seen(carried, f.ID()); is(f, wire.TypeData) && before <= 4<<20 && before+len(f.Octets()) > 4<<20 {
				return wire.Data(f.ID(), f.Octets()[1:])
			}
			return f
		}),
	},
	{
		entry: entry{name: "DATA-008", role: engine.Both, does: "goes on sending Data after its own Close"},
		out:   also((*link).out, isCore(wire.TypeClose, func(l *link, f wire.Frame) bool { return l.seen(succeeded, f.ID()) > 0 }), func(f wire.Frame) wire.Frame { return wire.Data(f.ID(), []byte("x")) }),
	},
	{
		entry: entry{name: "CLOSE-001", role: engine.Both, does: "answers the Close that answers its own"},
		in: also((*link).in, isCore(wire.TypeClose, func(l *link, f wire.Frame) bool {
			return l.seen(closedOut, f.ID()) == 1 && l.seen(closedIn, f.ID()) == 0
		}), closeFor),
	},
	{
		entry: entry{name: "CLOSE-002", role: engine.Both, does: "sends no Close of its own accord"},
		out:   drop((*link).out, isCore(wire.TypeClose, func(l *link, f wire.Frame) bool { return l.seen(closedIn, f.ID()) == 0 })),
	},
	{
		entry: entry{name: "CLOSE-004", role: engine.Both, does: "does not answer Close"},
		out:   drop((*link).out, isCore(wire.TypeClose, func(l *link, f wire.Frame) bool { return l.seen(closedIn, f.ID()) > 0 })),
	},
	{
		entry: entry{name: "CLOSE-007", role: engine.Both, does: "answers Close for an idle ID with Close"},
		in:    also((*link).in, isCore(wire.TypeClose, func(l *link, f wire.Frame) bool { return l.idle(f.ID()) }), closeFor),
	},
	{
		entry: entry{name: "ORDER-001", role: engine.Both, does: "swaps two Data of a connection"},
		in: func(l *link, f wire.Frame) {
			switch held := l.held; {
			case is(f, wire.TypeData) && held == nil && l.seen(counted, f.ID()) == 250:
				l.held = &f
			case held != nil && f.ID() == held.ID():
				l.held = nil
				l.in(f)
				l.in(*held)
			default:
				l.in(f)
			}
		},
	},
	{
		entry: entry{name: "ID-004", role: Client, does: "ignores a request for an ID in use"},
		in:    drop((*link).in, isCore(wire.TypeConnectRequest, func(l *link, f wire.Frame) bool { return !l.idle(f.ID()) })),
	},
	{
		entry: entry{name: "OPEN-001", role: Server, does: "requests a port that is not the mapping's"},
		out: edit((*link).out, func(_ *link, f wire.Frame) wire.Frame {
			if is(f, wire.TypeConnectRequest) {
				f.Payload[5] ^= 1
			}
			return f
		}),
	},
	{
		entry: entry{name: "OPEN-002", role: Client, does: "ignores the short form"},
		in:    drop((*link).in, isCore(wire.TypeConnectRequest, func(_ *link, f wire.Frame) bool { return f.Size == 6 })),
	},
	{
		entry: entry{name: "OPEN-004", role: Client, does: "answers a failed request twice"},
		out:   also((*link).out, isCore(wire.TypeConnectResponse, func(_ *link, f wire.Frame) bool { return f.Status() != wire.Success }), func(f wire.Frame) wire.Frame { return f }),
	},
	{
		entry: entry{name: "OPEN-005", role: Client, does: "answers success while the dial still hangs"},
		in: also((*link).in, isCore(wire.TypeConnectRequest, func(l *link, f wire.Frame) bool { return l.idle(f.ID()) }), func(f wire.Frame) wire.Frame {
			return wire.Response(f.ID(), wire.Success)
		}),
		out: drop((*link).out, isType(wire.TypeConnectResponse)),
	},
	{
		entry: entry{name: "OPEN-006", role: Client, does: "says nothing about a dial that failed"},
		out:   drop((*link).out, isCore(wire.TypeConnectResponse, func(_ *link, f wire.Frame) bool { return f.Status() != wire.Success })),
	},
	{
		entry: entry{name: "OPEN-007", role: Client, does: "uses status 0x01 for every failure"},
		out: edit((*link).out, func(_ *link, f wire.Frame) wire.Frame {
			if is(f, wire.TypeConnectResponse) && f.Status() != wire.Success {
				f.Payload[4] = 1
			}
			return f
		}),
	},
	{
		entry: entry{name: "OPEN-008", role: Client, does: "closes the tunnel at a request for port 0"},
		in:    cutAt((*link).in, isCore(wire.TypeConnectRequest, func(_ *link, f wire.Frame) bool { return f.Port() == 0 })),
	},
	{
		entry: entry{name: "OPEN-010", role: Server, does: "ignores a ConnectRequest from a client"},
		in:    drop((*link).in, isType(wire.TypeConnectRequest)),
	},
	{
		entry: entry{name: "OPEN-011", role: Client, does: "ignores a ConnectResponse from a server"},
		in:    drop((*link).in, isType(wire.TypeConnectResponse)),
	},
	{
		entry: entry{name: "OPEN-014", role: Server, does: "answers a failure response with Close"},
		in:    also((*link).in, isCore(wire.TypeConnectResponse, func(l *link, f wire.Frame) bool { return f.Status() != wire.Success && l.pending(f.ID()) }), closeFor),
	},
	{
		entry: entry{name: "OPEN-015", role: Server, does: "ignores Close in place of a response"},
		in: drop((*link).in, isCore(wire.TypeClose, func(l *link, f wire.Frame) bool {
			return l.pending(f.ID()) && l.seen(closedOut, f.ID()) == 0
		})),
	},
	{
		entry: entry{name: "OPEN-016", role: Server, does: "closes the tunnel at a response that nobody waits for"},
		in:    cutAt((*link).in, isCore(wire.TypeConnectResponse, func(l *link, f wire.Frame) bool { return !l.pending(f.ID()) })),
	},
	{
		entry: entry{name: "OPEN-017", role: Server, does: "sends Data before the success"},
		out:   also((*link).out, isType(wire.TypeConnectRequest), func(f wire.Frame) wire.Frame { return wire.Data(f.ID(), []byte("x")) }),
	},
	{
		entry: entry{name: "OPEN-017", role: Client, does: "sends Data before the success"},
		in:    also((*link).in, isCore(wire.TypeConnectRequest, func(l *link, f wire.Frame) bool { return l.idle(f.ID()) }), func(f wire.Frame) wire.Frame { return wire.Data(f.ID(), []byte("x")) }),
	},
	{
		entry: entry{name: "OPEN-018", role: Server, does: "ignores Data before the response"},
		in:    drop((*link).in, isCore(wire.TypeData, func(l *link, f wire.Frame) bool { return l.pending(f.ID()) })),
	},
	{
		entry: entry{name: "OPEN-019", role: Client, does: "ignores Data while it dials"},
		in:    drop((*link).in, isCore(wire.TypeData, func(l *link, f wire.Frame) bool { return l.pending(f.ID()) })),
	},
	{
		entry: entry{name: "OPEN-024", role: Client, does: "forgets a Close that comes while it dials"},
		in:    drop((*link).in, isCore(wire.TypeClose, func(l *link, f wire.Frame) bool { return l.pending(f.ID()) })),
	},
	{
		entry: entry{name: "ALIVE-001", role: Client, does: "sends no KeepAlive"},
		out:   drop((*link).out, isType(wire.TypeKeepAlive)),
	},
	{
		entry: entry{name: "ALIVE-002", role: Server, does: "answers every second KeepAlive only"},
		out:   drop((*link).out, func(l *link, f wire.Frame) bool { return f.Type == wire.TypeKeepAlive && l.seen(alive, 0)%2 == 1 }),
	},
	{
		entry: entry{name: "ALIVE-002-unasked", req: "ALIVE-002", role: Server, does: "answers each KeepAlive twice"},
		out:   also((*link).out, isType(wire.TypeKeepAlive), func(f wire.Frame) wire.Frame { return f }),
	},
	{
		entry: entry{name: "ALIVE-003", role: Client, does: "closes the tunnel at a KeepAlive that it did not ask for"},
		in: cutAt((*link).in, func(l *link, f wire.Frame) bool {
			return f.Framing() == nil && f.Type == wire.TypeKeepAlive && l.seen(alive, 0) == 0
		}),
	},
	{entry: entry{name: "LOSS-003", role: Client, does: "gets no second tunnel"}, once: true},
}
