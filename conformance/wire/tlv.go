package wire

import (
	"encoding/binary"
	"fmt"
	"iter"
	"net/netip"
	"slices"
	"sync"

	"github.com/adit-tunnel/adit/spec"
)

// A Tag says what a TLV is.
type Tag uint16

// Tags of the base of the Extended profile, by the names of section 24.
var (
	TagAgent          = tag("agent")
	TagName           = tag("name")
	TagInstance       = tag("instance")
	TagWindow         = tag("window")
	TagMaxConnections = tag("max-connections")
	TagAuth           = tag("auth")
	TagNetwork        = tag("network")
	TagHost           = tag("host")
	TagPort           = tag("port")
	TagService        = tag("service")
	TagOrigin         = tag("origin")
	TagLocal          = tag("local")
)

func tag(name string) Tag {
	for t := range spec.Tags() {
		if t.Name == name {
			return Tag(t.Tag)
		}
	}
	panic("wire: internal error: no tag " + name)
}

// Critical reports whether whoever does not know the tag refuses what carries it (TLV-003).
func (t Tag) Critical() bool { return t >= 0x8000 }

func (t Tag) String() string { return fmt.Sprintf("0x%04X", uint16(t)) }

// What HELLO means where it says nothing.
const (
	DefaultWindow         = 256 << 10
	DefaultMaxConnections = 16384
)

// Networks of an OPEN.
const (
	NetworkTCP = 1
	NetworkUDP = 2
)

// A TLV is one of those in a HELLO, an OPEN, an OPENED, a BIND or a BOUND.
type TLV struct {
	Tag   Tag
	Value []byte
}

// appendTLVs appends them to a payload.
func appendTLVs(p []byte, tlvs []TLV) []byte {
	for _, v := range tlvs {
		p = binary.BigEndian.AppendUint16(p, uint16(v.Tag))
		p = append(binary.BigEndian.AppendUint16(p, uint16(len(v.Value))), v.Value...)
	}
	return p
}

// TLVs are those of the frame; ok is false where they do not end exactly at its end, or it has none by its type.
func (f Frame) TLVs() (all []TLV, ok bool) {
	p, ok := f.Field("tlvs")
	for ok && len(p) > 0 {
		if len(p) < 4 || len(p)-4 < int(binary.BigEndian.Uint16(p[2:])) {
			return all, false
		}
		end := 4 + int(binary.BigEndian.Uint16(p[2:]))
		all = append(all, TLV{Tag(binary.BigEndian.Uint16(p)), p[4:end:end]})
		p = p[end:]
	}
	return all, ok
}

// With is the frame with its TLVs changed, one by one; as it is where they do not end at its end.
func (f Frame) With(change func(TLV) TLV) Frame {
	all, ok := f.TLVs()
	if !ok {
		return f
	}
	before, _ := f.Field("tlvs")
	p := slices.Clone(f.Payload[:len(f.Payload)-len(before)])
	for _, v := range all {
		p = appendTLVs(p, []TLV{change(v)})
	}
	return Raw(f.Type, p...)
}

// Tag is the value of the first TLV with that tag.
func (f Frame) Tag(t Tag) (value []byte, ok bool) {
	all, _ := f.TLVs()
	if i := slices.IndexFunc(all, func(v TLV) bool { return v.Tag == t }); i >= 0 {
		return all[i].Value, true
	}
	return nil, false
}

// TagNumber is the value of a TLV as a number, absent where there is none.
func (f Frame) TagNumber(t Tag, absent uint64) uint64 {
	if v, ok := f.Tag(t); ok {
		return number(v)
	}
	return absent
}

// TagAddr is the value of a TLV as an address and port; ok is false where there is none.
func (f Frame) TagAddr(t Tag) (at netip.AddrPort, ok bool) {
	v, _ := f.Tag(t)
	if len(v) != 6 && len(v) != 18 {
		return at, false
	}
	a, ok := netip.AddrFromSlice(v[:len(v)-2])
	return netip.AddrPortFrom(a, binary.BigEndian.Uint16(v[len(v)-2:])), ok
}

// U8, U16 and U32 are values of TLVs.
func U8(t Tag, v uint8) TLV   { return TLV{t, []byte{v}} }
func U16(t Tag, v uint16) TLV { return TLV{t, binary.BigEndian.AppendUint16(nil, v)} }
func U32(t Tag, v uint32) TLV { return TLV{t, u32(v)} }

// Text is the value of a TLV that is text.
func Text(t Tag, v string) TLV { return TLV{t, []byte(v)} }

// A place is where a tag has a meaning: in frames of a name that a role sends.
type place struct{ frame, from string }

// known are the tags of a place, with the sizes that the text fixes; none: any.
var known = sync.OnceValue(func() map[place]map[Tag][]int {
	all := map[place]map[Tag][]int{}
	for _, rows := range []iter.Seq[spec.Frame]{spec.ExtFrames(), spec.BindFrames()} {
		for f := range rows {
			for _, from := range []string{"client", "server"} {
				if slices.ContainsFunc(f.Forms, func(m spec.Form) bool {
					return slices.ContainsFunc(m.Fields, func(x spec.Field) bool { return x.Name == "tlvs" })
				}) && (f.From == from || f.From == "both") {
					all[place{f.Name, from}] = map[Tag][]int{}
				}
			}
		}
	}
	for t := range spec.Tags() {
		for _, use := range t.In {
			for _, from := range []string{"client", "server"} {
				if tags := all[place{use.Frame, from}]; tags != nil && (use.From == from || use.From == "both") {
					tags[Tag(t.Tag)] = t.Sizes
				}
			}
		}
	}
	return all
})

// Tagged says what of the TLVs of a frame that a role sends breaks TLV-001, or AUTH-013; nil for a frame without fault, and for a type that has none.
func (f Frame) Tagged(from string) error {
	tags, tagged := known()[place{f.Type.String(), from}]
	if !tagged {
		return nil
	}
	all, ok := f.TLVs()
	if !ok {
		return fmt.Errorf("the TLVs of %s do not end at the end of its payload", f.Type)
	}
	seen := map[Tag]bool{}
	for _, v := range all {
		sizes, ok := tags[v.Tag]
		switch {
		case !ok:
			continue
		case seen[v.Tag]:
			return fmt.Errorf("tag %s comes twice in %s", v.Tag, f.Type)
		case sizes != nil && !slices.Contains(sizes, len(v.Value)), v.Tag == TagAuth && !authSized(v.Value, from):
			return fmt.Errorf("tag %s of %s has %d octets", v.Tag, f.Type, len(v.Value))
		}
		seen[v.Tag] = true
	}
	return nil
}

// Refused is the first critical tag of a frame of a role that has no meaning there (TLV-003).
func (f Frame) Refused(from string) (t Tag, ok bool) {
	all, _ := f.TLVs()
	for _, v := range all {
		if _, ok := known()[place{f.Type.String(), from}][v.Tag]; !ok && v.Tag.Critical() {
			return v.Tag, true
		}
	}
	return 0, false
}
