package judge

import (
	"time"

	"github.com/adit-tunnel/adit/conformance/wire"
)

// A life is what the wire has shown about a connection ID, from its
// ConnectRequest until the next, or of an ID that was never requested.
type life struct {
	id      uint32
	strange bool // never requested
	blind   bool // its history leaves no certainty: not judged

	requested time.Time
	refuse    string // the requirement by which this request must fail: OPEN-008, OPEN-009

	answers   int // ConnectResponses
	successes int
	opened    time.Time // the first success
	failed    bool      // the client's first word was a failure, or Close in its place

	closes [2]int
	closed [2]time.Time // the first Close
	spoke  bool         // the server sent Data before its Close: it knew of the success
	word   time.Time    // the client's last word: a failure, or its Close
	asked  uint64       // KeepAlives that the client had sent before that

	stray   bool   // the client said something though the ID was free
	strayed uint64 // KeepAlives that it had sent before the last such frame

	// free: the peer sent Data that the side may have met in state idle, and
	// answers with Close, as often as it likes (DATA-004).
	free [2]bool
	owes [2]time.Time // of a strange ID: when the last octets of such Data passed
	late uint32       // rules of the clock that have been charged, a bit each
	fed  [2]uint32    // window in which Data last passed to a side: see Tunnel.pause
}

// open reports whether a success has passed.
func (l *life) open() bool { return l.successes > 0 }

// over reports whether the ID is free for the server: the client's last word has passed.
func (l *life) over() bool {
	return l.failed || l.closes[Server] > 0 && l.closes[Client] > 0
}

// pending reports whether somebody still owes something for the ID.
func (l *life) pending() bool {
	switch {
	case l.blind:
		return false
	case l.strange:
		return !l.owes[Server].IsZero() || !l.owes[Client].IsZero()
	case l.failed:
		return false
	}
	return !l.open() || (l.closes[Server] > 0) != (l.closes[Client] > 0)
}

// take enters a frame that has been judged. Asked counts the client's KeepAlives so far.
func (l *life) take(f wire.Frame, side Side, now time.Time, asked uint64) {
	switch f.Type {
	case wire.TypeConnectResponse:
		if l.strange {
			return
		}
		l.answers++
		switch {
		case l.failed:
		case f.Status() == wire.Success:
			if l.successes++; l.opened.IsZero() {
				l.opened = now
			}
		case !l.open():
			l.failed, l.word, l.asked = true, now, asked
		case !l.spoke: // it may have met an abandoned ID, and freed it
			l.blind = true
		}
	case wire.TypeData:
		l.spoke = l.spoke || side == Server && l.closes[Server] == 0 && l.open()
		// Data where the text allows none: the peer may have the ID as idle. A
		// server has it so only after the client's last word, a client also when its dial failed.
		if l.strange || l.failed || l.closes[side] > 0 || side == Server && !l.open() {
			l.free[side.Peer()] = true
		}
		if l.strange {
			l.owes[side.Peer()] = now
		}
	case wire.TypeClose:
		l.owes[side] = time.Time{}
		if l.closes[side]++; l.closes[side] > 1 {
			return
		}
		l.closed[side] = now
		if side == Client && !l.failed {
			l.word, l.asked = now, asked
			l.failed = !l.strange && l.answers == 0 // in place of a response (OPEN-015)
		}
	}
}
