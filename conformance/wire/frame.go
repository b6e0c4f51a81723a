package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/adit-tunnel/adit/spec"
)

// A Frame is one frame, right or wrong, or the beginning of one.
type Frame struct {
	Version byte
	Type    Type
	Size    uint32 // of the payload, as the header announces it
	Payload []byte // all of it, or as much as is at hand
}

// Request is a ConnectRequest in the short form.
func Request(id uint32, port uint16) Frame {
	return Raw(TypeConnectRequest, binary.BigEndian.AppendUint16(u32(id), port)...)
}

// RequestTo is a ConnectRequest in the addressed form; host is at most 255 octets.
func RequestTo(id uint32, host string, port uint16) Frame {
	p := binary.BigEndian.AppendUint16(u32(id), port)
	return Raw(TypeConnectRequest, append(append(p, byte(len(host))), host...)...)
}

// Response is a ConnectResponse.
func Response(id uint32, status byte) Frame {
	return Raw(TypeConnectResponse, append(u32(id), status)...)
}

// Data is a Data frame.
func Data(id uint32, octets []byte) Frame { return Raw(TypeData, append(u32(id), octets...)...) }

// Close is a Close frame.
func Close(id uint32) Frame { return Raw(TypeClose, u32(id)...) }

// KeepAlive is a KeepAlive frame.
func KeepAlive() Frame { return Raw(TypeKeepAlive) }

// Raw is a frame of any type with any payload, well formed or not.
func Raw(t Type, payload ...byte) Frame {
	return Frame{Version: Version, Type: t, Size: uint32(len(payload)), Payload: payload}
}

func u32(v uint32) []byte { return binary.BigEndian.AppendUint32(nil, v) }

// Header is the six octets of a header, right or wrong.
func Header(version byte, t Type, size uint32) []byte {
	return binary.BigEndian.AppendUint32([]byte{version, byte(t)}, size)
}

// parseHeader is the frame of a header, its payload still to come.
func parseHeader(b []byte) Frame {
	return Frame{Version: b[0], Type: Type(b[1]), Size: binary.BigEndian.Uint32(b[2:])}
}

// Bytes is the frame on the wire: its header and the payload that is at hand.
func (f Frame) Bytes() []byte { return append(Header(f.Version, f.Type, f.Size), f.Payload...) }

// Framing errors: after one of these the rest of a stream has no meaning.
var (
	ErrVersion = errors.New("the version octet is not 0x01")
	ErrLength  = errors.New("the length is above the limit of 1,048,576 octets")
)

// Framing is what is wrong with the header, in the order of section 15: ErrVersion, ErrLength, or nil.
func (f Frame) Framing() error {
	switch {
	case f.Version != Version:
		return ErrVersion
	case f.Size > MaxPayload:
		return ErrLength
	}
	return nil
}

// Sized reports whether section 6 allows the payload's size for the type. It allows every size for a type that it does not have.
func (f Frame) Sized() bool {
	_, ok := f.form()
	return ok
}

// Sound reports whether nothing is wrong with the frame by itself.
func (f Frame) Sound() bool { return f.Framing() == nil && f.Sized() }

// Malformed says what is wrong with the payload for its type; nil for a
// sound frame and for every type that section 6 does not have.
func (f Frame) Malformed() error {
	if f.Sized() {
		return nil
	}
	var sizes []string
	for _, m := range f.Type.shape().Forms {
		last := len(m.Fields) - 1
		switch {
		case last >= 0 && m.Fields[last].Count != "":
			sizes = append(sizes, fmt.Sprintf("%d and the length that it states", m.Min))
		case m.Min == m.Max:
			sizes = append(sizes, fmt.Sprint(m.Min))
		case m.Max == MaxPayload:
			sizes = append(sizes, fmt.Sprintf("%d or more", m.Min))
		default:
			sizes = append(sizes, fmt.Sprintf("%d to %d", m.Min, m.Max))
		}
	}
	return fmt.Errorf("%s payload is %d octets, must be %s", f.Type, f.Size, strings.Join(sizes, ", or "))
}

// form is the form that a payload of this size has; nil for a type that section 6 does not have.
func (f Frame) form() (form *spec.Form, ok bool) {
	s := f.Type.shape()
	if s == nil {
		return nil, true
	}
	for i := range s.Forms {
		if m := &s.Forms[i]; f.has(m) {
			return m, true
		}
	}
	return nil, false
}

// has reports whether the payload can have the form.
func (f Frame) has(m *spec.Form) bool {
	size := int64(f.Size)
	if size < int64(m.Min) || size > int64(m.Max) {
		return false
	}
	end := 0
	for i := range m.Fields {
		switch field := &m.Fields[i]; {
		case open(*field):
			return true
		case field.Count != "":
			n, ok := f.count(m, field.Count)
			if !ok {
				return false
			}
			end += n
		default:
			end += field.Size
		}
	}
	return size == int64(end)
}

// count is the number that says how long a later field is.
func (f Frame) count(m *spec.Form, name string) (int, bool) {
	b, ok := f.field(m, name)
	if !ok {
		return 0, false
	}
	return int(number(b)), true
}

// field is a field of a form, as much of it as is at hand; ok is false for one that is not there.
func (f Frame) field(m *spec.Form, name string) (octets []byte, ok bool) {
	at := 0
	for i := range m.Fields {
		field := &m.Fields[i]
		n := field.Size
		switch {
		case open(*field):
			n = len(f.Payload) - at
		case field.Count != "":
			n, _ = f.count(m, field.Count)
		}
		if n < 0 || at+n > len(f.Payload) {
			return nil, false
		}
		if field.Name == name {
			return f.Payload[at : at+n], true
		}
		at += n
	}
	return nil, false
}

// Field is the field of a name that the payload has by section 6; ok is false for none. Octets at the end are those at hand.
func (f Frame) Field(name string) (octets []byte, ok bool) {
	m, ok := f.form()
	if m == nil || !ok {
		return nil, false
	}
	return f.field(m, name)
}

// Number is a field that is a number, 0 when the frame has none of that name.
func (f Frame) Number(name string) uint64 {
	b, _ := f.Field(name)
	return number(b)
}

// number is octets as a number, most significant octet first.
func number(b []byte) (v uint64) {
	for _, o := range b {
		v = v<<8 | uint64(o)
	}
	return v
}

// ID is the connection ID, 0 when the frame has none.
func (f Frame) ID() uint32 {
	if !f.Type.HasID() || len(f.Payload) < 4 {
		return 0
	}
	return binary.BigEndian.Uint32(f.Payload)
}

// Octets is what a Data frame carries, as much of it as is at hand.
func (f Frame) Octets() []byte {
	b, _ := f.Field("octets")
	return b
}

// Status is the status of a ConnectResponse.
func (f Frame) Status() byte { return byte(f.Number("status")) }

// Port is the port that a ConnectRequest names.
func (f Frame) Port() uint16 { return uint16(f.Number("port")) }

// Host is the host that a ConnectRequest names; ok is false for the short form.
func (f Frame) Host() (host string, ok bool) {
	b, ok := f.Field("host")
	return string(b), ok
}
