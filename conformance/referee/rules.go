package referee

import (
	"strings"
	"time"

	"github.com/adit-tunnel/adit/conformance/engine"
)

// A rule is broken by the sender of a frame at the moment that it passes.
// Req binds the sender, except for OPEN-010 and OPEN-011: they tell the
// receiver what to make of a frame that section 5 gives to the other role.
type rule struct {
	req    string
	says   string
	broken func(v *view) bool
	ends   string // the requirement by which the receiver makes it a tunnel error
}

// A view is what a rule can see: a frame, its tunnel, and the life of its ID.
type view struct {
	*frame
	t   *tunnel
	l   *life // nil when nothing was ever said about the ID
	now time.Time
}

func (v *view) is(side Side, typ engine.Type) bool { return v.side == side && v.typ == typ }

// known reports whether the ID was requested.
func (v *view) known() bool { return v.l != nil && !v.l.strange }

// form are the rules about a frame by itself; the first that is broken decides, as in section 15.
var form = []rule{
	{
		"FRAME-001", "everything on the tunnel is frames of version 0x01",
		func(v *view) bool { return v.version != engine.Version }, "FRAME-002",
	},
	{
		"FRAME-005", "no payload is longer than 1,048,576 octets",
		func(v *view) bool { return v.size > engine.MaxPayload }, "FRAME-004",
	},
	{
		"FRAME-009", "no frame of a reserved type is sent",
		func(v *view) bool { return !v.core() && (v.typ < 0x10 || v.typ >= 0x40 && v.typ < 0x80) }, "",
	},
	{
		"EXT-001", "types 0x11 to 0x3F come only after the peer's HELLO",
		func(v *view) bool { return v.typ > hello && v.typ < 0x40 && v.t.hellos[v.side.peer()] == 0 }, "",
	},
	{
		"EXT-001", "HELLO is the client's first frame, or the server's answer to one",
		func(v *view) bool {
			if v.typ != hello {
				return false
			}
			return v.side == Client && v.n > 1 || v.side == Server && v.t.hellos[Server] >= v.t.hellos[Client]
		}, "",
	},
	{
		"OPEN-010", "a client sends no ConnectRequest",
		func(v *view) bool { return v.is(Client, engine.TypeConnectRequest) }, "OPEN-010",
	},
	{
		"OPEN-011", "a server sends no ConnectResponse",
		func(v *view) bool { return v.is(Server, engine.TypeConnectResponse) }, "OPEN-011",
	},
	{
		"FRAME-001", "a payload has a size that section 6 allows for its type",
		func(v *view) bool { return !v.sized() }, "FRAME-008",
	},
	{
		"ALIVE-002", "a server sends no KeepAlive that answers none",
		func(v *view) bool { return v.is(Server, engine.TypeKeepAlive) && v.t.answered >= v.t.asked }, "",
	},
	{
		"ALIVE-003", "a client does not answer KeepAlives",
		func(v *view) bool { return v.is(Client, engine.TypeKeepAlive) && v.t.pingPong(v.now) }, "",
	},
}

// hello is the type of the Extended profile's HELLO.
const hello = 0x10

// state are the rules about the ID of a sound frame; the first that is broken decides.
var state = []rule{
	{
		"ID-001", "a ConnectRequest has an ID that is not in use",
		func(v *view) bool { return v.typ == engine.TypeConnectRequest && v.known() && !v.l.over() }, "ID-004",
	},
	{
		"CLOSE-009", "an ID whose last word came more than 60 s after the server's Close is not used again",
		func(v *view) bool {
			return v.typ == engine.TypeConnectRequest && v.known() && v.l.closes[Server] > 0 &&
				v.l.word.Sub(v.l.closed[Server]) > engine.CloseWait+engine.Answer
		}, "",
	},

	{
		"OPEN-004", "a ConnectResponse answers a ConnectRequest",
		func(v *view) bool { return v.typ == engine.TypeConnectResponse && !v.known() }, "",
	},
	{
		"OPEN-004", "a ConnectRequest gets one ConnectResponse, not two",
		func(v *view) bool { return v.typ == engine.TypeConnectResponse && v.l.answers > 0 }, "",
	},
	{
		"OPEN-004", "a ConnectRequest gets a ConnectResponse, or a Close in its place, not both",
		func(v *view) bool { return v.typ == engine.TypeConnectResponse && v.l.closes[Client] > 0 }, "",
	},
	{
		"OPEN-008", "a request for port 0 is answered with a failure",
		func(v *view) bool {
			return v.typ == engine.TypeConnectResponse && v.success() && v.l.refuse == "OPEN-008"
		}, "",
	},
	{
		"OPEN-009", "a request whose host is neither an address nor a name is answered with a failure",
		func(v *view) bool {
			return v.typ == engine.TypeConnectResponse && v.success() && v.l.refuse == "OPEN-009"
		}, "",
	},

	{
		"DATA-008", "no Data follows the side's own Close",
		func(v *view) bool { return v.typ == engine.TypeData && v.known() && v.l.closes[v.side] > 0 }, "",
	},
	// Data for an ID never requested is section 11's barrier; what it asks for is on the clock.
	{
		"OPEN-017", "no Data comes before a success was sent",
		func(v *view) bool { return v.typ == engine.TypeData && v.known() && !v.l.open() }, "",
	},
	{
		"CLOSE-008", "no Data follows the client's Close, which the server has taken",
		func(v *view) bool {
			return v.is(Server, engine.TypeData) && v.known() && v.l.closes[Client] > 0 && v.t.taken(v.l.asked)
		}, "",
	},

	{
		"CLOSE-001", "no Close comes for an ID that was never requested",
		func(v *view) bool {
			return v.typ == engine.TypeClose && !v.known() && (v.l == nil || !v.l.free[v.side])
		}, "",
	},
	{
		"CLOSE-007", "Close for an ID that a failure has freed gets no answer",
		func(v *view) bool { return v.afterFailure() && v.l.closes[Server] > 0 }, "",
	},
	{
		"OPEN-004", "a failure is the client's last word: no Close follows it",
		func(v *view) bool { return v.afterFailure() }, "",
	},
	{
		"OPEN-014", "no Close follows a failure, which the server has taken",
		func(v *view) bool {
			return v.is(Server, engine.TypeClose) && v.known() && v.l.failed && v.l.closes[Server] == 0 &&
				!v.l.free[Server] && v.t.taken(v.l.asked)
		}, "",
	},
	{
		"CLOSE-001", "a connection gets one Close from its client",
		func(v *view) bool { return v.is(Client, engine.TypeClose) && v.known() && v.again(1) }, "",
	},
	{
		"CLOSE-001", "a connection gets one Close from its server",
		func(v *view) bool {
			if !v.is(Server, engine.TypeClose) || !v.known() {
				return false
			}
			if v.l.spoke {
				return v.again(1)
			}
			return v.again(1 + v.l.successes) // a success may have met an abandoned ID: OPEN-025
		}, "",
	},
}

// afterFailure reports whether v is the client's first Close after its failure, and no answer to Data.
func (v *view) afterFailure() bool {
	return v.is(Client, engine.TypeClose) && v.known() && v.l.failed && v.l.answers > 0 &&
		v.l.closes[Client] == 0 && !v.l.free[Client]
}

// again reports whether a side has already sent as many Closes as it may.
func (v *view) again(allowed int) bool { return v.l.closes[v.side] >= allowed && !v.l.free[v.side] }

// refuse is the requirement by which a ConnectRequest must be answered with a failure, if one is certain.
func refuse(f *frame) string {
	switch {
	case f.port() == 0:
		return "OPEN-008"
	case f.addressed() && !plausible(f.host()):
		return "OPEN-009"
	}
	return ""
}

// plausible reports whether a host could be an address or a DNS name; only what no one would take for one is not.
func plausible(host string) bool {
	odd := func(c rune) bool { return c <= ' ' || c >= 0x7F }
	return host != "" && len(host) <= 254 && !strings.ContainsFunc(host, odd)
}
