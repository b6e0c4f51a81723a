package judge

import (
	"slices"
	"strings"
	"time"

	"github.com/adit-tunnel/adit/conformance/wire"
)

// A view is what a rule can see: a frame, its tunnel, and the life of its ID.
type view struct {
	wire.Frame
	side Side   // that sent it
	n    uint64 // number among the frames of its side, from 1
	t    *Tunnel
	l    *life   // nil when nothing was ever said about the ID
	s    *stream // of an ID that an OPEN began; nil for every other
	now  time.Time
}

// known reports whether the ID was requested.
func (v *view) known() bool { return v.l != nil && !v.l.strange }

// free reports whether the side may send any number of Closes: it answers Data (DATA-004).
func (v *view) free() bool { return v.l != nil && v.l.free[v.side] }

// The frame types, short enough for a table.
var (
	request   = only(wire.TypeConnectRequest)
	response  = only(wire.TypeConnectResponse)
	data      = only(wire.TypeData)
	closing   = only(wire.TypeClose)
	keepAlive = only(wire.TypeKeepAlive)
	hello     = only(wire.TypeHello)
)

// needsHello reports whether frames of a type need the peer's HELLO.
func needsHello(t wire.Type) bool { return t.Extension() && t != wire.TypeHello }

// framing is how many rules about the header, and the proofs of section 30, coreForm begins with: they come before those of a profile.
var framing = 3 + len(authForm)

// coreForm are the rules about a frame by itself; the first that is broken decides, as in section 15.
var coreForm = slices.Concat([]rule{
	{"FRAME-001", either, anyType, wrongVersion, "FRAME-002", "everything on the tunnel is frames of version 0x01"},
	{"FRAME-005", either, anyType, tooLong, "FRAME-004", "no payload is longer than 1,048,576 octets"},
	{"FRAME-009", either, wire.Type.Reserved, always, "", "no frame of a reserved type is sent"},
}, authForm, []rule{
	{"EXT-001", either, needsHello, unagreed, "", "types 0x11 to 0x3F come only after the peer's HELLO"},
	{"EXT-001", aClient, hello, notFirst, "", "HELLO is the client's first frame"},
	{"EXT-001", aServer, hello, answersNoHello, "", "HELLO of a server answers one of the client"},
	{"HELLO-012", either, hello, wrongSize, "", "a HELLO is at most 4,096 octets"},
	{"TLV-001", aClient, hello, brokenTags, "", "TLVs end at the end of the payload, known ones come once and have their sizes"}, // a Core server skips it
	{"TLV-001", aServer, hello, brokenTags, "TLV-001", "TLVs end at the end of the payload, known ones come once and have their sizes"},
	{"FRAME-001", aClient, request, always, "OPEN-010", "a client sends no ConnectRequest (section 5)"},
	{"FRAME-001", aServer, response, always, "OPEN-011", "a server sends no ConnectResponse (section 5)"},
	{"FRAME-001", either, wire.Type.Core, wrongSize, "FRAME-008", "a payload has a size that section 6 allows for its type"},
	{"ALIVE-002", aServer, keepAlive, answersNoKeepAlive, "", "a server sends no KeepAlive that answers none"},
	{"ALIVE-003", aClient, keepAlive, answersAnswers, "", "a client does not answer KeepAlives"},
})

// coreState are the rules about the ID of a sound frame; the first that is broken decides.
var coreState = []rule{
	{"ID-001", aServer, request, inUse, "ID-004", "a ConnectRequest has an ID that is not in use"},
	{"CLOSE-009", aServer, request, retired, "", "an ID whose last word came more than 60 s after the server's Close is not used again"},

	{"OPEN-004", aClient, response, unknown, "", "a ConnectResponse answers a ConnectRequest"},
	{"OPEN-004", aClient, response, answeredAlready, "", "a ConnectRequest gets one ConnectResponse, not two"},
	{"OPEN-004", aClient, response, afterOwnClose, "", "a ConnectRequest gets a ConnectResponse, or a Close in its place, not both"},
	{"OPEN-008", aClient, response, successFor("OPEN-008"), "", "a request for port 0 is answered with a failure"},
	{"OPEN-009", aClient, response, successFor("OPEN-009"), "", "a request whose host is neither an address nor a name is answered with a failure"},

	// Data for an ID never requested is section 11's barrier; what it asks for is on the clock.
	{"DATA-008", either, data, afterOwnClose, "", "no Data follows the side's own Close"},
	{"OPEN-017", either, data, beforeSuccess, "", "no Data comes before a success was sent"},
	{"CLOSE-008", aServer, data, afterTakenClose, "", "no Data follows the client's Close, which the server has taken"},

	{"CLOSE-007", either, closing, answersStrayClose, "", "Close for an ID that was never requested gets no answer"},
	{"CLOSE-001", either, closing, strayClose, "", "no Close comes for an ID that was never requested"},
	{"CLOSE-007", aClient, closing, answersCloseAfterFailure, "", "Close for an ID that a failure has freed gets no answer"},
	{"OPEN-027", aClient, closing, afterFailure, "", "a failure is the client's last word: no Close follows it"},
	{"OPEN-014", aServer, closing, afterTakenFailure, "", "no Close follows a failure, which the server has taken"},
	{"CLOSE-001", aClient, closing, clientAgain, "", "a connection gets one Close from its client"},
	{"CLOSE-001", aServer, closing, serverAgain, "", "a connection gets one Close from its server"},
}

// The conditions of the rules about a frame by itself.

func always(*view) bool           { return true }
func wrongVersion(v *view) bool   { return v.Version != wire.Version }
func tooLong(v *view) bool        { return v.Size > wire.MaxPayload }
func wrongSize(v *view) bool      { return !v.Sized() }
func notFirst(v *view) bool       { return v.n > 1 }
func answersNoHello(v *view) bool { return v.t.hellos[Server] >= v.t.hellos[Client] }

// unagreed is an extended frame before the peer's HELLO, unless what the peer sent last was no whole frame: a HELLO may be in it.
func unagreed(v *view) bool {
	return v.t.hellos[v.side.Peer()] == 0 && v.t.ends[v.side.Peer()].at.IsZero()
}

func answersNoKeepAlive(v *view) bool { return v.t.answered >= v.t.asked }
func answersAnswers(v *view) bool     { return v.t.pingPong(v.now) }

// The conditions of the rules about an ID.

func unknown(v *view) bool         { return !v.known() }
func inUse(v *view) bool           { return v.known() && !v.l.over() }
func answeredAlready(v *view) bool { return v.l.answers > 0 }
func afterOwnClose(v *view) bool   { return v.known() && v.l.closes[v.side] > 0 }
func beforeSuccess(v *view) bool   { return v.known() && !v.l.open() }

// retired is CLOSE-009: the client's last word came too late.
func retired(v *view) bool {
	return v.known() && v.l.closes[Server] > 0 && v.l.word.Sub(v.l.closed[Server]) > closeWait+answer
}

// successFor is a success for a request that a requirement wants refused.
func successFor(req string) func(*view) bool {
	return func(v *view) bool { return v.l.refuse == req && v.Status() == wire.Success }
}

// afterTakenClose is Data that the server put in line after it had taken the client's Close.
func afterTakenClose(v *view) bool {
	return v.known() && v.l.closes[Client] > 0 && v.t.settled(v.l.asked)
}

// afterTakenFailure is a Close that the server put in line after it had taken the client's failure.
func afterTakenFailure(v *view) bool {
	return v.known() && v.l.failed && v.l.closes[Server] == 0 && !v.free() && v.t.settled(v.l.asked)
}

func strayClose(v *view) bool { return !v.known() && !v.free() }

func answersStrayClose(v *view) bool {
	return strayClose(v) && v.l != nil && v.l.closes[v.side.Peer()] > 0
}

// afterFailure is the client's first Close after its failure that answers no Data.
func afterFailure(v *view) bool {
	return v.known() && v.l.failed && v.l.answers > 0 && v.l.closes[Client] == 0 && !v.free()
}

func answersCloseAfterFailure(v *view) bool { return afterFailure(v) && v.l.closes[Server] > 0 }

func clientAgain(v *view) bool { return v.known() && v.again(1) }

// serverAgain allows one more Close for each success, which may have met an abandoned ID (OPEN-025).
func serverAgain(v *view) bool {
	if !v.known() {
		return false
	}
	if v.l.spoke {
		return v.again(1)
	}
	return v.again(1 + v.l.successes)
}

// again reports whether a side has already sent as many Closes as it may.
func (v *view) again(allowed int) bool { return v.l.closes[v.side] >= allowed && !v.free() }

// refuse is the requirement by which a ConnectRequest must be answered with a failure, if one is certain.
func refuse(f wire.Frame) string {
	host, addressed := f.Host()
	switch {
	case f.Port() == 0:
		return "OPEN-008"
	case addressed && !plausible(host):
		return "OPEN-009"
	}
	return ""
}

// plausible reports whether a host could be an address or a DNS name; only what no one would take for one is not.
func plausible(host string) bool {
	odd := func(c rune) bool { return c <= ' ' || c >= 0x7F }
	return host != "" && len(host) <= 254 && !strings.ContainsFunc(host, odd)
}
