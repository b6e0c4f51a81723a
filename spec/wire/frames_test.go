package wire_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"github.com/adit-tunnel/adit/spec"
	"github.com/adit-tunnel/adit/spec/wire"
)

// The codec has the types of the tables of frames, and no others.
func TestTypesAreThoseOfTheTable(t *testing.T) {
	for code := range 256 {
		typ := wire.Type(code)
		f, ok := spec.FrameOf(uint8(code))
		for _, o := range slices.AppendSeq(slices.Collect(spec.AuthFrames()), spec.BindFrames()) {
			if o.Type == uint8(code) {
				f, ok = o, true
			}
		}
		if typ.Known() != (f.Profile == "core") || typ.Extended() != (f.Profile == "ext") || ok && typ.String() != f.Name {
			t.Errorf("type 0x%02X: %v, of Core %v, extended %v; the tables of frames have %q, %q", code, typ, typ.Known(), typ.Extended(), f.Name, f.Profile)
		}
	}
}

// payloadOf is a payload of n bytes in a form, counts as they have to be, and everything else 0xA5; nil: the form has none of n bytes.
func payloadOf(m spec.Form, n int) []byte {
	if n < m.Min || n > m.Max {
		return nil
	}
	p := bytes.Repeat([]byte{0xA5}, n)
	at := map[string][]byte{}
	for b := p; len(m.Fields) > 0; m.Fields = m.Fields[1:] {
		field := m.Fields[0]
		size := field.Size
		if size == 0 {
			size = len(b)
		}
		at[field.Name], b = b[:size], b[size:]
		if field.Count == "" {
			continue
		}
		switch c := at[field.Count]; len(c) {
		case 1:
			c[0] = byte(size)
		case 2:
			binary.BigEndian.PutUint16(c, uint16(size))
		}
	}
	return p
}

// framed is the frame of a payload, without the limit of AppendHeader.
func framed(typ uint8, payload []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{wire.Version, typ}, uint32(len(payload))), payload...)
}

func TestSizesAreThoseOfTheTable(t *testing.T) {
	n := 0
	for f := range spec.Frames() {
		for _, m := range f.Forms {
			n++
			name := f.Name + " " + m.Name
			for _, size := range []int{m.Min, m.Max} {
				b := framed(f.Type, payloadOf(m, size))
				again, rest, err := decode(b)
				if err != nil || len(rest) > 0 || !bytes.Equal(again, b) {
					t.Errorf("%s of %d bytes: %v, %d bytes left, the same again %v; want one frame that encodes to itself", name, size, err, len(rest), bytes.Equal(again, b))
				}
			}
		}
		// Every size near a bound, in the form that has it, or else as zeros and as what a form would be that is cut or has a byte too many.
		for _, size := range bounds(f) {
			for _, p := range candidates(f, size) {
				want := fits(f, p)
				_, _, err := decode(framed(f.Type, p))
				requirement := "FRAME-008"
				if size > wire.MaxPayload {
					requirement = "FRAME-004"
				}
				v, ok := errors.AsType[*wire.Violation](err)
				if want && err != nil || !want && (!ok || v.Req != requirement) {
					t.Errorf("%s with %d bytes, %.8x: %v; the table allows it: %v, want %s", f.Name, size, p, err, want, requirement)
				}
				// KeepAlive has nothing to parse, and what is above the limit is not parsed.
				if m := f.Forms[0]; len(m.Fields) > 0 && size <= wire.MaxPayload {
					if _, err := encodeAgain(wire.Type(f.Type), p); (err == nil) != want {
						t.Errorf("%s parses %d bytes, %.8x: %v; the table allows it: %v", f.Name, size, p, err, want)
					}
				}
				h := wire.Header{Type: wire.Type(f.Type), Length: uint32(size)}
				possible := slices.ContainsFunc(f.Forms, func(m spec.Form) bool { return size >= m.Min && size <= m.Max })
				if got := h.CheckLength() == nil; got != possible && size <= wire.MaxPayload {
					t.Errorf("%s: CheckLength accepts %d bytes: %v; the table allows it: %v", f.Name, size, got, possible)
				}
			}
		}
	}
	if n < 6 {
		t.Fatalf("%d forms; want all of Core", n)
	}
}

// bounds are the sizes at and one beside each bound of the forms, and all small ones.
func bounds(f spec.Frame) []int {
	var sizes []int
	for n := range 16 {
		sizes = append(sizes, n)
	}
	for _, m := range f.Forms {
		sizes = append(sizes, max(m.Min-1, 0), m.Min, m.Min+1, m.Max-1, m.Max, m.Max+1)
	}
	slices.Sort(sizes)
	return slices.DeleteFunc(slices.Compact(sizes), func(n int) bool { return n < 0 })
}

// candidates are payloads of n bytes: zeros, each form that has this size, and the forms of one byte more and fewer, cut or filled up.
func candidates(f spec.Frame, n int) [][]byte {
	all := [][]byte{make([]byte, n)}
	for _, m := range f.Forms {
		for _, size := range []int{n - 1, n, n + 1} {
			if p := payloadOf(m, size); p != nil {
				all = append(all, append(p, 0)[:n])
			}
		}
	}
	return all
}

// fits reports whether a payload is in one of the forms of the table.
func fits(f spec.Frame, p []byte) bool {
	return slices.ContainsFunc(f.Forms, func(m spec.Form) bool {
		if len(p) < m.Min || len(p) > m.Max {
			return false
		}
		counts, b := map[string]int{}, p
		for _, field := range m.Fields {
			size := field.Size
			if field.Count != "" {
				size = counts[field.Count]
			} else if size == 0 {
				size = len(b)
			}
			if size > len(b) {
				return false
			}
			if size <= 2 {
				counts[field.Name] = int(binary.BigEndian.Uint16(append(make([]byte, 2-size), b[:size]...)))
			}
			b = b[size:]
		}
		return len(b) == 0
	})
}
