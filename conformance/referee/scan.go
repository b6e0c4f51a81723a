package referee

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/adit-tunnel/adit/conformance/engine"
)

// shown is how many octets of a Data frame, or of one that Core does not know, are shown.
const shown = 24

// prefixMax is the longest part of a frame that is needed at once: a
// ConnectRequest with its host.
const prefixMax = engine.HeaderLen + 7 + 255

// A frame is what the referee knows of one frame: its header and the first
// octets of its payload, which are valid only while it is judged.
type frame struct {
	side    Side
	n       uint64 // number among the frames of its side, from 1
	version byte
	typ     engine.Type
	size    uint32 // of the payload, as announced
	payload []byte // as much of it as is here; all that the rules need
}

// A scanner finds the frames of one direction in whatever pieces they come.
type scanner struct {
	part [prefixMax]byte // of a frame whose first octets have not all come
	have int
	skip uint32 // octets of payload to pass over
	lost bool   // after octets that are no frame the rest has no meaning
}

// take goes on with b: it returns what is left of it, and a frame when one began.
func (s *scanner) take(b []byte) (rest []byte, f frame, ok bool) {
	if s.skip > 0 {
		n := min(uint32(len(b)), s.skip)
		s.skip -= n
		return b[n:], frame{}, false
	}
	if s.have == 0 && len(b) >= engine.HeaderLen {
		if need := engine.HeaderLen + prefix(b); len(b) >= need {
			return b[need:], s.begin(b, need), true
		}
	}
	for len(b) > 0 {
		need := engine.HeaderLen
		if s.have >= need {
			need += prefix(s.part[:])
		}
		n := copy(s.part[s.have:need], b)
		s.have, b = s.have+n, b[n:]
		if s.have >= engine.HeaderLen && s.have == engine.HeaderLen+prefix(s.part[:]) {
			f = s.begin(s.part[:s.have], s.have)
			s.have = 0
			return b, f, true
		}
	}
	return b, frame{}, false
}

// begin makes a frame of octets that begin with it, of which the first need are taken.
func (s *scanner) begin(b []byte, need int) frame {
	f := frame{version: b[0], typ: engine.Type(b[1]), size: binary.BigEndian.Uint32(b[2:])}
	f.payload = b[engine.HeaderLen:min(len(b), max(need, engine.HeaderLen+int(min(f.size, 4+shown))))]
	s.lost = f.version != engine.Version || f.size > engine.MaxPayload
	s.skip = f.size - uint32(need-engine.HeaderLen)
	return f
}

// prefix is how many octets of payload are needed before a frame can be
// judged, by its header. A receiver may act on Data that is not yet complete,
// so no more than the ID is waited for.
func prefix(head []byte) int {
	size := binary.BigEndian.Uint32(head[2:])
	if head[0] != engine.Version || size > engine.MaxPayload {
		return 0
	}
	switch engine.Type(head[1]) {
	case engine.TypeConnectRequest:
		return int(min(size, prefixMax-engine.HeaderLen))
	case engine.TypeConnectResponse, engine.TypeClose:
		return int(min(size, 5))
	case engine.TypeData:
		return int(min(size, 4))
	}
	return 0
}

// core reports whether the frame is of one of the types of section 6.
func (f *frame) core() bool {
	return f.typ >= engine.TypeConnectRequest && f.typ <= engine.TypeKeepAlive
}

// hasID reports whether frames of this type begin with a connection ID.
func (f *frame) hasID() bool {
	return f.typ >= engine.TypeConnectRequest && f.typ <= engine.TypeClose
}

// sized reports whether section 6 allows the payload's size.
func (f *frame) sized() bool {
	switch f.typ {
	case engine.TypeConnectRequest:
		return f.size == 6 || f.size >= 7 && f.size == 7+uint32(f.payload[6])
	case engine.TypeConnectResponse:
		return f.size == 5
	case engine.TypeData:
		return f.size >= 4
	case engine.TypeClose:
		return f.size == 4
	case engine.TypeKeepAlive:
		return f.size == 0
	}
	return true
}

// id, status, port and host are those of a frame whose size is right.
func (f *frame) id() uint32      { return binary.BigEndian.Uint32(f.payload) }
func (f *frame) success() bool   { return f.payload[4] == engine.Success }
func (f *frame) port() uint16    { return binary.BigEndian.Uint16(f.payload[4:]) }
func (f *frame) addressed() bool { return f.size > 6 }
func (f *frame) host() string    { return string(f.payload[7:f.size]) }

// octets is the beginning of the frame in hex, header and payload apart.
func (f *frame) octets() string {
	head := binary.BigEndian.AppendUint32([]byte{f.version, byte(f.typ)}, f.size)
	p := f.payload[:min(len(f.payload), 4+shown)]
	s := fmt.Sprintf("% x", head)
	if len(p) > 0 {
		s += fmt.Sprintf(" | % x", p)
	}
	if f.version == engine.Version && uint32(len(p)) < f.size {
		s += "…"
	}
	return s
}

// String describes the frame as the engine does.
func (f *frame) String() string {
	switch {
	case f.version != engine.Version:
		return fmt.Sprintf("version 0x%02X", f.version)
	case f.size > engine.MaxPayload:
		return fmt.Sprintf("%s with a length of %d octets", f.typ, f.size)
	case !f.sized():
		return fmt.Sprintf("%s malformed, %d octets", f.typ, f.size)
	case f.typ == engine.TypeData:
		s := fmt.Sprintf("Data id=%d %d octets % x", f.id(), f.size-4, f.payload[4:min(len(f.payload), 4+shown)])
		if f.size > uint32(len(f.payload)) {
			s += "…"
		}
		return strings.TrimRight(s, " ")
	case f.core():
		return engine.Frame{Type: f.typ, Payload: f.payload[:f.size]}.String()
	}
	return fmt.Sprintf("%s %d octets", f.typ, f.size)
}
