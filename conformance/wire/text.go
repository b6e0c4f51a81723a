package wire

import (
	"fmt"
	"strings"

	"github.com/adit-tunnel/adit/spec"
)

// String describes the frame in one line, long octets clipped.
func (f Frame) String() string {
	switch f.Framing() {
	case ErrVersion:
		return fmt.Sprintf("version 0x%02X", f.Version)
	case ErrLength:
		return fmt.Sprintf("%s with a length of %d octets", f.Type, f.Size)
	}
	form, ok := f.form()
	var b strings.Builder
	b.WriteString(f.Type.String())
	switch {
	case !ok:
		fmt.Fprintf(&b, " malformed, %d octets %s", f.Size, f.clip(0))
	case form == nil:
		fmt.Fprintf(&b, " %d octets %s", f.Size, f.clip(0))
	default:
		for at, i := 0, 0; i < len(form.Fields); i++ {
			field := &form.Fields[i]
			octets, _ := f.field(form, field.Name)
			_, counts := form.Counted(field.Name)
			switch {
			case field.Count != "" || field.Kind == "text":
				fmt.Fprintf(&b, " %s=%q", field.Name, octets)
			case field.Kind == "tlvs":
				b.WriteString(f.tlvText())
			case open(*field):
				fmt.Fprintf(&b, " %d octets %s", int(f.Size)-at, f.clip(at))
			case counts: // said by the length of the other
			case field.Name == "code":
				fmt.Fprintf(&b, " code=%s", f.codeText())
			case field.Kind == "u8":
				fmt.Fprintf(&b, " %s=0x%02X", field.Name, octets)
			case field.Kind == "octets":
				fmt.Fprintf(&b, " %s=%x", field.Name, octets)
			default:
				fmt.Fprintf(&b, " %s=%d", field.Name, number(octets))
			}
			at += field.Size
		}
	}
	return strings.TrimRight(b.String(), " ")
}

// codeText is the code by number and name.
func (f Frame) codeText() string {
	for c := range spec.Codes() {
		if c.Code == uint16(f.Code()) {
			return fmt.Sprintf("0x%04X (%s)", c.Code, c.Name)
		}
	}
	return fmt.Sprintf("0x%04X", uint16(f.Code()))
}

// tlvText shows the TLVs, as far as they are whole.
func (f Frame) tlvText() string {
	var b strings.Builder
	all, ok := f.TLVs()
	for _, v := range all {
		fmt.Fprintf(&b, " %s=%s", v.Tag, Clip(v.Value))
	}
	if !ok {
		b.WriteString(" and octets that are no TLV")
	}
	return b.String()
}

// clip is the payload from an octet on, as Clip shows it.
func (f Frame) clip(from int) string {
	b := f.Payload[min(from, len(f.Payload)):]
	text := Clip(b)
	if len(b) <= Shown && int(f.Size)-from > len(b) {
		text += "…"
	}
	return text
}

// Hex is the beginning of the frame in hex, header and payload apart.
func (f Frame) Hex() string {
	p := f.Payload[:min(len(f.Payload), 4+Shown)]
	s := fmt.Sprintf("% x", Header(f.Version, f.Type, f.Size))
	if len(p) > 0 {
		s += fmt.Sprintf(" | % x", p)
	}
	if f.Version == Version && uint32(len(p)) < f.Size {
		s += "…"
	}
	return s
}

// Clip is octets in hex, cut where they are many.
func Clip(b []byte) string {
	if len(b) > Shown {
		return fmt.Sprintf("% x…", b[:Shown])
	}
	return fmt.Sprintf("% x", b)
}
