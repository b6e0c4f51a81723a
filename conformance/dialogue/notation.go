package dialogue

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/adit-tunnel/adit/spec"
)

// shortest is the least run that is written as a group of its own.
const shortest = 16

// Notate writes octets as hex, with repeated octets and sequences (spec.Fill) in short.
func Notate(b []byte) spec.Octets {
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
	return spec.Octets(strings.Join(groups, " "))
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
		if w = spec.NextWord(w); binary.BigEndian.Uint64(b[n:]) != w {
			break
		}
		n += 8
	}
	if n == 8 {
		return 0
	}
	var rest [8]byte
	binary.BigEndian.PutUint64(rest[:], spec.NextWord(binary.BigEndian.Uint64(b[n-8:])))
	for k := 0; k < 8 && n < len(b) && b[n] == rest[k]; k++ {
		n++
	}
	return n
}
