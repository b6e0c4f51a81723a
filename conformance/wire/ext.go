package wire

import (
	"encoding/binary"

	"github.com/adit-tunnel/adit/spec"
)

// Types of the base of the Extended profile; payloads stand in the table of its frames.
const (
	TypeHello  Type = 0x10
	TypeWindow Type = 0x11
	TypeFin    Type = 0x12
	TypeReset  Type = 0x13
	TypeOpen   Type = 0x14
	TypeGoAway Type = 0x16
	TypePing   Type = 0x17
	TypePong   Type = 0x18
	TypeOpened Type = 0x1D
)

// Grease reports whether a type never gets a meaning and may be sent, once the handshake is done.
func (t Type) Grease() bool { return t == 0x2A || t == 0x3A }

// Base reports whether the type is of the base of the Extended profile.
func (t Type) Base() bool { return t.Known() && t.Extension() }

// Core reports whether the type is Core's.
func (t Type) Core() bool { return t.Known() && !t.Extension() }

// MaxTLVs is how many octets of payload a HELLO, an OPEN and an OPENED have at most.
const MaxTLVs = 4096

// NoLimit is a WINDOW that sets none.
const NoLimit = 1<<64 - 1

// A Code says why a connection is reset, or a tunnel left.
type Code uint16

// Codes of RESET and GOAWAY, by the names of section 29.
var (
	CodeGeneral        = code("general")
	CodeRefused        = code("refused")
	CodeTimedOut       = code("timed-out")
	CodeUnreachable    = code("unreachable")
	CodeNotResolved    = code("not-resolved")
	CodeDenied         = code("denied")
	CodeTooMany        = code("too-many")
	CodeUnsupported    = code("unsupported")
	CodeUnknownService = code("unknown-service")
	CodeReset          = code("reset")
	CodeCancelled      = code("cancelled")
	CodeIdle           = code("idle")
	CodeOverBudget     = code("over-budget")
	CodeDrain          = code("drain")
	CodeDone           = code("done")
	CodeProtocol       = code("protocol")
	CodeFlowControl    = code("flow-control")
)

func code(name string) Code {
	c, ok := spec.CodeNamed(name)
	if !ok {
		panic("wire: internal error: no code " + name)
	}
	return Code(c.Code)
}

// Hello is a HELLO.
func Hello(tlvs ...TLV) Frame { return Raw(TypeHello, appendTLVs(nil, tlvs)...) }

// Open is an OPEN.
func Open(id uint32, tlvs ...TLV) Frame { return Raw(TypeOpen, appendTLVs(u32(id), tlvs)...) }

// Opened is an OPENED.
func Opened(id uint32, tlvs ...TLV) Frame { return Raw(TypeOpened, appendTLVs(u32(id), tlvs)...) }

// Window is a WINDOW.
func Window(id uint32, limit uint64) Frame {
	return Raw(TypeWindow, binary.BigEndian.AppendUint64(u32(id), limit)...)
}

// Fin is a FIN.
func Fin(id uint32) Frame { return Raw(TypeFin, u32(id)...) }

// Reset is a RESET.
func Reset(id uint32, code Code, text string) Frame {
	return Raw(TypeReset, append(binary.BigEndian.AppendUint16(u32(id), uint16(code)), text...)...)
}

// GoAway is a GOAWAY.
func GoAway(code Code, text string) Frame {
	return Raw(TypeGoAway, append(binary.BigEndian.AppendUint16(nil, uint16(code)), text...)...)
}

// A Mark is what a PING carries and its PONG brings back.
type Mark [8]byte

// Ping is a PING.
func Ping(m Mark) Frame { return Raw(TypePing, m[:]...) }

// Pong is a PONG.
func Pong(m Mark) Frame { return Raw(TypePong, m[:]...) }

// Code is the code of a RESET or a GOAWAY.
func (f Frame) Code() Code { return Code(f.Number("code")) }

// Limit is the limit of a WINDOW.
func (f Frame) Limit() uint64 { return f.Number("limit") }

// Mark is what a PING or a PONG carries.
func (f Frame) Mark() (m Mark) {
	b, _ := f.Field("mark")
	copy(m[:], b)
	return m
}
