package engine

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// Notation is how a script writes octets, in groups with a space between them:
//
//	010500000000          hex
//	61*1000               an octet, so many times
//	fill:9e3779b9…*65536  so many octets of a sequence: see Fill
//	{c1}                  the four octets of a connection ID that the script names
//	{port}                the two octets of the service's port
type Notation string

// shortest is the least run that is written as a group of its own.
const shortest = 16

// Fill fills b with the sequence of seed: words of eight octets, the most
// significant first, of which the first is the seed and each further one is
// w ^= w<<13; w ^= w>>7; w ^= w<<17 of the one before. Every word names what
// follows, so any part of the sequence can be told by looking at it.
func Fill(b []byte, seed uint64) {
	var w [8]byte
	for len(b) > 0 {
		binary.BigEndian.PutUint64(w[:], seed)
		b = b[copy(b, w[:]):]
		seed = nextWord(seed)
	}
}

func nextWord(w uint64) uint64 {
	w ^= w << 13
	w ^= w >> 7
	return w ^ w<<17
}

// Notate writes b as hex, with repeated octets and sequences in short.
func Notate(b []byte) Notation {
	var groups []string
	literal := 0 // where octets begin that are in no group yet
	group := func(i int, format string, args ...any) {
		if i > literal {
			groups = append(groups, hex.EncodeToString(b[literal:i]))
		}
		if format != "" {
			groups = append(groups, fmt.Sprintf(format, args...))
		}
	}
	for i := 0; i+shortest <= len(b); {
		switch n, same := filled(b[i:]), repeated(b[i:]); {
		case same >= shortest:
			group(i, "%02x*%d", b[i], same)
			i += same
			literal = i
		case n >= shortest:
			group(i, "fill:%016x*%d", binary.BigEndian.Uint64(b[i:]), n)
			i += n
			literal = i
		default:
			i++
		}
	}
	group(len(b), "")
	return Notation(strings.Join(groups, " "))
}

// repeated is how many octets at the beginning of b are the same.
func repeated(b []byte) int {
	n := 1
	for n < len(b) && b[n] == b[0] {
		n++
	}
	return n
}

// filled is how many octets at the beginning of b are of one sequence.
func filled(b []byte) int {
	w, n := binary.BigEndian.Uint64(b), 8
	for n+8 <= len(b) {
		if w = nextWord(w); binary.BigEndian.Uint64(b[n:]) != w {
			break
		}
		n += 8
	}
	if n == 8 {
		return 0
	}
	var rest [8]byte
	binary.BigEndian.PutUint64(rest[:], nextWord(binary.BigEndian.Uint64(b[n-8:])))
	for k := 0; k < 8 && n < len(b) && b[n] == rest[k]; k++ {
		n++
	}
	return n
}

// maxOctets bounds what a notation may stand for.
const maxOctets = 256 << 20

// Bytes are the octets; id finds the connection ID of a name, and port is the service's.
func (o Notation) Bytes(id func(name string) (uint32, bool), port uint16) ([]byte, error) {
	var b []byte
	for g := range strings.FieldsSeq(string(o)) {
		switch {
		case g == "{port}":
			b = binary.BigEndian.AppendUint16(b, port)
		case strings.HasPrefix(g, "{") && strings.HasSuffix(g, "}"):
			v, ok := id(g[1 : len(g)-1])
			if !ok {
				return nil, fmt.Errorf("%s: no step before names this ID", g)
			}
			b = binary.BigEndian.AppendUint32(b, v)
		default:
			var err error
			if b, err = appendGroup(b, g); err != nil {
				return nil, err
			}
		}
	}
	return b, nil
}

// appendGroup appends the octets of a group of hex digits, a repetition or a sequence.
func appendGroup(b []byte, g string) ([]byte, error) {
	what, times, many := strings.Cut(g, "*")
	n := 1
	if many {
		var err error
		if n, err = strconv.Atoi(times); err != nil || n < 1 || n > maxOctets-len(b) {
			return nil, fmt.Errorf("%.40q: %q is no count from 1 to %d", g, times, maxOctets)
		}
	}
	if seed, ok := strings.CutPrefix(what, "fill:"); ok {
		w, err := strconv.ParseUint(seed, 16, 64)
		if err != nil || len(seed) != 16 || !many {
			return nil, fmt.Errorf("%.40q: must be fill:, 16 hex digits, * and a count", g)
		}
		at := len(b)
		b = append(b, make([]byte, n)...)
		Fill(b[at:], w)
		return b, nil
	}
	octets, err := hex.DecodeString(what)
	if err != nil || len(octets) == 0 || many && len(octets) != 1 {
		return nil, fmt.Errorf("%.40q: must be pairs of hex digits, a pair with * and a count, fill:… or a name in braces", g)
	}
	if !many {
		return append(b, octets...), nil
	}
	at := len(b)
	b = append(b, make([]byte, n)...)
	for i := at; i < len(b); i++ {
		b[i] = octets[0]
	}
	return b, nil
}
