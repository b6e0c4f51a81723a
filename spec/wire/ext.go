package wire

import (
	"encoding/binary"
	"fmt"
)

// Types of the Extended profile (PROTOCOL.md section 24). On a tunnel without HELLO they are skipped like any unknown type.
const (
	TypeHello  Type = 0x10 // TLVs                       at most 4,096 bytes
	TypeWindow Type = 0x11 // ID u32, limit u64          12 bytes
	TypeFin    Type = 0x12 // ID u32                     4 bytes
	TypeReset  Type = 0x13 // ID u32, code u16, text     6 to 262 bytes
	TypeOpen   Type = 0x14 // ID u32, TLVs               4 to 4,096 bytes
	TypeGoAway Type = 0x16 // code u16, text             2 to 258 bytes
	TypePing   Type = 0x17 // 8 bytes
	TypePong   Type = 0x18 // 8 bytes
	TypeOpened Type = 0x1D // ID u32, TLVs               4 to 4,096 bytes
)

// Sizes of the Extended profile, in bytes; section 17.
const (
	MaxTLVs     = 4096 // the payload of HELLO, OPEN, OPENED, BIND and BOUND
	MaxText     = 256  // the text of RESET and GOAWAY
	MarkLen     = 8    // the payload of PING and PONG
	InstanceLen = 16

	DefaultWindow         = 256 << 10 // of a HELLO that states none
	DefaultMaxConnections = 16384
	NoLimit               = 1<<64 - 1 // of WINDOW
)

// extNames are the names of the base's types.
var extNames = map[Type]string{
	TypeHello: "HELLO", TypeWindow: "WINDOW", TypeFin: "FIN", TypeReset: "RESET", TypeOpen: "OPEN",
	TypeGoAway: "GOAWAY", TypePing: "PING", TypePong: "PONG", TypeOpened: "OPENED",
}

// optionNames are the names of the options' types.
var optionNames = map[Type]string{TypeAuth: "AUTH", TypeBind: "BIND", TypeBound: "BOUND", TypeUnbind: "UNBIND"}

// Extended reports whether t is a type of the Extended profile's base.
func (t Type) Extended() bool { _, ok := extNames[t]; return ok }

// Extension reports whether t is from the range of the Extended profile, which a tunnel without HELLO skips.
func (t Type) Extension() bool { return t >= 0x10 && t <= 0x3F }

// CheckExtLength is CheckLength for the types of the base and of the option bind, on a tunnel that may have them.
func (h Header) CheckExtLength() error { return checkExtSize(h.Type, int(h.Length)) }

func checkExtSize(t Type, n int) error {
	least, most := 0, MaxTLVs
	switch t {
	case TypeWindow:
		least, most = IDLen+8, IDLen+8
	case TypeFin:
		least, most = IDLen, IDLen
	case TypeReset:
		least, most = IDLen+2, IDLen+2+MaxText
	case TypeOpen, TypeOpened, TypeBind:
		least = IDLen
	case TypeBound:
		least = IDLen + 2
	case TypeUnbind:
		least, most = IDLen+2, IDLen+2
	case TypeGoAway:
		least, most = 2, 2+MaxText
	case TypePing, TypePong:
		least, most = MarkLen, MarkLen
	case TypeHello:
	default:
		return nil
	}
	switch {
	case t == TypeHello && n > most: // a stranger sends it
		return tunnelError("HELLO-012", "HELLO with a payload of %d bytes, the limit is %d", n, most)
	case n < least || n > most:
		return badSize(t, n)
	}
	return nil
}

// Code is the reason of a RESET, a GOAWAY or an UNBIND, or the answer of a BOUND.
type Code uint16

// Codes of the base. Codes above those that are listed count as CodeGeneral.
const (
	CodeOK             Code = 0x0000
	CodeGeneral        Code = 0x0001
	CodeRefused        Code = 0x0002
	CodeTimedOut       Code = 0x0003
	CodeUnreachable    Code = 0x0004
	CodeNotResolved    Code = 0x0005
	CodeDenied         Code = 0x0006
	CodeTooMany        Code = 0x0007
	CodeUnsupported    Code = 0x0008
	CodeUnknownService Code = 0x0009
	CodeInUse          Code = 0x000A
	CodeReset          Code = 0x0010
	CodeCancelled      Code = 0x0011
	CodeIdle           Code = 0x0012
	CodeOverBudget     Code = 0x0013
	CodeDrain          Code = 0x0020
	CodeDone           Code = 0x0021
	CodeProtocol       Code = 0x0022
	CodeFlowControl    Code = 0x0023
	CodeDead           Code = 0x0024
	CodeReplaced       Code = 0x0025
)

var codeNames = map[Code]string{
	CodeOK: "ok", CodeGeneral: "general", CodeRefused: "refused", CodeTimedOut: "timed-out", CodeUnreachable: "unreachable",
	CodeNotResolved: "not-resolved", CodeDenied: "denied", CodeTooMany: "too-many", CodeUnsupported: "unsupported",
	CodeUnknownService: "unknown-service", CodeInUse: "in-use", CodeReset: "reset", CodeCancelled: "cancelled", CodeIdle: "idle",
	CodeOverBudget: "over-budget", CodeDrain: "drain", CodeDone: "done", CodeProtocol: "protocol",
	CodeFlowControl: "flow-control", CodeDead: "dead", CodeReplaced: "replaced",
}

func (c Code) String() string {
	if name, ok := codeNames[c]; ok {
		return name
	}
	return fmt.Sprintf("code 0x%04X", uint16(c))
}

// AppendWindow appends a WINDOW.
func AppendWindow(b []byte, id uint32, limit uint64) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint32(AppendHeader(b, TypeWindow, IDLen+8), id), limit)
}

// ParseWindow parses the payload of a WINDOW.
func ParseWindow(p []byte) (id uint32, limit uint64, err error) {
	if err := checkExtSize(TypeWindow, len(p)); err != nil {
		return 0, 0, err
	}
	return binary.BigEndian.Uint32(p), binary.BigEndian.Uint64(p[IDLen:]), nil
}

// AppendFin appends a FIN.
func AppendFin(b []byte, id uint32) []byte {
	return binary.BigEndian.AppendUint32(AppendHeader(b, TypeFin, IDLen), id)
}

// ParseFin parses the payload of a FIN.
func ParseFin(p []byte) (id uint32, err error) {
	if err := checkExtSize(TypeFin, len(p)); err != nil {
		return 0, err
	}
	return binary.BigEndian.Uint32(p), nil
}

// AppendReset appends a RESET; text is cut to MaxText.
func AppendReset(b []byte, id uint32, code Code, text string) []byte {
	text = clip(text)
	b = binary.BigEndian.AppendUint32(AppendHeader(b, TypeReset, IDLen+2+len(text)), id)
	return append(binary.BigEndian.AppendUint16(b, uint16(code)), text...)
}

// ParseReset parses the payload of a RESET. The text is as the peer sent it: any bytes.
func ParseReset(p []byte) (id uint32, code Code, text string, err error) {
	if err := checkExtSize(TypeReset, len(p)); err != nil {
		return 0, 0, "", err
	}
	return binary.BigEndian.Uint32(p), Code(binary.BigEndian.Uint16(p[IDLen:])), string(p[IDLen+2:]), nil
}

// AppendGoAway appends a GOAWAY; text is cut to MaxText.
func AppendGoAway(b []byte, code Code, text string) []byte {
	text = clip(text)
	return append(binary.BigEndian.AppendUint16(AppendHeader(b, TypeGoAway, 2+len(text)), uint16(code)), text...)
}

// ParseGoAway parses the payload of a GOAWAY. The text is as the peer sent it: any bytes.
func ParseGoAway(p []byte) (code Code, text string, err error) {
	if err := checkExtSize(TypeGoAway, len(p)); err != nil {
		return 0, "", err
	}
	return Code(binary.BigEndian.Uint16(p)), string(p[2:]), nil
}

func clip(text string) string { return text[:min(len(text), MaxText)] }

// A Mark is what a PING carries, and its PONG brings back.
type Mark [MarkLen]byte

// AppendPing appends a PING.
func AppendPing(b []byte, m Mark) []byte { return append(AppendHeader(b, TypePing, MarkLen), m[:]...) }

// AppendPong appends a PONG.
func AppendPong(b []byte, m Mark) []byte { return append(AppendHeader(b, TypePong, MarkLen), m[:]...) }

// ParseMark parses the payload of a PING or a PONG.
func ParseMark(p []byte) (m Mark, err error) {
	if err := checkExtSize(TypePing, len(p)); err != nil {
		return m, err
	}
	return Mark(p), nil
}
