package fault

import (
	"io"

	"github.com/adit-tunnel/adit/conformance/engine"
)

// A Rewrite breaks one requirement for a subject that conforms, by changing
// the frames that pass between it and the suite.
type Rewrite struct {
	entry
	in   func(*link, frame) // a frame of the suite; nil: passed on
	out  func(*link, frame) // a frame of the subject; nil: passed on
	once bool               // the first tunnel passes, none after it
	deaf bool               // the end of the suite's stream is kept from the subject
}

// Rewrites are all rewrites. Their names are those of Mutants, but what only
// the inside of a subject can break, like a local socket, is not among them.
func Rewrites() []Mutant {
	var all []Mutant
	for _, role := range []engine.Role{Server, Client} {
		for _, r := range rewrites {
			if r.role == role || r.role == engine.Both {
				all = append(all, r.mutant(role))
			}
		}
	}
	return all
}

// findRewrite is the rewrite of that name for a subject of that role.
func findRewrite(name string, role engine.Role) (Rewrite, bool) {
	for _, r := range rewrites {
		if r.name == name && (r.role == role || r.role == engine.Both) {
			return r, true
		}
	}
	return Rewrite{}, false
}

// drop is a change that passes on what does not match.
func drop(to func(*link, frame), match func(*link, frame) bool) func(*link, frame) {
	return func(l *link, f frame) {
		if !match(l, f) {
			to(l, f)
		}
	}
}

// cutAt is a change that ends the tunnel at what matches.
func cutAt(to func(*link, frame), match func(*link, frame) bool) func(*link, frame) {
	return func(l *link, f frame) {
		if match(l, f) {
			l.cut()
			return
		}
		to(l, f)
	}
}

// also is a change that passes everything on, and says one thing more to the suite after what matches.
func also(to func(*link, frame), match func(*link, frame) bool, say func(f frame) frame) func(*link, frame) {
	return func(l *link, f frame) {
		hit := match(l, f)
		to(l, f)
		if hit {
			l.out(say(f))
		}
	}
}

func closeFor(f frame) frame { return withID(closing, f.id()) }
func isType(typ byte) func(*link, frame) bool {
	return func(_ *link, f frame) bool { return f.regular() && f.typ == typ }
}

func isCore(typ byte, more func(l *link, f frame) bool) func(*link, frame) bool {
	return func(l *link, f frame) bool { return f.core() && f.typ == typ && more(l, f) }
}

// edit is a change that passes on what becomes of each frame.
func edit(to func(*link, frame), change func(*link, frame) frame) func(*link, frame) {
	return func(l *link, f frame) { to(l, change(l, f)) }
}

var rewrites = []Rewrite{
	{entry: entry{name: "TUN-002", role: engine.Both, does: "does not notice the end of the tunnel's stream"}, deaf: true},
	{
		entry: entry{name: "FRAME-001", role: engine.Both, does: "sends a KeepAlive with one octet of payload"},
		in:    also((*link).in, isType(foreign), func(frame) frame { return frame{1, keepAlive, 1, []byte{0}} }),
	},
	{
		entry: entry{name: "FRAME-002", role: engine.Both, does: "takes any version"},
		in:    edit((*link).in, func(_ *link, f frame) frame { f.version = 1; return f }),
	},
	{
		entry: entry{name: "FRAME-003", role: engine.Both, does: "closes the tunnel at a payload of exactly 1,048,576 octets"},
		in:    cutAt((*link).in, func(_ *link, f frame) bool { return f.length == maxPayload }),
	},
	{
		entry: entry{name: "FRAME-004", role: engine.Both, does: "waits for the payload of an oversize frame"},
		in: func(l *link, f frame) {
			if f.version == 1 && f.length > maxPayload {
				_, _ = io.Copy(io.Discard, l.suite)
				return
			}
			l.in(f)
		},
	},
	{
		entry: entry{name: "FRAME-007", role: engine.Both, does: "closes the tunnel at an unknown type"},
		in:    cutAt((*link).in, func(_ *link, f frame) bool { return f.regular() && (f.typ < request || f.typ > keepAlive) }),
	},
	{
		entry: entry{name: "FRAME-008", role: engine.Both, does: "ignores a frame whose payload has a wrong size"},
		in:    drop((*link).in, func(_ *link, f frame) bool { return f.regular() && !f.sized() }),
	},
	{
		entry: entry{name: "FRAME-009", role: engine.Both, does: "sends a frame of the reserved type 0x06"},
		in:    also((*link).in, isType(foreign), func(frame) frame { return frame{1, reserved, 0, nil} }),
	},
	{
		entry: entry{name: "DATA-001", role: engine.Both, does: "changes the last octet of large Data"},
		in: edit((*link).in, func(_ *link, f frame) frame {
			if f.core() && f.typ == data && len(f.rest()) > 60_000 {
				f.payload[len(f.payload)-1] ^= 0x20
			}
			return f
		}),
	},
	{
		entry: entry{name: "DATA-003", role: engine.Both, does: "ends a connection at Data with no octets"},
		in: edit((*link).in, func(l *link, f frame) frame {
			if f.core() && f.typ == data && len(f.rest()) == 0 && !l.idle(f.id()) {
				return closeFor(f)
			}
			return f
		}),
	},
	{
		entry: entry{name: "DATA-004", role: engine.Both, does: "does not answer Data for an ID that was closed for good"},
		in:    drop((*link).in, isCore(data, func(l *link, f frame) bool { return l.seen(asked, f.id()) > 0 && l.idle(f.id()) })),
	},
	{
		entry: entry{name: "DATA-005", role: engine.Both, does: "closes the tunnel at Data after Close"},
		in:    cutAt((*link).in, isCore(data, func(l *link, f frame) bool { return l.seen(closedIn, f.id()) > 0 })),
	},
	{
		entry: entry{name: "DATA-006", role: engine.Both, does: "answers Data that crossed its Close with Close"},
		in: also((*link).in, isCore(data, func(l *link, f frame) bool {
			return l.seen(closedOut, f.id()) > 0 && l.seen(closedIn, f.id()) == 0
		}), closeFor),
	},
	{
		entry: entry{name: "DATA-007", role: engine.Both, does: "loses an octet after 4 MiB from the local peer"},
		out: edit((*link).out, func(l *link, f frame) frame {
			if before := l.seen(carried, f.id()); f.core() && f.typ == data && before <= 4<<20 && before+len(f.rest()) > 4<<20 {
				return withID(data, f.id(), f.rest()[1:]...)
			}
			return f
		}),
	},
	{
		entry: entry{name: "DATA-008", role: engine.Both, does: "goes on sending Data after its own Close"},
		out:   also((*link).out, isCore(closing, func(l *link, f frame) bool { return l.seen(succeeded, f.id()) > 0 }), func(f frame) frame { return withID(data, f.id(), 'x') }),
	},
	{
		entry: entry{name: "CLOSE-001", role: engine.Both, does: "answers the Close that answers its own"},
		in: also((*link).in, isCore(closing, func(l *link, f frame) bool {
			return l.seen(closedOut, f.id()) == 1 && l.seen(closedIn, f.id()) == 0
		}), closeFor),
	},
	{
		entry: entry{name: "CLOSE-002", role: engine.Both, does: "sends no Close of its own accord"},
		out:   drop((*link).out, isCore(closing, func(l *link, f frame) bool { return l.seen(closedIn, f.id()) == 0 })),
	},
	{
		entry: entry{name: "CLOSE-004", role: engine.Both, does: "does not answer Close"},
		out:   drop((*link).out, isCore(closing, func(l *link, f frame) bool { return l.seen(closedIn, f.id()) > 0 })),
	},
	{
		entry: entry{name: "CLOSE-007", role: engine.Both, does: "answers Close for an idle ID with Close"},
		in:    also((*link).in, isCore(closing, func(l *link, f frame) bool { return l.idle(f.id()) }), closeFor),
	},
	{
		entry: entry{name: "ORDER-001", role: engine.Both, does: "swaps two Data of a connection"},
		in: func(l *link, f frame) {
			switch held := l.held; {
			case f.core() && f.typ == data && held == nil && l.seen(counted, f.id()) == 250:
				l.held = &f
			case held != nil && f.id() == held.id():
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
		in:    drop((*link).in, isCore(request, func(l *link, f frame) bool { return !l.idle(f.id()) })),
	},
	{
		entry: entry{name: "OPEN-001", role: Server, does: "requests a port that is not the mapping's"},
		out: edit((*link).out, func(_ *link, f frame) frame {
			if f.core() && f.typ == request {
				f.payload[5] ^= 1
			}
			return f
		}),
	},
	{
		entry: entry{name: "OPEN-002", role: Client, does: "ignores the short form"},
		in:    drop((*link).in, isCore(request, func(_ *link, f frame) bool { return f.length == 6 })),
	},
	{
		entry: entry{name: "OPEN-004", role: Client, does: "answers a failed request twice"},
		out:   also((*link).out, isCore(response, func(_ *link, f frame) bool { return f.rest()[0] != 0 }), func(f frame) frame { return f }),
	},
	{
		entry: entry{name: "OPEN-005", role: Client, does: "answers success while the dial still hangs"},
		in: also((*link).in, isCore(request, func(l *link, f frame) bool { return l.idle(f.id()) }), func(f frame) frame {
			return withID(response, f.id(), 0)
		}),
		out: drop((*link).out, isType(response)),
	},
	{
		entry: entry{name: "OPEN-006", role: Client, does: "says nothing about a dial that failed"},
		out:   drop((*link).out, isCore(response, func(_ *link, f frame) bool { return f.rest()[0] != 0 })),
	},
	{
		entry: entry{name: "OPEN-007", role: Client, does: "uses status 0x01 for every failure"},
		out: edit((*link).out, func(_ *link, f frame) frame {
			if f.core() && f.typ == response && f.rest()[0] != 0 {
				f.payload[4] = 1
			}
			return f
		}),
	},
	{
		entry: entry{name: "OPEN-008", role: Client, does: "closes the tunnel at a request for port 0"},
		in:    cutAt((*link).in, isCore(request, func(_ *link, f frame) bool { return f.rest()[0] == 0 && f.rest()[1] == 0 })),
	},
	{
		entry: entry{name: "OPEN-010", role: Server, does: "ignores a ConnectRequest from a client"},
		in:    drop((*link).in, isType(request)),
	},
	{
		entry: entry{name: "OPEN-011", role: Client, does: "ignores a ConnectResponse from a server"},
		in:    drop((*link).in, isType(response)),
	},
	{
		entry: entry{name: "OPEN-014", role: Server, does: "answers a failure response with Close"},
		in:    also((*link).in, isCore(response, func(l *link, f frame) bool { return f.rest()[0] != 0 && l.pending(f.id()) }), closeFor),
	},
	{
		entry: entry{name: "OPEN-015", role: Server, does: "ignores Close in place of a response"},
		in: drop((*link).in, isCore(closing, func(l *link, f frame) bool {
			return l.pending(f.id()) && l.seen(closedOut, f.id()) == 0
		})),
	},
	{
		entry: entry{name: "OPEN-016", role: Server, does: "closes the tunnel at a response that nobody waits for"},
		in:    cutAt((*link).in, isCore(response, func(l *link, f frame) bool { return !l.pending(f.id()) })),
	},
	{
		entry: entry{name: "OPEN-017", role: Server, does: "sends Data before the success"},
		out:   also((*link).out, isType(request), func(f frame) frame { return withID(data, f.id(), 'x') }),
	},
	{
		entry: entry{name: "OPEN-017", role: Client, does: "sends Data before the success"},
		in:    also((*link).in, isCore(request, func(l *link, f frame) bool { return l.idle(f.id()) }), func(f frame) frame { return withID(data, f.id(), 'x') }),
	},
	{
		entry: entry{name: "OPEN-018", role: Server, does: "ignores Data before the response"},
		in:    drop((*link).in, isCore(data, func(l *link, f frame) bool { return l.pending(f.id()) })),
	},
	{
		entry: entry{name: "OPEN-019", role: Client, does: "ignores Data while it dials"},
		in:    drop((*link).in, isCore(data, func(l *link, f frame) bool { return l.pending(f.id()) })),
	},
	{
		entry: entry{name: "OPEN-024", role: Client, does: "forgets a Close that comes while it dials"},
		in:    drop((*link).in, isCore(closing, func(l *link, f frame) bool { return l.pending(f.id()) })),
	},
	{
		entry: entry{name: "ALIVE-001", role: Client, does: "sends no KeepAlive"},
		out:   drop((*link).out, isType(keepAlive)),
	},
	{
		entry: entry{name: "ALIVE-002", role: Server, does: "answers every second KeepAlive only"},
		out:   drop((*link).out, func(l *link, f frame) bool { return f.typ == keepAlive && l.seen(alive, 0)%2 == 1 }),
	},
	{
		entry: entry{name: "ALIVE-002-unasked", req: "ALIVE-002", role: Server, does: "answers each KeepAlive twice"},
		out:   also((*link).out, isType(keepAlive), func(f frame) frame { return f }),
	},
	{
		entry: entry{name: "ALIVE-003", role: Client, does: "closes the tunnel at a KeepAlive that it did not ask for"},
		in:    cutAt((*link).in, func(l *link, f frame) bool { return f.regular() && f.typ == keepAlive && l.seen(alive, 0) == 0 }),
	},
	{entry: entry{name: "LOSS-003", role: Client, does: "gets no second tunnel"}, once: true},
}
