package wire

import (
	"encoding/binary"
	"slices"
)

// Types of the option bind (section 32).
const (
	TypeBind   Type = 0x1A
	TypeBound  Type = 0x1B
	TypeUnbind Type = 0x1C
)

// Tags, and codes of BOUND and UNBIND, that the option has beside the base's.
var (
	TagBind = tag("bind")
	TagText = tag("text")

	CodeOK       = code("ok")
	CodeInUse    = code("in-use")
	CodeReplaced = code("replaced")
)

// Binds reports whether the type is one of the option bind.
func (t Type) Binds() bool { return t == TypeBind || t == TypeBound || t == TypeUnbind }

// Bind is a BIND.
func Bind(id uint32, tlvs ...TLV) Frame { return Raw(TypeBind, appendTLVs(u32(id), tlvs)...) }

// Bound is a BOUND.
func Bound(id uint32, code Code, tlvs ...TLV) Frame {
	return Raw(TypeBound, appendTLVs(coded(id, code), tlvs)...)
}

// Unbind is an UNBIND.
func Unbind(id uint32, code Code) Frame { return Raw(TypeUnbind, coded(id, code)...) }

func coded(id uint32, code Code) []byte {
	return binary.BigEndian.AppendUint16(u32(id), uint16(code))
}

// BindID is the bind ID of a frame of the option.
func (f Frame) BindID() uint32 { return uint32(f.Number("bind")) }

// Label reports whether octets are a label: 1 to 63 of the letters a to z, digits and "-".
func Label(b []byte) bool {
	return len(b) >= 1 && len(b) <= 63 && !slices.ContainsFunc(b, func(c byte) bool {
		return (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-'
	})
}
