package fuzz

import (
	"encoding/binary"
	"math/rand/v2"

	"github.com/adit-tunnel/adit/conformance/wire"
	"github.com/adit-tunnel/adit/spec"
)

// A frame is what is sent as one: of the text, or wrong in a way of its own.
type frame struct {
	version, typ byte
	id           []byte // nil for none
	body         []byte // after the ID
	more         int    // by how much the length says more than there is
	whole        []byte // instead of all that: octets as they are
}

// bytes is the frame as octets.
func (f frame) bytes() []byte {
	if f.whole != nil {
		return f.whole
	}
	size := len(f.id) + len(f.body)
	return append(append(wire.Header(f.version, wire.Type(f.typ), uint32(size+f.more)), f.id...), f.body...)
}

// number is four octets.
func number(v uint32) []byte { return binary.BigEndian.AppendUint32(nil, v) }

// Values at borders.
var (
	borderIDs     = []uint32{0, 1, 2, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF}
	borderTypes   = []byte{0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x0F, 0x10, 0x13, 0x3F, 0x40, 0x7F, 0x80, 0xFF}
	borderLengths = []int{-6, -5, -4, -1, 1, 4, 255, 1 << 16, wire.MaxPayload, wire.MaxPayload + 1, 1<<31 - 64}
	borderSizes   = []int{0, 1, 2, 3, 4, 5, 6, 255, 256, 1000, 4096, 65531, 65536}
)

func pick[T any](rng *rand.Rand, from []T) T { return from[rng.IntN(len(from))] }

// octets is a body of n octets.
func octets(rng *rand.Rand, n int) []byte {
	b := make([]byte, n)
	spec.Fill(b, rng.Uint64()|1)
	return b
}

// spoil makes one thing about a frame wrong.
func (f frame) spoil(rng *rand.Rand) frame {
	switch rng.IntN(7) {
	case 0:
		f.version = pick(rng, []byte{0x00, 0x02, 0x16, 0x47, 0xFF})
	case 1:
		f.typ = pick(rng, borderTypes)
	case 2:
		f.more = pick(rng, borderLengths)
	case 3:
		f.id = number(pick(rng, borderIDs))
	case 4:
		f.body = octets(rng, pick(rng, borderSizes))
	case 5:
		f.id, f.body = nil, octets(rng, rng.IntN(12))
	case 6: // cut off
		all := f.bytes()
		f.whole = all[:1+rng.IntN(len(all))]
	}
	return f
}
