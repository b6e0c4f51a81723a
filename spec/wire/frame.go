package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Constants of the format (section 4).
const (
	Version    = 0x01    // the version byte
	HeaderLen  = 6       // version u8, type u8, length u32
	IDLen      = 4       // connection ID u32, first in every payload but KeepAlive's
	MaxPayload = 1 << 20 // bytes; section 17, max-payload
)

// Type is a frame's type byte (section 5).
type Type uint8

// Core types, each with its payload.
const (
	TypeConnectRequest  Type = 0x01 // ID u32, port u16 [, n u8, host n bytes]   6 or 7+n bytes
	TypeConnectResponse Type = 0x02 // ID u32, status u8                          5 bytes
	TypeData            Type = 0x03 // ID u32, data                              4 or more bytes
	TypeClose           Type = 0x04 // ID u32                                     4 bytes
	TypeKeepAlive       Type = 0x05 // nothing                                    0 bytes
)

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
	if name, ok := extNames[t]; ok {
		return name
	}
	if name, ok := optionNames[t]; ok {
		return name
	}
	return fmt.Sprintf("type 0x%02X", uint8(t))
}

// Known reports whether t is a Core type.
func (t Type) Known() bool { return t >= TypeConnectRequest && t <= TypeKeepAlive }

// ErrShort says that the bytes at hand end before the header does.
var ErrShort = errors.New("wire: header incomplete")

// Header is a frame's header.
type Header struct {
	Type   Type
	Length uint32 // bytes of payload, at most MaxPayload
}

// ParseHeader reads the header at the front of b. It returns ErrShort while b
// holds less than HeaderLen bytes, and a *Violation for a foreign version or
// a length above the limit, in this order (section 15, precedence).
func ParseHeader(b []byte) (Header, error) {
	if len(b) < HeaderLen {
		return Header{}, ErrShort
	}
	// FRAME-002: nothing after a foreign version is acted on.
	if b[0] != Version {
		return Header{}, tunnelError("FRAME-002", "version byte is 0x%02X, not 0x01", b[0])
	}
	h := Header{Type: Type(b[1]), Length: binary.BigEndian.Uint32(b[2:])}
	// FRAME-004: whatever the type, without waiting for the payload.
	if h.Length > MaxPayload {
		return Header{}, tunnelError("FRAME-004", "%v announces %d bytes, the limit is %d", h.Type, h.Length, MaxPayload)
	}
	return h, nil
}

// CheckLength reports as a *Violation a length that the type does not allow,
// as far as the header alone shows it. A length that it accepts is
// final for every type but ConnectRequest. Unknown types have any length.
func (h Header) CheckLength() error { return checkSize(h.Type, int(h.Length)) }

// checkSize says of every type how many bytes of payload it may have.
func checkSize(t Type, n int) error {
	ok := true
	switch t {
	case TypeConnectRequest:
		ok = n >= 6 && n <= 7+255
	case TypeConnectResponse:
		ok = n == 5
	case TypeData:
		ok = n >= IDLen
	case TypeClose:
		ok = n == IDLen
	case TypeKeepAlive:
		ok = n == 0
	}
	if !ok {
		return badSize(t, n)
	}
	return nil
}

// FRAME-008: the peer's idea of the format differs.
func badSize(t Type, n int) error {
	return tunnelError("FRAME-008", "%v with a payload of %d bytes", t, n)
}

// AppendHeader appends a header; length is at most MaxPayload.
func AppendHeader(b []byte, t Type, length int) []byte {
	if length < 0 || length > MaxPayload {
		panic("wire: internal error: payload length out of range")
	}
	return binary.BigEndian.AppendUint32(append(b, Version, byte(t)), uint32(length))
}
