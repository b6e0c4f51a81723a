package peer

import (
	"net"
	"time"
)

// Odds are choices that the text leaves open and few make. A peer with one of
// them conforms; the suite has to certify it. Every such place reads
//
//	if t.odd("bytewise") { … }
var Odds = map[string]string{
	"answers":    "answers Data for an idle ID with several Closes, Data before the success with Close, and failures with status 0xC8",
	"bytewise":   "sends much of its Data one octet a frame, and Data with no octets between",
	"chunks":     "hands its octets to the transport in pieces of 1 to 13",
	"coalesce":   "gathers everything that it sends for 40 ms, and hands it over in one",
	"few":        "takes one connection at a time; extended only",
	"grease":     "puts TLVs into all that can have them, and frames between all others, that nobody knows; extended only",
	"half":       "has a queue of 500,000 octets",
	"ids":        "chooses its connection IDs at random, or with large gaps",
	"keepalives": "sends a KeepAlive every 300 ms",
	Late:         "sends its own Close in answer 20 s later, and failures 7 s later",
	"large":      "has the largest queue, the largest frames and the longest timers that are allowed",
	Later:        "sends its own Close in answer 28 s later, and failures 7 s later",
	"newest":     "keeps the newest tunnel alone, and closes the one before",
	"none":       "states a window of 0; extended only",
	"resets":     "closes tunnels by reset, and local sockets in order; those of extended connections by reset where the text says so",
	"short":      "sends the short form of ConnectRequest",
	"small":      "has the smallest queue that is allowed",
	Slow:         "does and says everything 600 ms late",
	"terse":      "states nothing, and sends nothing before OPENED; extended only",
	"tiny":       "states a window of 1 octet, and grants 4 KiB at a time, as late as it may; extended only",
	"unknown":    "sends HELLO, and frames for private use between all others",
	"wide":       "states the largest window; extended only",
}

// Slow is the odd that takes its time.
const Slow = "slow"

// lateness is how late the peer with the odd Slow is, in each of its steps.
const lateness = 600 * time.Millisecond

// Late and Later are odds that use the time that CLOSE-004 and OPEN-012 allow.
const (
	Late  = "late"
	Later = "later"
)

// lateClose is how long those wait with their own Close, lateFailure with a failure.
var lateClose = map[string]time.Duration{Late: 20 * time.Second, Later: 28 * time.Second}

const lateFailure = 7 * time.Second

// odd reports whether the peer has the odd of that name.
func (t *tunnel) odd(name string) bool { return t.choice == name }

// transmit hands octets to the transport, in the peer's own way.
func (t *tunnel) transmit(bufs net.Buffers) error {
	if !t.odd("chunks") {
		_, err := bufs.WriteTo(t.sock)
		return err
	}
	for _, b := range bufs {
		for n := 0; len(b) > 0; n++ {
			k := min(len(b), 1+n%13)
			if n > 200 { // then in one: a large transfer would take minutes
				k = len(b)
			}
			if _, err := t.sock.Write(b[:k]); err != nil {
				return err
			}
			b = b[k:]
		}
	}
	return nil
}

// singles is how much of a read from a local socket the odd "bytewise" sends one octet a frame.
const singles = 200

// sendData sends octets of a local socket. mu is held.
func (t *tunnel) sendData(id uint32, b []byte) {
	if t.bug("EXT-001") {
		t.send(frame{typ: 0x11})
	}
	for _, f := range t.dataFrames(id, b) {
		t.send(f)
	}
}

// dataFrames is octets of a local socket as Data, in the peer's own way.
func (t *tunnel) dataFrames(id uint32, b []byte) []frame {
	var all []frame
	if t.odd("bytewise") {
		all = append(all, withID(typeData, id))
		for n := min(len(b), singles); n > 0; n-- {
			all = append(all, withID(typeData, id, b[0]))
			b = b[1:]
		}
	}
	if len(b) > 0 {
		all = append(all, withID(typeData, id, b...))
	}
	return all
}

// chatter is the frames that mean nothing: of private types by the odd "unknown", of the types for grease, which only
// a tunnel with HELLOs has, by the odd "grease". mu is held.
func (t *tunnel) chatter() {
	t.noise++
	var f frame
	switch {
	case t.asks && t.phase != up: // AUTH-007
		return
	case t.odd("unknown") && (!t.extends || t.phase != fresh):
		typ := 0x80 + t.noise%0x80
		f = frame{typ, make([]byte, 3*int(typ-0x80))}
	case t.odd("grease") && t.phase == up:
		f = frame{0x2A + t.noise%2<<4, make([]byte, t.noise%65)}
	default:
		return
	}
	b := f.bytes()
	t.out = append(t.out, outgoing{b: b})
	t.outSize += len(b)
}
