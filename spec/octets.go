package spec

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// Octets is the notation of octets in vectors: groups of hex digits with a
// space between them; a group that ends in *n stands n times.
// "01 05 00000000" has six octets, "61*1000" a thousand.
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

func (o Octets) parse() ([]byte, error) {
	var b []byte
	for group := range strings.FieldsSeq(string(o)) {
		digits, count, repeated := strings.Cut(group, "*")
		n := 1
		if repeated {
			var err error
			if n, err = strconv.Atoi(count); err != nil || n < 1 || n > 1<<21 {
				return nil, fmt.Errorf("octets %.20q: %q is no count from 1 to 2097152", string(o), count)
			}
		}
		one, err := hex.DecodeString(digits)
		if err != nil {
			return nil, fmt.Errorf("octets %.20q: group %.20q: %w", string(o), group, err)
		}
		b = append(b, bytes.Repeat(one, n)...)
	}
	return b, nil
}
