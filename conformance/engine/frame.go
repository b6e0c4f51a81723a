package engine

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Type is a frame type.
type Type byte

// Core frame types; the payload layout stands beside each.
const (
	TypeConnectRequest  Type = 0x01 // ID u32, port u16 | ID u32, port u16, n u8, host n octets
	TypeConnectResponse Type = 0x02 // ID u32, status u8
	TypeData            Type = 0x03 // ID u32, octets
	TypeClose           Type = 0x04 // ID u32
	TypeKeepAlive       Type = 0x05 // nothing
)

// Core constants.
const (
	Version    = 0x01    // the only protocol version
	HeaderLen  = 6       // version u8, type u8, length u32
	MaxPayload = 1 << 20 // octets of payload that any receiver accepts
)

// Statuses of a ConnectResponse. Everything but Success is a failure.
const (
	Success       byte = 0x00
	StatusGeneral byte = 0x01
	StatusRefused byte = 0x02
	StatusDenied  byte = 0x06
)

// A Frame is one frame as the suite sends it or has received it.
type Frame struct {
	Type    Type
	Payload []byte
}

// Request is a ConnectRequest in the short form.
func Request(id uint32, port uint16) Frame {
	return Frame{TypeConnectRequest, binary.BigEndian.AppendUint16(u32(id), port)}
}

// RequestTo is a ConnectRequest in the addressed form; host is at most 255 octets.
func RequestTo(id uint32, host string, port uint16) Frame {
	p := binary.BigEndian.AppendUint16(u32(id), port)
	return Frame{TypeConnectRequest, append(append(p, byte(len(host))), host...)}
}

// Response is a ConnectResponse.
func Response(id uint32, status byte) Frame {
	return Frame{TypeConnectResponse, append(u32(id), status)}
}

// Data is a Data frame.
func Data(id uint32, octets []byte) Frame { return Frame{TypeData, append(u32(id), octets...)} }

// Close is a Close frame.
func Close(id uint32) Frame { return Frame{TypeClose, u32(id)} }

// KeepAlive is a KeepAlive frame.
func KeepAlive() Frame { return Frame{TypeKeepAlive, nil} }

// Raw is a frame of any type with any payload, well formed or not.
func Raw(t Type, payload ...byte) Frame { return Frame{t, payload} }

func u32(v uint32) []byte { return binary.BigEndian.AppendUint32(nil, v) }

// Header is the six octets of a header, right or wrong.
func Header(version byte, t Type, length uint32) []byte {
	return binary.BigEndian.AppendUint32([]byte{version, byte(t)}, length)
}

// Bytes is the frame on the wire.
func (f Frame) Bytes() []byte {
	return append(Header(Version, f.Type, uint32(len(f.Payload))), f.Payload...)
}

// hasID reports whether frames of this type begin with a connection ID.
func (t Type) hasID() bool { return t >= TypeConnectRequest && t <= TypeClose }

// extension reports whether t is in the range that Core cases ignore.
func (t Type) extension() bool { return t >= 0x10 && t <= 0x3F }

// known reports whether t is a Core type.
func (t Type) known() bool { return t >= TypeConnectRequest && t <= TypeKeepAlive }

func (t Type) String() string {
	switch t {
	case TypeConnectRequest:
		return "ConnectRequest"
	case TypeConnectResponse:
		return "ConnectResponse"
	case TypeData:
		return "Data"
	case TypeClose:
		return "Close"
	case TypeKeepAlive:
		return "KeepAlive"
	}
	return fmt.Sprintf("type 0x%02X", byte(t))
}

// ID is the connection ID, 0 when the frame has none.
func (f Frame) ID() uint32 {
	if !f.Type.hasID() || len(f.Payload) < 4 {
		return 0
	}
	return binary.BigEndian.Uint32(f.Payload)
}

// Octets is what a Data frame carries.
func (f Frame) Octets() []byte { return f.tail(TypeData, 4) }

// Status is the status of a ConnectResponse.
func (f Frame) Status() byte {
	if p := f.tail(TypeConnectResponse, 4); len(p) > 0 {
		return p[0]
	}
	return 0
}

// Port is the port that a ConnectRequest names.
func (f Frame) Port() uint16 {
	if p := f.tail(TypeConnectRequest, 4); len(p) >= 2 {
		return binary.BigEndian.Uint16(p)
	}
	return 0
}

// Host is the host that a ConnectRequest names; ok is false for the short form.
func (f Frame) Host() (host string, ok bool) {
	p := f.tail(TypeConnectRequest, 7)
	if p == nil {
		return "", false
	}
	return string(p), true
}

// tail is the payload of a frame of type t after its first n octets.
func (f Frame) tail(t Type, n int) []byte {
	if f.Type != t || len(f.Payload) < n {
		return nil
	}
	return f.Payload[n:]
}

// Malformed says what is wrong with the payload for its type; nil for a
// sound frame and for every type that Core does not know.
func (f Frame) Malformed() error {
	n := len(f.Payload)
	wrong := func(want string) error {
		return fmt.Errorf("%s payload is %d octets, must be %s", f.Type, n, want)
	}
	switch f.Type {
	case TypeConnectRequest:
		if n != 6 && (n < 7 || n != 7+int(f.Payload[6])) {
			return wrong("6, or 7 and the host length it states")
		}
	case TypeConnectResponse:
		if n != 5 {
			return wrong("5")
		}
	case TypeData:
		if n < 4 {
			return wrong("4 or more")
		}
	case TypeClose:
		if n != 4 {
			return wrong("4")
		}
	case TypeKeepAlive:
		if n != 0 {
			return wrong("0")
		}
	}
	return nil
}

// String describes the frame in one line, long payloads clipped.
func (f Frame) String() string { return f.describe(len(f.Payload)) }

// describe is String for a frame whose payload had size octets before it was cut.
func (f Frame) describe(size int) string {
	var b strings.Builder
	b.WriteString(f.Type.String())
	if f.Malformed() != nil {
		fmt.Fprintf(&b, " malformed, %d octets %s", size, clip(f.Payload))
		return b.String()
	}
	if f.Type.hasID() {
		fmt.Fprintf(&b, " id=%d", f.ID())
	}
	switch f.Type {
	case TypeConnectRequest:
		if host, ok := f.Host(); ok {
			fmt.Fprintf(&b, " host=%q", host)
		}
		fmt.Fprintf(&b, " port=%d", f.Port())
	case TypeConnectResponse:
		fmt.Fprintf(&b, " status=0x%02X", f.Status())
	case TypeData:
		fmt.Fprintf(&b, " %d octets %s", size-4, clip(f.Octets()))
	case TypeClose, TypeKeepAlive:
	default:
		fmt.Fprintf(&b, " %d octets %s", size, clip(f.Payload))
	}
	return strings.TrimRight(b.String(), " ")
}

// clipLen is how many octets of a payload are shown.
const clipLen = 24

// clip is b in hex, cut at clipLen octets.
func clip(b []byte) string {
	if len(b) > clipLen {
		return fmt.Sprintf("% x…", b[:clipLen])
	}
	return fmt.Sprintf("% x", b)
}

// Framing errors: after one of these the rest of a stream has no meaning.
var (
	errVersion = errors.New("the version octet is not 0x01")
	errLength  = errors.New("the length is above the limit of 1,048,576 octets")
)

// readFrame reads one frame. An end of stream at a frame boundary is io.EOF,
// one inside a frame is io.ErrUnexpectedEOF. The header read so far is
// returned with an error, for the record.
func readFrame(r io.Reader) (Frame, []byte, error) {
	head := make([]byte, HeaderLen)
	if n, err := io.ReadFull(r, head); err != nil {
		return Frame{}, head[:n], err
	}
	if head[0] != Version {
		return Frame{}, head, errVersion
	}
	length := binary.BigEndian.Uint32(head[2:])
	if length > MaxPayload {
		return Frame{}, head, errLength
	}
	f := Frame{Type: Type(head[1]), Payload: make([]byte, length)}
	if n, err := io.ReadFull(r, f.Payload); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return Frame{}, append(head, f.Payload[:n]...), err
	}
	return f, nil, nil
}
