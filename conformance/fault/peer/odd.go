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
	"ids":        "chooses its connection IDs at random",
	"keepalives": "sends a KeepAlive every 300 ms",
	"large":      "has the largest queue, the largest frames and the longest timers that are allowed",
	"newest":     "keeps the newest tunnel alone, and closes the one before",
	"resets":     "closes tunnels by reset, and local sockets in order",
	"short":      "sends the short form of ConnectRequest",
	Slow:         "does and says everything 600 ms late",
	"unknown":    "sends HELLO, and frames for private use between all others",
}

// Slow is the odd that takes its time.
const Slow = "slow"

// lateness is how late the peer with the odd Slow is, in each of its steps.
const lateness = 600 * time.Millisecond

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

// sendData sends octets of a local socket as Data, in the peer's own way. mu is held.
func (t *tunnel) sendData(id uint32, b []byte) {
	if t.odd("bytewise") {
		t.send(withID(typeData, id))
		for n := min(len(b), singles); n > 0; n-- {
			t.send(withID(typeData, id, b[0]))
			b = b[1:]
		}
	}
	if len(b) > 0 {
		t.send(withID(typeData, id, b...))
	}
}

// chatter is the frames for private use of the odd "unknown". mu is held.
func (t *tunnel) chatter() {
	if !t.odd("unknown") || t.lost {
		return
	}
	t.noise++
	typ := 0x80 + t.noise%0x80
	b := frame{typ, make([]byte, 3*int(typ-0x80))}.bytes()
	t.out = append(t.out, outgoing{b: b})
	t.outSize += len(b)
}
