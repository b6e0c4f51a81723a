package judge

import (
	"slices"
	"sync"
	"time"

	"github.com/adit-tunnel/adit/conformance/wire"
	"github.com/adit-tunnel/adit/spec"
)

// extended is the Extended profile: by it a tunnel is judged once both HELLOs have passed. Connections that a ConnectRequest
// began go on under Core's rules.
var extended = sync.OnceValue(func() *profile {
	return newProfile(
		slices.Concat(coreForm[:framing], extForm[:options], bindForm, extForm[options:], coreForm[framing:]), slices.Concat(extState, bindState, coreState),
		slices.Concat(coreClocks, extClocks), slices.DeleteFunc(slices.Clone(coreWaits), func(w wait) bool { return w.req == "DATA-004" }),
	)
})

// widestWindow is how far a limit may be above what was taken, at most.
var widestWindow = uint64(spec.LimitOf("window-max").Max)

var (
	opening = only(wire.TypeOpen)
	opened  = only(wire.TypeOpened)
	window  = only(wire.TypeWindow)
	pong    = only(wire.TypePong)
)

// anyOf are frames of these types.
func anyOf(types ...wire.Type) func(wire.Type) bool {
	return func(t wire.Type) bool { return slices.Contains(types, t) }
}

var (
	half    = anyOf(wire.TypeData, wire.TypeFin)
	aboutIt = anyOf(wire.TypeData, wire.TypeFin, wire.TypeReset, wire.TypeWindow, wire.TypeOpened)
	foreign = anyOf(wire.TypeClose, wire.TypeConnectResponse)
	newer   = anyOf(wire.TypeFin, wire.TypeReset, wire.TypeWindow, wire.TypeOpened)
)

// ofOption are the types that section 5 sets aside for options, which no HELLO of this text agrees to, but for auth and bind.
var ofOption = anyOf(0x15, 0x19, 0x1A, 0x1B, 0x1C, 0x1E)

// unassigned reports whether a HELLO agrees to nothing about an extension type.
func unassigned(t wire.Type) bool { return t.Extension() && !t.Base() && !t.Grease() }

// options is how many rules about options that were not agreed extForm begins with: those of an agreed one follow.
const options = 2

// extForm are the rules about a frame by itself on an extended tunnel. Core's follow; that extensions need a HELLO is no question any more.
var extForm = []rule{
	{"EXT-001", either, ofOption, notAgreed, "HELLO-006", "no frame of an option that was not agreed is sent"},
	{"EXT-001", either, unassigned, always, "", "only types that HELLO agrees to are sent"},
	{"EXT-001", aClient, hello, always, "HELLO-003", "a client says HELLO once, as its first frame"},
	{"EXT-001", aServer, hello, always, "HELLO-004", "a server answers one HELLO with one"},
	{"HELLO-008", aServer, request, always, "HELLO-008", "after its HELLO a server opens by OPEN only"},
	{"XOPEN-016", aClient, opening, always, "XOPEN-016", "a client sends no OPEN"},
	{"XOPEN-016", aServer, opened, always, "XOPEN-016", "a server sends no OPENED"},
	{"FRAME-001", either, wire.Type.Base, wrongSize, "FRAME-008", "a payload has a size that its type allows"},
	{"AUTH-025", either, only(wire.TypeAuth), answersNothing, "AUTH-025", "an AUTH comes where the handshake has it"},
	{"TLV-001", either, wire.Type.Base, brokenTags, "TLV-001", "TLVs end at the end of the payload, known ones come once and have their sizes"},
	{"PING-001", either, pong, answersNoPing, "", "each PING gets one PONG, with the same octets and in order"},
}

// extState are the rules about the ID of a sound frame on an extended tunnel.
var extState = []rule{
	{"XID-001", aServer, opening, notAbove, "XID-002", "the ID of an OPEN is above all before"},
	{"AWAY-001", aServer, opening, afterOwnGoAway, "", "no OPEN follows the server's GOAWAY"},
	{"XOPEN-001", aServer, opening, badTarget, "", "an OPEN has either a port, perhaps with a host, or a service"},
	{"XOPEN-011", aServer, opening, tooMany, "", "there are never more connections than the client takes"},

	{"HELLO-009", either, newer, ofCore, "HELLO-009", "a connection that a ConnectRequest began has Core's frames alone"},
	{"XID-003", either, aboutIt, aboveHighest, "XID-003", "no frame names an ID above the highest so far"},
	{"CLOSE-001", either, closing, aboveHighest, "", "no Close comes for an ID that was never requested"},
	{"OPEN-004", aClient, response, aboveHighest, "", "a ConnectResponse answers a ConnectRequest"},
	{"XID-005", either, foreign, ofExtended, "XID-005", "an extended connection has no Close and no ConnectResponse"},
	{"XID-005", either, foreign, onceExtended, "", "an extended connection has no Close and no ConnectResponse"},
	{"RESET-002", either, aboutIt, afterOwnReset, "", "nothing follows the side's own RESET for the ID"},
	{"XOPEN-003", aClient, opened, openedAlready, "", "an OPEN gets one OPENED, not two"},
	{"XOPEN-006", aClient, half, beforeOpened, "XOPEN-006", "neither Data nor FIN comes before OPENED"},
	{"FIN-003", either, half, afterOwnFin, "FIN-003", "neither Data nor a second FIN follows the side's FIN"},
	{"FIN-003", either, half, longAfterOwnFin, "", "neither Data nor a second FIN follows the side's FIN"}, // the peer drops it
	{"WIN-001", either, data, beyondLimit, "WIN-002", "no Data goes beyond the limit"},
	{"WIN-004", either, window, tooGenerous, "", "no limit is further above what was taken than window-max"},
}

func brokenTags(v *view) bool { return v.Tagged(v.side.String()) != nil }

// answersNoPing is a PONG that is not that of the peer's oldest PING.
func answersNoPing(v *view) bool {
	x := v.t.ext
	if p := x.pings[v.side.Peer()]; len(p) > 0 {
		return p[0].mark != v.Mark()
	}
	return !x.deaf[v.side.Peer()]
}

func notAbove(v *view) bool       { return int64(v.ID()) <= v.t.ext.highest }
func afterOwnGoAway(v *view) bool { return v.t.ext.away[v.side] }

// badTarget is an OPEN with both or neither of port and service, or a host without a port.
func badTarget(v *view) bool {
	_, port := v.Tag(wire.TagPort)
	_, service := v.Tag(wire.TagService)
	_, host := v.Tag(wire.TagHost)
	return port == service || host && !port
}

// tooMany counts what the wire shows to be alive: the server may know of more.
func tooMany(v *view) bool { return v.t.aliveNow() >= v.t.ext.most }

func ofCore(v *view) bool        { return v.known() && !v.l.over() }
func aboveHighest(v *view) bool  { return v.l == nil && v.s == nil && int64(v.ID()) > v.t.ext.highest }
func ofExtended(v *view) bool    { return v.s != nil && !v.s.gone() }
func onceExtended(v *view) bool  { return v.s != nil }
func afterOwnReset(v *view) bool { return v.s != nil && v.s.reset[v.side] }
func openedAlready(v *view) bool { return v.s != nil && v.s.opened }
func beforeOpened(v *view) bool  { return v.s != nil && !v.s.opened && !v.s.reset[Server] }
func afterOwnFin(v *view) bool   { return v.s != nil && v.s.fin[v.side] && !v.s.gone() }

func longAfterOwnFin(v *view) bool { return v.s != nil && v.s.fin[v.side] }

// beyondLimit is Data of which the last octet has no credit, on a connection that lives.
func beyondLimit(v *view) bool {
	return v.s != nil && !v.s.gone() && v.s.sent[v.side]+uint64(v.Size)-4 > v.s.limit[v.side]
}

// tooGenerous is a limit that no reading of WIN-004 allows, for no more was taken than was sent.
func tooGenerous(v *view) bool {
	if v.s == nil {
		return false
	}
	most := v.s.sent[v.side.Peer()] + max(v.t.ext.window[v.side], widestWindow)
	return v.Limit() > most
}

// extClocks are the rules about an extended tunnel as a whole.
var extClocks = []overdue{
	pinged(Server), pinged(Client),
	{
		"AWAY-002", Server, "a server answers the client's GOAWAY drain with GOAWAY",
		func(t *Tunnel) (time.Time, bool) {
			x := t.ext
			return t.reading(Server, t.from(Server, x.awayAt[Client])).Add(slack), x.away[Client] && !x.last[Client] && !x.away[Server] && !x.missed
		},
		func(t *Tunnel, _ time.Time) { t.ext.missed = true },
	},
	unanswered(Server, "XOPEN-008", "a server gives up an OPEN after 30 s at most", connectTimeoutMax),
	unanswered(Client, "XOPEN-003", "a client answers each OPEN", dialTimeout+localEffect),
}

// pinged is PING-001 for a side.
func pinged(side Side) overdue {
	return overdue{
		"PING-001", side, "a PING is answered by PONG",
		func(t *Tunnel) (time.Time, bool) {
			p := t.ext.pings[side.Peer()]
			if len(p) == 0 {
				return time.Time{}, false
			}
			return t.reading(side, t.from(side, p[0].at)).Add(slack), true
		},
		func(t *Tunnel, _ time.Time) { t.ext.pings[side.Peer()] = nil },
	}
}

// unanswered is a rule about the oldest OPEN that nobody has answered; each is charged once.
func unanswered(side Side, req, says string, within time.Duration) overdue {
	bit := uint32(1) << side
	oldest := func(t *Tunnel) (first *stream) {
		for _, s := range t.ext.streams {
			if !s.blind && !s.answered() && s.late&bit == 0 && (first == nil || s.asked.Before(first.asked)) {
				first = s
			}
		}
		return first
	}
	return overdue{
		req, side, says,
		func(t *Tunnel) (time.Time, bool) {
			if s := oldest(t); s != nil {
				return t.reading(side, t.from(side, s.asked)).Add(within + slack), true
			}
			return time.Time{}, false
		},
		func(t *Tunnel, _ time.Time) { oldest(t).late |= bit },
	}
}
