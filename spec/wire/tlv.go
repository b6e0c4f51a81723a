package wire

import (
	"encoding/binary"
	"net/netip"
	"slices"
)

// Tag names the value of a TLV.
type Tag uint16

// Tags of the base and those that later sections give a meaning.
const (
	TagAgent          Tag = 0x0001
	TagName           Tag = 0x0002
	TagInstance       Tag = 0x0003
	TagWindow         Tag = 0x0004
	TagMaxConnections Tag = 0x0005
	TagAuth           Tag = 0x0010
	TagUDP            Tag = 0x0011
	TagBind           Tag = 0x0012
	TagResume         Tag = 0x0013
	TagNetwork        Tag = 0x0020
	TagHost           Tag = 0x0021
	TagPort           Tag = 0x0022
	TagService        Tag = 0x0023
	TagOrigin         Tag = 0x0024
	TagLocal          Tag = 0x0025
	TagText           Tag = 0x0026
)

// Critical reports whether who does not know t has to refuse what carries it (TLV-003).
func (t Tag) Critical() bool { return t >= 0x8000 }

// GreaseTag reports whether t is one of those that never get a meaning.
func (t Tag) GreaseTag() bool { return t&0x0F0F == 0x0A0A && t>>8 == t&0xFF && t>>12 <= 6 }

// Option reports whether t in a HELLO offers an option, or agrees to it (HELLO-005).
func (t Tag) Option() bool { return t >= TagAuth && t <= TagResume }

// place is where a tag may have a meaning.
type place uint8

const (
	inClientHello place = 1 << iota
	inServerHello
	inOpen
	inBind
	inBound
	inHello = inClientHello | inServerHello
)

// known lists where each tag has a meaning, and the sizes that it may have there. That of an option has one to a side
// with the option alone.
var known = map[Tag]struct {
	in    place
	sizes []int // nil: any
}{
	TagAgent:          {in: inHello},
	TagName:           {in: inClientHello},
	TagInstance:       {inClientHello, []int{InstanceLen}},
	TagWindow:         {inHello, []int{4}},
	TagMaxConnections: {inClientHello, []int{4}},
	TagAuth:           {in: inHello}, // AUTH-013
	TagBind:           {inHello, []int{0}},
	TagNetwork:        {inOpen | inBind, []int{1}},
	TagHost:           {in: inOpen},
	TagPort:           {inOpen | inBind | inBound, []int{2}},
	TagService:        {in: inOpen | inBind},
	TagOrigin:         {inOpen, []int{6, 18}},
	TagLocal:          {inOpen, []int{6, 18}},
	TagText:           {in: inBound},
}

// A TLV is one of them.
type TLV struct {
	Tag   Tag
	Value []byte
}

// AppendTLV appends one.
func AppendTLV(b []byte, t Tag, value []byte) []byte {
	b = binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(b, uint16(t)), uint16(len(value)))
	return append(b, value...)
}

// ParseTLVs splits TLVs. The values are parts of p.
func ParseTLVs(p []byte) ([]TLV, error) {
	var all []TLV
	for len(p) > 0 {
		if len(p) < 4 || len(p)-4 < int(binary.BigEndian.Uint16(p[2:])) {
			return nil, tunnelError("TLV-001", "a TLV is cut off by the end of the payload")
		}
		n := int(binary.BigEndian.Uint16(p[2:]))
		all = append(all, TLV{Tag(binary.BigEndian.Uint16(p)), p[4 : 4+n]})
		p = p[4+n:]
	}
	return all, nil
}

// tags are the known ones of a payload, by tag.
type tags struct {
	values   map[Tag][]byte
	critical Tag // an unknown one that has to be refused; 0: none
	option   Tag // one of an option that the reader does not have; 0: none
}

// parseTags reads the TLVs of a payload by the rules of section 24, for a reader with these options.
func parseTags(p []byte, in place, options ...Tag) (tags, error) {
	all, err := ParseTLVs(p)
	if err != nil {
		return tags{}, err
	}
	t := tags{values: make(map[Tag][]byte, len(all))}
	for _, v := range all {
		k, ok := known[v.Tag]
		lacks := v.Tag.Option() && !slices.Contains(options, v.Tag)
		if !ok || k.in&in == 0 || lacks {
			if v.Tag.Critical() && t.critical == 0 {
				t.critical = v.Tag
			}
			if lacks {
				t.option = v.Tag
			}
			continue // TLV-002
		}
		if _, twice := t.values[v.Tag]; twice {
			return tags{}, tunnelError("TLV-001", "tag 0x%04X comes twice", uint16(v.Tag))
		}
		if k.sizes != nil && !slices.Contains(k.sizes, len(v.Value)) {
			return tags{}, tunnelError("TLV-001", "tag 0x%04X with %d bytes", uint16(v.Tag), len(v.Value))
		}
		t.values[v.Tag] = v.Value
	}
	return t, nil
}

func (t tags) u32(tag Tag, absent uint32) uint32 {
	if v, ok := t.values[tag]; ok {
		return binary.BigEndian.Uint32(v)
	}
	return absent
}

func (t tags) addr(tag Tag) netip.AddrPort {
	v := t.values[tag]
	if len(v) == 0 {
		return netip.AddrPort{}
	}
	a, _ := netip.AddrFromSlice(v[:len(v)-2])
	return netip.AddrPortFrom(a, binary.BigEndian.Uint16(v[len(v)-2:]))
}

// Hello is the first frame of a side that speaks the Extended profile.
type Hello struct {
	Agent          string // of 1 to 64 bytes; "": not stated
	Name           string // a label, of a client; "": not stated
	Instance       []byte // InstanceLen bytes, of a client; nil: not stated
	Window         uint32 // how much the peer may send on each new connection before the first WINDOW
	MaxConnections uint32 // that a client takes at a time
	Auth           *Auth  // nil: not stated, or read without the option
	Bind           bool   // the option bind is offered, or agreed to; false when it was read without the option
}

// ParseHello parses the payload of a HELLO, the client's or the server's. A text that breaks the table's rules counts
// as not stated (TLV-005). Options are the tags of those that the reader has; of a client, that it offered.
func ParseHello(p []byte, client bool, options ...Tag) (Hello, error) {
	if err := checkExtSize(TypeHello, len(p)); err != nil {
		return Hello{}, err
	}
	in := inServerHello
	if client {
		in = inClientHello
	}
	t, err := parseTags(p, in, options...)
	if err != nil {
		return Hello{}, err
	}
	if t.critical != 0 {
		return Hello{}, tunnelError("TLV-003", "critical tag 0x%04X in HELLO is unsupported", uint16(t.critical))
	}
	if t.option != 0 && !client {
		return Hello{}, tunnelError("HELLO-005", "the server agrees to option 0x%04X, which this client did not offer", uint16(t.option))
	}
	h := Hello{Window: t.u32(TagWindow, DefaultWindow), MaxConnections: t.u32(TagMaxConnections, DefaultMaxConnections), Instance: t.values[TagInstance]}
	if a := t.values[TagAgent]; len(a) >= 1 && len(a) <= 64 {
		h.Agent = string(a)
	}
	if n := string(t.values[TagName]); ValidLabel(n) {
		h.Name = n
	}
	_, h.Bind = t.values[TagBind]
	if v, ok := t.values[TagAuth]; ok {
		if h.Auth, err = parseAuth(v, client); err != nil {
			return Hello{}, err
		}
	}
	return h, nil
}

// AppendHello appends a HELLO: what h states, then extra.
func AppendHello(b []byte, h Hello, client bool, extra ...TLV) []byte {
	var p []byte
	if h.Agent != "" {
		p = AppendTLV(p, TagAgent, []byte(h.Agent))
	}
	p = AppendTLV(p, TagWindow, binary.BigEndian.AppendUint32(nil, h.Window))
	if client {
		if h.Name != "" {
			p = AppendTLV(p, TagName, []byte(h.Name))
		}
		if h.Instance != nil {
			p = AppendTLV(p, TagInstance, h.Instance)
		}
		p = AppendTLV(p, TagMaxConnections, binary.BigEndian.AppendUint32(nil, h.MaxConnections))
	}
	if h.Auth != nil {
		p = AppendTLV(p, TagAuth, h.Auth.value(client))
	}
	if h.Bind {
		p = AppendTLV(p, TagBind, nil)
	}
	for _, v := range extra {
		p = AppendTLV(p, v.Tag, v.Value)
	}
	return append(AppendHeader(b, TypeHello, len(p)), p...)
}

// ValidLabel reports whether s is a label: 1 to 63 of a-z, 0-9 and -.
func ValidLabel(s string) bool {
	if len(s) < 1 || len(s) > 63 {
		return false
	}
	for _, c := range []byte(s) {
		if !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-') {
			return false
		}
	}
	return true
}

// Networks of an OPEN.
const (
	NetworkTCP = 1
	NetworkUDP = 2
)

// Open asks a client for a connection to a service.
type Open struct {
	ID      uint32
	Network uint8 // NetworkTCP when none is stated
	Port    uint16
	Host    string // as the peer sent it
	Service string // as the peer sent it
	Origin  netip.AddrPort
	Local   netip.AddrPort

	HasPort, HasHost, HasService bool

	Critical Tag // an unknown one, for which the OPEN is refused; 0: none
}

// ParseOpen parses the payload of an OPEN. Whether it can be served is Refusal's to say.
func ParseOpen(p []byte) (Open, error) {
	if err := checkExtSize(TypeOpen, len(p)); err != nil {
		return Open{}, err
	}
	t, err := parseTags(p[IDLen:], inOpen)
	if err != nil {
		return Open{}, err
	}
	o := Open{ID: binary.BigEndian.Uint32(p), Network: NetworkTCP, Critical: t.critical, Origin: t.addr(TagOrigin), Local: t.addr(TagLocal)}
	if v, ok := t.values[TagNetwork]; ok {
		o.Network = v[0]
	}
	if v, ok := t.values[TagPort]; ok {
		o.Port, o.HasPort = binary.BigEndian.Uint16(v), true
	}
	if v, ok := t.values[TagHost]; ok {
		o.Host, o.HasHost = string(v), true
	}
	if v, ok := t.values[TagService]; ok {
		o.Service, o.HasService = string(v), true
	}
	return o, nil
}

// Refusal says with which code, and why, an OPEN is refused for what it says (XOPEN-005); CodeOK: it is sound.
func (o Open) Refusal() (Code, string) {
	switch {
	case o.Critical != 0:
		return CodeUnsupported, "unknown critical tag"
	case o.Network != NetworkTCP:
		return CodeUnsupported, "unknown network"
	case o.HasPort == o.HasService:
		return CodeGeneral, "neither or both of port and service"
	case o.HasHost && !o.HasPort:
		return CodeGeneral, "host without port"
	case o.HasPort && o.Port == 0:
		return CodeGeneral, "port 0"
	case o.HasHost && !ValidHost(o.Host):
		return CodeGeneral, "bad host"
	case o.HasService && !ValidLabel(o.Service):
		return CodeUnknownService, "bad service name"
	}
	return CodeOK, ""
}

// AppendOpen appends an OPEN: what o states, then extra.
func AppendOpen(b []byte, o Open, extra ...TLV) []byte {
	p := binary.BigEndian.AppendUint32(nil, o.ID)
	if o.Network != 0 && o.Network != NetworkTCP {
		p = AppendTLV(p, TagNetwork, []byte{o.Network})
	}
	if o.HasHost {
		p = AppendTLV(p, TagHost, []byte(o.Host))
	}
	if o.HasPort {
		p = AppendTLV(p, TagPort, binary.BigEndian.AppendUint16(nil, o.Port))
	}
	if o.HasService {
		p = AppendTLV(p, TagService, []byte(o.Service))
	}
	p = appendAddr(p, TagOrigin, o.Origin)
	p = appendAddr(p, TagLocal, o.Local)
	for _, v := range extra {
		p = AppendTLV(p, v.Tag, v.Value)
	}
	return append(AppendHeader(b, TypeOpen, len(p)), p...)
}

// appendAddr appends an address and port: 4 + 2 bytes for IPv4, in whatever form it was accepted, else 16 + 2.
func appendAddr(p []byte, t Tag, a netip.AddrPort) []byte {
	if !a.IsValid() {
		return p
	}
	return AppendTLV(p, t, binary.BigEndian.AppendUint16(a.Addr().Unmap().AsSlice(), a.Port()))
}

// AppendOpened appends an OPENED.
func AppendOpened(b []byte, id uint32, extra ...TLV) []byte {
	p := binary.BigEndian.AppendUint32(nil, id)
	for _, v := range extra {
		p = AppendTLV(p, v.Tag, v.Value)
	}
	return append(AppendHeader(b, TypeOpened, len(p)), p...)
}

// ParseOpened parses the payload of an OPENED.
func ParseOpened(p []byte) (id uint32, err error) {
	if err := checkExtSize(TypeOpened, len(p)); err != nil {
		return 0, err
	}
	t, err := parseTags(p[IDLen:], 0)
	if err == nil && t.critical != 0 {
		err = tunnelError("TLV-003", "critical tag 0x%04X in OPENED is unsupported", uint16(t.critical))
	}
	return binary.BigEndian.Uint32(p), err
}
