package wire

import (
	"encoding/binary"
	"fmt"
	"strconv"

	"github.com/adit-tunnel/adit/spec"
)

// Decode is a sound frame as the vectors describe it. Of a type that section 6 does not have it is the octets.
func Decode(f Frame) spec.Decoded {
	d := spec.Decoded{Type: f.Type.String()}
	form, _ := f.form()
	if form == nil {
		d.Type = fmt.Sprintf("0x%02X", byte(f.Type))
		d.Octets = new(notation(f.Payload))
		return d
	}
	d.Form = form.Name
	for _, field := range form.Fields {
		b, _ := f.field(form, field.Name)
		switch field.Name {
		case "id":
			d.ID = new(uint32(number(b)))
		case "bind":
			d.Bind = new(uint32(number(b)))
		case "port":
			d.Port = new(uint16(number(b)))
		case "host":
			d.Host = new(string(b))
		case "status":
			d.Status = new(uint8(number(b)))
		case "octets":
			d.Octets = new(notation(b))
		case "limit":
			d.Limit = new(number(b))
		case "code":
			d.Code = new(uint16(number(b)))
		case "text":
			d.Text = new(notation(b))
		case "mark":
			d.Mark = new(notation(b))
		case "proof":
			d.Proof = new(notation(b))
		case "tlvs":
			d.TLVs = described(f)
		}
	}
	return d
}

// described are the TLVs of a frame, as far as they are whole.
func described(f Frame) []spec.DecodedTLV {
	out := []spec.DecodedTLV{}
	all, _ := f.TLVs()
	for _, v := range all {
		out = append(out, spec.DecodedTLV{Tag: v.Tag.String(), Value: notation(v.Value)})
	}
	return out
}

func notation(b []byte) spec.Octets { return spec.Octets(fmt.Sprintf("%x", b)) }

// Encode is the frame of a description. What the description lacks, or has in no notation, is an error.
func Encode(d spec.Decoded) (Frame, error) {
	s, ok := spec.FrameNamed(d.Type)
	if !ok {
		t, err := strconv.ParseUint(d.Type, 0, 8)
		if err != nil {
			return Frame{}, fmt.Errorf("type %q is neither one of section 6 nor a number like 0x80", d.Type)
		}
		b, err := value(d, "octets", 0)
		return Raw(Type(t), b...), err
	}
	form, ok := s.FormNamed(d.Form)
	if !ok {
		return Frame{}, fmt.Errorf("%s has no form %q", d.Type, d.Form)
	}
	var p []byte
	for _, field := range form.Fields {
		var b []byte
		var err error
		if counted, counts := form.Counted(field.Name); counts {
			if b, err = value(d, counted.Name, 0); err == nil {
				b = sized(uint64(len(b)), field.Size)
			}
		} else {
			b, err = value(d, field.Name, field.Size)
		}
		if err != nil {
			return Frame{}, fmt.Errorf("%s: %w", d.Type, err)
		}
		p = append(p, b...)
	}
	return Raw(Type(s.Type), p...), nil
}

// value are the octets of a field that a description has.
func value(d spec.Decoded, name string, size int) ([]byte, error) {
	switch {
	case name == "id" && d.ID != nil:
		return sized(uint64(*d.ID), size), nil
	case name == "bind" && d.Bind != nil:
		return sized(uint64(*d.Bind), size), nil
	case name == "port" && d.Port != nil:
		return sized(uint64(*d.Port), size), nil
	case name == "status" && d.Status != nil:
		return sized(uint64(*d.Status), size), nil
	case name == "host" && d.Host != nil:
		return []byte(*d.Host), nil
	case name == "octets" && d.Octets != nil:
		return octets(*d.Octets)
	case name == "limit" && d.Limit != nil:
		return sized(*d.Limit, size), nil
	case name == "code" && d.Code != nil:
		return sized(uint64(*d.Code), size), nil
	case name == "text" && d.Text != nil:
		return octets(*d.Text)
	case name == "mark" && d.Mark != nil:
		return octets(*d.Mark)
	case name == "proof" && d.Proof != nil:
		return octets(*d.Proof)
	case name == "tlvs":
		return tlvs(d.TLVs)
	}
	return nil, fmt.Errorf("%s is missing", name)
}

// octets are those of a notation.
func octets(o spec.Octets) ([]byte, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	return o.Bytes(), nil
}

// tlvs are those of a description as octets.
func tlvs(all []spec.DecodedTLV) (p []byte, err error) {
	for _, v := range all {
		tag, err := strconv.ParseUint(v.Tag, 0, 16)
		if err != nil {
			return nil, fmt.Errorf("tag %q is not a number like 0x0004", v.Tag)
		}
		b, err := octets(v.Value)
		if err != nil {
			return nil, err
		}
		p = appendTLVs(p, []TLV{{Tag(tag), b}})
	}
	return p, nil
}

// sized is a number in so many octets, most significant first.
func sized(v uint64, octets int) []byte {
	return binary.BigEndian.AppendUint64(nil, v)[8-octets:]
}
