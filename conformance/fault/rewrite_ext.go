package fault

import (
	"slices"

	"github.com/adit-tunnel/adit/conformance/engine"
	"github.com/adit-tunnel/adit/conformance/wire"
)

// without is a frame without some of its TLVs.
func without(f wire.Frame, drop func(wire.TLV) bool) wire.Frame {
	all, ok := f.TLVs()
	if !ok || !slices.ContainsFunc(all, drop) {
		return f
	}
	kept := slices.DeleteFunc(all, drop)
	switch f.Type {
	case wire.TypeOpen:
		return wire.Open(f.ID(), kept...)
	case wire.TypeOpened:
		return wire.Opened(f.ID(), kept...)
	}
	return wire.Hello(kept...)
}

// isExt reports whether f is a sound frame of one of the types, for which more holds.
func isExt(more func(l *link, f wire.Frame) bool, types ...wire.Type) func(*link, wire.Frame) bool {
	return func(l *link, f wire.Frame) bool { return f.Sound() && slices.Contains(types, f.Type) && more(l, f) }
}

func always(*link, wire.Frame) bool { return true }

// byID makes a condition of one that asks about the frame's ID.
func byID(cond func(*link, uint32) bool) func(*link, wire.Frame) bool {
	return func(l *link, f wire.Frame) bool { return cond(l, f.ID()) }
}

func resetFor(f wire.Frame) wire.Frame { return wire.Reset(f.ID(), wire.CodeGeneral, "") }

// untagged reports whether a tag is none of section 24's.
func untagged(v wire.TLV) bool { return v.Tag > wire.TagLocal }

// offer reports whether a tag is an option's.
func offer(v wire.TLV) bool { return v.Tag >= 0x10 && v.Tag < 0x20 }

// highCode is above the codes of section 29.
const highCode = wire.Code(0x0100)

// extRewrites are those of the Extended profile.
var extRewrites = []Rewrite{
	{
		entry: entry{name: "TLV-002", role: engine.Both, does: "closes the tunnel at a tag that it does not know"},
		in: cutAt((*link).in, isExt(func(_ *link, f wire.Frame) bool {
			all, _ := f.TLVs()
			return slices.ContainsFunc(all, untagged)
		}, wire.TypeHello, wire.TypeOpen, wire.TypeOpened)),
	},
	{
		entry: entry{name: "TLV-003", role: engine.Both, does: "ignores a critical tag that it does not know"},
		in: edit((*link).in, func(_ *link, f wire.Frame) wire.Frame {
			return without(f, func(v wire.TLV) bool { return v.Tag.Critical() })
		}),
	},
	{
		entry: entry{name: "HELLO-002", role: Server, does: "reads HELLO and says nothing"},
		out:   drop((*link).out, isExt(always, wire.TypeHello)),
	},
	{
		entry: entry{name: "HELLO-002-twice", req: "HELLO-002", role: Server, does: "answers HELLO twice"},
		out:   also((*link).out, isExt(always, wire.TypeHello), func(f wire.Frame) wire.Frame { return f }),
	},
	{
		entry: entry{name: "HELLO-003", role: Server, does: "ignores a HELLO that is not the first frame"},
		in:    drop((*link).in, isExt(func(l *link, _ wire.Frame) bool { return l.seen(spoke, 0) > 0 }, wire.TypeHello)),
	},
	{
		entry: entry{name: "HELLO-004", role: Client, does: "ignores a second HELLO of the server"},
		in:    drop((*link).in, isExt(func(l *link, _ wire.Frame) bool { return l.seen(greeted, 0) > 0 }, wire.TypeHello)),
	},
	{
		entry: entry{name: "HELLO-005", role: Client, does: "ignores that the server agrees to what it did not offer"},
		in:    edit((*link).in, func(_ *link, f wire.Frame) wire.Frame { return without(f, offer) }),
	},
	{
		entry: entry{name: "HELLO-006", role: engine.Both, does: "ignores frames of options that nobody agreed to"},
		in: drop((*link).in, func(_ *link, f wire.Frame) bool {
			return slices.Contains([]wire.Type{0x15, 0x19, 0x1A, 0x1B, 0x1C, 0x1E}, f.Type)
		}),
	},
	{
		entry: entry{name: "HELLO-012", role: engine.Both, does: "takes a HELLO of more than 4,096 octets"},
		in:    drop((*link).in, func(_ *link, f wire.Frame) bool { return f.Type == wire.TypeHello && f.Size > wire.MaxTLVs }),
	},
	{
		entry: entry{name: "XID-002", role: Client, does: "ignores an OPEN whose ID is not above all others"},
		in:    drop((*link).in, isExt(func(l *link, f wire.Frame) bool { return !l.above(f.ID()) }, wire.TypeOpen)),
	},
	{
		entry: entry{name: "XID-003", role: engine.Both, does: "ignores frames for IDs that were never used"},
		in:    drop((*link).in, isExt(byID((*link).above), wire.TypeData, wire.TypeFin, wire.TypeReset, wire.TypeWindow, wire.TypeOpened)),
	},
	{
		entry: entry{name: "XID-004", role: engine.Both, does: "answers a frame for a dead ID with RESET"},
		in:    also((*link).in, isExt(byID((*link).dead), wire.TypeData, wire.TypeFin, wire.TypeReset, wire.TypeWindow), resetFor),
	},
	{
		entry: entry{name: "XID-005", role: engine.Both, does: "ignores Close for an extended connection"},
		in:    drop((*link).in, isExt(byID((*link).living), wire.TypeClose, wire.TypeConnectResponse)),
	},
	{
		entry: entry{name: "XOPEN-001", role: Server, does: "opens to a port that is not the mapping's"},
		out: edit((*link).out, func(_ *link, f wire.Frame) wire.Frame {
			return f.With(func(v wire.TLV) wire.TLV {
				if v.Tag == wire.TagPort {
					v.Value = []byte{v.Value[0], v.Value[1] ^ 1}
				}
				return v
			})
		}),
	},
	{
		entry: entry{name: "XOPEN-003", role: Client, does: "says nothing about an OPEN that it refuses"},
		out:   drop((*link).out, isExt(func(l *link, f wire.Frame) bool { return l.seen(taken, f.ID()) == 0 }, wire.TypeReset)),
	},
	{
		entry: entry{name: "XOPEN-005", role: Client, does: "closes the tunnel at an OPEN for port 0"},
		in:    cutAt((*link).in, isExt(func(_ *link, f wire.Frame) bool { return f.TagNumber(wire.TagPort, 1) == 0 }, wire.TypeOpen)),
	},
	{
		entry: entry{name: "XOPEN-006", role: Server, does: "takes Data and FIN before OPENED"},
		in:    drop((*link).in, isExt(byID((*link).dialling), wire.TypeData, wire.TypeFin)),
	},
	{
		entry: entry{name: "XOPEN-006", role: Client, does: "sends Data before OPENED"},
		in:    also((*link).in, isExt(always, wire.TypeOpen), func(f wire.Frame) wire.Frame { return wire.Data(f.ID(), []byte("x")) }),
	},
	{
		entry: entry{name: "XOPEN-010", role: Client, does: "answers RESET that comes while it dials"},
		in:    also((*link).in, isExt(byID((*link).dialling), wire.TypeReset), resetFor),
	},
	{
		entry: entry{name: "XOPEN-016", role: engine.Both, does: "ignores an OPEN or OPENED of the wrong role"},
		in: func(l *link, f wire.Frame) {
			if f.Type == wire.TypeOpen && l.role == string(Server) || f.Type == wire.TypeOpened && l.role == string(Client) {
				return
			}
			l.in(f)
		},
	},
	{
		entry: entry{name: "FIN-001", role: engine.Both, does: "sends RESET at the end of the local stream"},
		out: edit((*link).out, func(_ *link, f wire.Frame) wire.Frame {
			if is(f, wire.TypeFin) {
				return resetFor(f)
			}
			return f
		}),
	},
	{
		entry: entry{name: "FIN-002", role: engine.Both, does: "takes FIN as RESET"},
		in: edit((*link).in, func(_ *link, f wire.Frame) wire.Frame {
			if is(f, wire.TypeFin) {
				return resetFor(f)
			}
			return f
		}),
	},
	{
		entry: entry{name: "FIN-003", role: engine.Both, does: "ignores Data and FIN behind FIN"},
		in:    drop((*link).in, isExt(func(l *link, f wire.Frame) bool { return l.seen(finIn, f.ID()) > 0 }, wire.TypeData, wire.TypeFin)),
	},
	{
		entry: entry{name: "RESET-001", role: engine.Both, does: "sends FIN when its local socket is reset"},
		out: edit((*link).out, func(l *link, f wire.Frame) wire.Frame {
			if is(f, wire.TypeReset) && f.Code() == wire.CodeReset {
				return wire.Fin(f.ID())
			}
			return f
		}),
	},
	{
		entry: entry{name: "RESET-002", role: engine.Both, does: "answers RESET with RESET"},
		in:    also((*link).in, isExt(byID((*link).living), wire.TypeReset), resetFor),
	},
	{
		entry: entry{name: "RESET-003", role: engine.Both, does: "closes the tunnel at an unknown code"},
		in:    cutAt((*link).in, isExt(func(_ *link, f wire.Frame) bool { return f.Code() >= highCode }, wire.TypeReset)),
	},
	{
		entry: entry{name: "WIN-001", role: engine.Both, does: "sends beyond the limit"},
		in: edit((*link).in, func(_ *link, f wire.Frame) wire.Frame {
			const beyond = 1 << 20
			switch {
			case is(f, wire.TypeWindow):
				return wire.Window(f.ID(), min(f.Limit(), wire.NoLimit-beyond)+beyond)
			case is(f, wire.TypeHello):
				return f.With(func(v wire.TLV) wire.TLV {
					if v.Tag == wire.TagWindow && len(v.Value) == 4 {
						return wire.U32(v.Tag, beyond)
					}
					return v
				})
			}
			return f
		}),
	},
	{
		entry: entry{name: "WIN-003", role: engine.Both, does: "ignores every WINDOW"},
		in:    drop((*link).in, isExt(byID((*link).living), wire.TypeWindow)),
	},
	{
		entry: entry{name: "WIN-005", role: engine.Both, does: "never sends WINDOW"},
		out:   drop((*link).out, isExt(always, wire.TypeWindow)),
	},
	{
		entry: entry{name: "PING-001", role: engine.Both, does: "answers PING with its octets reversed"},
		out: edit((*link).out, func(_ *link, f wire.Frame) wire.Frame {
			if is(f, wire.TypePong) {
				m := f.Mark()
				slices.Reverse(m[:])
				return wire.Pong(m)
			}
			return f
		}),
	},
	{
		entry: entry{name: "PING-002", role: engine.Both, does: "closes the tunnel at a PONG that nothing asked for"},
		in:    cutAt((*link).in, isExt(func(l *link, _ wire.Frame) bool { return l.seen(pinged, 0) <= 0 }, wire.TypePong)),
	},
	{
		entry: entry{name: "AWAY-002", role: Server, does: "does not answer the client's GOAWAY"},
		out:   drop((*link).out, isExt(always, wire.TypeGoAway)),
	},
	{
		entry: entry{name: "AWAY-007", role: engine.Both, does: "closes the tunnel at a second GOAWAY"},
		in:    cutAt((*link).in, isExt(func(l *link, _ wire.Frame) bool { return l.seen(away, 0) > 0 }, wire.TypeGoAway)),
	},
}
