package spec

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// Octets is the notation of octets in vectors: groups of hex digits with a
// space between them; a group that ends in *n stands n times, and fill:SEED*n is
// n octets of a sequence (Fill). "01 05 00000000" has six octets, "61*1000" a thousand.
type Octets string

// Bytes returns the octets. It panics on a malformed notation, which the
// embedded vectors cannot have; Check comes first for any other.
func (o Octets) Bytes() []byte {
	b, err := o.parse()
	if err != nil {
		panic("spec: internal error: " + err.Error())
	}
	return b
}

// Check says what is wrong with the notation.
func (o Octets) Check() error {
	_, err := o.parse()
	return err
}

// maxOctets bounds what a notation may stand for.
const maxOctets = 256 << 20

func (o Octets) parse() ([]byte, error) {
	var b []byte
	for group := range strings.FieldsSeq(string(o)) {
		what, count, repeated := strings.Cut(group, "*")
		n := 1
		if repeated {
			var err error
			if n, err = strconv.Atoi(count); err != nil || n < 1 {
				return nil, fmt.Errorf("octets %.20q: %q is no count from 1 to %d", string(o), count, maxOctets)
			}
		}
		seed, fills := strings.CutPrefix(what, "fill:")
		one, err := hex.DecodeString(seed)
		switch {
		case err != nil:
			return nil, fmt.Errorf("octets %.20q: group %.20q: %w", string(o), group, err)
		case fills && (len(one) != 8 || !repeated):
			return nil, fmt.Errorf("octets %.20q: group %.30q must be fill:, 16 hex digits, * and a count", string(o), group)
		case n > maxOctets/max(len(one), 1) || len(b) > maxOctets-n*len(one):
			return nil, fmt.Errorf("octets %.20q: more than %d", string(o), maxOctets)
		case fills:
			at := len(b)
			b = append(b, make([]byte, n)...)
			Fill(b[at:], binary.BigEndian.Uint64(one))
		default:
			b = append(b, bytes.Repeat(one, n)...)
		}
	}
	return b, nil
}

// Fill fills b with the sequence of seed: words of eight octets, the most
// significant first, of which the first is the seed and each further one is
// NextWord of the one before. Every word names what follows, so any part of
// the sequence can be told by looking at it.
func Fill(b []byte, seed uint64) {
	var w [8]byte
	for len(b) > 0 {
		binary.BigEndian.PutUint64(w[:], seed)
		b = b[copy(b, w[:]):]
		seed = NextWord(seed)
	}
}

// NextWord is the word that follows w in a sequence of Fill.
func NextWord(w uint64) uint64 {
	w ^= w << 13
	w ^= w >> 7
	return w ^ w<<17
}
