package peer

import (
	"encoding/binary"
	"maps"
	"math/rand/v2"
	"net"
	"slices"
)

// Tags of the Extended profile's base.
const (
	tagAgent          = 0x0001
	tagName           = 0x0002
	tagInstance       = 0x0003
	tagWindow         = 0x0004
	tagMaxConnections = 0x0005
	tagNetwork        = 0x0020
	tagHost           = 0x0021
	tagPort           = 0x0022
	tagService        = 0x0023
	tagOrigin         = 0x0024
	tagLocal          = 0x0025
	tagText           = 0x0026

	tagAuth   = 0x0010 // and up to resume: the options, of which this peer has auth and bind
	tagUDP    = 0x0011
	tagBind   = 0x0012
	tagResume = 0x0013

	critical = 0x8000 // and up
)

// A place is a frame that has TLVs: which tags are known there, and the sizes that they may have; none: any.
type place map[uint16][]int

var (
	inClientHello = place{tagAuth: nil, tagAgent: nil, tagName: nil, tagInstance: {16}, tagWindow: {4}, tagMaxConnections: {4}}
	inServerHello = place{tagAgent: nil, tagWindow: {4}, tagAuth: nil, tagUDP: nil, tagBind: nil, tagResume: nil}
	inOpen        = place{tagNetwork: {1}, tagHost: nil, tagPort: {2}, tagService: nil, tagOrigin: {6, 18}, tagLocal: {6, 18}}
	inOpened      = place{}
	inBind        = place{tagNetwork: {1}, tagPort: {2}, tagService: nil}
	inBound       = place{tagPort: {2}, tagText: nil}
)

// options are the tags by which a server agrees to what the client offered: this one offers nothing (HELLO-005).
var options = []uint16{tagAuth, tagUDP, tagBind, tagResume}

// with is the place where the option bind is known, to a side that has it.
func (p place) with(bind bool) place {
	if !bind {
		return p
	}
	p = maps.Clone(p)
	p[tagBind] = []int{0}
	return p
}

// tags are the known TLVs of a payload.
type tags map[uint16][]byte

// readTLVs reads the TLVs of a payload. Refused is an unknown critical tag (TLV-003), 0: there is none.
func (t *tunnel) readTLVs(b []byte, where place) (known tags, refused uint16, err error) {
	known = tags{}
	unknown := 0
	for len(b) > 0 {
		// TLV-001: TLVs end exactly at the payload's end.
		if t.bug("TLV-001-cut") && (len(b) < 4 || len(b) < 4+int(binary.BigEndian.Uint16(b[2:]))) {
			return known, refused, nil
		}
		if len(b) < 4 || len(b) < 4+int(binary.BigEndian.Uint16(b[2:])) {
			return nil, 0, broken("TLV-001", "a TLV is cut off")
		}
		tag, value := binary.BigEndian.Uint16(b), b[4:4+binary.BigEndian.Uint16(b[2:])]
		b = b[4+len(value):]
		sizes, ok := where[tag]
		_, twice := known[tag]
		switch {
		case !ok && tag >= critical && !t.bug("TLV-003"):
			refused = tag
		case !ok && t.bug("TLV-002"):
			return nil, 0, broken("TLV-002", "tag 0x%04x", tag)
		case !ok && unknown > 100 && t.bug("TLV-002-many"):
			return nil, 0, broken("TLV-002", "more than %d tags that nobody knows", unknown)
		case !ok: // TLV-002
			unknown++
		case twice && !t.bug("TLV-001"):
			return nil, 0, broken("TLV-001", "tag 0x%04x twice", tag)
		case sizes != nil && !slices.Contains(sizes, len(value)) && t.bug("TLV-001-size"):
		case sizes != nil && !slices.Contains(sizes, len(value)):
			return nil, 0, broken("TLV-001", "tag 0x%04x with %d octets", tag, len(value))
		default:
			known[tag] = value
		}
	}
	return known, refused, nil
}

// number is the u32 of a tag, or what its absence means.
func (k tags) number(tag uint16, absent uint32) uint32 {
	if v, ok := k[tag]; ok {
		return binary.BigEndian.Uint32(v)
	}
	return absent
}

// A list is TLVs that are about to be sent.
type list [][]byte

func (l *list) add(tag uint16, value ...byte) {
	b := binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, tag), uint16(len(value)))
	*l = append(*l, append(b, value...))
}

func (l *list) number(tag uint16, n uint32) { l.add(tag, binary.BigEndian.AppendUint32(nil, n)...) }

// address adds an address and port: 4 + 2 octets for IPv4, also of a visitor on an IPv6 socket.
func (l *list) address(tag uint16, a net.Addr) {
	ap := a.(*net.TCPAddr).AddrPort()
	l.add(tag, binary.BigEndian.AppendUint16(ap.Addr().Unmap().AsSlice(), ap.Port())...)
}

// grease adds a tag that nobody knows, of random choice, place and value (TLV-004).
func (l *list) grease() {
	n := uint16(rand.N(7)) // 0x0A0A, 0x1A1A … 0x6A6A
	tag := n<<12 | n<<4 | 0x0A0A
	value := make([]byte, rand.N(33))
	for i := range value {
		value[i] = byte(rand.Uint32())
	}
	var one list
	one.add(tag, value...)
	*l = slices.Insert(*l, rand.N(len(*l)+1), one[0])
}

// bytes is the TLVs as they go over the wire, behind begin.
func (l list) bytes(begin ...byte) []byte { return slices.Concat(append([][]byte{begin}, l...)...) }

// validLabel reports whether b is a label.
func validLabel(b []byte) bool {
	return len(b) >= 1 && len(b) <= 63 && !slices.ContainsFunc(b, func(c byte) bool {
		return (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-'
	})
}

// A wanted is what an OPEN asks for.
type wanted struct {
	host string
	port int
}

// wants reads an OPEN. A code other than ok refuses it (XOPEN-005); why is the reason.
func wants(k tags, refused uint16, p *publisher) (w wanted, no code, why string) {
	_, hasPort := k[tagPort]
	service, hasService := k[tagService]
	host, hasHost := k[tagHost]
	w = wanted{host: "127.0.0.1"}
	if hasHost {
		w.host = string(host)
	}
	if hasPort {
		w.port = int(binary.BigEndian.Uint16(k[tagPort]))
	}
	switch {
	case refused != 0: // TLV-003
		return w, codeUnsupported, "an unknown critical tag"
	case k[tagNetwork] != nil && k[tagNetwork][0] != 1:
		return w, codeUnsupported, "an unknown network"
	case hasPort == hasService:
		return w, codeGeneral, "neither or both of port and service"
	case hasHost && !hasPort:
		return w, codeGeneral, "host without port"
	case hasService && !validLabel(service):
		return w, codeGeneral, "a service whose name is no label" // TLV-005
	case hasService && p.service(string(service)) != nil:
		x := p.service(string(service))
		return wanted{x.host, x.target}, codeOK, ""
	case hasService:
		return w, codeUnknownService, "this client has no such service"
	case w.port == 0:
		return w, codeGeneral, "port 0"
	case !validHost(w.host): // TLV-005, OPEN-009
		return w, codeGeneral, "an invalid host"
	}
	return w, codeOK, ""
}
