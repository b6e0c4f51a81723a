package wire

import "encoding/binary"

// Types of the option bind (PROTOCOL.md section 32). A side without the option takes them like any type that section 5
// sets aside.
const (
	TypeBind   Type = 0x1A // bind ID u32, TLVs            4 to 4,096 bytes
	TypeBound  Type = 0x1B // bind ID u32, code u16, TLVs  6 to 4,096 bytes
	TypeUnbind Type = 0x1C // bind ID u32, code u16        6 bytes
)

// Bind asks a server for a port, or for a name alone.
type Bind struct {
	ID      uint32
	Network uint8  // NetworkTCP when none is stated
	Service string // as the peer sent it; "": none
	Port    uint16 // 0: any
	HasPort bool   // false: the name alone

	Critical Tag // an unknown one, for which the BIND is refused; 0: none
}

// ParseBind parses the payload of a BIND. Whether it can be served is Refusal's to say.
func ParseBind(p []byte) (Bind, error) {
	if err := checkExtSize(TypeBind, len(p)); err != nil {
		return Bind{}, err
	}
	t, err := parseTags(p[IDLen:], inBind)
	if err != nil {
		return Bind{}, err
	}
	b := Bind{ID: binary.BigEndian.Uint32(p), Network: NetworkTCP, Service: string(t.values[TagService]), Critical: t.critical}
	if v, ok := t.values[TagNetwork]; ok {
		b.Network = v[0]
	}
	if v, ok := t.values[TagPort]; ok {
		b.Port, b.HasPort = binary.BigEndian.Uint16(v), true
	}
	return b, nil
}

// Refusal says with which code, and why, a BIND is refused for what it says (BIND-003); CodeOK: it is sound.
func (b Bind) Refusal() (Code, string) {
	switch {
	case b.Critical != 0:
		return CodeUnsupported, "unknown critical tag"
	case b.Network != NetworkTCP:
		return CodeUnsupported, "unknown network"
	case !ValidLabel(b.Service):
		return CodeGeneral, "no service, or a name that is no label"
	}
	return CodeOK, ""
}

// AppendBind appends a BIND: what v states, then extra.
func AppendBind(b []byte, v Bind, extra ...TLV) []byte {
	p := binary.BigEndian.AppendUint32(nil, v.ID)
	if v.Network != 0 && v.Network != NetworkTCP {
		p = AppendTLV(p, TagNetwork, []byte{v.Network})
	}
	p = AppendTLV(p, TagService, []byte(v.Service))
	if v.HasPort {
		p = AppendTLV(p, TagPort, binary.BigEndian.AppendUint16(nil, v.Port))
	}
	for _, v := range extra {
		p = AppendTLV(p, v.Tag, v.Value)
	}
	return append(AppendHeader(b, TypeBind, len(p)), p...)
}

// Bound answers a BIND.
type Bound struct {
	ID   uint32
	Code Code
	Port uint16 // 0: none is stated
	Text string // as the peer sent it: any bytes
}

// ParseBound parses the payload of a BOUND.
func ParseBound(p []byte) (Bound, error) {
	if err := checkExtSize(TypeBound, len(p)); err != nil {
		return Bound{}, err
	}
	t, err := parseTags(p[IDLen+2:], inBound)
	if err == nil && t.critical != 0 {
		err = tunnelError("TLV-003", "critical tag 0x%04X in BOUND is unsupported", uint16(t.critical))
	}
	if err != nil {
		return Bound{}, err
	}
	b := Bound{ID: binary.BigEndian.Uint32(p), Code: Code(binary.BigEndian.Uint16(p[IDLen:]))}
	if v, ok := t.values[TagPort]; ok {
		b.Port = binary.BigEndian.Uint16(v)
	}
	if v := t.values[TagText]; len(v) <= MaxText { // TLV-005
		b.Text = string(v)
	}
	return b, nil
}

// AppendBound appends a BOUND; its text is cut to MaxText.
func AppendBound(b []byte, v Bound, extra ...TLV) []byte {
	p := binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint32(nil, v.ID), uint16(v.Code))
	if v.Port != 0 {
		p = AppendTLV(p, TagPort, binary.BigEndian.AppendUint16(nil, v.Port))
	}
	if v.Text != "" {
		p = AppendTLV(p, TagText, []byte(clip(v.Text)))
	}
	for _, v := range extra {
		p = AppendTLV(p, v.Tag, v.Value)
	}
	return append(AppendHeader(b, TypeBound, len(p)), p...)
}

// AppendUnbind appends an UNBIND.
func AppendUnbind(b []byte, id uint32, code Code) []byte {
	b = binary.BigEndian.AppendUint32(AppendHeader(b, TypeUnbind, IDLen+2), id)
	return binary.BigEndian.AppendUint16(b, uint16(code))
}

// ParseUnbind parses the payload of an UNBIND.
func ParseUnbind(p []byte) (id uint32, code Code, err error) {
	if err := checkExtSize(TypeUnbind, len(p)); err != nil {
		return 0, 0, err
	}
	return binary.BigEndian.Uint32(p), Code(binary.BigEndian.Uint16(p[IDLen:])), nil
}
