package engine

import "encoding/binary"

// A Cut is how the suite hands the octets of a tunnel to the network. TCP may
// cut a stream anywhere, so it must make no difference (FRAME-006).
type Cut string

// Cuts. Sockets towards visitors and services are never cut.
const (
	AsWritten Cut = ""       // one write for each call of the case
	ByOctet   Cut = "octets" // one write for each octet, of a payload the first 256
	ByField   Cut = "fields" // one write for each field of header and payload
	Joined    Cut = "joined" // one write for all that the case sends before it looks, or within HeldMost
)

// Cuts lists every Cut, AsWritten first.
var Cuts = [...]Cut{AsWritten, ByOctet, ByField, Joined}

const (
	cutPayload = 256 // octets of a payload that ByOctet writes one by one: kernels hold little of such a stream
	cutFrames  = 64  // frames of a tunnel that are cut: a flood would take minutes
)

// pieces cuts octets that begin with a frame; frames counts those cut so far.
func (c Cut) pieces(b []byte, frames *int) []piece {
	if c != ByOctet && c != ByField || *frames >= cutFrames {
		return []piece{{b: b}}
	}
	var out []piece
	for len(b) > 0 && *frames < cutFrames {
		*frames++
		n := len(b) // what forms no frame is cut all the same
		if len(b) >= HeaderLen {
			if length := int64(binary.BigEndian.Uint32(b[2:])); length <= int64(len(b)-HeaderLen) {
				n = HeaderLen + int(length)
			}
		}
		out = append(out, c.frame(b[:n:n])...)
		b = b[n:]
	}
	if len(b) > 0 {
		out = append(out, piece{b: b})
	}
	return out
}

// frame cuts one frame, whole or not.
func (c Cut) frame(b []byte) []piece {
	var at []int // where a piece ends
	if c == ByOctet {
		for i := 1; i <= min(len(b), HeaderLen+cutPayload); i++ {
			at = append(at, i)
		}
	} else {
		at = []int{1, 2, HeaderLen, HeaderLen + 4}
		if len(b) > 1 && Type(b[1]) == TypeConnectRequest {
			at = append(at, HeaderLen+6, HeaderLen+7)
		}
	}
	var out []piece
	from := 0
	for _, to := range append(at, len(b)) {
		if to > from && to <= len(b) {
			out = append(out, piece{b: b[from:to:to]})
			from = to
		}
	}
	return out
}
