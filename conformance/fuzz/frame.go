package fuzz

import (
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"strings"

	"github.com/adit-tunnel/adit/conformance/engine"
)

// A frame is what is sent as one: of the text, or wrong in a way of its own.
type frame struct {
	version, typ byte
	id           engine.Notation // "" for none; a name in braces, or four octets
	body         engine.Notation // after the ID
	more         int             // by how much the length says more than there is
	whole        engine.Notation // instead of all that: octets as they are
}

// notation is the frame as octets.
func (f frame) notation() engine.Notation {
	if f.whole != "" {
		return f.whole
	}
	payload := strings.TrimSpace(string(f.id + " " + f.body))
	b, err := engine.Notation(payload).Bytes(func(string) (uint32, bool) { return 0, true }, 0)
	if err != nil {
		panic("fuzz: internal error: " + err.Error())
	}
	head := engine.Header(f.version, engine.Type(f.typ), uint32(len(b)+f.more))
	return engine.Notation(strings.TrimSpace(hex.EncodeToString(head) + " " + payload))
}

// number is four octets.
func number(v uint32) engine.Notation {
	return engine.Notation(hex.EncodeToString(binary.BigEndian.AppendUint32(nil, v)))
}

// Values at borders.
var (
	borderIDs     = []uint32{0, 1, 2, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF}
	borderTypes   = []byte{0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x0F, 0x10, 0x13, 0x3F, 0x40, 0x7F, 0x80, 0xFF}
	borderLengths = []int{-6, -5, -4, -1, 1, 4, 255, 1 << 16, engine.MaxPayload, engine.MaxPayload + 1, 1<<31 - 64}
	borderSizes   = []int{0, 1, 2, 3, 4, 5, 6, 255, 256, 1000, 4096, 65531, 65536}
)

func pick[T any](rng *rand.Rand, from []T) T { return from[rng.IntN(len(from))] }

// octets is a body of n octets.
func octets(rng *rand.Rand, n int) engine.Notation {
	b := make([]byte, n)
	engine.Fill(b, rng.Uint64()|1)
	return engine.Notate(b)
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
		f.id, f.body = "", octets(rng, rng.IntN(12))
	case 6: // cut off
		all := strings.Fields(string(f.notation()))
		f.whole = engine.Notation(strings.Join(all[:1+rng.IntN(len(all))], " "))
	}
	return f
}
