package main

import (
	"fmt"
	"strings"

	"github.com/adit-tunnel/adit/spec"
)

// A msg is a frame as octets and as what they mean.
type msg struct {
	octets spec.Octets
	frame  *spec.Frame // nil: means nothing
}

func u8(n int) spec.Octets  { return spec.Octets(fmt.Sprintf("%02x", n)) }
func u16(n int) spec.Octets { return spec.Octets(fmt.Sprintf("%04x", n)) }
func u32(n int) spec.Octets { return spec.Octets(fmt.Sprintf("%08x", n)) }

// str is the octets of a text.
func str(s string) spec.Octets { return spec.Octets(fmt.Sprintf("%x", s)) }

// times repeats one octet.
func times(octet, n int) spec.Octets { return spec.Octets(fmt.Sprintf("%02x*%d", octet, n)) }

func join(parts ...spec.Octets) spec.Octets {
	var s []string
	for _, p := range parts {
		if p != "" {
			s = append(s, string(p))
		}
	}
	return spec.Octets(strings.Join(s, " "))
}

func size(o spec.Octets) int { return len(o.Bytes()) }

// raw writes a header of any content before a payload of any size.
func raw(version, typ, length int, payload ...spec.Octets) spec.Octets {
	return join(u8(version), u8(typ), u32(length), join(payload...))
}

// sized writes a frame of version 1 whose length is that of its payload.
func sized(typ int, payload ...spec.Octets) spec.Octets {
	p := join(payload...)
	return raw(1, typ, size(p), p)
}

func addressed(id, port int, host string) msg {
	return msg{sized(1, u32(id), u16(port), u8(len(host)), str(host)), &spec.Frame{
		Type: "ConnectRequest", ID: new(uint32(id)), Port: new(uint16(port)), Form: "addressed", Host: &host,
	}}
}

func short(id, port int) msg {
	return msg{sized(1, u32(id), u16(port)), &spec.Frame{
		Type: "ConnectRequest", ID: new(uint32(id)), Port: new(uint16(port)), Form: "short",
	}}
}

func response(id, status int) msg {
	return msg{sized(2, u32(id), u8(status)), &spec.Frame{
		Type: "ConnectResponse", ID: new(uint32(id)), Status: new(uint8(status)),
	}}
}

func data(id int, octets spec.Octets) msg {
	return msg{sized(3, u32(id), octets), &spec.Frame{Type: "Data", ID: new(uint32(id)), Octets: &octets}}
}

func closing(id int) msg {
	return msg{sized(4, u32(id)), &spec.Frame{Type: "Close", ID: new(uint32(id))}}
}

func keepAlive() msg { return msg{sized(5), &spec.Frame{Type: "KeepAlive"}} }

// unknown is a frame of a type that Core does not know.
func unknown(typ int, payload spec.Octets) msg {
	return msg{sized(typ, payload), &spec.Frame{Type: fmt.Sprintf("0x%02X", typ), Octets: &payload}}
}
